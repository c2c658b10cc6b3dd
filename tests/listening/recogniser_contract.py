"""The contract of a recogniser, as tests that any implementation runs: subclass `RecogniserContract`, give it a `rig`.

    class TestMine(RecogniserContract):
        @pytest.fixture
        async def rig(self) -> AsyncIterator[Rig]:
            async with my_double() as url, loaded(MyRecogniser(url)) as mine:
                yield Rig(mine, kill=my_double.dies)

The engine, or the double behind it, must really recognise English: the sentences here are spoken by the default voice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from bridge.call.events import TurnOpinion
from bridge.listening.recognisers.base import (
    ExpectedSpeech,
    Finalised,
    FinalText,
    PartialText,
    Recogniser,
    RecogniserStream,
    StreamEvent,
    StreamFailed,
)
from tests.listening.sounds import frames, line, say, silence

ENGLISH = ExpectedSpeech("en-US")
ORDER = line(silence(0.3), say("I want to cancel my order."), silence(0.3))
SATURDAY = line(silence(0.3), say("When do you open on Saturday?"), silence(0.3))
ABRUPT = line(silence(0.3), say("I want to cancel my order."))
QUIET = line(silence(1.5))
PATIENCE_S = 60.0


@dataclass
class Rig:
    """A loaded recogniser, and a way to break what is behind it."""

    recogniser: Recogniser
    kill: Callable[[], Awaitable[None]]
    """From now on the engine or service behind it is gone."""


@dataclass
class Told:
    """A listener: everything it is told, in order."""

    events: list[StreamEvent] = field(default_factory=list)
    calling: bool = False
    """We are inside one of the stream's methods, from which a listener must not be called."""

    def __call__(self, event: StreamEvent) -> None:
        assert not self.calling, f"{event} was told from inside a method of the stream"
        assert not any(isinstance(old, StreamFailed) for old in self.events), f"{event} was told after the failure"
        self.events.append(event)

    @property
    def failures(self) -> list[StreamFailed]:
        return [event for event in self.events if isinstance(event, StreamFailed)]

    @property
    def answered(self) -> list[int]:
        return [event.number for event in self.events if isinstance(event, Finalised)]

    def text(self, after: int = 0) -> str:
        """Segments in order, each at its newest final text, in plain lower case."""
        found = {event.segment: event.text for event in self.events[after:] if isinstance(event, FinalText)}
        return plain(" ".join(text for _, text in sorted(found.items())))


def plain(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c == " ").split())


@contextlib.asynccontextmanager
async def loaded(recogniser: Recogniser) -> AsyncIterator[Recogniser]:
    await recogniser.load()
    try:
        yield recogniser
    finally:
        await recogniser.unload()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


class Conversation:
    """One stream under test, fed on a call's clock that only audio moves."""

    def __init__(self, recogniser: Recogniser, expected: ExpectedSpeech = ENGLISH) -> None:
        self.told = Told()
        self.now = 0.0
        self._number = 0
        self.told.calling = True
        self.stream: RecogniserStream = recogniser.start(expected, self.told)
        self.told.calling = False

    def hears(self, ulaw: bytes, size: int = 160) -> None:
        self.told.calling = True
        for piece in frames(ulaw, size):
            self.now = round(self.now + len(piece) / 8000, 6)
            self.stream.feed(piece, self.now)
        self.told.calling = False

    def asks(self) -> int:
        self._number += 1
        self.told.calling = True
        self.stream.finalise(self._number, PATIENCE_S)
        self.told.calling = False
        return self._number

    async def settled(self, number: int) -> None:
        await until(lambda: bool(self.told.failures) or number in self.told.answered)

    async def finalised(self) -> str:
        """Ask, wait, and return what was heard since the last time."""
        after = len(self.told.events)
        await self.settled(self.asks())
        assert self.told.failures == []
        return self.told.text(after)


