"""Voice activity for all calls of a process: one model call per tick, a row of preallocated arrays per call.

`ActivityBatch` has no clock, task or thread: bytes are written, `run` judges what is complete. A call's audio is cut
into windows of 32 ms (256 samples); a window is judged together with the 32 samples before it and the
row's recurrent state, so the model sees an unbroken stream however frames arrive.

Model: silero-vad 6.2.3, native 8 kHz mode (MIT, `models/`), laid out for batches by `deploy/silero_8k.py`. Inputs
`input` float32 [B, 32 + 256], `state` float32 [2, B, 128]; outputs `output` [B, 1], `stateN` [2, B, 128].
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from bridge.audio.mulaw import SILENCE, decode_float_rows
from bridge.call.events import VoiceActivity
from bridge.listening.settings import ActivitySettings
from bridge.listening.sound import Floats

Indices = npt.NDArray[np.intp]
Ulaw = npt.NDArray[np.uint8]

WINDOW = 256
"""Samples in one window: 32 ms at 8 kHz."""
CONTEXT = 32
"""Samples of the window before that the model also sees."""
WINDOW_S = WINDOW / 8000
QUIETEST_DB = -96.0
"""The level reported for digital silence."""
_QUIETEST_POWER = np.float32(10 ** (QUIETEST_DB / 10))

SILERO = Path(__file__).with_name("models") / "silero_vad_8k.onnx"


_SETTLED = 16
# Windows (0.5 s) that the model must have judged silent before the silence gate may spare it the next ones.
_FLOOR_RISE_DB, _SPOKEN_FLOOR_RISE_DB, _FLOOR_FALL_DB = 0.6, 0.1, 3.0
# Per window: the noise floor climbs 19 dB a second while nobody is heard, but 3 dB a second in speech, too slow for a
# sentence, and sinks to a pause within three windows.
_FIRST_FLOOR_DB = -50.0
_BOOKS, _COUNTS = 3, slice(1, 3)
# What is kept of each row: its noise floor, windows judged silent in a row, windows since the last speech-like one. The
# two counts differ at a call's start, where nothing was judged silent yet, and nobody is told of silence either.


_EAGER = 14
_HEARTBEAT = 3
# After speech every silent window is reported for 0.45 s, in which a finished turn ends; then every third one says that
# the line still lives.


class VoiceModel(Protocol):
    """A recurrent voice activity model over a batch of windows."""

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Windows [B, 288] and state [2, B, 128] to speech probabilities [B] and the next state."""
        ...


class SileroModel:
    """Silero VAD on one thread of ONNX Runtime."""

    def __init__(self, path: Path = SILERO) -> None:
        self._session = onnx_session(path, threads=1)

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Judge a batch of windows; the GIL is free meanwhile."""
        probability, after = self._session.run(None, {"input": windows, "state": state})
        return probability[:, 0], after


def onnx_session(path: Path, *, threads: int) -> Any:
    """An ONNX Runtime session on the CPU that sleeps, rather than spins, between its calls."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Integer kernels differ by instruction set, and with them the answers: weights of 8 bits are expanded instead.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class ActivityRow:
    """One call's place in the arrays, its windows that wait to be judged, and its bytes that do not fill one yet."""

    __slots__ = ("index", "open", "owner", "pending", "windows")

    def __init__(self, index: int, owner: object) -> None:
        self.index = index
        self.owner = owner
        self.open = True
        self.pending = bytearray()
        self.windows: deque[tuple[float, bytes]] = deque()


class ActivityCounters(msgspec.Struct):
    """What the batch has done since the process started."""

    windows: int = 0
    judged: int = 0
    """Windows that reached the model: the others were silence."""
    runs: int = 0
    dropped: int = 0
    """Windows never judged because the process was too far behind."""


