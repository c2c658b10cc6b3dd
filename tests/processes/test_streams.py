"""What a service says of itself goes nowhere: the disk of its log is full, nobody reads, its streams are closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes.running import SERVE, free_port, wait_until

CONFIG = """
gateway: {development_unsigned: true, host: 127.0.0.1}
listening: {recogniser: {kind: none}, turn: {kind: none}}
agent: {kind: script, file: script.yaml}
"""
SCRIPT = "start: hello\nstates:\n  hello: {say: Hello., hang_up: done}\n"


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def nobody_reads() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def close_all() -> None:
    os.closerange(0, 3)


STREAMS: dict[str, tuple[Callable[[], int] | None, Callable[[], None] | None]] = {
    "on a full disk": (full_disk, None),
    "that nobody reads": (nobody_reads, None),
    "closed": (None, close_all),
}


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(("streams", "processes"), [*((streams, 1) for streams in STREAMS), ("on a full disk", 2)])
def test_a_service_whose_log_goes_nowhere_takes_calls(streams: str, processes: int, tmp_path: Path) -> None:
    opened, close = STREAMS[streams]
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    port, error = free_port(), opened() if opened else None
    options = ["-c", str(tmp_path / "bridge.yaml"), "--port", str(port), "--processes", str(processes)]
    process = subprocess.Popen([*SERVE, *options], stdout=error, stderr=error, preexec_fn=close)
    if error is not None:
        os.close(error)
    try:
        wait_until(lambda: is_ready(port) or process.poll() is not None)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None)
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()


def test_what_is_opened_next_does_not_become_a_closed_standard_stream() -> None:
    program = (
        "import os, sys; from bridge.system.standard_streams import keep_standard_streams\n"
        "keep_standard_streams()\n"
        "print('to nowhere', file=sys.stderr, flush=True)\n"
        "sys.exit(os.open('/dev/null', os.O_RDONLY))"
    )
    assert subprocess.run([sys.executable, "-c", program], preexec_fn=close_all).returncode == 3
