"""Memory that is free is the system's again, measured in a process of its own."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

MEASURED = """
from bridge.simulator.processes import usage
from bridge.system.memory import give_back
import os

def mib():
    return usage(os.getpid()).total_memory / 2**20

before = mib()
kept = [bytes(600 + number % 400) for number in range(200_000)][::50]  # what stays holds what was between it
held = mib()
give_back()
print(held - before, mib() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_what_lies_free_between_what_is_still_used_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    held, left = map(float, done.stdout.split())
    assert held > 100
    assert left < held / 3
