"""Processes are killed under calls of every carrier: no call is lost, no word is lost, and none is said twice."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from bridge.simulator.call_facts import CallFacts
from bridge.system import sockets
from tests.processes.outliving import ENVIRONMENT, TONES, busiest, calls_of, command, on_the_line_s, ring, summary
from tests.processes.running import free_port, service, wait_until
from tests.speaking.doubles import FakeWorker
from tests.store.contract import until

WRITTEN_WITHIN_S = 2.0
"""By then a call that has begun is in the store, which takes a tenth of a second where a machine is not busy."""
CARRIERS = ["twilio", "telnyx", "plivo", "vonage", "twilio", "telnyx"]


async def test_calls_go_on_when_the_process_that_has_most_of_them_is_killed(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "t").mkdir()
    async with FakeWorker(sounds=TONES) as worker:
        with service(command(tmp_path, worker.address, port, 2), tmp_path / "t", **ENVIRONMENT) as running:

            def ready() -> bool:
                return running.said.count("ready for calls") == 2

            await asyncio.to_thread(wait_until, ready)
            begun: list[CallFacts] = []
            calls = [asyncio.create_task(ring(port, name, n, 20.0, begun.append)) for n, name in enumerate(CARRIERS)]
            await until(lambda: len(begun) == len(CARRIERS) and min(map(on_the_line_s, begun)) > WRITTEN_WITHIN_S)
            everybody = sockets.listeners(port)
            await asyncio.to_thread(wait_until, lambda: sum(map(calls_of, everybody)) == len(CARRIERS))
            victim = busiest(port)
            os.kill(victim, signal.SIGKILL)
            accounts = await asyncio.gather(*calls)
            assert victim not in sockets.listeners(port)
    assert all(one.fine for one in accounts), summary(accounts)
    assert sum(one.streams > 1 for one in accounts) >= len(CARRIERS) / 2
