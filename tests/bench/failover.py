"""What a hosted service that fails costs the caller, by default: each double, each way, in virtual time.

    python -m tests.bench.failover [--voices] [--recognisers]

Of a voice that fails in the midst of an answer: the silence that the ear hears
(`tests/speaking/test_hosted_failover.py`). Of a recogniser that fails in a turn: how much later the answer comes, and
whether it holds every word
(`tests/listening/test_hosted_failover.py`; its doubles really recognise, so this takes half an hour of processor time
the first time that a sentence is heard).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from bridge.simulator import virtual
from tests.bench.machine import keep
from tests.doubles.listening.catalogue import VIRTUAL as VIRTUAL_RECOGNISERS
from tests.doubles.speaking.base import KEY
from tests.doubles.speaking.catalogue import VIRTUAL
from tests.listening.test_hosted_failover import PLACES_S, WELL, failures, reply_ms
from tests.listening.test_hosted_failover import WAYS as LISTENING_WAYS
from tests.speaking.test_hosted_failover import WAYS, missed, p95, places_of, ways_of


def table() -> dict[str, dict[str, list[int]]]:
    """Milliseconds of silence by vendor and way, one for each place in the sentence."""
    return {
        vendor: {
            way: [missed(vendor, its, virtual.run) for its in places_of(orders)] for way, orders in ways_of(vendor)
        }
        for vendor in VIRTUAL
    }


def listening_table() -> dict[str, dict[str, list[int | None]]]:
    """By vendor and way, for each moment: milliseconds that the answer came later; None where words were lost."""
    found: dict[str, dict[str, list[int | None]]] = {}
    for vendor in VIRTUAL_RECOGNISERS:
        ways = found[vendor] = {}
        well = answered_ms(vendor, WELL, 0.0)
        for way, at in failures():
            took = answered_ms(vendor, way, at)
            ways.setdefault(way, []).append(None if took is None or well is None else took - well)
        show(vendor, ways)
    return found


def answered_ms(vendor: str, way: str, at: float) -> int | None:
    """The time of the answer, or None when it does not hold every word."""
    with tempfile.TemporaryDirectory(prefix="bridge-failover-") as folder:
        try:
            return reply_ms(vendor, way, at, Path(folder))
        except AssertionError as error:
            print("lost:", error)
            return None


def show(vendor: str, ways: dict[str, list[int | None]]) -> None:
    """One line a vendor: the worst of each way."""
    worst = "".join(
        f"{'lost' if None in row else max(ms for ms in row if ms is not None):>15}" for row in ways.values()
    )
    print(f"{vendor:22}{worst}", flush=True)


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", action="store_true", help="only the voices")
    parser.add_argument("--recognisers", action="store_true", help="only the recognisers")
    arguments = parser.parse_args()
    os.environ["VENDOR_KEY"] = KEY
    connector: Any = lambda **_how: virtual.MemoryConnector()  # noqa: E731
    aiohttp.TCPConnector = connector  # type: ignore[misc]
    if not arguments.recognisers:
        found = table()
        print(f"{'worst ms':12}" + "".join(f"{way:>18}" for way in WAYS) + f"{'p95':>8}")
        for vendor, ways in found.items():
            worst = "".join(f"{max(ways[way]) if way in ways else '-':>18}" for way in WAYS)
            print(f"{vendor:12}{worst}{p95([ms for row in ways.values() for ms in row]):>8}")
        print("kept in", keep("failover", {"silence_ms": found}))
    if not arguments.voices:
        print(f"{'worst ms later':22}" + "".join(f"{way:>15}" for way in LISTENING_WAYS))
        heard = listening_table()
        print("kept in", keep("failover_listening", {"places_s": PLACES_S, "later_ms": heard}))


if __name__ == "__main__":
    main()
