"""One text on a connection of a hosted voice: a context of our naming, from its beginning to its end."""

from __future__ import annotations

from typing import Protocol

from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.speaking.voices.hosted.connection import VoiceConnection
from bridge.speaking.voices.hosted.output import StreamOutput
from bridge.speaking.voices.hosted.wire import pieces


class StreamOwner(Protocol):
    """Whoever counts streams and what they send."""

    def sent(self, text: str) -> None:
        """Text went to the vendor."""

    def over(self, stream: SocketStream) -> None:
        """The stream has ended, in whatever way."""


class SocketStream:
    """A stream as providers have it (`bridge.speaking.voices.base.SpeechStream`)."""

    def __init__(
        self,
        owner: StreamOwner,
        connection: VoiceConnection,
        context: str,
        request: SpeechRequest,
        listener: SpeechListener,
    ) -> None:
        self._owner = owner
        self._wire = wire = connection.wire
        self._connection = connection
        self._context = context
        given = wire.gives(request.audio_format)
        self.output = StreamOutput(listener, given, request.audio_format, wire.traits.places_words)
        self._held = ""
        """The word that more of may come."""
        self._text_over = False
        connection.begin(context, self)
        connection.send(wire.begin(context, request))
        if request.text:
            self._say(request.text)
            self.end()

    def text(self, delta: str) -> None:
        """Add text; what is whole of it is sent."""
        if self._text_over or not self.output.open:
            return
        self._held += delta
        cut = max(self._held.rfind(" "), self._held.rfind("\n")) + 1
        whole, self._held = self._held[:cut], self._held[cut:]
        self._say(whole)

    def flush(self) -> None:
        """Have all text so far spoken, which is a hint."""
        if not self._text_over and self.output.open:
            self._say_rest()
            self._connection.send(self._wire.flush(self._context))

    def end(self) -> None:
        """Say that there is no more text."""
        if not self._text_over and self.output.open:
            self._say_rest()
            self._text_over = True
            self._connection.send(self._wire.end(self._context))
            self._connection.end(self._context)

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Services make all they are asked for, as fast as they can."""

    def cancel(self) -> None:
        """Stop at once and for good."""
        if self.output.open:
            self.output.cancel()
            self._connection.cancel(self._context)
            self._owner.over(self)

    def fail(self, error: VoiceError) -> None:
        """End the stream with an error, because the provider closes."""
        if self.output.open:
            self._connection.cancel(self._context)
            self._owner.over(self)
            self.output.failed(error)

    def ended(self) -> None:
        """The connection has done with it."""
        self.output.cancel()
        self._owner.over(self)

    def _say_rest(self) -> None:
        rest, self._held = self._held, ""
        self._say(rest)

    def _say(self, text: str) -> None:
        for piece in pieces(" ".join(text.split()), self._wire.traits.longest_text):
            self.output.said(piece)
            self._owner.sent(piece)
            self._connection.send(self._wire.text(self._context, piece))
