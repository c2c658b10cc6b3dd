"""`bridge demo`: a whole call on this machine, and where to find what came of it."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from pathlib import Path

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
    from bridge.simulator.scenario import load as load_scenario
    from bridge.simulator.served import served

    for file in (arguments.config, arguments.scenario):
        if not file.is_file():
            raise ConfigError(f"{file}: there is no such file; the demo needs the repository's fixtures")
    load_scenario(arguments.scenario)  # its mistakes are told before a service is started
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    directory = load_settings(arguments.config, {}).telemetry.record_directory
    records = arguments.config.parent / directory if directory else None
    earlier = set(records.glob("*.jsonl")) if records else set()
    token = secrets.token_hex(16)
    started_at = time.monotonic()
    _say("starting the service and its speech worker")
    with served(arguments.config, {"TWILIO_AUTH_TOKEN": token, "PUBLIC_URL": _PUBLIC_URL}) as port:
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


def _newest(folder: Path, earlier: set[Path]) -> Path | None:
    new = [path for path in folder.glob("*.jsonl") if path not in earlier]
    return max(new, key=lambda path: path.stat().st_mtime, default=None)


def _say(what: str) -> None:
    print(f"demo: {what}", file=sys.stderr, flush=True)


def _tell(output: Path) -> None:
    """Print what the demo has left, and where."""
    print()
    for name, what in {
        "call.html": "the call's timeline with its sound; open it in a browser",
        "recording.wav": "the call as it was heard: caller left, bot right",
        "record.jsonl": "every event and decision; bridge transcript prints it, bridge replay runs it again",
    }.items():
        if (output / name).is_file():
            print(f"  {output / name}  {what}")
