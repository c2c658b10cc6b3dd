"""The carrier's half of one media stream, without socket or clock.

Facts: https://www.twilio.com/docs/voice/media-streams/websocket-messages . Audio is played in the order
received, 8000 bytes a second; a mark comes back when everything before it was played, at once when nothing
is queued, and in order when a clear throws the queue away. Times are seconds on the carrier's own clock.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.simulator.sound import RATE_HZ, SILENCE

BUFFER_BYTES = 10 * 60 * RATE_HZ
"""About ten minutes of audio; what comes on top is thrown away (warning 31931)."""

WARNINGS = {
    31931: "media discarded: more than 10 minutes are buffered",
    31950: "malformed message",
    31951: "invalid message",
}

_KEYS = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning in the carrier's debugger; the carrier writes each number once per stream, we keep all."""

    at: float
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Received:
    """What the server sent: `media` with its size, `mark` with its name, `clear` with the bytes it threw away."""

    at: float
    kind: Literal["media", "mark", "clear"]
    name: str = ""
    size: int = 0
    lead_ms: float = 0.0
    """How much was still queued when it came (before a clear took effect)."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """A mark that was sent back."""

    at: float
    name: str
    played: bool
    """False: a clear threw it out. The server cannot see this."""


@dataclass(slots=True)
class CarrierStream:
    """One open media stream: builds what the carrier says, plays and refuses what the server says."""

    account_sid: str
    call_sid: str
    stream_sid: str
    parameters: dict[str, str]
    opened_at: float
    echoes_marks: bool = True
    """False: a carrier that has lost its marks."""
    heard: bytearray = field(default_factory=bytearray)
    """Everything played since `opened_at`, mu-law, silence where there was nothing to play."""
    idle: list[tuple[int, int]] = field(default_factory=list)
    """Where `heard` is silent for want of audio: (first, end) byte, between audio only."""
    joints: list[int] = field(default_factory=list)
    """Bytes of `heard` where one message followed another without a pause."""
    received: list[Received] = field(default_factory=list)
    echoed: list[Echoed] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    _queue: deque[bytes | str] = field(default_factory=deque)
    _queued_bytes: int = 0
    _head: int = 0
    _idle_from: int = -1
    _sequence: int = 0
    _chunk: int = 0

    # what the carrier says

    def connected(self) -> str:
        """The first message on the socket."""
        return _text({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self) -> str:
        """The second: who calls, and the parameters of the document."""
        body = {
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.parameters,
        }
        return self._numbered("start", body)

    def media(self, ulaw: bytes, timestamp_ms: int) -> str:
        """One frame of the caller; `timestamp_ms` counts from the start of the stream."""
        self._chunk += 1
        body = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(timestamp_ms),
            "payload": base64.b64encode(ulaw).decode(),
        }
        return self._numbered("media", body)

    def dtmf(self, digit: str) -> str:
        """A key the caller pressed."""
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        """The stream or the call has ended."""
        return self._numbered("stop", {"accountSid": self.account_sid, "callSid": self.call_sid})

    def _numbered(self, event: str, body: dict[str, Any]) -> str:
        self._sequence += 1
        return _text({"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, event: body})

    # what the server says

    def receive(self, message: str | bytes, now: float) -> list[str]:
        """Take one message of the server; returns what goes back at once (echoed marks)."""
        out = self.advance(now)
        if isinstance(message, bytes):
            return self._warn(now, 31950, "a binary frame, expected text", out)
        try:
            fields = json.loads(message)
        except ValueError:
            return self._warn(now, 31951, "not JSON", out)
        if not isinstance(fields, dict) or fields.get("event") not in _KEYS:
            return self._warn(now, 31951, f"unknown event in {message[:80]!r}", out)
        event = fields["event"]
        if set(fields) != _KEYS[event]:
            return self._warn(
                now, 31951, f"{event} has the fields {sorted(fields)}, expected {sorted(_KEYS[event])}", out
            )
        if fields["streamSid"] != self.stream_sid:
            return self._warn(
                now, 31951, f"{event} for stream {fields['streamSid']!r}, ours is {self.stream_sid!r}", out
            )
        match event:
            case "media":
                return self._take_media(fields["media"], now, out)
            case "mark":
                return self._take_mark(fields["mark"], now, out)
            case _:
                return self._take_clear(now, out)

    def _take_media(self, body: Any, now: float, out: list[str]) -> list[str]:
        if not isinstance(body, dict) or set(body) != {"payload"} or not isinstance(body["payload"], str):
            return self._warn(now, 31951, "media needs exactly one field, payload, a string", out)
        try:
            ulaw = base64.b64decode(body["payload"], validate=True)
        except (binascii.Error, ValueError):
            return self._warn(now, 31951, "media.payload is not base64", out)
        self.received.append(Received(now, "media", size=len(ulaw), lead_ms=self.lead_ms))
        if self._queued_bytes + len(ulaw) > BUFFER_BYTES:
            return self._warn(now, 31931, f"{len(ulaw)} bytes thrown away", out)
        if ulaw:
            if self._queued_bytes:
                self.joints.append(len(self.heard) + self._queued_bytes)
            self._begin_playing()
            self._queue.append(ulaw)
            self._queued_bytes += len(ulaw)
        return out

    def _take_mark(self, body: Any, now: float, out: list[str]) -> list[str]:
        if not isinstance(body, dict) or set(body) != {"name"} or not isinstance(body["name"], str):
            return self._warn(now, 31951, "mark needs exactly one field, name, a string", out)
        self.received.append(Received(now, "mark", name=body["name"], lead_ms=self.lead_ms))
        if self._queued_bytes or self._queue:
            self._queue.append(body["name"])
        else:
            self._echo(body["name"], now, True, out)
        return out

    def _take_clear(self, now: float, out: list[str]) -> list[str]:
        self.received.append(Received(now, "clear", size=self._queued_bytes, lead_ms=self.lead_ms))
        waiting = [item for item in self._queue if isinstance(item, str)]
        if self._queued_bytes:
            self._idle_from = -1  # a cleared queue is silent on purpose
        self.joints = [at for at in self.joints if at < len(self.heard)]
        self._queue.clear()
        self._queued_bytes = self._head = 0
        for name in waiting:
            self._echo(name, now, False, out)
        return out

    # playing

    @property
    def lead_ms(self) -> float:
        """Audio queued and not yet played."""
        return self._queued_bytes * 1000.0 / RATE_HZ

    @property
    def next_mark_at(self) -> float | None:
        """When the next queued mark will have been reached."""
        ahead = 0
        for index, item in enumerate(self._queue):
            if isinstance(item, str):
                return self.opened_at + (len(self.heard) + ahead) / RATE_HZ
            ahead += len(item) - (self._head if index == 0 else 0)
        return None

    def advance(self, now: float) -> list[str]:
        """Play until `now`; returns the marks that were reached."""
        out: list[str] = []
        until = int((now - self.opened_at) * RATE_HZ + 1e-6)
        while self._queue:
            item = self._queue[0]
            if isinstance(item, str):
                self._queue.popleft()
                self._echo(item, self.opened_at + len(self.heard) / RATE_HZ, True, out)
                continue
            due = until - len(self.heard)
            if due <= 0:
                return out
            part = item[self._head : self._head + due]
            self.heard += part
            self._queued_bytes -= len(part)
            self._head += len(part)
            if self._head == len(item):
                self._queue.popleft()
                self._head = 0
                if not self._queued_bytes:
                    self._idle_from = len(self.heard)
        if until > len(self.heard):
            self.heard += bytes((SILENCE,)) * (until - len(self.heard))
        return out

    def _begin_playing(self) -> None:
        if not self._queued_bytes and 0 <= self._idle_from < len(self.heard):
            self.idle.append((self._idle_from, len(self.heard)))

    def _echo(self, name: str, at: float, played: bool, out: list[str]) -> None:
        self.echoed.append(Echoed(at, name, played))
        if self.echoes_marks:
            out.append(self._numbered("mark", {"name": name}))

    def _warn(self, now: float, code: int, detail: str, out: list[str]) -> list[str]:
        self.warnings.append(Warned(now, code, f"{code} {WARNINGS[code]}: {detail}"))
        return out


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))
