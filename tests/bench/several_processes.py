"""What a second process brings: the job of `fixtures/peer-job.yaml` by one service of two processes.

    python -m tests.bench.several_processes --calls 60 --seconds 40 --rounds 2

In each round the same callers ring two services of one process each, one for each core, then one service with
`--processes 2` on both cores. Twice the processes carry twice the calls as long as a call costs no more than it does in
a process alone: the ratio that is printed, of the CPU of all the service's processes per call-second. How unevenly the
port shares the calls out is the load of the busier process over its fair half. The callers run on the same cores, both
times alike, and the run refuses to report when their own clock was too late.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import Any

import uvloop

from bridge.simulator.processes import usage
from tests.bench.calls import WORST_OWN_LATENESS_MS, run, show
from tests.bench.machine import keep
from tests.bench.serving import server

CORES = (0, 1)


def whole(pid: int) -> tuple[float, float]:
    """CPU seconds and MB of a service with all its processes."""
    used = usage(pid)
    return used.total_cpu_s, used.total_memory / 2**20


def apart(calls: int, seconds: float, seed: int) -> list[dict[str, Any]]:
    """Two services of one process, each with so many calls, at the same time."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(server(core, floor=False)) for core in CORES]

        async def both() -> list[dict[str, Any]]:
            rung = [
                run(base, pid, calls, seconds, seed + 100 * place, floor=False, used=whole)
                for place, (pid, base) in enumerate(running)
            ]
            return await asyncio.gather(*rung)

        return asyncio.run(both())


def joined(calls: int, seconds: float, seed: int) -> tuple[dict[str, Any], float]:
    """One service of two processes with twice so many calls; what the busier process did over its fair half."""
    with server(*CORES, floor=False, processes=len(CORES)) as (pid, base):
        before = usage(pid).cpu_s
        found = asyncio.run(run(base, pid, len(CORES) * calls, seconds, seed, floor=False, used=whole))
        used = sorted((now - before.get(one, 0.0) for one, now in usage(pid).cpu_s.items()), reverse=True)
        taking_calls = used[: len(CORES)]
        return found, len(CORES) * taking_calls[0] / sum(taking_calls)


def main() -> None:
    """Run and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60, help="for each process (default 60)")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    uvloop.install()
    rounds = []
    for number in range(arguments.rounds):
        seed = arguments.seed + number
        print(f"round {number + 1}: two services of one process, {arguments.calls} calls each", flush=True)
        alone = apart(arguments.calls, arguments.seconds, seed)
        print(f"round {number + 1}: one service of two processes, {2 * arguments.calls} calls", flush=True)
        together, busier = joined(arguments.calls, arguments.seconds, seed)
        for result in (*alone, together):
            show(result)
        if any(one["own_lateness_ms"]["p99"] > WORST_OWN_LATENESS_MS for one in (*alone, together)):
            print("  not reported: the callers' own clock was late")
            continue
        in_one = sum(one["cpu_ms_per_call_second"] for one in alone) / len(alone)
        ratio = together["cpu_ms_per_call_second"] / in_one
        print(f"  a call costs {ratio:.2f} times its cost in a process alone; the busier does {busier:.2f} of its half")
        rounds.append({"cost": round(ratio, 3), "busier": round(busier, 3), "apart": alone, "together": together})
    print("kept in", keep("several_processes", {"seed": arguments.seed, "rounds": rounds}))


if __name__ == "__main__":
    main()