class RecogniserContract:
    """Each test is one sentence of `bridge.listening.recognisers.base`."""

    @pytest.fixture
    def rig(self) -> Rig:
        raise NotImplementedError

    async def test_what_was_said_is_told_before_the_request_is_answered(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        assert await call.finalised() == "i want to cancel my order"
        assert isinstance([event for event in call.told.events if not isinstance(event, TurnOpinion)][-1], Finalised)
        finals = [event for event in call.told.events if isinstance(event, FinalText)]
        assert all(0.0 <= event.confidence <= 1.0 and 0.0 < event.at <= call.now + 0.001 for event in finals)
        call.stream.close()

    async def test_audio_that_ends_with_the_last_word_costs_no_word(self, rig: Rig) -> None:
        """Some carriers send nothing while nobody speaks."""
        call = Conversation(rig.recogniser)
        call.hears(ABRUPT)
        assert await call.finalised() == "i want to cancel my order"
        call.stream.close()

    async def test_silence_is_no_words_and_no_failure(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(QUIET)
        assert await call.finalised() == ""
        call.stream.close()

    async def test_a_request_without_any_audio_is_answered(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        assert await call.finalised() == ""
        call.stream.close()

    @pytest.mark.parametrize("size", [7, 333, 100_000])
    async def test_audio_may_come_in_pieces_of_any_length(self, rig: Rig, size: int) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER, size)
        assert await call.finalised() == "i want to cancel my order"
        call.stream.close()

    async def test_what_was_said_before_is_not_said_again(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        await call.finalised()
        call.hears(SATURDAY)
        assert await call.finalised() == "when do you open on saturday"
        numbers = [event.segment for event in call.told.events if isinstance(event, FinalText)]
        assert numbers == sorted(numbers)
        call.stream.close()

    async def test_the_text_of_a_segment_is_whole(self, rig: Rig) -> None:
        """A partial text begins where its segment begins: it is no addition to the partial text before it."""
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        await call.finalised()
        for event in call.told.events:
            if isinstance(event, PartialText) and len(event.text.split()) > 2:
                assert plain(event.text).startswith("i want")
        call.stream.close()

    async def test_words_lie_on_the_clock_of_the_audio(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.now = 100.0
        call.hears(ORDER)
        await call.finalised()
        words = [word for event in call.told.events if isinstance(event, FinalText) for word in event.words]
        assert bool(words) or not rig.recogniser.capabilities.word_times
        for word in words:
            if word.start_at is not None and word.end_at is not None:
                assert 100.0 <= word.start_at < word.end_at <= call.now + 0.001
        call.stream.close()

    async def test_calls_at_once_hear_only_their_own_words(self, rig: Rig) -> None:
        calls = [Conversation(rig.recogniser), Conversation(rig.recogniser)]
        calls[0].hears(ORDER)
        calls[1].hears(SATURDAY)
        found = await asyncio.gather(*(call.finalised() for call in calls))
        assert found == ["i want to cancel my order", "when do you open on saturday"]
        for call in calls:
            call.stream.close()

    async def test_what_is_expected_may_change_at_any_time(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.stream.expect(ExpectedSpeech("en", ("order", "Okafor"), "yes_no"))
        call.hears(ORDER)
        call.stream.expect(ENGLISH)
        assert "cancel my order" in await call.finalised()
        call.stream.close()

    async def test_a_second_request_replaces_the_first(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        call.asks()
        call.hears(SATURDAY)
        await call.settled(call.asks())
        assert call.told.failures == []
        assert call.told.text().endswith("when do you open on saturday")
        call.stream.close()

    async def test_after_close_nothing_is_told(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        await call.finalised()  # it is connected
        call.hears(SATURDAY)
        call.asks()
        call.stream.close()
        told = len(call.told.events)
        call.stream.close()
        call.hears(ORDER)
        call.stream.expect(ENGLISH)
        call.asks()
        other = Conversation(rig.recogniser)  # enough time for anything that was under way
        other.hears(SATURDAY)
        assert await other.finalised() == "when do you open on saturday"
        assert len(call.told.events) == told
        other.stream.close()

    async def test_an_engine_that_dies_is_told_once_and_by_kind(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        await rig.kill()
        call.hears(ORDER)
        await call.settled(call.asks())
        [failure] = call.told.failures
        assert failure.kind in ("lost", "idle", "busy", "internal")
        assert failure.reason
        assert "order" not in failure.reason
        call.hears(ORDER)
        call.asks()
        call.stream.expect(ENGLISH)
        await asyncio.sleep(0.05)
        assert len(call.told.failures) == 1
        call.stream.close()

    async def test_opinions_about_the_turn_come_only_from_engines_that_have_them(self, rig: Rig) -> None:
        call = Conversation(rig.recogniser)
        call.hears(ORDER)
        call.hears(line(silence(1.0)))
        await call.finalised()
        opinions = [event for event in call.told.events if isinstance(event, TurnOpinion)]
        assert rig.recogniser.capabilities.turn_ends or not opinions
        assert all(0.0 <= opinion.strength <= 1.0 for opinion in opinions)
        call.stream.close()
