"""SIGTERM before there is a loop to obey it. Loads nothing, so that it can come first."""

from __future__ import annotations

import signal


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
