"""A recorded call can be replayed; a disk that cannot keep up costs records, never calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bridge.call.events import CallStarted, DigitPressed, Event, StreamClosed, TimePassed
from bridge.call.machine import Call
from bridge.call.record import replay
from bridge.call.settings import CallSettings
from bridge.call.states import EndReason
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder

ROOT = Path(__file__).parents[2]
SETTINGS = CallSettings(no_input_s=1.0)


def events(count: int) -> list[tuple[float, Event]]:
    middle: list[tuple[float, Event]] = [
        (0.1 * n, DigitPressed("5") if n % 50 == 0 else TimePassed()) for n in range(1, count)
    ]
    return [(0.0, CallStarted()), *middle, (0.1 * count, StreamClosed(EndReason.CALLER))]


def record_call(recorder: Recorder, call_id: str, count: int = 400) -> None:
    call, record = Call(SETTINGS), recorder.open_call(call_id, SETTINGS, {"carrier": "twilio"})
    for at, event in events(count):
        record.add(at, event, call.receive(event, at))
    record.close()
    record.close()  # twice does no harm


def test_a_record_replays_to_the_same_commands(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "records", Metrics())
    record_call(recorder, "CA1")
    recorder.close()
    with (tmp_path / "records" / "CA1.jsonl").open("rb") as lines:
        result = replay(lines)
    assert result.differences == []
    assert result.events == 401


def test_a_summary_is_the_last_line_and_changes_no_replay(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    call, record = Call(SETTINGS), recorder.open_call("CA1", SETTINGS)
    for at, event in events(3):
        record.add(at, event, call.receive(event, at))
    record.close({"phrases": {"hits": 3, "saved_money": 0.25}})
    recorder.close()
    lines = (tmp_path / "CA1.jsonl").read_bytes().splitlines()
    assert json.loads(lines[-1]) == {"summary": {"phrases": {"hits": 3, "saved_money": 0.25}}}
    result = replay(lines)
    assert (result.differences, result.events) == ([], 4)


def test_the_first_line_says_what_the_record_is(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    record_call(recorder, "CA1", count=2)
    recorder.close()
    head = json.loads((tmp_path / "CA1.jsonl").read_bytes().splitlines()[0])
    assert head["about"] == {"call_id": "CA1", "carrier": "twilio"}


def test_call_ids_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "records", Metrics())
    record_call(recorder, "../../etc/passwd", count=2)
    recorder.close()
    assert [path.parent for path in tmp_path.rglob("*.jsonl")] == [tmp_path / "records"]


def test_a_second_call_of_the_same_id_gets_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        recorder = Recorder(tmp_path, Metrics())
        record_call(recorder, "CA1", count=2)
        recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CA1-2.jsonl", "CA1.jsonl"]


def test_when_too_much_waits_a_record_ends_early_and_still_replays(tmp_path: Path) -> None:
    metrics = Metrics()
    recorder = Recorder(tmp_path, metrics, max_waiting=130)
    lock = recorder._lock
    with lock:
        recorder._waiting = 2  # as if another call's events waited and the disk stood still
    record_call(recorder, "CA1", count=1000)
    recorder.close()
    with (tmp_path / "CA1.jsonl").open("rb") as lines:
        result = replay(lines)
    assert result.differences == []
    assert result.events % 128 == 0 or result.events == 1001


def test_a_full_queue_is_counted_and_costs_the_rest_of_that_record(tmp_path: Path) -> None:
    metrics = Metrics()
    recorder = Recorder(tmp_path, metrics, max_waiting=100)
    record_call(recorder, "CA1", count=1000)
    recorder.close()
    with (tmp_path / "CA1.jsonl").open("rb") as lines:
        assert replay(lines).events == 0
    assert "bridge_record_losses_total 1001.0" in metrics.page().decode()


def test_a_directory_that_vanishes_ends_records_only(tmp_path: Path) -> None:
    metrics = Metrics()
    recorder = Recorder(tmp_path / "records", metrics)
    (tmp_path / "records").rmdir()
    record_call(recorder, "CA1", count=2)
    recorder.close()
    assert "bridge_record_losses_total 3.0" in metrics.page().decode()


_LIMITED = """
import resource, sys
from pathlib import Path
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from tests.telemetry.test_recorder import record_call

for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    recorder = Recorder(Path(sys.argv[1]), Metrics())
    record_call(recorder, f"{limit:05}")
    recorder.close()
"""


def test_a_disk_that_is_full_ends_a_record_with_a_mark_wherever_it_happens(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    record_call(recorder, "whole")
    recorder.close()
    size = (tmp_path / "whole.jsonl").stat().st_size
    limits = [10, *range(size // 23, size, size // 23), size - 1, size]
    subprocess.run([sys.executable, "-c", _LIMITED, str(tmp_path), *map(str, limits)], check=True, cwd=ROOT)
    marked = 0
    for limit in limits:
        path = tmp_path / f"{limit:05}.jsonl"
        if not path.exists():
            assert limit < len((tmp_path / "whole.jsonl").read_bytes().splitlines()[0]), "there was room for something"
            continue
        lines = path.read_bytes().splitlines(keepends=True)
        assert path.stat().st_size <= limit
        assert all(line.endswith(b"\n") and json.loads(line) for line in lines), "no line is torn"
        found = replay(lines)
        assert (found.differences, found.damage) == ([], "")
        assert bool(found.ends_early) is (limit < size and len(lines) > 1)
        assert path.stat().st_size > min(limit, size) - 2000, "no more was cut off than had to be"
        marked += bool(found.ends_early)
    assert marked > 10


def test_a_record_that_is_torn_is_replayed_up_to_there(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    record_call(recorder, "CA1")
    recorder.close()
    data = (tmp_path / "CA1.jsonl").read_bytes()
    torn = data.index(b"\n", len(data) // 2) - 3  # in the middle of a line
    found = replay(data[:torn].splitlines())
    assert found.differences == []
    assert "not JSON" in found.damage
    assert found.events > 100


def test_records_are_removed_when_they_were_kept_for_long_enough(tmp_path: Path) -> None:
    for name, age_days in (("old", 31), ("young", 29)):
        (tmp_path / f"{name}.jsonl").write_text("{}")
        os.utime(tmp_path / f"{name}.jsonl", (1e9 - age_days * 86_400,) * 2)
    (tmp_path / "notes.txt").write_text("not ours")
    os.utime(tmp_path / "notes.txt", (0, 0))
    Recorder(tmp_path, Metrics(), keep_days=30, clock=lambda: 1e9).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "young.jsonl"]
    Recorder(tmp_path, Metrics(), clock=lambda: 2e9).close()
    assert (tmp_path / "young.jsonl").exists(), "kept for ever where nothing is said"
