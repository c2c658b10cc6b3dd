"""The worker's scheduler with up to 2,000 streams at once, in virtual time (`tests.bench.scheduler_simulation`).

    python -m tests.bench.scheduler [--streams 100 500 1000 2000] [--seconds 20] [--seed 1]

Texts of one to four lines arrive at random (Poisson) whether the engine keeps up or not, so that on average N are
spoken at once. Every tenth is cancelled in the middle; every twentieth is speculation, half of it listened to 300 ms
later; 20 prefetch streams always want more.

All rows of a level are asked for the same texts at the same times, refuse by the same rule, and differ in who comes
first among streams of one class: `deadline` is the worker as it is, `first come` serves whoever opened first,
`round robin` whoever waited longest; `no prefetch` is `deadline` without it. The engines (`ENGINES`) are assumptions in
round numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.bench.machine import keep
from tests.bench.scheduler_load import ENGINES, second_s
from tests.bench.scheduler_simulation import ORDERS, simulate

HEAD = (
    "| streams | order | TTFA ms p50 / p95 / p99 | streams with a gap | silence s | refused | batch |"
    " live / later work | prefetched s/s | first audio behind later work ms p95 / most | scheduler µs a step |\n"
    "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    behind = row["first_audio_behind_later_work_ms"]
    cells = (
        str(row["streams"]),
        row["order"],
        " / ".join(f"{value:.0f}" for value in row["ttfa_ms"].values()),
        f"{row['streams_with_a_gap']} of {row['live_streams']}",
        f"{row['gap_s']:.1f}",
        str(row["refused"]),
        f"{row['mean_batch']:.1f}",
        f"{row['engine_live']:.0%} / {row['engine_later']:.0%}",
        f"{row['prefetched_s_per_s']:.0f}",
        f"{behind.get('p95', 0.0):.1f} / {behind.get('p100', 0.0):.1f}",
        f"{row['scheduler_us_per_step']:.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def gains(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as much the other orders have as deadline order, on the same texts."""
    own = {(row["engine"], row["streams"]): row for row in rows if row["order"] == "deadline"}
    return [
        {
            "engine": row["engine"],
            "streams": row["streams"],
            "order": row["order"],
            "ttfa_p95": ratio(row["ttfa_ms"]["p95"], of["ttfa_ms"]["p95"]),
            "streams_with_a_gap": ratio(row["streams_with_a_gap"], of["streams_with_a_gap"]),
            "gap_s": ratio(row["gap_s"], of["gap_s"]),
            "refused": ratio(row["refused"], of["refused"]),
        }
        for row in rows
        if row["order"] in ("first come", "round robin") and (of := own[row["engine"], row["streams"]])
    ]


def ratio(other: float, own: float) -> float | str:
    """Text where deadline order has none at all."""
    return round(other / own, 2) if own else f"{other:g} to 0"


def main() -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[100, 500, 1000, 2000])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = []
    for engine in ENGINES:
        print(f"\n{engine.name}: {1 / second_s(engine):.0f} streams would take all of it in full batches\n\n{HEAD}")
        for streams in arguments.streams:
            for order in ORDERS:
                rows.append(simulate(order, engine, streams, arguments.seconds, arguments.seed))
                print(line(rows[-1]), flush=True)
    print("\nas many times as much as in deadline order:")
    for gain in gains(rows):
        print(
            f"{gain['engine']}, {gain['streams']} streams, {gain['order']}: TTFA p95 {gain['ttfa_p95']},"
            f" streams with a gap {gain['streams_with_a_gap']}, silence {gain['gap_s']},"
            f" refused {gain['refused']}"
        )
    engines = [asdict(engine) | {"most_streams": round(1 / second_s(engine))} for engine in ENGINES]
    print(
        keep(
            "scheduler",
            {
                "seconds": arguments.seconds,
                "seed": arguments.seed,
                "engines": engines,
                "rows": rows,
                "gains": gains(rows),
            },
        )
    )


if __name__ == "__main__":
    main()
