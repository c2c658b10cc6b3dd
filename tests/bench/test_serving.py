"""Whoever kills a benchmark without warning leaves none of its servers behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.processes.running import runs, wait_until

BENCHMARK = """
import os, time
from tests.bench.serving import server

with server(min(os.sched_getaffinity(0)), floor=True) as (pid, address):
    print(pid, flush=True)
    time.sleep(600)
"""


def test_the_server_of_a_benchmark_ends_with_it() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", BENCHMARK], stdout=subprocess.PIPE, text=True, cwd=root) as benchmark:
        assert benchmark.stdout is not None
        server = int(benchmark.stdout.readline())
        benchmark.kill()
    try:
        wait_until(lambda: not runs(server))
    finally:
        if runs(server):
            os.kill(server, signal.SIGKILL)
