"""A service that never settles the last words, while the carrier sends no audio: it is not sent silence for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from bridge.audio import mulaw
from bridge.listening.hosted_settings import FluxSettings, GladiaSettings, InkSettings
from bridge.listening.recognisers.base import ExpectedSpeech
from bridge.listening.recognisers.hosted.flux import FluxWire
from bridge.listening.recognisers.hosted.gladia import GladiaWire
from bridge.listening.recognisers.hosted.ink import InkTurnsWire
from bridge.listening.recognisers.links import Closed
from bridge.listening.recognisers.wire import Message, RecogniserWire
from bridge.listening.recognisers.wire_stream import WireStream
from bridge.simulator import virtual

ENGLISH = ExpectedSpeech("en-US")
WORD = {"word": "hello", "start": 0.1, "end": 0.5, "confidence": 0.9}
GLADIA = {"id": "00", "is_final": False, "utterance": {"text": "hello", "start": 0.1, "end": 0.5, "words": [WORD]}}
FLUX = {"event": "Update", "turn_index": 0, "audio_window_start": 0.0, "audio_window_end": 0.5, "transcript": "hello"}

WIRES: dict[str, tuple[Callable[[], RecogniserWire], list[object]]] = {
    "flux": (
        lambda: FluxWire(FluxSettings(), ENGLISH),
        [{"type": "Connected"}, {"type": "TurnInfo", **FLUX, "words": [], "end_of_turn_confidence": 0.1}],
    ),
    "ink": (
        lambda: InkTurnsWire(InkSettings(), ENGLISH),
        [{"type": "connected"}, {"type": "turn.update", "transcript": "hello"}],
    ),
    "gladia": (
        lambda: GladiaWire(GladiaSettings(), ENGLISH),
        [{"type": "transcript", "data": GLADIA}],
    ),
}


class Service:
    """The far side: it has heard a word, and says nothing more."""

    where, connect_s = "service", 5.0

    def __init__(self, says: list[object]) -> None:
        self._says = [json.dumps(one) for one in says]
        self.heard = bytearray()

    async def open(self) -> Service:
        return self

    async def send(self, message: Message) -> None:
        self.heard += message if isinstance(message, bytes) else b""

    async def receive(self) -> Message | Closed:
        if self._says:
            return self._says.pop(0)
        await asyncio.Event().wait()
        return Closed(1000, "")

    async def close(self) -> None:
        self._says.clear()


@pytest.mark.parametrize("vendor", WIRES)
def test_a_service_that_never_settles_a_word_is_not_sent_silence_for_ever(vendor: str) -> None:
    async def call() -> tuple[float, float, float]:
        wire, says = WIRES[vendor]
        service = Service(says)
        stream = WireStream(service, wire(), lambda _event: None)
        heard_s = []
        for minute in range(3):
            stream.feed(bytes([mulaw.SILENCE]) * 8000, 1.0 + 600 * minute)
            await asyncio.sleep(600)
            heard_s.append(len(service.heard) / mulaw.RATE_HZ)
        stream.close()
        await asyncio.sleep(1)
        return heard_s[0], heard_s[1] - heard_s[0], heard_s[2] - heard_s[1]

    for heard_s in virtual.run(call):
        assert 11 <= heard_s <= 25  # longer than any service lets a turn last that has ended, and no ten minutes
