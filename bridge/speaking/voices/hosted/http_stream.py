"""One text of a hosted voice that takes requests: one for each sentence, whose audio is joined."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp
import msgspec

from bridge.errors import VoiceError, VoiceLost
from bridge.http import HttpClient, why_unreachable
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.speaking.voices.hosted.output import StreamOutput
from bridge.speaking.voices.hosted.wire import (
    HttpVoiceWire,
    RequestWire,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    SpeechTimes,
    TimedText,
    VoiceEvent,
    pieces,
)

_LARGEST_REFUSAL = 16 * 1024
_READ_BYTES = 16 * 1024
_SENTENCE_END = re.compile(r"[.!?…]\s+")


Exchange = Callable[[Any, str, SpeechRequest], AsyncGenerator[bytes, None]]
"""Sends a wire's request for a text, and gives the answer piece by piece. Raises VoiceError or what aiohttp raises."""


async def by_http(http: HttpClient, key: str, wire: HttpVoiceWire, text: str, request: SpeechRequest) -> Any:
    """An `Exchange` by POST, given its first two arguments."""
    order = wire.order(text, request, key)
    async with await http.request("POST", order.url, data=order.body, headers=order.headers) as answer:
        if answer.status >= 300:
            raise wire.refused(answer.status, answer.headers, await answer.content.read(_LARGEST_REFUSAL))
        wire.answered(answer.headers.get("Content-Type", ""))
        async for data in answer.content.iter_chunked(_READ_BYTES):
            yield data


class HttpOwner(Protocol):
    """Whoever counts streams and what they send."""

    def sent(self, text: str) -> None:
        """Text went to the vendor."""

    def over(self, stream: HttpStream) -> None:
        """The stream has ended, in whatever way."""


class HttpStream:
    """A stream as providers have it (`bridge.speaking.voices.base.SpeechStream`)."""

    def __init__(
        self,
        owner: HttpOwner,
        exchange: Exchange,
        wire_of: Callable[[], RequestWire],
        request: SpeechRequest,
        listener: SpeechListener,
    ) -> None:
        self._owner = owner
        self._exchange = exchange
        self._wire_of = wire_of
        self._request = request
        traits = wire_of().traits
        given = wire_of().gives(request.audio_format)
        self.output = StreamOutput(listener, given, request.audio_format, traits.places_words)
        self._longest = traits.longest_text
        self._written = ""
        self._orders: asyncio.Queue[str | None] = asyncio.Queue()
        self._text_over = False
        if request.text:
            self._ask(request.text)
            self.end()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def text(self, delta: str) -> None:
        """Add text; whole sentences are asked for."""
        if self._text_over or not self.output.open:
            return
        self._written += delta
        while found := _SENTENCE_END.search(self._written):
            self._ask(self._written[: found.end()])
            self._written = self._written[found.end() :]

    def flush(self) -> None:
        """Have all text so far spoken."""
        if not self._text_over and self.output.open:
            whole, self._written = self._written, ""
            self._ask(whole)

    def end(self) -> None:
        """Say that there is no more text."""
        if not self._text_over and self.output.open:
            self.flush()
            self._text_over = True
            self._orders.put_nowait(None)

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Services make all they are asked for, as fast as they can."""

    def cancel(self) -> None:
        """Stop at once and for good, which closes the answer under way."""
        if self.output.open:
            self.output.cancel()
            self._task.cancel()
            self._owner.over(self)

    def fail(self, error: VoiceError) -> None:
        """End the stream with an error."""
        if self.output.open:
            self._task.cancel()
            self._owner.over(self)
            self.output.failed(error)

    def _ask(self, text: str) -> None:
        for piece in pieces(" ".join(text.split()), self._longest):
            self._orders.put_nowait(piece)

    async def _run(self) -> None:
        try:
            while (text := await self._orders.get()) is not None:
                await self._speak(text)
        except VoiceError as error:
            self._over(error)
        except TimeoutError:
            self._over(VoiceLost("no answer in time"))
        except (aiohttp.ClientError, OSError) as broken:
            self._over(VoiceLost(f"the connection broke: {why_unreachable(broken)}"))
        except (msgspec.MsgspecError, ValueError) as wrong:
            self._over(VoiceError(f"sent a bad answer: {str(wrong)[:120]}", code="bad_message"))
        else:
            self._over(None)

    def _over(self, error: VoiceError | None) -> None:
        self._owner.over(self)
        if error is None:
            self.output.done()
        else:
            self.output.failed(error)

    async def _speak(self, text: str) -> None:
        """Have one piece spoken. Raises VoiceError, and what aiohttp raises."""
        wire = self._wire_of()
        self.output.said(text)
        self._owner.sent(text)
        begun_ms = self.output.audio_ms
        async with aclosing(self._exchange(wire, text, self._request)) as answer:
            async for data in answer:
                self._take(wire.feed(data), begun_ms)
        self._take(wire.finish(), begun_ms)

    def _take(self, events: Sequence[VoiceEvent], begun_ms: float) -> None:
        for event in events:
            match event:
                case SpeechAudio():
                    if (error := self.output.audio(event.data)) is not None:
                        raise error
                case SpeechTimes():
                    later = (TimedText(t.text, t.start_ms + begun_ms, t.end_ms + begun_ms) for t in event.pieces)
                    self.output.times(tuple(later))
                case SpeechRefused():
                    raise event.error
                case SpeechDone():
                    pass
