"""How long one callback holds an event loop: measured in its own process, in processor time of its own thread.

Processor time and no wall time: what other programs of a busy machine take is no fault of the input that is served.
asyncio's own loop is needed, since uvloop's callbacks cannot be looked into.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import gc
import hashlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from bridge.app import freeze_garbage

BUDGET_MS = 5.0
"""The most that one input may hold the loop, on a machine as fast as `_REFERENCE_MS` says."""
_REFERENCE_MS = 0.37
"""What `_work` takes on the machine for which the budget was set."""


class LoopProbe:
    """Watches the callbacks that run in this thread; `worst_ms` is the longest since `forget`, `whose` its name."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self.whose = ""
        self._thread = threading.get_ident()
        self._run: Callable[[asyncio.Handle], None] = asyncio.events.Handle._run

    def forget(self) -> None:
        self.worst_ms, self.whose = 0.0, ""

    def __enter__(self) -> LoopProbe:
        original, own, clock = self._run, self._thread, time.thread_time
        # As the service does: a collection of what the tests' modules hold is no input's doing.
        self._threshold = gc.get_threshold()
        freeze_garbage()

        def run(handle: asyncio.Handle) -> None:
            if threading.get_ident() != own:
                return original(handle)
            began = clock()
            try:
                original(handle)
            finally:
                took_ms = (clock() - began) * 1000
                if took_ms > self.worst_ms:
                    self.worst_ms, self.whose = took_ms, _name(handle)

        asyncio.events.Handle._run = run  # type: ignore[method-assign, assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.unfreeze()
        gc.set_threshold(*self._threshold)
        asyncio.events.Handle._run = self._run  # type: ignore[method-assign, assignment]


def budget_ms() -> float:
    """What one input may hold the loop here and now: more where a known piece of work takes longer, too."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        _work()
        taken.append((time.thread_time() - began) * 1000)
    return BUDGET_MS * max(1.0, min(taken) / _REFERENCE_MS)


def _work() -> None:
    """Some of what a loop does all day: Python's own steps, and bytes that are hashed."""
    data = b"a=b&" * 256
    for number in range(150):
        hashlib.sha1(data + str(number).encode()).hexdigest()
        dict.fromkeys(data.decode().split("&", 20))


def _name(handle: asyncio.Handle) -> str:
    callback = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return getattr(task.get_coro(), "__qualname__", "a task")
    return getattr(callback, "__qualname__", None) or repr(handle)[:60]
