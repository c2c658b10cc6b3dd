"""Beside an attack on a running service: what its memory does meanwhile, and a server that is attacked in its place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from aiohttp import web

from bridge.simulator.processes import usage
from bridge.system.lifetime import die_with_parent

PEAK_MIB, GROWING_MIB, KEPT_MIB = 256.0, 32.0, 64.0
"""More than before: at any time, from the third quarter of an attack to its last, and when it is over."""
_EVERY_S = 0.5
_REST_S = 30.0
"""A speech worker gives memory back when nobody has asked for anything for a few seconds."""
_MIB = 1 << 20


class Memory:
    """What a service and its processes have in memory while this is entered; `rest` once the attack is over."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self.before_mib = self._now()
        self.during_mib: list[float] = []
        self.after_mib = self.before_mib
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._watching.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watching.join()

    def rest(self) -> float:
        """What is left when the service has had time to give it back."""
        until = time.monotonic() + _REST_S
        while (after := self._now()) > self.before_mib + KEPT_MIB and time.monotonic() < until:
            time.sleep(_EVERY_S)
        self.after_mib = after
        return after

    def found(self) -> list[str]:
        """Why it was not flat, in words."""
        return judge(self.before_mib, self.during_mib, self.after_mib)

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.during_mib.append(self._now())

    def _now(self) -> float:
        return 0.0 if self._pid is None else usage(self._pid).total_memory / _MIB


def judge(before: float, during: Sequence[float], after: float) -> list[str]:
    """Why memory was not flat, in words: MiB before an attack, evenly during it, and after it."""
    found, quarter = [], len(during) // 4
    if (more := max(during, default=before) - before) > PEAK_MIB:
        found.append(f"{more:.0f} MiB more memory at its peak, at most {PEAK_MIB:.0f} allowed")
    if quarter:
        third, last = during[-2 * quarter : -quarter], during[-quarter:]
        if (more := sum(last) / quarter - sum(third) / quarter) > GROWING_MIB:
            found.append(f"memory still grows: {more:.0f} MiB more in the last quarter than in the one before")
    if (more := after - before) > KEPT_MIB:
        found.append(f"{more:.0f} MiB more memory {_REST_S:.0f} s after it, at most {KEPT_MIB:.0f} allowed")
    return found


@contextmanager
def sink() -> Iterator[str]:
    """A server of another process that says 403 to whatever it is asked, and does nothing else; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.attacks.aside"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what aiohttp says of requests that are none
        text=True,
        preexec_fn=die_with_parent(),
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


async def _refuse(_request: web.Request) -> web.Response:
    return web.Response(status=403)


async def _serve() -> None:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _refuse)
    runner = web.AppRunner(application, access_log=None, lingering_time=1.0, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
