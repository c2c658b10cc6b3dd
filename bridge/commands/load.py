"""`bridge load`: many simulated calls at once, held at a number or searched for the highest that callers can bear."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bridge.commands.arguments import count, positive, web_address

DESCRIPTION = """\
Ring a number's voice webhook with many callers at once, on an absolute 20 ms schedule, and measure what they hear.

Holds --calls calls, or with --search finds the most (up to --calls) at which the service levels hold. The callers run
in processes of their own; a run in which they themselves were late or short of CPU is void, and no number is printed.
Server CPU and memory are shown when the server runs on this machine.
"""
EXAMPLES = """\
  bridge load http://127.0.0.1:8080/twilio/voice --calls 50
  bridge load http://127.0.0.1:8080/twilio/voice --calls 200 --search -o out/load
"""
_RECORDINGS = Path(__file__).parents[2] / "fixtures" / "callers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge load`."""
    parser.add_argument(
        "url",
        metavar="URL",
        type=web_address("URL", "http", "https"),
        help="the voice webhook, as configured at the carrier",
    )
    parser.add_argument("--calls", type=count("--calls"), default=20, metavar="N", help="calls at once (default 20)")
    parser.add_argument("--search", action="store_true", help="find the highest number up to --calls that holds")
    parser.add_argument(
        "--hold", type=positive("--hold"), default=40.0, metavar="S", help="seconds for each number (default 40)"
    )
    parser.add_argument(
        "--ramp", type=positive("--ramp"), default=10.0, metavar="N", help="new calls a second (default 10)"
    )
    parser.add_argument(
        "--generators", type=count("--generators"), default=1, metavar="N", help="processes for the callers (default 1)"
    )
    parser.add_argument(
        "--say",
        type=Path,
        action="append",
        default=[],
        metavar="WAV",
        help="what callers say, an 8 kHz recording; repeatable (default: those in fixtures/callers)",
    )
    parser.add_argument("--server-pid", type=int, metavar="PID", help="the server (default: found by its port)")
    parser.add_argument("--connect-to", default="", metavar="ORIGIN", help="where the server really is, if not at URL")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/load"), metavar="DIR", help="for results (default out/load)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when every service level held, 1 when not, 3 when the callers were the bottleneck."""
    from bridge.errors import ConfigError
    from bridge.http import environment_proxy
    from bridge.simulator.carriers import carrier_of

    token = os.environ.get("TWILIO_AUTH_TOKEN", "").partition(",")[0].strip()
    if not token:
        raise ConfigError("set TWILIO_AUTH_TOKEN to the token that the server checks signatures with")
    if carrier_of(arguments.url).name != "twilio":
        raise ConfigError(f"{arguments.url}: a load is rung by Twilio's protocol; `bridge call` rings as the others do")
    recordings = arguments.say or [
        _RECORDINGS / name for name in ("book_appointment.wav", "opening_hours.wav", "tuesday_morning.wav")
    ]
    for path in recordings:
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such recording; name one with --say")

    environment_proxy(arguments.connect_to or arguments.url)  # one that cannot be used is said before the load
    from bridge.simulator.main import run_load

    return run_load(
        arguments.url,
        token,
        recordings,
        arguments.output,
        calls=arguments.calls,
        search=arguments.search,
        hold_s=arguments.hold,
        generators=arguments.generators,
        calls_per_s=arguments.ramp,
        connect_to=arguments.connect_to,
        server_pid=arguments.server_pid,
    )
