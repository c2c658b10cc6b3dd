"""`bridge demo`: a whole call on this machine, and where to find what came of it."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

DESCRIPTION = """\
Run the service with its speech worker, let a simulated caller ring it, and keep what was heard.

The caller's speech is recorded, everything else is real: signed webhook, media stream, recogniser, script, voice,
interruption, keypad, hang-up. No account, key or network is needed.
"""
EXAMPLES = """\
  bridge demo
  bridge demo -s fixtures/scenarios/silent_caller.yaml -o out/silent
"""
_FIXTURES = Path(__file__).parents[2] / "fixtures"
_PUBLIC_URL = "https://demo.example.com"
"""The address the carrier believes in: signatures are made over it though everything stays on this machine."""
_READY_S = 180.0
_STOP_S = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge demo`."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=_FIXTURES / "demo.yaml",
        metavar="FILE",
        help="the service's configuration (default: the demo's)",
    )
    parser.add_argument(
        "-s",
        "--scenario",
        type=Path,
        default=_FIXTURES / "scenarios" / "appointment.yaml",
        metavar="FILE",
        help="what the caller does (default: the demo's)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/demo"), metavar="DIR", help="for results (default out/demo)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when all that should be heard was heard, else 1."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError

    for file in (arguments.config, arguments.scenario):
        if not file.is_file():
            raise ConfigError(f"{file}: there is no such file; the demo needs the repository's fixtures")
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    directory = load_settings(arguments.config, {}).telemetry.record_directory
    records = arguments.config.parent / directory if directory else None
    earlier = set(records.glob("*.jsonl")) if records else set()
    token = secrets.token_hex(16)
    started_at = time.monotonic()
    with _service(arguments.config, token) as port:
        _say(f"ready after {time.monotonic() - started_at:.1f} s, the phone rings")
        from bridge.simulator.main import run_call

        status = run_call(
            f"{_PUBLIC_URL}/twilio/voice",
            [arguments.scenario],
            output,
            token,
            connect_to=f"http://127.0.0.1:{port}",
            status_callback=f"{_PUBLIC_URL}/twilio/call-status",
            record=records,
        )
    record = _newest(records, earlier) if records else None
    if record:
        shutil.copyfile(record, output / "record.jsonl")
    _tell(output)
    return status


@contextlib.contextmanager
def _service(config: Path, token: str) -> Iterator[int]:
    """`bridge serve` as a process of its own; its port once it takes calls."""
    from bridge.system.lifetime import die_with_parent

    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "bridge.cli",
        "serve",
        "-c",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    secret = {"TWILIO_AUTH_TOKEN": token, "PUBLIC_URL": _PUBLIC_URL}
    _say("starting the service and its speech worker")
    process = subprocess.Popen(
        command,
        env=os.environ | secret,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a Ctrl-C is ours to pass on, once
        preexec_fn=die_with_parent(),
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_pass_on, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        _wait_until_ready(process, port)
        yield port
    finally:
        _stop(process)
        reader.join(timeout=1.0)


def _wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    from bridge.errors import BridgeError

    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BridgeError(f"the service ended with status {process.returncode} before it was ready; see above")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2.0) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise BridgeError(f"the service was not ready after {_READY_S:.0f} s")


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask politely, then insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


def _pass_on(lines: IO[str]) -> None:
    for line in lines:
        print(f"  service | {line.rstrip()}", file=sys.stderr, flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _newest(folder: Path, earlier: set[Path]) -> Path | None:
    new = [path for path in folder.glob("*.jsonl") if path not in earlier]
    return max(new, key=lambda path: path.stat().st_mtime, default=None)


def _say(what: str) -> None:
    print(f"demo: {what}", file=sys.stderr, flush=True)


def _tell(output: Path) -> None:
    """Where everything is."""
    print()
    for name, what in {
        "call.html": "the call's timeline with its sound; open it in a browser",
        "recording.wav": "the call as it was heard: caller left, bot right",
        "record.jsonl": "every event and decision; bridge transcript prints it, bridge replay runs it again",
    }.items():
        if (output / name).is_file():
            print(f"  {output / name}  {what}")
