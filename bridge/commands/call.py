"""`bridge call`: one simulated call at any server that speaks a carrier's protocol."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from bridge.addresses import is_address

DESCRIPTION = """\
Ring a number's voice webhook as the carrier would: send the signed webhook, follow its document, open the media
stream, talk, listen, and measure what was heard. Any server will do, ours or not.

What the caller does is a scenario (YAML), or simply what --say names: listen until it is quiet, say one text, listen
again, and hang up after the last answer. The carrier is the one that the URL's path names, else Twilio; the secret
behind its signatures comes from the environment: TWILIO_AUTH_TOKEN, TELNYX_PRIVATE_KEY, VONAGE_SIGNATURE_SECRET or
PLIVO_AUTH_TOKEN.
"""
EXAMPLES = """\
  bridge call http://127.0.0.1:8080/twilio/voice --say "I'd like to book an appointment, please."
  bridge call https://bridge.example.com/twilio/voice -s fixtures/scenarios/cough.yaml -o out/cough
  bridge call https://bridge.example.com/telnyx/voice --connect-to http://127.0.0.1:8080
  bridge call https://bridge.example.com/twilio/voice --record records/       what the bridge recognised and sent, too
"""
_DEFAULT_WORDS = ("Hello, can you hear me?",)
CARRIER_NAMES = ("twilio", "telnyx", "vonage", "plivo")
"""Spelled out so that `--help` need not load the doubles; a test compares."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge call`."""
    parser.add_argument("url", metavar="URL", help="the voice webhook, as configured at the carrier")
    parser.add_argument(
        "--carrier", choices=CARRIER_NAMES, default="", help="who rings (default: whom the URL's path names, or twilio)"
    )
    parser.add_argument(
        "-s",
        "--scenario",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what the caller does; repeatable",
    )
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="instead: what is said; repeatable")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/call"), metavar="DIR", help="for results (default out/call)"
    )
    parser.add_argument("--connect-to", default="", metavar="ORIGIN", help="where the server really is, if not at URL")
    parser.add_argument("--status-callback", default="", metavar="URL", help="the number's call status callback")
    parser.add_argument(
        "--rest",
        default="",
        metavar="HOST:PORT",
        help="answer the carrier's REST API here, for a server whose api_base_url says http://HOST:PORT",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE_OR_DIR",
        help="the server's record of the call: shows what it recognised and sent beside what was heard",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when every expectation was met, else 1."""
    from bridge.errors import ConfigError
    from bridge.simulator.carriers import carrier_named, carrier_of

    if not is_address(arguments.url):
        raise ConfigError(f"{arguments.url!r}: expected a webhook that starts with http:// or https://")
    carrier = carrier_named(arguments.carrier) if arguments.carrier else carrier_of(arguments.url)
    secret = os.environ.get(carrier.secret_variable, "").partition(",")[0].strip()
    if not secret:
        raise ConfigError(f"set {carrier.secret_variable} to the secret that {carrier.secret_hint}")
    if arguments.scenario and arguments.say:
        raise ConfigError("--scenario and --say exclude each other")

    from bridge.simulator.main import run_call
    from bridge.system.own_folder import OwnFolder, folder_name

    with OwnFolder(Path(tempfile.gettempdir()) / folder_name("bridge-call")) as folder:
        scenarios = arguments.scenario
        if not scenarios:
            scenarios = [folder / "call.yaml"]
            scenarios[0].write_text(plain_scenario(arguments.say or _DEFAULT_WORDS), encoding="utf-8")
        return run_call(
            arguments.url,
            scenarios,
            arguments.output,
            secret,
            carrier=carrier.name,
            connect_to=arguments.connect_to,
            status_callback=arguments.status_callback,
            rest=arguments.rest,
            record=arguments.record,
        )


def plain_scenario(words: list[str] | tuple[str, ...]) -> str:
    """A scenario of a polite caller, who waits for silence before each text and before hanging up."""
    steps: list[dict[str, object]] = []
    for text in words:
        steps += [{"wait_for_silence": {"ms": 700}}, {"say": text}]
    steps += [{"wait_for_silence": {"ms": 1500}}, {"hang_up": None}]
    return json.dumps({"name": "call", "steps": steps})  # JSON is YAML
