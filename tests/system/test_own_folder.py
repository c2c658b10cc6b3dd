"""A temporary folder is gone with its process, however that ended; nobody else's is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.system.own_folder import OwnFolder, folder_name, hold, sweep

HOLDER = """
import sys
from pathlib import Path
from bridge.system.own_folder import OwnFolder
OwnFolder(Path(sys.argv[1])).make()
Path(sys.argv[1], "worker.sock").touch()
print("made", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that has made a folder and uses it."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    return process


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_what_a_process_uses_stays_and_goes_when_it_was_killed(state: str, tmp_path: Path) -> None:
    path = tmp_path / folder_name("bridge-voice")
    with holder(path) as process:
        if state == "stopped":
            process.send_signal(signal.SIGSTOP)
        sweep(tmp_path)
        assert [*path.iterdir()] == [path / "worker.sock"]
        process.kill()
        process.wait()
        with OwnFolder(tmp_path / folder_name("bridge-say")) as mine:
            assert [*tmp_path.iterdir()] == [mine]
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_several_use_stays_until_the_last_has_ended(tmp_path: Path) -> None:
    path = tmp_path / folder_name("bridge-shared")
    with holder(path) as process:
        ours = hold(path)
        assert ours is not None
        process.kill()
        process.wait()
        sweep(tmp_path)
        assert path.exists()
        os.close(ours)
    sweep(tmp_path)
    assert not path.exists()


NOT_OURS = (
    "bridge-voice-0123456789abcdef bridge-voice.0123 bridge-.0123456789abcdef x-bridge-voice.0123456789abcdef "
    "bridge-voice.0123456789abcdefg bridge-Voice.0123456789abcdef bridge-voice.0123456789ABCDEF bridge.d"
)


@pytest.mark.parametrize("name", NOT_OURS.split())
def test_what_is_not_named_as_ours_are_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert (tmp_path / name).exists()


def test_links_and_files_of_such_a_name_are_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").touch()
    link, file = tmp_path / folder_name("bridge-voice"), tmp_path / folder_name("bridge-voice")
    link.symlink_to(precious)
    file.touch()
    sweep(tmp_path)
    assert link.exists()
    assert file.exists()
    assert (precious / "data").exists()


def test_a_folder_that_was_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[bool] = []

    def late(path: Path) -> int | None:
        if not swept:
            sweep(tmp_path)  # another process, at the worst moment
            swept.append(path.exists())
        return hold(path)

    monkeypatch.setattr("bridge.system.own_folder.hold", late)
    with OwnFolder(tmp_path / folder_name("bridge-voice")) as path:
        sweep(tmp_path)
        assert path.is_dir()
    assert swept == [False]


def test_a_place_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
