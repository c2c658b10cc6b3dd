"""The carrier's buffer for one stream: audio is played in order at the phone's pace, and marks wait in line."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bridge.simulator.carriers.audio import AudioFormat, ToPhone
from bridge.simulator.sound import RATE_HZ


@dataclass(slots=True)
class Playout:
    """Plays what was queued. Times are seconds on the line's clock, positions are the phone's samples at 8 kHz."""

    format: AudioFormat
    opened_at: float
    heard: bytearray = field(default_factory=bytearray)
    """Everything played since `opened_at`, as mu-law, silence where there was nothing to play."""
    idle: list[tuple[int, int]] = field(default_factory=list)
    """Where `heard` is silent for want of audio: (first, end) sample, between audio only."""
    joints: list[int] = field(default_factory=list)
    """Samples of `heard` where one message followed another without a pause."""
    _to_phone: ToPhone = field(init=False)
    _queue: deque[bytes | _Mark] = field(default_factory=deque)
    _queued: int = 0
    _head: int = 0
    _idle_from: int = -1

    def __post_init__(self) -> None:
        self._to_phone = ToPhone(self.format)

    @property
    def lead_ms(self) -> float:
        """Audio queued and not yet played."""
        return self._queued * 1000.0 / RATE_HZ

    @property
    def messages(self) -> int:
        """Messages with audio that are not played to their end."""
        return sum(isinstance(item, bytes) for item in self._queue)

    @property
    def empty(self) -> bool:
        """Nothing is queued, neither audio nor marks."""
        return not self._queue

    @property
    def next_mark_at(self) -> float | None:
        """When the next queued mark will have been reached."""
        ahead = 0
        for index, item in enumerate(self._queue):
            if isinstance(item, _Mark):
                return self.opened_at + (len(self.heard) + ahead) / RATE_HZ
            ahead += len(item) // self.format.unit - (self._head if index == 0 else 0)
        return None

    def add(self, data: bytes) -> None:
        """Queue audio; what is missing to a whole sample of the phone's is filled with silence."""
        if not data:
            return
        unit = self.format.unit
        if len(data) % unit:
            data += self.format.silence[len(data) % unit :]
        if self._queued:
            self.joints.append(len(self.heard) + self._queued + self.format.delay)
        elif 0 <= self._idle_from < len(self.heard):
            self.idle.append((self._idle_from + self.format.delay, len(self.heard) + self.format.delay))
        self._queue.append(data)
        self._queued += len(data) // unit

    def mark(self, what: Any) -> None:
        """Queue something that is to come back when playout reaches it."""
        self._queue.append(_Mark(what))

    def clear(self) -> list[Any]:
        """Throw away what is queued; returns the marks among it, in order."""
        waiting = [item.what for item in self._queue if isinstance(item, _Mark)]
        if self._queued:
            self._idle_from = -1  # a cleared queue is silent on purpose
        self.joints = [at for at in self.joints if at < len(self.heard)]
        self._queue.clear()
        self._queued = self._head = 0
        return waiting

    def advance(self, now: float) -> list[tuple[Any, float]]:
        """Play until `now`; returns the marks that were reached, with their times."""
        reached: list[tuple[Any, float]] = []
        until = int((now - self.opened_at) * RATE_HZ + 1e-6)
        unit = self.format.unit
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _Mark):
                self._queue.popleft()
                reached.append((item.what, self.opened_at + len(self.heard) / RATE_HZ))
                continue
            due = until - len(self.heard)
            if due <= 0:
                return reached
            part = item[self._head * unit : (self._head + due) * unit]
            self.heard += self._to_phone.feed(part)
            self._queued -= len(part) // unit
            self._head += len(part) // unit
            if self._head * unit == len(item):
                self._queue.popleft()
                self._head = 0
                if not self._queued:
                    self._idle_from = len(self.heard)
        if until > len(self.heard):
            self.heard += self._to_phone.feed(self.format.silence * (until - len(self.heard)))
        return reached


@dataclass(frozen=True, slots=True)
class _Mark:
    what: Any
