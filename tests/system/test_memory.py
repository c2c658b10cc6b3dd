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


LARGE = """
from bridge.simulator.processes import usage
from bridge.system.memory import keep_nothing_large
import os
import sys

def mib():
    return usage(os.getpid()).total_memory / 2**20

if sys.argv[1:]:
    keep_nothing_large()
bytearray(31 << 20)  # freed: from now on glibc would take what is smaller from what it keeps
before = mib()
full = b"x" * (4 << 20)
large, small = [], []
for _ in range(40):
    large.append(bytearray(4 << 20))
    large[-1][:] = full
    small += [bytearray(b"x" * 700) for _ in range(40)]
large.clear()
print(mib() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_what_is_large_is_given_back_at_once_whatever_lies_behind_it() -> None:
    kept, given_back = (
        float(subprocess.run([sys.executable, "-c", LARGE, *how], capture_output=True, text=True, check=True).stdout)
        for how in ([], ["given back"])
    )
    assert kept > 100
    assert given_back < 20
