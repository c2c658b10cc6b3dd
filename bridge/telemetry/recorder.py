"""Call records on disk: one JSON-lines file a call, written by a thread so that no call waits for the disk.

A call's events are handed over in batches and encoded there. What waits is bounded over all calls: when
the disk cannot keep up, records lose their tails (the log says which), calls lose nothing.

A record is whole, or it ends early with a line that says so: on a full disk, what was written only in part is cut off
again, and nothing more is added, since a record with a hole could not be replayed.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.record import EVENT_LINE, command_line, ends_early_line, event_line, header, summary_line
from bridge.call.settings import CallSettings
from bridge.call.state import CallState
from bridge.carriers.base import DEFAULT_PACING, Pacing
from bridge.telemetry.files import free_name, remove_older
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_BATCH = 128
_OLD_EVERY_S = 3600.0
"""How often records that are too old are looked for."""
_DAY_S = 86_400.0
_SEARCHED_BYTES = 1 << 20


class RecordedEvent(NamedTuple):
    """One event and what was ordered because of it."""

    at: float
    event: Event
    commands: list[Command]


class _Batch(msgspec.Struct, frozen=True):
    path: Path
    head: bytes | None
    moments: list[RecordedEvent]
    lost: int
    last: bool
    tail: bytes


class CallRecord:
    """One call's record. `add` costs an append; the methods never wait."""

    def __init__(self, recorder: Recorder, path: Path, head: bytes) -> None:
        self._recorder = recorder
        self.path = path
        self._head: bytes | None = head
        self._moments: list[RecordedEvent] = []
        self._lost = 0
        self._closed = False

    def add(self, at: float, event: Event, commands: list[Command]) -> None:
        """Note one event with its commands, `at` seconds into the call."""
        if self._lost:
            self._lost += 1  # a record with a hole could not be replayed: what follows the loss is lost, too
            return
        self._moments.append(RecordedEvent(at, event, commands))
        if len(self._moments) >= _BATCH:
            self._hand_over(last=False)

    def close(self, summary: dict[str, dict[str, float]] | None = None) -> None:
        """The call is over; `summary` is what was counted in it, for the record's last line."""
        if not self._closed:
            self._closed = True
            self._hand_over(last=True, tail=summary_line(summary) if summary else b"")

    def _hand_over(self, *, last: bool, tail: bytes = b"") -> None:
        moments, self._moments = self._moments, []
        if not self._recorder.reserve(len(moments)):
            self._lost += len(moments)  # told when the record is closed
            moments = []
        if moments or last:
            self._recorder.write(_Batch(self.path, self._head, moments, self._lost, last, tail))
            self._head = None


class RecordFile:
    """The file of one call's record on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Add all of `data`. Raises OSError, after which only `end_early` makes a whole record of what is there."""
        self._put(data, self._end)
        self._end += len(data)

    def end_early(self, why: str) -> None:
        """Cut off what is torn, and say in place of the last events, there being no room, that more was to come."""
        line = ends_early_line(why)
        size = os.fstat(self._file).st_size
        start = max(0, size - _SEARCHED_BYTES)
        tail = os.pread(self._file, size - start, start)
        cut = max((m.start(1) for m in EVENT_LINE.finditer(tail) if len(tail) - m.start(1) >= len(line)), default=0)
        if cut:
            self._put(line, start + cut)
            self._end = start + cut + len(line)
        else:
            self._end = tail.find(b"\n") + 1 if start == 0 else 0  # the first line at most
        os.ftruncate(self._file, self._end)

    def close(self) -> None:
        """Close the file; one that has nothing in it is removed."""
        os.close(self._file)
        if not self._end:
            self._path.unlink(missing_ok=True)

    def _put(self, data: bytes, at: int) -> None:
        left = memoryview(data)
        while left:
            written = os.pwrite(self._file, left, at)
            left, at = left[written:], at + written


