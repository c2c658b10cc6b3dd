"""The plugin as its users meet it: the README's example, run against a small server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.media_server import MediaServer, serve

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
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        runner = await serve(made)
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(10.0)
    yield made
    loop.call_soon_threadsafe(stop.set)
    thread.join(10.0)
    loop.close()


def test_a_users_test_reads_like_a_phone_call(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_line.py").write_text(EXAMPLE)
    (tmp_path / "interrupting.yaml").write_text(SCENARIO)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    status = pytest.main(
        [
            str(tmp_path / "test_line.py"),
            "-p",
            "bridge.simulator.pytest_plugin",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            "-c",
            str(tmp_path / "pytest.ini"),
            f"--bridge-url={server.url}",
            f"--bridge-report={tmp_path / 'report'}",
        ]
    )
    shown = capsys.readouterr().out
    assert status == 1
    assert "1 failed, 1 passed" in shown
    assert "says 'unicorn'" in shown
    pages = sorted(path.parent.name for path in (tmp_path / "report").rglob("call.html"))
    assert len(pages) == 2
