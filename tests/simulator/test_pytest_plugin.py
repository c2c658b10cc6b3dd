"""The plugin as its users meet it: the README's example, run against a small server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bridge.simulator.calls_in_tests import CallFixture, CityFixture
from bridge.simulator.pytest_plugin import report_folder
from bridge.simulator.scenario import parse
from tests.simulator.media_server import MediaServer, serve

PLUGIN = "bridge.simulator.pytest_plugin"

EXAMPLE = '''
def test_the_bot_stops_for_the_caller_and_reads_his_number_back(call):
    heard = call("interrupting.yaml").check()
    assert heard.stop_ms < 800
    assert heard.hung_up_by == "server"
    assert heard.turns[0].interrupted


def test_a_missed_expectation_fails_with_the_conversation(call):
    call("""
name: too much to ask
steps: [{silence: 200}, hang_up]
expect: {words: [unicorn]}
""").check()
'''

SCENARIO = """
name: Interrupting
steps:
  - interrupt: {after_ms: 400, text: "Stop please."}
  - wait_for_silence: 700
  - digits: {keys: "12#", gap_ms: 150}
  - wait_for_hang_up
"""


@pytest.fixture
def server() -> Iterator[MediaServer]:
    """Serves from a thread: the plugin under test runs an event loop of its own."""
    made = MediaServer(greeting="Hello and welcome to the line.", answer="Type now.")
    ready, over = threading.Event(), threading.Event()

    async def main() -> None:
        runner = await serve(made)
        ready.set()
        await asyncio.to_thread(over.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(10.0)
    yield made
    over.set()
    thread.join(10.0)


def pytest_with_the_plugin(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    if not any(point.value == PLUGIN for point in entry_points(group="pytest11")):
        command += ["-p", PLUGIN]
    places = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"TWILIO_AUTH_TOKEN": "secret", "PYTHONPATH": places}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("heavy", ["numpy", "scipy", "aiohttp", "bridge.simulator.ear", "bridge.simulator.runner"])
def test_tests_that_place_no_calls_do_not_wait_for_the_simulator(heavy: str, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(f"import sys\n\ndef test_it():\n    assert {heavy!r} not in sys.modules\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = pytest_with_the_plugin("test_other.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_carrier_that_nobody_knows_is_refused_before_any_test_runs(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = pytest_with_the_plugin("--bridge-carrier=twillio", folder=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--bridge-carrier: carrier 'twillio' is unknown, expected one of twilio, telnyx" in done.stderr


def test_a_users_test_reads_like_a_phone_call(server: MediaServer, tmp_path: Path) -> None:
    (tmp_path / "test_line.py").write_text(EXAMPLE)
    (tmp_path / "interrupting.yaml").write_text(SCENARIO)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = pytest_with_the_plugin(
        "test_line.py", f"--bridge-url={server.url}", "--bridge-report=report", folder=tmp_path
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert "says 'unicorn'" in done.stdout
    assert len(list((tmp_path / "report").rglob("call.html"))) == 2


def test_the_readmes_test_names_files_that_are_there() -> None:
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text()
    named = re.findall(r'call\("([^"]+)"\)', readme) + re.findall(r"-s (\S+\.yaml)", readme)
    assert len(named) >= 2
    assert [name for name in named if not (root / name).is_file()] == []
    assert "pip install pytest" in readme


GOODBYE = parse("name: x\nsteps: [{silence: 200}, hang_up]")


async def test_a_call_is_placed_from_inside_a_running_loop(call: CallFixture, server: MediaServer) -> None:
    assert call(GOODBYE, url=server.url).hung_up_by == "caller"


async def test_a_server_in_the_tests_own_loop_is_awaited(call: CallFixture) -> None:
    server = MediaServer()
    runner = await serve(server)
    heard = await call.ring(GOODBYE, url=server.url)
    await runner.cleanup()
    assert heard.result.connected


async def test_a_city_is_rung_from_inside_a_running_loop(city: CityFixture) -> None:
    @contextlib.asynccontextmanager
    async def line() -> AsyncIterator[tuple[str, str]]:
        server = MediaServer()
        runner = await serve(server)
        yield server.url, server.url.rpartition("/twilio")[0]
        await runner.cleanup()

    assert [heard.hung_up_by for heard in city(line, [GOODBYE, GOODBYE])] == ["caller", "caller"]


def test_each_test_has_a_report_of_its_own() -> None:
    names = [
        "a.py::test[x/y]",
        "a.py::test[x:y]",
        "b.py::test[x/y]",
        "a.py::Test::test[x/y]",
        "x" * 300,
        "y" + "x" * 300,
    ]
    folders = [report_folder(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(len(folder) < 120 and "/" not in folder for folder in folders)
