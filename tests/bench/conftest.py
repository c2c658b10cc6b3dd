"""Tests of benchmarks that compute in torch are left out where there is none."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["test_floor.py"]
