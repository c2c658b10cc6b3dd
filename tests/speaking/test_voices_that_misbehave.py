"""Answers of a voice whose service does what vendors' services do wrong, each service in each way, in virtual time.

The bot says three sentences, and the service misbehaves in the second or all the time. Either it is understood in spite
of that, or the second voice goes on; the caller hears every word once, and no more silence than a switch may cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import pytest

from bridge.simulator import virtual
from bridge.speaking.settings import SpeakingSettings, VoiceRoute
from bridge.speaking.speech import SpeechService
from tests.doubles.speaking.base import KEY, Orders, SpeakingDouble
from tests.doubles.speaking.catalogue import DOUBLES, ON_REQUEST, PLACES_WITH_AUDIO, UNTIMED, VIRTUAL
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.speaking.test_hosted_failover import MOST_SILENCE_MS, SENTENCES, Listener, answered
from tests.speaking.tiny_voice import TinyProvider

T = TypeVar("T")

WELL = Orders(manner="slow")


@dataclass(frozen=True)
class Wrong:
    """Something that a service does, in its second text or all the time."""

    second_text: Orders = WELL
    always: Callable[[SpeakingDouble], None] = lambda _: None
    replaced: bool = False
    """Another voice has to go on."""
    but: frozenset[str] = frozenset()
    """Services that cannot do it."""


def every(**knobs: Any) -> Callable[[SpeakingDouble], None]:
    """Have a double do this with every text."""

    def arrange(double: SpeakingDouble) -> None:
        for name, value in knobs.items():
            setattr(double, name, value)

    return arrange


WAYS: dict[str, Wrong] = {
    "audio as fast as it is spoken": Wrong(always=every(pace=1.1)),
    "audio in odd pieces": Wrong(always=every(piece=7)),
    "audio in one piece of many words": Wrong(always=every(piece=48_001)),
    "a header before the samples": Wrong(always=every(head=b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff")),
    "words placed before their audio": Wrong(always=every(placing="early"), but=UNTIMED),
    "words placed after their audio": Wrong(always=every(placing="late"), but=UNTIMED | PLACES_WITH_AUDIO),
    "words never placed": Wrong(always=every(placing="never"), but=UNTIMED),
    "its end said twice": Wrong(always=every(ending="twice"), but=ON_REQUEST | {"hume"}),
    "its end said late": Wrong(always=every(ending="slow"), but=ON_REQUEST | {"hume"}),
    "more audio after its end": Wrong(always=every(ending="late"), but=ON_REQUEST | {"hume"}),
    "nothing after the opening": Wrong(Orders(manner="silent"), replaced=True),
    "nothing more in mid-text": Wrong(Orders(after_words=3, manner="gap"), replaced=True),
    "closed in mid-text (1000)": Wrong(Orders(after_words=3, close=(1000, "")), replaced=True, but=ON_REQUEST),
    "closed in mid-text (1008)": Wrong(Orders(after_words=3, close=(1008, "policy")), replaced=True, but=ON_REQUEST),
    "closed in mid-text (1011)": Wrong(Orders(after_words=3, close=(1011, "oops")), replaced=True, but=ON_REQUEST),
    "closed in mid-text (1012)": Wrong(Orders(after_words=3, close=(1012, "")), replaced=True, but=ON_REQUEST),
    "closed in mid-text (4000)": Wrong(Orders(after_words=3, close=(4000, "x" * 120)), replaced=True, but=ON_REQUEST),
    "too many at once": Wrong(always=every(most=0), replaced=True, but=frozenset(VIRTUAL) - {"cartesia", "deepgram"}),
    "cut in mid-word": Wrong(Orders("lost", 4, "slow", mid_word=True), replaced=True),
}


TABLE = [(vendor, way) for way, wrong in WAYS.items() for vendor in VIRTUAL if vendor not in wrong.but]


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[T]]], T]:
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: virtual.MemoryConnector())
    monkeypatch.setenv("VENDOR_KEY", KEY)
    return lambda main: virtual.run(main)


@pytest.mark.parametrize(("vendor", "way"), TABLE)
def test_a_service_that_misbehaves_costs_no_word(vendor: str, way: str, in_virtual_time: Callable[[Any], Any]) -> None:
    wrong = WAYS[way]
    schedule = (WELL, wrong.second_text, WELL, WELL)
    listener, _, second, _ = in_virtual_time(lambda: answered(vendor, *schedule, arrange=wrong.always))
    assert listener.ear.text().split() == " ".join(SENTENCES).split()
    assert bool(second.texts) == wrong.replaced, second.texts
    assert listener.silence_ms <= MOST_SILENCE_MS


@pytest.mark.parametrize("vendor", [name for name in VIRTUAL if DOUBLES[name]().idle_s])
def test_a_connection_that_was_idle_for_too_long_costs_no_word(
    vendor: str, in_virtual_time: Callable[[Any], Any]
) -> None:
    """Left alone for longer than its service's limit, again and again, and then asked to speak."""

    async def main() -> tuple[list[str], list[str]]:
        primary, second = DOUBLES[vendor](), ElevenLabsDouble()
        said = []
        async with primary.serve() as first_url, second.serve() as second_url:
            settings = SpeakingSettings(
                providers={
                    "first": primary.settings(first_url, keep_phrases=False),
                    "second": second.settings(second_url),
                },
                voices={"anna": (VoiceRoute(provider="first"), VoiceRoute(provider="second"))},
            )
            speech = SpeechService(settings, providers={"worker": TinyProvider("http://127.0.0.1:1/")})
            await speech.start()
            for wait_s in (1.0, primary.idle_s * 0.9, primary.idle_s * 1.1, primary.idle_s * 3.3):
                await asyncio.sleep(wait_s)
                listener = Listener(speech)
                await listener.hears(SENTENCES[0])
                said.append(listener.ear.text())
            await speech.close()
        return said, second.texts

    assert in_virtual_time(main) == ([SENTENCES[0]] * 4, [])


@pytest.mark.parametrize("vendor", VIRTUAL)
def test_a_service_that_stalls_while_phrases_are_made_ahead_is_replaced(
    vendor: str, in_virtual_time: Callable[[Any], Any]
) -> None:
    """Nobody listens to a phrase that is made before the first call, and the service would never be ready."""

    async def main() -> list[str]:
        primary, second = DOUBLES[vendor](), ElevenLabsDouble()
        primary.orders = Orders(after_words=3, manner="gap")
        async with primary.serve() as first_url, second.serve() as second_url:
            settings = SpeakingSettings(
                providers={"first": primary.settings(first_url), "second": second.settings(second_url)},
                voices={"anna": (VoiceRoute(provider="first"), VoiceRoute(provider="second"))},
            )
            speech = SpeechService(settings, providers={"worker": TinyProvider("http://127.0.0.1:1/")})
            await speech.start()
            while len([one for one in speech._pool.providers if one.usable]) < 3:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(30):
                await speech.warm([SENTENCES[0]], voice="anna")
            await speech.close()
        return second.texts

    assert in_virtual_time(main)[-1].endswith("eight.")
