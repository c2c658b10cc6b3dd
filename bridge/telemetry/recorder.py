"""Call records on disk: one JSON-lines file a call, written by a thread so that no call waits for the disk.

A call's events are handed over in batches and encoded there. What waits is bounded over all calls: when
the disk cannot keep up, records lose their tails (the log says which), calls lose nothing.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.record import command_line, event_line, header, summary_line
from bridge.call.settings import CallSettings
from bridge.call.state import CallState
from bridge.carriers.base import DEFAULT_PACING, Pacing
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_BATCH = 128
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


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
        self._path = path
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
            self._recorder.write(_Batch(self._path, self._head, moments, self._lost, last, tail))
            self._head = None


class Recorder:
    """The writing thread of a process. Call `close` to wait until everything is on disk."""

    def __init__(self, directory: Path, metrics: Metrics, *, max_waiting: int = 200_000) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._metrics = metrics
        self._max_waiting = max_waiting
        self._waiting = 0
        self._lock = threading.Lock()
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._files: dict[Path, BinaryIO] = {}
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
        name = _NOT_IN_NAMES.sub("_", call_id)[:80] or "call"
        path = self._directory / f"{name}.jsonl"
        attempt = 2
        while path.exists() or path in self._begun:
            path = self._directory / f"{name}-{attempt}.jsonl"
            attempt += 1
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
        while (batch := self._batches.get()) is not None:
            try:
                self._write(batch)
            except OSError:
                self._metrics.record_losses.inc(len(batch.moments))
                logger.exception("could not write a call record to %s", self._directory)
                self._files.pop(batch.path, None)
            finally:
                if batch.last:
                    self._begun.discard(batch.path)
                with self._lock:
                    self._waiting -= len(batch.moments)
        for file in self._files.values():
            file.close()

    def _write(self, batch: _Batch) -> None:
        file = self._files.get(batch.path)
        if file is None:
            file = self._files[batch.path] = batch.path.open("ab")
        lines = [batch.head] if batch.head is not None else []
        for moment in batch.moments:
            lines.append(event_line(moment.event, moment.at))
            lines += [command_line(command, moment.at) for command in moment.commands]
        lines.append(batch.tail)
        file.write(b"".join(lines))
        file.flush()
        if batch.last:
            file.close()
            del self._files[batch.path]
            if batch.lost:
                self._metrics.record_losses.inc(batch.lost)
                logger.warning("a call record lost its last %d events: %s", batch.lost, batch.path.name)