class Recorder:
    """The writing thread of a process. Call `close` to wait until everything is on disk.

    Records that were not written to for `keep_days` are removed; 0 keeps them for ever. `clock` is that of files.
    """

    def __init__(
        self,
        directory: Path,
        metrics: Metrics,
        *,
        max_waiting: int = 200_000,
        keep_days: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._metrics = metrics
        self._max_waiting = max_waiting
        self._look_again_at = 0.0
        self._waiting = 0
        self._lock = threading.Lock()
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._keep_days = keep_days
        self._clock = clock
        self._files: dict[Path, RecordFile] = {}
        self._broken: set[Path] = set()
        """Records that have ended early, though their calls go on."""
        self._begun: set[Path] = set()
        """Records that are not closed: their files may not be there yet."""
        self._thread = threading.Thread(target=self._run, name="call-recorder", daemon=True)
        self._thread.start()

    def open_call(
        self,
        call_id: str,
        settings: CallSettings,
        about: dict[str, str] | None = None,
        audio_format: AudioFormat = MULAW_8000,
        pacing: Pacing = DEFAULT_PACING,
        resumed: CallState | None = None,
    ) -> CallRecord:
        """Begin a record named after the call, next to any earlier one of the same call."""
        path = free_name(self._directory, call_id, ".jsonl", self._begun)
        self._begun.add(path)
        head = header(settings, {"call_id": call_id, **(about or {})}, audio_format, pacing, resumed)
        return CallRecord(self, path, head)

    def reserve(self, moments: int) -> bool:
        """Make room for a batch; False when too much waits already."""
        with self._lock:
            if self._waiting + moments > self._max_waiting:
                return False
            self._waiting += moments
            return True

    def write(self, batch: _Batch) -> None:
        """Queue a batch of a call's events to be written."""
        self._batches.put(batch)

    def close(self) -> None:
        """Write what waits, then stop."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._remove_old()
            try:
                batch = self._batches.get(timeout=_OLD_EVERY_S)
            except queue.Empty:
                continue
            if batch is None:
                break
            try:
                self._write(batch)
            except OSError as error:
                self._end_early(batch, error.strerror or str(error))
            finally:
                if batch.last:
                    self._begun.discard(batch.path)
                with self._lock:
                    self._waiting -= len(batch.moments)
        for file in self._files.values():
            file.close()

    def _remove_old(self) -> None:
        """Remove what has been kept for long enough."""
        now = self._clock()
        if not self._keep_days or now < self._look_again_at:
            return
        self._look_again_at = now + _OLD_EVERY_S
        removed = remove_older(self._directory, "*.jsonl", now - self._keep_days * _DAY_S, spare=self._begun)
        if removed:
            logger.info("removed %d call records older than %g days", removed, self._keep_days)

    def _end_early(self, batch: _Batch, why: str) -> None:
        """The disk did not take a batch: the record ends before it."""
        self._metrics.record_losses.inc(len(batch.moments) + batch.lost)
        logger.error("a call record ends early: %s: %s", batch.path.name, why)
        if not batch.last:
            self._broken.add(batch.path)
        file = self._files.pop(batch.path, None)
        if file is not None:
            try:
                file.end_early(why)
                file.close()
            except OSError as error:
                logger.error("and does not say so: %s: %s", batch.path.name, error.strerror or error)

    def _write(self, batch: _Batch) -> None:
        if batch.path in self._broken:
            self._metrics.record_losses.inc(len(batch.moments) + batch.lost)
            if batch.last:
                self._broken.discard(batch.path)
            return
        file = self._files.get(batch.path)
        if file is None:
            file = self._files[batch.path] = RecordFile(batch.path)
        lines = [batch.head] if batch.head is not None else []
        for moment in batch.moments:
            lines.append(event_line(moment.event, moment.at))
            lines += [command_line(command, moment.at) for command in moment.commands]
        lines.append(ends_early_line(f"{batch.lost} events were too many for the disk") if batch.lost else batch.tail)
        file.append(b"".join(lines))
        if batch.last:
            file.close()
            del self._files[batch.path]
            if batch.lost:
                self._metrics.record_losses.inc(batch.lost)
                logger.warning("a call record lost its last %d events: %s", batch.lost, batch.path.name)
