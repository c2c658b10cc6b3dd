"""One call's connection to a recogniser that speaks any `RecogniserWire`: connects, sends, reads, keeps it alive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
import msgspec

from bridge.audio import mulaw
from bridge.call.events import TurnOpinion
from bridge.http import why_unreachable
from bridge.listening.recognisers.base import (
    ExpectedSpeech,
    Finalised,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamEvent,
    StreamFailed,
    StreamListener,
)
from bridge.listening.recognisers.links import Channel, Closed, Link, LinkFailed
from bridge.listening.recognisers.wire import (
    Accepted,
    Message,
    RecogniserWire,
    Reply,
    Settled,
    WireEvent,
)

_MOST_UNSENT = 16 * mulaw.RATE_HZ
"""Bytes of audio that wait for the connection, or for a service that does not read; beyond it the stream is lost."""
_BURST_S = 1.0
_DIGESTS = 4.0
"""A service that hears much audio at once works through it at least this many times as fast as it was spoken."""
_MOST_SILENCE_S = 15.0
"""Silence that is sent in place of audio: a service that has not settled the last words by then never will."""
_FORESIGHT_S = 1.0
"""By how much a service may speak of audio that it was not sent yet: segments are rounded up."""


class AudioPace:
    """A queue of audio that is taken some times as fast as it was spoken, some of it at once; 0: all of it. Pure."""

    def __init__(self, times: float, burst_s: float = 0.0) -> None:
        self._times = times
        self._burst_s = burst_s
        self._free_at = float("-inf")

    def add(self, size: int, now: float) -> float:
        """Add so many bytes, at `now` on any clock in seconds, and return when they are through, at most `now` ago."""
        if not self._times:
            return now
        self._free_at = max(self._free_at, now - self._burst_s) + size / mulaw.RATE_HZ / self._times
        return max(self._free_at, now)


class _Finalise(NamedTuple):
    number: int


class _Goodbye(NamedTuple):
    pass


_Order = _Finalise | _Goodbye | ExpectedSpeech


class WireStream:
    """One call's connection: a task that connects, one that sends, and one that reads."""

    def __init__(self, link: Link, wire: RecogniserWire, listener: StreamListener) -> None:
        self._link = link
        self._wire = wire
        self._traits = wire.traits
        self._listener = listener
        self._audio = bytearray()
        self._orders: list[tuple[int, _Order]] = []
        """What to say, each with the number of bytes of audio that go before it."""
        self._fed = self._sent = 0
        self._begun_at: float | None = None
        self._fed_until = 0.0
        self._padded_s = 0.0
        """Silence of ours within the audio, which the caller's clock does not know."""
        self._full = wire.traits.message_ms * 8
        self._pace = AudioPace(wire.traits.catch_up, _BURST_S)
        self._digestion = AudioPace(_DIGESTS)
        self._digested_at = 0.0
        self._asked = self._next = 0
        """The numbers of the request under way, and of the one that comes after it."""
        self._patience: asyncio.TimerHandle | None = None
        self._wake, self._ready, self._stuck = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._over = self._closing = False
        self._work = asyncio.get_running_loop().create_task(self._run())

    # ---- the call's side ----------------------------------------------------------------------------------------

    def feed(self, ulaw: bytes, at: float) -> None:
        """Queue audio; the sender is woken when there is enough for a message."""
        if self._over or self._closing or not ulaw:
            return
        if self._begun_at is None:
            self._begun_at = at - len(ulaw) / mulaw.RATE_HZ
        self._audio += ulaw
        self._fed += len(ulaw)
        self._fed_until = at
        if len(self._audio) > _MOST_UNSENT:
            self._stuck.set()
        if len(self._audio) >= self._full:
            self._wake.set()

    def expect(self, expected: ExpectedSpeech) -> None:
        """Tell the recogniser, after the audio so far."""
        self._order(expected)

    def finalise(self, number: int, deadline_s: float) -> None:
        """Ask for the final texts of the audio so far; whoever asks watches the deadline."""
        self._order(_Finalise(number))

    def close(self) -> None:
        """Say goodbye and hang up, without waiting for it; nothing is told from here on."""
        if self._over or self._closing:
            return
        self._order(_Goodbye())
        self._closing = True
        if self._patience is not None:
            self._patience.cancel()
        if not self._ready.is_set():
            self._work.cancel()  # nobody there to say goodbye to

    def _order(self, order: _Order) -> None:
        if not self._over and not self._closing:
            self._orders.append((self._fed, order))
            self._wake.set()

    # ---- the connection -----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        where = self._link.where
        try:
            failure = await self._converse()
        except TimeoutError:
            failure = StreamFailed("lost", f"no connection within {self._link.connect_s:g} s")
        except LinkFailed as error:
            failure = error.failure
        except (aiohttp.ClientError, OSError) as error:
            failure = StreamFailed("lost", why_unreachable(error))
        self._tell(StreamFailed(failure.kind, f"{where}: {failure.reason}"))
        self._over = True
        self._audio.clear()
        self._orders.clear()
        if self._patience is not None:
            self._patience.cancel()

    async def _converse(self) -> StreamFailed:
        channel = await self._link.open()
        sender = asyncio.create_task(self._send(channel))
        reader = asyncio.create_task(self._read(channel))
        stuck = asyncio.create_task(self._stuck.wait())
        try:
            await asyncio.wait((sender, reader, stuck), return_when=asyncio.FIRST_COMPLETED)
            # What it said before the connection broke still counts.
            if reader.done():
                return reader.result()
            if sender.done():
                return sender.result()
            return StreamFailed("lost", f"does not read: {len(self._audio)} bytes wait")
        finally:
            for task in (sender, reader, stuck):
                task.cancel()
            await asyncio.gather(sender, reader, stuck, return_exceptions=True)
            await channel.close()

    async def _send(self, channel: Channel) -> StreamFailed:
        """Send audio and orders in the sequence in which they came, until there is no more to say."""
        await _send_all(channel, self._wire.opening())
        if self._traits.awaits_ready:
            async with asyncio.timeout(self._link.connect_s):
                await self._ready.wait()
        self._ready.set()
        while True:
            await self._woken(channel)
            while self._orders or len(self._audio) >= self._full:
                upto = self._orders[0][0] if self._orders else self._fed
                if size := min(upto - self._sent, self._largest):
                    await self._send_audio(channel, size)
                else:
                    await self._carry_out(channel, self._orders.pop(0)[1])
            if self._closing:
                return StreamFailed("lost", "closed by us")

    @property
    def _largest(self) -> int:
        """Bytes of one message: what waited may go in longer ones where nobody minds."""
        return self._full if self._traits.catch_up else max(self._full, mulaw.RATE_HZ)

    async def _woken(self, channel: Channel) -> None:
        traits, quiet_s, silent_s = self._traits, 0.0, 0.0
        step_s = traits.silence_s or traits.keep_alive_s
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(step_s or None):
                    await self._wake.wait()
            except TimeoutError:
                quiet_s += step_s
                if traits.silence_s and self._wire.outstanding and silent_s < _MOST_SILENCE_S:
                    silent_s += traits.silence_s
                    await self._send_silence(channel, traits.silence_s)
                elif traits.keep_alive_s and quiet_s >= traits.keep_alive_s:
                    quiet_s = 0.0
                    await self._send_something(channel)
        self._wake.clear()

    async def _send_something(self, channel: Channel) -> None:
        if silence_ms := self._wire.idle_silence_ms:
            await self._send_silence(channel, silence_ms / 1000)
        else:
            await _send_all(channel, self._wire.keep_alive())

    async def _send_silence(self, channel: Channel, seconds: float) -> None:
        if self._audio:
            await self._send_audio(channel, len(self._audio))
        self._padded_s += seconds
        await _send_all(channel, self._wire.audio(bytes([mulaw.SILENCE]) * round(seconds * mulaw.RATE_HZ)))

    async def _send_audio(self, channel: Channel, size: int) -> None:
        audio = bytes(self._audio[:size])
        del self._audio[:size]
        self._sent += size
        loop = asyncio.get_running_loop()
        if (wait_s := self._pace.add(size, loop.time()) - loop.time()) > 0.0:
            await asyncio.sleep(wait_s)
        self._digested_at = self._digestion.add(size, loop.time())
        if short := max(0, self._traits.shortest_ms * 8 - size):
            audio += bytes([mulaw.SILENCE]) * short
            self._padded_s += short / mulaw.RATE_HZ
        await _send_all(channel, self._wire.audio(audio))

    async def _carry_out(self, channel: Channel, order: _Order) -> None:
        match order:
            case ExpectedSpeech():
                await _send_all(channel, self._wire.expect(order))
            case _Goodbye():
                await _send_all(channel, self._wire.goodbye())
            case _Finalise(number) if self._asked and not self._traits.numbered:
                self._next = number
            case _Finalise(number):
                await self._ask(channel, number)

    async def _ask(self, channel: Channel, number: int) -> None:
        self._asked = number
        messages = self._wire.finalise(number, self._sent / mulaw.RATE_HZ + self._padded_s)
        await _send_all(channel, messages)
        if not messages and not self._wire.outstanding:
            self._answered(presumed=True)
        elif not self._traits.numbered:
            self._wait()

    def _wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_at(max(loop.time(), self._digested_at) + self._traits.settle_s, self._unanswered)

    def _unanswered(self) -> None:
        """The request has waited: it may have come to nothing, or a newer one takes its place."""
        self._patience = None
        if not self._asked or self._over or self._closing:
            return
        for event in self._wire.unanswered():
            self._take(event, presumed=True)
        if self._asked:
            if self._next:
                self._ask_next()
            else:
                self._wait()

    def _answered(self, number: int = 0, *, presumed: bool = False) -> None:
        number, self._asked = number or self._asked, 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._next:
            self._ask_next()  # the older one need not be answered any more
        elif number:
            self._tell(Finalised(number, presumed))

    def _ask_next(self) -> None:
        number, self._next, self._asked = self._next, 0, 0
        self._orders.insert(0, (self._sent, _Finalise(number)))
        self._wake.set()

    async def _read(self, channel: Channel) -> StreamFailed:
        while True:
            message = await channel.receive()
            if isinstance(message, Closed):
                return self._wire.closed(message.code, message.reason)
            try:
                events = self._wire.receive(message)
            except (msgspec.MsgspecError, ValueError) as error:
                # Without the text itself, which may be what the caller said.
                return StreamFailed("internal", f"sent a bad message: {str(error)[:120]}")
            for event in events:
                if isinstance(event, StreamFailed):
                    return event
                if isinstance(event, Reply):
                    await _send_all(channel, event.messages)
                else:
                    self._take(event)

    # ---- events -------------------------------------------------------------------------------------------------

    def _take(self, event: WireEvent, *, presumed: bool = False) -> None:
        match event:
            case Accepted():
                self._ready.set()
            case Settled(number):
                if not number or number >= self._asked:
                    self._answered(number, presumed=presumed)
            case PartialText() | FinalText():
                its: dict[str, object] = {"at": self._at(event.at), "words": tuple(map(self._placed, event.words))}
                if presumed and isinstance(event, FinalText):
                    its["presumed"] = True
                self._tell(msgspec.structs.replace(event, **its))
            case TurnOpinion():
                self._tell(msgspec.structs.replace(event, at=self._at(event.at)))

    def _at(self, seconds: float) -> float:
        """A time of theirs on the clock of the call; what they have not heard they cannot speak of, or hardly."""
        if seconds < 0.0:
            return self._fed_until
        return min(self._fed_until + _FORESIGHT_S, (self._begun_at or 0.0) + max(0.0, seconds - self._padded_s))

    def _placed(self, word: RecognisedWord) -> RecognisedWord:
        if word.start_at is None or word.end_at is None:
            return word
        return RecognisedWord(word.text, self._at(word.start_at), self._at(word.end_at), word.confidence)

    def _tell(self, event: StreamEvent) -> None:
        if not self._over and not self._closing:
            self._over = isinstance(event, StreamFailed)
            self._listener(event)


async def _send_all(channel: Channel, messages: Sequence[Message]) -> None:
    for message in messages:
        await channel.send(message)
