"""`bridge call`: one simulated call at any server that speaks the carrier's protocol."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

DESCRIPTION = """\
Ring a number's voice webhook as the carrier would: post the signed webhook, follow its document, open the media
stream, talk, listen, and measure what was heard. Any server will do, ours or not.

What the caller does is a scenario (YAML), or simply what --say names: he listens until it is quiet, says one text,
listens again, and hangs up after the last answer. The auth token that the server expects comes from TWILIO_AUTH_TOKEN.
"""
EXAMPLES = """\
  bridge call http://127.0.0.1:8080/twilio/voice --say "I'd like to book an appointment, please."
  bridge call https://bridge.example.com/twilio/voice -s fixtures/scenarios/cough.yaml -o out/cough
  bridge call https://bridge.example.com/twilio/voice --connect-to http://127.0.0.1:8080
"""
_DEFAULT_WORDS = ("Hello, can you hear me?",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge call`."""
    parser.add_argument("url", metavar="URL", help="the voice webhook, as configured at the carrier")
    parser.add_argument(
        "-s",
        "--scenario",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what the caller does; repeatable",
    )
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="instead: what he says; repeatable")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/call"), metavar="DIR", help="for results (default out/call)"
    )
    parser.add_argument("--connect-to", default="", metavar="ORIGIN", help="where the server really is, if not at URL")
    parser.add_argument("--status-callback", default="", metavar="URL", help="the number's call status callback")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when every expectation was met, else 1."""
    from bridge.errors import ConfigError

    token = os.environ.get("TWILIO_AUTH_TOKEN", "").partition(",")[0].strip()
    if not token:
        raise ConfigError("set TWILIO_AUTH_TOKEN to the token that the server checks signatures with")
    if not arguments.url.startswith(("http://", "https://")):
        raise ConfigError(f"{arguments.url!r}: expected a webhook that starts with http:// or https://")
    if arguments.scenario and arguments.say:
        raise ConfigError("--scenario and --say exclude each other")

    from bridge.simulator.main import run_call

    with tempfile.TemporaryDirectory(prefix="bridge-call-") as folder:
        scenarios = arguments.scenario
        if not scenarios:
            scenarios = [Path(folder) / "call.yaml"]
            scenarios[0].write_text(plain_scenario(arguments.say or _DEFAULT_WORDS), encoding="utf-8")
        return run_call(
            arguments.url,
            scenarios,
            arguments.output,
            token,
            connect_to=arguments.connect_to,
            status_callback=arguments.status_callback,
        )


def plain_scenario(words: list[str] | tuple[str, ...]) -> str:
    """A scenario of a polite caller: he waits for silence before each text and before he hangs up."""
    steps: list[dict[str, object]] = []
    for text in words:
        steps += [{"wait_for_silence": {"ms": 700}}, {"say": text}]
    steps += [{"wait_for_silence": {"ms": 1500}}, {"hang_up": None}]
    return json.dumps({"name": "call", "steps": steps})  # JSON is YAML
