"""When a process with a loop ends: at a signal, with its parent, when the loop is stuck, and without its threads."""

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
from concurrent.futures import ThreadPoolExecutor
from typing import Any

STUCK_S = 15.0
"""A loop that has not run for so long carries no call any more: its process is to be replaced."""
_PR_SET_PDEATHSIG = 1
"""prctl(2)"""
_LOOK_S = 0.1
_parent_is_watched = threading.Event()


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


class EndsWithParent:
    """First argument of a `multiprocessing` process: from the moment in which it is read, it ends with its parent.

    `run_child` takes it and the rest. The arguments after it, and the modules that they need, may take many seconds to
    load on a busy machine, and what comes then, too. After `when_parent_dies` the process ends in its own way.
    """

    def __init__(self) -> None:
        self._parent = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        return _end_with, (self._parent,)


def run_child(_watched: EndsWithParent, target: Callable[..., Any], *arguments: Any) -> None:
    """Run a `multiprocessing` process; as this module is light, the watch begins before the rest is loaded."""
    target(*arguments)


def _end_with(parent: int) -> None:
    """End this process at once when it has another parent than this one, until somebody else looks after that."""

    def watch() -> None:
        while not _parent_is_watched.wait(_LOOK_S):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=watch, name="early-parent-watch", daemon=True).start()


class UnwaitedThreads(ThreadPoolExecutor):
    """Threads of a loop for whose work nobody waits when it ends: what has to be finished was awaited before."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begin nothing more, and leave what has begun to itself."""
        super().shutdown(wait=False, cancel_futures=True)


def when_parent_dies(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
    """Call `do` on the loop of a `multiprocessing` process once its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    _parent_is_watched.set()

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