class ActivityBatch:
    """The rows of all calls, and the windows waiting to be judged. One thread does it all (see `ticks`).

    Silence gate: once a row has been judged silent for half a second, windows below `silence_db`, or less than
    `above_floor_db` over the row's noise floor, are silent without asking the model. The row's state then stays what
    half a second of silence made it, and the context samples go on following the line, so speech after the gap starts
    from a true "after silence" state. That spares most of the work and is quicker, too: the longer the model has
    listened to silence or steady noise, the later it notices speech (benchmark: tests/bench/floor_set.py --gate).
    """

    def __init__(self, model: VoiceModel, settings: ActivitySettings | None = None) -> None:
        self.settings = settings or ActivitySettings()
        self.counters = ActivityCounters()
        self._model = model
        self._linger = round(self.settings.linger_s / WINDOW_S)
        self._ready: list[ActivityRow] = []  # rows with windows, the longest waiting first
        self._free: list[int] = []
        self._allocate(0)
        self._grow(max(1, self.settings.rows))

    def _allocate(self, rows: int) -> None:
        self._state = np.zeros((2, rows, 128), np.float32)
        self._context = np.full((rows, CONTEXT), SILENCE, np.uint8)  # the last samples of each row, in mu-law
        self._books = np.zeros((_BOOKS, rows), np.float32)

    def _grow(self, rows: int) -> None:
        state, context, books = self._state, self._context, self._books
        held = len(context)
        self._allocate(rows)
        self._state[:, :held], self._context[:held], self._books[:, :held] = state, context, books
        self._free.extend(range(rows - 1, held - 1, -1))

    @property
    def capacity(self) -> int:
        """Rows there is memory for."""
        return self._context.shape[0]

    @property
    def calls(self) -> int:
        """The number of rows in use, one for each call."""
        return self.capacity - len(self._free)

    @property
    def ready(self) -> int:
        """Calls that have windows waiting to be judged."""
        return len(self._ready)

    @property
    def late_ms(self) -> float:
        """How far behind half of the calls are, or more: one call that sends faster than it speaks says nothing."""
        behind = sorted((len(row.windows) - 1 for row in self._ready if row.open), reverse=True)
        middle = self.calls // 2
        return behind[middle] * WINDOW_S * 1000 if middle < len(behind) else 0.0

    def open(self, owner: object = None) -> ActivityRow:
        """A fresh row for a call; `owner` comes back with its results."""
        if not self._free:
            self._grow(2 * self.capacity)
        index = self._free.pop()
        self._state[:, index] = 0.0
        self._context[index] = SILENCE
        self._books[:, index] = _FIRST_FLOOR_DB, 0, self._linger
        return ActivityRow(index, owner)

    def release(self, row: ActivityRow) -> None:
        """End a call's row. Its waiting windows are forgotten."""
        if row.open:
            row.open = False
            self._free.append(row.index)

    def write(self, row: ActivityRow, ulaw: bytes, at: float) -> bool:
        """Add mu-law bytes that arrived `at`; true if a window became ready. A row too far behind loses its oldest."""
        pending = row.pending
        pending += ulaw
        if len(pending) < WINDOW:
            return False
        if not row.windows:
            self._ready.append(row)
        while len(pending) >= WINDOW:
            row.windows.append((at, bytes(pending[:WINDOW])))
            del pending[:WINDOW]
        while len(row.windows) > self.settings.backlog_windows:
            row.windows.popleft()
            self.counters.dropped += 1
        return True

    def run(self) -> list[tuple[object, VoiceActivity]]:
        """Judge the oldest window of the calls that have one, of `batch_windows` calls at most.

        Returns the reportable results with their rows' owners. Raises what the model raises; the windows are then
        silence.
        """
        waiting = [row for row in self._ready if row.open]
        rows = waiting[: self.settings.batch_windows]
        self._ready = waiting[len(rows) :]
        if not rows:
            return []
        ends_at, blocks = zip(*[row.windows.popleft() for row in rows], strict=True)
        self._ready += [row for row in rows if row.windows]
        indices = np.array([row.index for row in rows])
        probability, level_db, noise_db, reportable = self._judge(indices, b"".join(blocks))
        return [
            (
                rows[i].owner,
                VoiceActivity(
                    round(float(probability[i]), 4),
                    round(float(level_db[i]), 1),
                    at=ends_at[i],
                    noise_db=round(float(noise_db[i]), 1),
                ),
            )
            for i in reportable
        ]

    def _judge(self, rows: Indices, ulaw: bytes) -> tuple[Floats, Floats, Floats, Indices]:
        """Probability, level and noise floor of one window of each row, and which of them are worth an event."""
        windows = np.frombuffer(ulaw, np.uint8).reshape(-1, WINDOW)
        level_db = _level_db(windows)
        # Three views into `books`: they follow what is done to it below.
        floor_db, silent, since_speech = books = self._books.take(rows, axis=1)
        faint = level_db < np.maximum(floor_db + self.settings.above_floor_db, self.settings.silence_db)
        judged = np.flatnonzero(~faint | (silent < _SETTLED))
        self.counters.runs += 1
        self.counters.windows += len(rows)
        self.counters.judged += len(judged)
        probability = np.zeros(len(rows), np.float32)
        if len(judged):
            probability[judged] = self._ask_model(rows.take(judged), windows.take(judged, axis=0))
        self._context[rows] = windows[:, -CONTEXT:]
        silence = probability < self.settings.report_probability
        rise_db = np.where(silence, np.float32(_FLOOR_RISE_DB), np.float32(_SPOKEN_FLOOR_RISE_DB))
        floor_db += np.maximum(np.minimum(level_db - floor_db, rise_db), -_FLOOR_FALL_DB)
        books[_COUNTS] += 1
        books[_COUNTS] *= silence
        self._books[:, rows] = books
        eager_or_heartbeat = (since_speech < _EAGER) | (since_speech % _HEARTBEAT == 0)
        return (
            probability,
            level_db,
            floor_db.copy(),
            np.flatnonzero(eager_or_heartbeat & (since_speech < self._linger)),
        )

    def _ask_model(self, rows: Indices, windows: Ulaw) -> Floats:
        """Probabilities of windows by the model, whose state for these rows moves on."""
        sound = decode_float_rows(np.concatenate([self._context.take(rows, axis=0), windows], axis=1))
        probability, self._state[:, rows] = self._model(sound, self._state.take(rows, axis=1))
        return probability


def _level_db(windows: Ulaw) -> Floats:
    """Level of each window, in dB of full scale."""
    samples = decode_float_rows(windows)
    power = np.einsum("ij,ij->i", samples, samples) / WINDOW
    level_db: Floats = 10.0 * np.log10(np.maximum(power, _QUIETEST_POWER))
    return level_db
