"""When a process with a loop ends: at a signal, with its parent, and when the loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

STUCK_S = 15.0
"""A loop that has not run for so long carries no call any more: its process is to be replaced."""
_PR_SET_PDEATHSIG = 1
"""prctl(2)"""


class StopSignals:
    """SIGTERM and SIGINT of a process with a loop: the first asks it to finish, the second to hurry."""

    def __init__(self, numbers: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self.orphaned = False
        """The parent died: nobody is left to speak for us, so that only a goodbye is worth its time."""
        loop = asyncio.get_running_loop()
        for number in numbers:
            # A loop on Windows, or outside the main thread, takes no signals.
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, self.signalled)

    def signalled(self) -> None:
        """Take note that a signal came."""
        (self.hurried if self.asked.is_set() else self.asked).set()

    def parent_died(self) -> None:
        """Whoever started this process is gone."""
        self.orphaned = True
        self.asked.set()

    async def unless_asked(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work, or cancel it at the first signal; whether it was done."""
        working, asked = asyncio.ensure_future(work), asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            done = working.done()
            if not done:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
        finally:
            asked.cancel()
            working.cancel()
        if done:
            working.result()
        return done


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """On Linux, for `preexec_fn`: what a child does so that a parent killed without warning leaves none behind."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # died before we asked: there will be no signal
            os.kill(os.getpid(), number)

    return ask


def when_parent_dies(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
    """Call `do` on the loop of a `multiprocessing` process once its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are ending already
            loop.call_soon_threadsafe(do)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


async def end_when_stuck(limit_s: float, beat: Callable[[], None] = lambda: None) -> None:
    """Have the process end, with what every thread was at, once this loop has not run for so long.

    The loop may be stuck in native code that holds Python's lock; then nothing written in Python can notice it, and
    neither can anybody who asks this process. `beat` is called while the loop does run, for a parent that watches.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(limit_s, exit=True)
            beat()
            await asyncio.sleep(min(limit_s / 4, 1.0))
    finally:
        faulthandler.cancel_dump_traceback_later()
