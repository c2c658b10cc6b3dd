"""Calls whose recogniser is live, late, wrong, silent or dead: what the call machine is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from bridge.breaker import Breaker
from bridge.call.commands import ExpectSpeech, Transcribe
from bridge.call.events import Event, Opinion, Recognised, RecogniserFailed, TurnOpinion, WordsHeard
from bridge.errors import ConfigError
from bridge.listening.recognisers.base import Capabilities
from bridge.listening.recognisers.websocket import WebSocketRecogniser
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.service import ListeningService
from bridge.listening.settings import (
    ActivitySettings,
    ListeningSettings,
    NoRecogniserSettings,
    NoTurnModelSettings,
    OpenAITranscriptionSettings,
    RecogniserSettings,
    WebSocketRecogniserSettings,
    WhisperSettings,
)
from tests.listening.recogniser_contract import ORDER, SATURDAY, plain, until
from tests.listening.sounds import frames, line, silence
from tests.listening.streaming_service import Says, StreamingService


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


@contextlib.asynccontextmanager
async def listens(
    recogniser: RecogniserSettings, *fallbacks: RecogniserSettings, **others: Any
) -> AsyncIterator[ListeningService]:
    settings = ListeningSettings(
        activity=ActivitySettings(tick_ms=0.5, backlog_windows=10_000),
        recogniser=recogniser,
        fallback_recognisers=fallbacks,
        turn=NoTurnModelSettings(),
        **{"final_ms": 20_000, "pass_over_s": 20.0, **others},  # this machine may be slow, what is tested is not time
    )
    service = ListeningService(settings, clock=time.monotonic)
    await service.start()
    try:
        yield service
    finally:
        await service.close()


def rest_long(room: ListeningService) -> None:
    """Nobody who has failed is tried again within the test, however slow the machine is."""
    for ranked in room.recognisers.chain(room.settings.recogniser).ranked:
        ranked.breaker = Breaker(3, cool_off_s=600.0, longest_s=600.0)


class Line:
    """One call: the caller's audio in, what the machine is told out."""

    def __init__(self, service: ListeningService) -> None:
        self.told: list[Event] = []
        self.now = 0.0
        self._revision = 0
        self.ear = service.open_call(self.told.append, started_at=0.0)
        self.ear.expect(ExpectSpeech("open", (), "en-US"))

    async def says(self, ulaw: bytes) -> None:
        """In frames, and with room for the network after each."""
        for frame in frames(ulaw):
            self.now = round(self.now + len(frame) / 8000, 6)
            self.ear.hear(frame, self.now)
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)

    def asks(self, since: float = 0.0, *, so_far: bool = False) -> int:
        self._revision += 1
        self.ear.transcribe(Transcribe(self._revision, since, so_far))
        return self._revision

    async def answered(self, revision: int) -> Recognised | RecogniserFailed:
        def found() -> list[Recognised | RecogniserFailed]:
            return [
                event
                for event in self.told
                if isinstance(event, Recognised | RecogniserFailed) and event.revision == revision
            ]

        await until(lambda: bool(found()))
        [answer] = found()
        return answer

    async def words(self, since: float = 0.0) -> str:
        answer = await self.answered(self.asks(since))
        assert isinstance(answer, Recognised), answer
        return plain(answer.text)

    @property
    def heard(self) -> list[WordsHeard]:
        return [event for event in self.told if isinstance(event, WordsHeard)]


def socket(url: str) -> WebSocketRecogniserSettings:
    return WebSocketRecogniserSettings(url=url)


def misbehaving(*misconduct: Sequence[Says], whisper: Whisper | None = None) -> StreamingService:
    return StreamingService(whisper, misconduct)


def final(segment: int, text: str, end_ms: float) -> dict[str, Any]:
    return {"type": "final", "segment": segment, "text": text, "end_ms": end_ms}


def partial(segment: int, text: str) -> dict[str, Any]:
    return {"type": "partial", "segment": segment, "text": text}


