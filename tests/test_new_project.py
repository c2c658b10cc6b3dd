"""`bridge new` makes a project whose own tests pass, a whole call among them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bridge
from bridge.cli import main
from bridge.config import load_settings
from bridge.errors import BridgeError
from bridge.simulator.served import served


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.parametrize(
    ("kind", "tests", "file", "right", "wrong"),
    [
        ("python", 3, "agent.py", "if state is None", "if state"),
        ("script", 2, "dialogue.yaml", "state: on its way", "state: lost"),
        ("chat", 2, "tools.py", "on its way", "lost"),
        ("web", 1, "service.py", "on its way", "lost"),
    ],
)
def test_a_new_project_of_each_kind_passes_its_tests_and_a_broken_one_does_not(
    kind: str, tests: int, file: str, right: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "on"  # which YAML would take for something else than a name
    assert main(["new", str(folder), *([] if kind == "python" else ["--kind", kind])]) == 0
    assert str(folder / file) in capsys.readouterr().out
    load_settings(folder / "bridge.yaml", {})
    with (folder / "bridge.yaml").open("a") as settings:
        settings.write("\ngateway: {max_loop_lag_ms: 10000}  # a busy machine takes calls, too\n")
    chosen = [] if kind in ("python", "chat") else ["tests/test_agent.py"]  # a call takes a service's start
    ran = pytest_in(folder, *chosen)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{tests} passed" in ran.stdout
    (folder / file).write_text((folder / file).read_text().replace(right, wrong))
    assert "1 failed" in pytest_in(folder, "tests/test_agent.py").stdout


def test_the_page_on_agents_in_python_can_be_followed_as_it_is_written(tmp_path: Path) -> None:
    page = (Path(bridge.__file__).parent / "agents" / "python.md").read_text()
    path = page.partition("## From nothing")[2].partition("## What there is")[0]
    steps = re.findall(r"```(\w+)\n(.*?)```", path, flags=re.DOTALL)
    assert [language for language, _ in steps] == ["sh", "python", "python", "sh"]
    (_, begin), (_, agent), (_, test), (_, end) = steps
    tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def shell(commands: str, folder: Path) -> str:
        ran = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=folder,
            env=tools,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert "2 passed" in shell(begin, tmp_path)
    (tmp_path / "parcels" / "agent.py").write_text(agent)
    (tmp_path / "parcels" / "tests" / "test_agent.py").write_text(test)
    assert "1 passed" in shell(end, tmp_path / "parcels")


@pytest.mark.parametrize(
    ("name", "what"), [("1st", "expected a name"), ("a b", "expected a name"), ("full", "is there already")]
)
def test_a_folder_that_cannot_be_made_is_named(
    name: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert main(["new", str(tmp_path / name)]) == 2
    assert what in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt"]


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text("agent: {kind: python, class: 'no_such_agent:A'}")
    with (
        pytest.raises(BridgeError, match="there is no module 'no_such_agent'"),
        served(tmp_path / "bridge.yaml", {"TWILIO_AUTH_TOKEN": "secret", "PUBLIC_URL": "https://test.example.com"}),
    ):
        pytest.fail("it started")
