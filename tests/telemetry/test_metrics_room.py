"""Figures that processes share have their room on the disk from the beginning, or stay with their process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNTS = """
import resource, sys
limit = int(sys.argv[1]) or resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from bridge.telemetry.metrics import Metrics, process_ended
metrics = Metrics()
for number in range(30):
    metrics.calls.inc()
    metrics.protocol_errors.labels("twilio", f"kind_{number}").inc()
    metrics.reply_latency.observe(0.2)
assert b"bridge" in metrics.page() or limit != resource.RLIM_INFINITY
"""


def counts(folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COUNTS, str(limit)],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_there_is_room_for_all_that_a_process_counts(tmp_path: Path) -> None:
    done = counts(tmp_path, 0)
    assert done.returncode == 0, done.stderr
    files = {path.name.rpartition("_")[0]: path for path in tmp_path.iterdir()}
    assert sorted(files) == ["counter", "gauge_livemax", "gauge_livesum", "histogram"]
    for path in files.values():
        used = int.from_bytes(path.read_bytes()[:4], sys.byteorder)
        assert 0 < used < path.stat().st_size / 2
        assert path.stat().st_size == 1 << 19  # written, and not only said to be there


def test_a_process_without_room_keeps_its_figures_to_itself_and_says_so(tmp_path: Path) -> None:
    done = counts(tmp_path, 100_000)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no room for this process's metrics in") == 1
    assert list(tmp_path.iterdir()) == []  # nobody stumbles over half a file
