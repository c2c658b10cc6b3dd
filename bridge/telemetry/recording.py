"""Recordings of calls: a WAV file a call, the caller on the left and our voice as it was heard on the right.

A thread writes them as the calls go, so that a process that dies loses a second at most and no call waits for the disk.
Every block is written at its own place: where a disk had no room for a while there is silence, and what follows is
still where it belongs. What waits to be written is bounded over all calls. Files are readable by the service's user
alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bridge.audio import mulaw
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.telemetry.files import free_name, remove_older
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_HEADER = 44
_FRAME = 4
"""Bytes of a moment: a 16-bit sample of each track."""
_MOST_WAITING = 64 << 20
"""Bytes of all calls; half an hour of one, or eight seconds of 250."""
_OLD_EVERY_S = 3600.0
_DAY_S = 86_400.0
_LONGEST = (0xFFFF_FFFF - _HEADER) // _FRAME
"""Samples in the largest WAV file there is: 37 hours."""


def wav_header(samples: int) -> bytes:
    """The header of a stereo file of 16 bits at 8 kHz with so many samples (RIFF WAVE, PCM)."""
    size = samples * _FRAME
    rate = mulaw.RATE_HZ
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 2, rate, rate * _FRAME, _FRAME, 16,
        b"data", size,
    )  # fmt: skip


class _Block(NamedTuple):
    path: Path
    place: int
    caller: bytes
    ours: bytes
    last: bool


class Recording:
    """The recording of one call, a tap of its session: its methods never wait."""

    def __init__(self, recorder: SoundRecorder, path: Path) -> None:
        self._recorder = recorder
        self.path = path

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Queue both tracks to be written."""
        self._recorder.write(_Block(self.path, place, caller, ours, last=False))

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """Events are the call record's."""

    def ended(self) -> None:
        """Let the file be closed."""
        self._recorder.write(_Block(self.path, 0, b"", b"", last=True))


class SoundRecorder:
    """The thread that writes the recordings of a process; `close` waits until everything is on disk.

    Recordings that were not written to for `keep_days` are removed; 0 keeps them for ever. `clock` is that of files.
    """

    def __init__(
        self, directory: Path, metrics: Metrics, *, keep_days: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._metrics = metrics
        self._keep_days = keep_days
        self._clock = clock
        self._look_again_at = 0.0
        self._files: dict[Path, _File] = {}
        self._begun: set[Path] = set()
        self._waiting = 0
        self._lock = threading.Lock()
        self._blocks: queue.SimpleQueue[_Block | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sound-recorder", daemon=True)
        self._thread.start()

    def open_call(self, call_id: str) -> Recording:
        """Begin a recording named after the call, next to any earlier one of the same call."""
        path = free_name(self.directory, call_id, ".wav", self._begun)
        self._begun.add(path)
        return Recording(self, path)

    def write(self, block: _Block) -> None:
        """Queue a block; when too much waits already it is left out, and counted."""
        size = len(block.caller) * _FRAME
        with self._lock:
            full = self._waiting + size > _MOST_WAITING
            if not full:
                self._waiting += size
        if full and not block.last:
            self._metrics.recording_losses.inc(len(block.caller) / mulaw.RATE_HZ)
            return
        self._blocks.put(block)

    def flush(self) -> None:
        """Wait until everything that was queued so far is on disk, or lost."""
        done = threading.Event()
        self._blocks.put(done)
        done.wait()

    def close(self) -> None:
        """Write what waits, then stop."""
        self._blocks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._remove_old()
            try:
                block = self._blocks.get(timeout=_OLD_EVERY_S)
            except queue.Empty:
                continue
            if block is None:
                break
            if isinstance(block, threading.Event):
                block.set()
                continue
            try:
                self._write(block)
            except OSError as error:
                self._lost(block, error.strerror or str(error))
            finally:
                with self._lock:
                    self._waiting -= len(block.caller) * _FRAME
        for file in self._files.values():
            file.close()

    def _remove_old(self) -> None:
        now = self._clock()
        if self._keep_days and now >= self._look_again_at:
            self._look_again_at = now + _OLD_EVERY_S
            removed = remove_older(self.directory, "*.wav", now - self._keep_days * _DAY_S, spare=self._begun)
            if removed:
                logger.info("removed %d recordings older than %g days", removed, self._keep_days)

    def _write(self, block: _Block) -> None:
        file = self._files.get(block.path)
        if file is None:
            file = self._files[block.path] = _File(block.path)
        if block.caller:
            file.put(block.place, block.caller, block.ours)
        if block.last:
            del self._files[block.path]
            self._begun.discard(block.path)
            file.close()

    def _lost(self, block: _Block, why: str) -> None:
        self._metrics.recording_losses.inc(len(block.caller) / mulaw.RATE_HZ)
        file = self._files.get(block.path)
        if file is None or not file.told:
            logger.error("a recording has a hole: %s: %s", block.path.name, why)
        if file is not None:
            file.told = True
        if block.last:
            self._begun.discard(block.path)
            self._files.pop(block.path, None)


class _File:
    """A WAV file that is complete after every block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._samples = 0
        self.told = False
        """Whether the log has said that something is missing."""
        with contextlib.suppress(OSError):  # the next block's header may have room
            _pwrite(self._file, wav_header(0), 0)

    def put(self, place: int, caller: bytes, ours: bytes) -> None:
        """Write both tracks at their place. Raises OSError."""
        count = min(len(caller), _LONGEST - place)
        if count <= 0:
            return
        both = np.empty((count, 2), dtype="<i2")
        both[:, 0] = mulaw.decode(caller[:count])
        both[:, 1] = mulaw.decode(ours[:count])
        _pwrite(self._file, both.tobytes(), _HEADER + place * _FRAME)
        if place + count > self._samples:
            self._samples = place + count
            _pwrite(self._file, wav_header(self._samples), 0)

    def close(self) -> None:
        """Let go of the file, which is complete; one for which there was no room at all is removed."""
        empty = os.fstat(self._file).st_size < _HEADER
        os.close(self._file)
        if empty:
            self._path.unlink(missing_ok=True)


def _pwrite(file: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(file, left, at)
        left, at = left[written:], at + written
