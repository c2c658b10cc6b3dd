"""What the caller's ear misses when a hosted voice fails in the midst of an answer: each double, each way, by default.

    python -m tests.bench.failover

Virtual time: the table is the same on every machine. What happens is told in `tests/speaking/test_hosted_failover.py`.
"""

from __future__ import annotations

import os
from typing import Any

import aiohttp

from bridge.simulator import virtual
from tests.bench.machine import keep
from tests.doubles.speaking.base import KEY
from tests.doubles.speaking.catalogue import VIRTUAL
from tests.speaking.test_hosted_failover import WAYS, missed, p95, places_of, ways_of


def table() -> dict[str, dict[str, list[int]]]:
    """Milliseconds of silence by vendor and way, one for each place in the sentence."""
    return {
        vendor: {
            way: [missed(vendor, its, virtual.run) for its in places_of(orders)] for way, orders in ways_of(vendor)
        }
        for vendor in VIRTUAL
    }


def main() -> None:
    """Print the table and keep it."""
    os.environ["VENDOR_KEY"] = KEY
    connector: Any = lambda **_how: virtual.MemoryConnector()  # noqa: E731
    aiohttp.TCPConnector = connector  # type: ignore[misc]
    found = table()
    print(f"{'worst ms':12}" + "".join(f"{way:>18}" for way in WAYS) + f"{'p95':>8}")
    for vendor, ways in found.items():
        worst = "".join(f"{max(ways[way]) if way in ways else '-':>18}" for way in WAYS)
        print(f"{vendor:12}{worst}{p95([ms for row in ways.values() for ms in row]):>8}")
    print("kept in", keep("failover", {"silence_ms": found}))


if __name__ == "__main__":
    main()
