"""A call as Twilio's one-way media stream tells it: text messages that any server for `<Start><Stream>` can read.

Both tracks are mu-law at 8 kHz in messages of 20 ms, `timestamp` in milliseconds since the call began. Facts: Twilio,
"Media Streams - WebSocket Messages".
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from bridge.audio.mulaw import RATE_HZ, SILENCE

FRAME = RATE_HZ // 50

Tracks = Literal["both", "caller", "ours"]

_NAMES: dict[Tracks, tuple[str, ...]] = {
    "both": ("inbound", "outbound"),
    "caller": ("inbound",),
    "ours": ("outbound",),
}
_encode = msgspec.json.Encoder().encode


class ForkedFacts(msgspec.Struct, frozen=True):
    """What the server is told of a call when its stream starts."""

    call_id: str
    account_id: str = ""
    parameters: Mapping[str, str] = {}


class OneWayStream:
    """Makes the messages of one stream, in order. `stream_id` names it; `tracks` says whose sound it has."""

    def __init__(self, facts: ForkedFacts, stream_id: str, tracks: Tracks) -> None:
        self._facts = facts
        self._id = stream_id
        self._tracks = _NAMES[tracks]
        self._sequence = 0
        self._chunks = dict.fromkeys(self._tracks, 0)
        self._rest: dict[str, bytes] = dict.fromkeys(("inbound", "outbound"), b"")
        self._place = 0
        """Where the rest begins, in samples since the call's start."""

    def start(self) -> list[str]:
        """The two messages that come first."""
        facts = self._facts
        about = {
            "accountSid": facts.account_id,
            "streamSid": self._id,
            "callSid": facts.call_id,
            "tracks": list(self._tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
            "customParameters": dict(facts.parameters),
        }
        hello = _encode({"event": "connected", "protocol": "Call", "version": "1.0.0"}).decode()
        return [hello, self._message("start", about)]

    def sound(self, place: int, caller: bytes, ours: bytes) -> list[str]:
        """Tell both tracks from `place` on, in samples; what is no whole frame yet waits for the next sound."""
        messages: list[str] = []
        if place != self._place + len(self._rest["inbound"]):  # the first sound, or some was lost before this
            messages += self._last_frame()
            self._place = place
        self._rest["inbound"] += caller
        self._rest["outbound"] += ours
        return messages + list(self._frames())

    def stop(self) -> list[str]:
        """The rest of the sound, and the message that comes last."""
        about = {"accountSid": self._facts.account_id, "callSid": self._facts.call_id}
        return [*self._last_frame(), self._message("stop", about)]

    def _last_frame(self) -> list[str]:
        """What is left, with silence behind it."""
        if not self._rest["inbound"]:
            return []
        for track, rest in self._rest.items():
            self._rest[track] = rest.ljust(FRAME, bytes([SILENCE]))
        return list(self._frames())

    def _frames(self) -> Iterator[str]:
        whole = len(self._rest["inbound"]) // FRAME * FRAME
        for at in range(0, whole, FRAME):
            for track in self._tracks:
                self._chunks[track] += 1
                yield self._message(
                    "media",
                    {
                        "track": track,
                        "chunk": str(self._chunks[track]),
                        "timestamp": str((self._place + at) * 1000 // RATE_HZ),
                        "payload": base64.b64encode(self._rest[track][at : at + FRAME]).decode(),
                    },
                )
        for track, rest in self._rest.items():
            self._rest[track] = rest[whole:]
        self._place += whole

    def _message(self, event: str, about: Mapping[str, Any]) -> str:
        self._sequence += 1
        body = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._id, event: about}
        return _encode(body).decode()