async def test_a_live_recogniser_tells_words_while_the_caller_speaks(whisper: Whisper) -> None:
    service = StreamingService(whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        await until(lambda: len(call.heard) >= 1)
        assert await call.words() == "i want to cancel my order"
        await call.says(line(silence(0.8)))
        await until(lambda: any(isinstance(event, TurnOpinion) for event in call.told))
        assert {event.opinion for event in call.told if isinstance(event, TurnOpinion)} <= {
            Opinion.SPEECH,
            Opinion.OVER,
        }
        second = call.now
        await call.says(SATURDAY)
        assert await call.words(second) == "when do you open on saturday"
        assert await call.words() == "i want to cancel my order when do you open on saturday"
        call.ear.close()


async def test_a_connection_that_breaks_in_mid_turn_costs_no_word(whisper: Whisper) -> None:
    service = misbehaving([Says(0.9)], whisper=whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        assert len(service.sessions) == 2
        assert bytes(service.sessions[1].audio) == call.ear._memory.read(0)  # it has heard everything, once
        call.ear.close()


async def test_the_next_connection_hears_only_what_has_no_final_text(whisper: Whisper) -> None:
    service = misbehaving([Says(1.5, final(0, "I want to cancel my order.", 2000)), Says(2.6)], whisper=whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        assert call.now > 2.0
        await call.says(SATURDAY)
        assert await call.words() == "i want to cancel my order when do you open on saturday"
        again_s = len(service.sessions[1].audio) / 8000
        assert again_s == pytest.approx(call.now - 2.0, abs=0.05)
        call.ear.close()


async def test_when_it_stays_away_the_embedded_one_goes_on_from_the_same_audio(whisper: Whisper) -> None:
    service = StreamingService(whisper)
    async with service.serve() as url, listens(socket(url), WhisperSettings()) as room:
        rest_long(room)
        call = Line(room)
        await call.says(ORDER[: len(ORDER) // 2])
        await service.dies()
        await call.says(ORDER[len(ORDER) // 2 :])
        assert await call.words() == "i want to cancel my order"
        assert not call.ear.recognition.wants_audio
        second = call.now
        await call.says(SATURDAY)
        assert await call.words(second) == "when do you open on saturday"
        assert room.stats()["recogniser_0_websocket_open"]
        call.ear.close()


async def test_a_call_comes_back_to_the_first_choice_when_it_is_well_again(whisper: Whisper) -> None:
    service = StreamingService(whisper)
    service.refuses = 503
    async with service.serve() as url, listens(socket(url), WhisperSettings()) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        service.refuses = None
        room.recognisers.chain(room.settings.recogniser).ranked[0].breaker.succeeded()  # its time of rest is over
        assert await call.words() == "i want to cancel my order"
        await until(lambda: len(service.sessions) == 1)
        assert call.ear.recognition.wants_audio
        call.ear.close()


async def test_a_refused_key_is_not_tried_by_the_next_call(whisper: Whisper) -> None:
    service = StreamingService(whisper)
    service.refuses = 401
    async with service.serve() as url, listens(socket(url), WhisperSettings()) as room:
        rest_long(room)
        first = Line(room)
        await first.says(ORDER)
        assert await first.words() == "i want to cancel my order"
        second = Line(room)
        assert not second.ear.recognition.wants_audio
        assert room.stats()["recogniser_0_websocket_failed"] == 1
        first.ear.close()
        second.ear.close()


async def test_a_service_that_never_settles_is_taken_at_its_newest_word() -> None:
    service = misbehaving([Says(0.5, partial(0, "I want")), Says(1.0, partial(0, "I want to cancel"))])
    async with service.serve() as url, listens(socket(url), final_ms=100) as room:
        call = Line(room)
        await call.says(ORDER)
        await until(lambda: len(call.heard) == 2)
        assert await call.words() == "i want to cancel"
        assert room.stats()["listening_promoted"] == 1
        assert service.sessions[0].asked("finalise") == [{"type": "finalise", "id": 1}]
        call.ear.close()


async def test_a_late_final_text_is_told_and_does_not_become_the_next_turn() -> None:
    ready = [Says(0.5, partial(0, "I want")), Says(4.0, final(0, "I want to cancel.", 1800))]
    service = misbehaving(ready)
    async with service.serve() as url, listens(socket(url), final_ms=100) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want"
        await call.says(line(silence(4.0)))
        await until(lambda: len(call.heard) == 2)
        assert call.heard[-1].since(0.0) == "I want to cancel."
        assert call.heard[-1].since(3.0) == ""
        assert await call.words(3.0) == ""
        assert await call.words() == "i want to cancel"
        call.ear.close()


async def test_finals_out_of_order_and_twice_make_one_text() -> None:
    service = misbehaving(
        [
            Says(0.4, partial(1, "to cancel")),
            Says(0.6, final(1, "to cancel my order", 1900)),
            Says(0.8, final(0, "i want", 900)),
            Says(1.0, final(0, "I want", 900)),
            Says(1.2, final(1, "to cancel my order.", 1900)),
            Says(1.4, {"type": "weather", "outlook": "fair"}),
        ]
    )
    async with service.serve() as url, listens(socket(url), final_ms=100) as room:
        call = Line(room)
        await call.says(ORDER)
        await until(lambda: len(call.heard) == 5)
        answer = await call.answered(call.asks())
        assert answer == Recognised(1, "I want to cancel my order.", 1.0)
        call.ear.close()


async def test_silence_is_no_word_and_no_failure(whisper: Whisper) -> None:
    service = StreamingService(whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(line(silence(2.0)))
        assert await call.answered(call.asks()) == Recognised(1, "", 0.0)
        call.ear.close()


BAD = {
    "no JSON": "<html>",
    "no type": '{"segment": 1}',
    "a text that is none": '{"type": "partial", "segment": 0, "text": 5}',
    "a segment that is none": '{"type": "final", "segment": "x", "text": "hello"}',
    "an opinion that is none": '{"type": "turn", "opinion": "maybe"}',
    "too much": '{"type": "partial", "segment": 0, "text": "' + "a" * 70_000 + '"}',
    "an error": '{"type": "error", "code": "busy", "message": "no room"}',
    "the end": None,
}


@pytest.mark.parametrize("message", BAD.values(), ids=BAD.keys())
async def test_whatever_a_service_does_wrong_its_turn_is_recognised(message: str | None, whisper: Whisper) -> None:
    service = misbehaving([Says(0.8, message)], whisper=whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        assert room.stats()["recogniser_0_websocket_failed"] == 1
        call.ear.close()


async def test_a_service_that_falls_silent_is_replaced_when_words_are_due(whisper: Whisper) -> None:
    service = misbehaving([Says(0.1, deaf=True)], whisper=whisper)
    async with service.serve() as url, listens(socket(url), WhisperSettings(), final_ms=100) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        assert room.stats()["recogniser_0_websocket_replaced"] == 1
        call.ear.close()


async def test_a_second_live_service_hears_the_turn_that_the_first_one_slept_through(whisper: Whisper) -> None:
    asleep, awake = misbehaving([Says(0.1, deaf=True)]), StreamingService(whisper)
    async with asleep.serve() as first, awake.serve() as second, listens(socket(first), socket(second)) as room:
        call = Line(room)
        await call.says(ORDER)
        call.ear.recognition._settings = msgspec.structs.replace(room.settings, final_ms=100)
        revision = call.asks()
        await until(lambda: len(awake.sessions) == 1)
        call.ear.recognition._settings = room.settings
        answer = await call.answered(revision)
        assert isinstance(answer, Recognised)
        assert plain(answer.text) == "i want to cancel my order"
        assert bytes(awake.sessions[0].audio) == call.ear._memory.read(0)
        call.ear.close()


async def test_nobody_left_is_a_failure_not_a_silent_caller() -> None:
    service = StreamingService()
    service.refuses = 503
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        failed = await call.answered(call.asks())
        assert isinstance(failed, RecogniserFailed)
        assert "503" in failed.reason
        call.ear.close()


async def test_a_session_is_rotated_before_its_limit_without_losing_a_word(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = Capabilities(live=True, word_times=True, turn_ends=True, longest_session_s=6.0)
    monkeypatch.setattr(WebSocketRecogniser, "capabilities", limited)
    service = StreamingService(whisper)
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        second = call.now
        await call.says(line(silence(2.0)))
        await call.says(SATURDAY)
        assert await call.words(second) == "when do you open on saturday"
        assert [session.closed for session in service.sessions] == [True, False]
        assert service.sessions[0].texts[-1] == {"type": "close"}
        call.ear.close()


async def test_a_token_travels_in_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOGNISER_KEY", "secret")
    service = StreamingService()
    async with service.serve() as url, listens(socket(url)) as room:
        call = Line(room)
        await until(lambda: len(service.sessions) == 1)
        assert service.sessions[0].authorization == "Bearer secret"
        call.ear.close()
        await until(lambda: service.sessions[0].closed)


@pytest.mark.parametrize(
    ("recognisers", "complaint"),
    [
        ((WhisperSettings(), WhisperSettings(context_s=15.0)), "whisper is there twice"),
        ((OpenAITranscriptionSettings(model="m"), NoRecogniserSettings()), "kind none"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    recognisers: tuple[RecogniserSettings, RecogniserSettings], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        async with listens(*recognisers):
            pass
