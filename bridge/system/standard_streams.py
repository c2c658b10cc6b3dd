"""The standard streams of a service: there whatever they were closed by, and never a reason to end."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def keep_standard_streams() -> None:
    """Open those of the three that are closed, to nowhere.

    Their numbers would else go to the next sockets and files, and what libraries write to standard error with them.
    """
    for number, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(nowhere, True)
            setattr(sys, name, open(nowhere, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line to standard error, or to `stream`, at once.

    Nobody may be reading any more, or the disk behind it be full: that is no reason to stop.
    """
    with contextlib.suppress(OSError, ValueError):
        print(line, file=stream or sys.stderr, flush=True)
