"""The end of a process where no loop sees to it. Loads nothing, so that it can come first."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

_LAST_WORK_S = 0.5


class Terminated(SystemExit):
    """SIGTERM came while no loop was there to obey it."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def obey_sigterm() -> None:
    """Have SIGTERM raise Terminated in the main thread until a loop takes the signal over.

    The first process of a container gets no signal that it has no handler for, so this comes before anything is loaded.
    """

    def end(_number: int, _frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def leave_threads_behind(code: int) -> None:
    """End this process where a thread still works in half a second, for which Python would wait however long it takes.

    The code of an agent or a tool may be in the middle of something that has no end.
    """
    until = time.monotonic() + _LAST_WORK_S
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                sys.stdout.flush()
                os._exit(code)
