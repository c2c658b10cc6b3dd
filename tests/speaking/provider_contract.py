"""What every speech provider must do, as tests that any of them passes: `bridge.speaking.voices.base`, second half.

    class TestMyVendor(ProviderContract):
        @pytest.fixture
        async def bench(self) -> AsyncIterator[Bench]: ...

A `Bench` is a provider, and a far end that can be made to misbehave. Tests need no more of it than this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pytest

from bridge.audio.formats import FORMATS, AudioFormat
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechProvider, SpeechRequest

TEXT = "one two three four"
Fault = Literal["well", "busy", "rejected", "internal", "lost"]
FAULTS: tuple[Fault, ...] = ("busy", "rejected", "internal", "lost")
_PATIENCE_S = 60.0


class FarEnd(Protocol):
    """The other side of the network, on order."""

    def misbehave(self, fault: Fault, after_words: int) -> None:
        """Treat the streams opened from now on so, after so many words."""

    def hold(self) -> None:
        """Bring no audio beyond the first word until `release`, and audio of a stream that was cancelled meanwhile."""

    def release(self) -> None:
        """Go on."""


@dataclass
class Bench:
    """One provider on trial."""

    provider: SpeechProvider
    far_end: FarEnd
    formats: tuple[AudioFormat, ...] = tuple(FORMATS.values())
    """Those that it has."""
    places_words: bool = True


@dataclass
class Listener:
    """Writes down what it is told, and holds the provider to the order of things."""

    audio_format: AudioFormat
    sound: bytearray = field(default_factory=bytearray)
    placed: list[Word] = field(default_factory=list)
    untimed: bool = False
    ended: str = ""
    error: VoiceError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    inside_open: bool = True

    def _told(self) -> None:
        assert not self.inside_open, "nothing is told from within open"
        assert not self.ended, f"nothing is told after {self.ended}"
        self.news.set()

    def audio(self, data: bytes) -> None:
        self._told()
        assert data
        assert len(data) % self.audio_format.sample_bytes == 0
        self.sound += data

    def words(self, words: Sequence[Word]) -> None:
        self._told()
        heard_ms = self.audio_format.duration_ms(self.sound)
        assert not self.untimed
        for word in words:
            last = self.placed[-1].end_ms if self.placed else 0
            assert last <= word.start_ms <= word.end_ms
            assert word.end_ms >= heard_ms - 500, "words come with their audio, or before it"
            self.placed.append(word)

    def no_words(self) -> None:
        self._told()
        assert not self.untimed
        self.untimed = True

    def done(self) -> None:
        self._told()
        self.ended = "done"

    def failed(self, error: VoiceError) -> None:
        self._told()
        self.ended, self.error = "failed", error

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while not holds():
                self.news.clear()
                await self.news.wait()


class ProviderContract:
    """Inherit from this, and give it a `bench`."""

    def begin(self, bench: Bench, request: SpeechRequest) -> tuple[Listener, _Stream]:
        listener = Listener(request.audio_format)
        stream = bench.provider.open(request, listener)
        listener.inside_open = False
        return listener, _Stream(stream)

    async def said(self, bench: Bench, request: SpeechRequest) -> Listener:
        listener, _ = self.begin(bench, request)
        await listener.until(lambda: bool(listener.ended))
        return listener

    async def test_it_says_which_voices_it_has_and_starts_usable(self, bench: Bench) -> None:
        assert bench.provider.usable
        assert bench.provider.name
        assert bench.provider.default_voice in bench.provider.voices
        assert all(bench.provider.voices.values()), "each with its engine's version"

    async def test_every_format_it_has_sounds_as_long_and_words_are_placed_in_it(self, bench: Bench) -> None:
        lengths = []
        for audio_format in bench.formats:
            heard = await self.said(bench, SpeechRequest(TEXT, audio_format=audio_format))
            assert heard.ended == "done", heard.error
            lengths.append(audio_format.duration_ms(heard.sound))
            if bench.places_words:
                assert [word.text for word in heard.placed] == TEXT.split()
                assert heard.placed[-1].end_ms <= lengths[-1]
            else:
                assert heard.untimed
                assert not heard.placed
        assert min(lengths) > 200
        assert max(lengths) - min(lengths) <= 60

    async def test_text_may_be_written_while_it_is_spoken(self, bench: Bench) -> None:
        listener, stream = self.begin(bench, SpeechRequest())
        for delta in ("one tw", "o thr", "ee fo", "ur"):
            stream.text(delta)
        stream.end()
        await listener.until(lambda: bool(listener.ended))
        whole = await self.said(bench, SpeechRequest(TEXT))
        assert listener.ended == whole.ended == "done"
        assert abs(len(listener.sound) - len(whole.sound)) <= 0.2 * len(whole.sound)

    async def test_streams_are_independent(self, bench: Bench) -> None:
        bench.far_end.hold()
        streams = [self.begin(bench, SpeechRequest(f"{TEXT} {number}")) for number in range(4)]
        for listener, _ in streams:
            await listener.until(lambda listener=listener: bool(listener.sound))  # type: ignore[misc]
        streams[1][1].cancel()
        bench.far_end.release()
        for number, (listener, _) in enumerate(streams):
            if number != 1:
                await listener.until(lambda listener=listener: bool(listener.ended))  # type: ignore[misc]
                assert listener.ended == "done"

    async def test_cancel_is_final_at_once_and_may_be_said_again(self, bench: Bench) -> None:
        bench.far_end.hold()
        listener, stream = self.begin(bench, SpeechRequest(TEXT))
        await listener.until(lambda: bool(listener.sound))
        stream.cancel()
        stream.cancel()
        heard = len(listener.sound)
        listener.ended = "cancelled"  # whatever it is told from now on fails
        for order in (stream.flush, stream.end, stream.cancel):
            order()
        stream.text("more")
        stream.playout(100, 200)
        bench.far_end.release()
        other = await self.said(bench, SpeechRequest(TEXT))
        assert other.ended == "done"
        assert len(listener.sound) == heard

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("after_words", [0, 2])
    async def test_a_failure_is_told_once_with_its_kind(self, bench: Bench, fault: Fault, after_words: int) -> None:
        bench.far_end.misbehave(fault, after_words)
        try:
            listener = await self.said(bench, SpeechRequest(TEXT))
        except VoiceError as error:
            told: VoiceError | None = error
            assert after_words == 0, "what is known at once may be raised"
        else:
            told = listener.error
            assert listener.ended == "failed"
        assert told is not None
        assert told.kind == fault
        assert str(told)
        if fault == "busy":
            assert told.retry_after_s is not None
            assert told.retry_after_s > 0
        bench.far_end.misbehave("well", 0)
        async with asyncio.timeout(_PATIENCE_S):
            while not bench.provider.usable:
                await asyncio.sleep(0.01)
        assert (await self.said(bench, SpeechRequest(TEXT))).ended == "done"

    async def test_closing_it_fails_its_streams_as_lost(self, bench: Bench) -> None:
        bench.far_end.hold()
        listener, _ = self.begin(bench, SpeechRequest(TEXT))
        await listener.until(lambda: bool(listener.sound))
        await bench.provider.close()
        await listener.until(lambda: bool(listener.ended))
        assert listener.error is not None
        assert listener.error.kind == "lost"
        assert not bench.provider.usable


class _Stream:
    """A stream whose every order must return at once."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._stream, name)

        def order(*arguments: object) -> None:
            assert method(*arguments) is None

        return order
