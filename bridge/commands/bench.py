"""`bridge bench`: measure parts of the service on this machine, with the goals that they should meet."""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.commands.arguments import count, positive

DESCRIPTION = """\
Measure speech synthesis: many streams at once, each played in real time, as callers would hear it.

Texts arrive open-loop at the rate at which on average N are being spoken. Shown are the time to the first audible
sample (TTFA), chunk jitter, underruns, cancels, warm against cold sockets, long texts, cost, and the most streams
without an underrun; then what cutting text into smaller pieces gains and costs; and which goals all that meets. A
worker of our own runs on the first core alone, the listeners on the others. Levels at which the listeners themselves
were late are not counted. Nothing else should run on the machine meanwhile. All values go to speech.json, the tables to
speech.md, a page with plots to speech.html.
"""
EXAMPLES = """\
  bridge bench speech --quick                        about a minute: small levels, no search
  bridge bench speech                                everything, about five minutes
  bridge bench speech --streams 1 10 50 --seconds 15 --no-search
  bridge bench speech -c gpu.yaml --voice heart_gpu --streams 50 100 500 1000
  bridge bench speech --url ws://10.0.0.7:8090       a worker that runs already
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge bench`."""
    parser.add_argument("what", choices=("speech",), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="smaller defaults: 1 10 50 streams, 6 s each, no search")
    parser.add_argument(
        "--streams", type=count("--streams"), nargs="+", metavar="N", help="how many at once (default 1 10 50 100 500)"
    )
    parser.add_argument(
        "--seconds", type=positive("--seconds"), metavar="S", help="for each number of streams (default 20)"
    )
    parser.add_argument("--url", default="", metavar="ADDRESS", help="ws://host:port or unix:/path of a running worker")
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="YAML file with the worker's voices")
    parser.add_argument("--voice", metavar="NAME", help="the voice (default: the worker's)")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and lines (default 1)")
    parser.add_argument("--no-search", action="store_true", help="do not look for the most streams without an underrun")
    parser.add_argument("--no-sockets", action="store_true", help="leave out warm, cold and long")
    parser.add_argument("--no-chunking", action="store_true", help="leave out the comparison of where text is cut")
    parser.add_argument(
        "--chunking", action="store_true", help="compare nothing but where text is cut: sentence, clause, fixed, word"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/bench"),
        metavar="DIR",
        help="for speech.json, speech.md and speech.html (default out/bench)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when no goal was missed, 1 when one was, 3 when the listeners were the bottleneck."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError

    if arguments.chunking and arguments.url:
        raise ConfigError("--chunking needs workers of its own, one for each way: leave out --url")

    import msgspec

    from bridge.bench.speech import QUICK, Plan
    from bridge.bench.speech import run as bench_speech

    plan = QUICK if arguments.quick else Plan()
    if arguments.chunking:
        plan = Plan(streams=(), rounds=0, search=False)
    plan = msgspec.structs.replace(
        plan,
        streams=plan.streams if arguments.streams is None else arguments.streams,
        seconds=arguments.seconds or plan.seconds,
        rounds=0 if arguments.no_sockets else plan.rounds,
        seed=arguments.seed,
        search=plan.search and not arguments.no_search,
        chunking=plan.chunking and not arguments.no_chunking,
        address=arguments.url,
        voice=arguments.voice,
    )
    return bench_speech(load_settings(arguments.config).worker, plan, arguments.output)
