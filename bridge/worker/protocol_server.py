"""The server's side of one socket of the speech protocol, without the socket: what a client says becomes streams of any
provider, and what those bring becomes messages.

    server = ProtocolServer(limits, open_stream, put)     `put` queues a message, text or binary
    server.receive(text)                                  whatever the client sends

A speech worker, the speech API and any double of them are this around an `open_stream` of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from bridge.audio.formats import FORMATS, AudioFormat
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.text.spoken.languages import language
from bridge.text.ssml import Checker
from bridge.worker import protocol
from bridge.worker.protocol import Cancel, Cancelled, Done, End, Error, Flush, Limits, Open, PlayoutReport, Text, Words

REMEMBERED = 256
"""Streams that ended lately, per socket: late messages about them are no error."""

OpenStream = Callable[[SpeechRequest, SpeechListener], SpeechStream]
"""Begins to speak; a VoiceError that it raises, at once or later, is told to the client under the error's code."""
Ended = Callable[[str, str], None]
"""Told how a stream ended (`done`, `cancelled`, `failed`, or `refused` if it had not begun), and the error's code."""


class ServerStream:
    """One stream of a client; listens to whoever speaks it."""

    def __init__(self, server: ProtocolServer, number: int, audio_format: AudioFormat) -> None:
        self.number = number
        self.audio_format = audio_format
        self.speech: SpeechStream | None = None
        self.ended = False
        """No more text will come."""
        self.tags: Checker | None = None
        """Looks at the SSML in what is written; None: whoever wrote it has done so."""
        self.characters = 0
        self.sent_bytes = 0
        self._server = server

    @property
    def sent_ms(self) -> int:
        """Milliseconds of audio sent so far."""
        return self.sent_bytes // self.audio_format.bytes_per_ms

    def audio(self, data: bytes) -> None:
        """Send more audio to the client."""
        offset = self.sent_bytes // self.audio_format.sample_bytes
        self.sent_bytes += len(data)
        self._server.put(protocol.encode_audio(self.number, offset, data))

    def words(self, words: Sequence[Word]) -> None:
        """Send words newly placed in time."""
        self._server.say(Words(self.number, list(words)))

    def no_words(self) -> None:
        """The protocol has no message for that: a client that gets no words does not wait for them."""

    def done(self) -> None:
        """All of the text was spoken."""
        self._server.end(self, "done")
        self._server.say(Done(self.number, self.sent_ms))

    def failed(self, error: VoiceError) -> None:
        """No more audio will come."""
        self._server.fail(self.number, error)


class ProtocolServer:
    """All streams of one client."""

    def __init__(
        self,
        limits: Limits,
        open_stream: OpenStream,
        put: Callable[[str | bytes], None],
        ended: Ended = lambda how, code: None,
    ) -> None:
        self.put = put
        self.streams: dict[int, ServerStream] = {}
        self._limits = limits
        self._open_stream = open_stream
        self._ended = ended
        self._over: deque[int] = deque(maxlen=REMEMBERED)

    def say(self, message: protocol.FromWorker) -> None:
        """Queue a message for the client."""
        self.put(protocol.encode(message))

    def receive(self, text: str) -> None:
        """Take one message. Raises BadMessage when nothing on this socket can be trusted any more."""
        try:
            message = protocol.decode_client(text)
        except protocol.BadStreamMessage as error:
            return self.fail(error.stream, VoiceError(str(error), "rejected", code="bad_message"))
        try:
            self._obey(message)
        except VoiceError as error:
            self.fail(message.stream, error)
        return None

    def close(self) -> None:
        """The socket is gone, and its streams with it."""
        for stream in list(self.streams.values()):
            self._cancel(stream)

    def fail(self, number: int, error: VoiceError) -> None:
        """End a stream for this reason, if it had begun at all, and say so."""
        message = as_message(error, number)
        stream = self.streams.get(number)
        if stream is not None:
            self.end(stream, "failed", message.code)
            if stream.speech is not None:
                stream.speech.cancel()
        else:
            self._over.append(number)
            self._ended("refused", message.code)
        self.say(message)

    def end(self, stream: ServerStream, how: str, code: str = "") -> None:
        """Forget a stream that is over."""
        if self.streams.pop(stream.number, None) is stream:
            self._over.append(stream.number)
            self._ended(how, code)

    def _obey(self, message: protocol.FromClient) -> None:
        if isinstance(message, Open):
            return self._open(message)
        stream = self.streams.get(message.stream)
        if stream is None or stream.speech is None:
            if isinstance(message, Cancel) or message.stream in self._over:
                return None
            raise _refused("unknown_stream", f"stream {message.stream} is not open")
        match message:
            case Text():
                self._text(stream, message.text)
            case Flush():
                stream.speech.flush()
            case End():
                stream.ended = True
                stream.speech.end()
            case PlayoutReport():
                stream.speech.playout(message.lead_ms, message.upto_ms)
            case Cancel():
                self._cancel(stream)
                self.say(Cancelled(stream.number, stream.sent_ms))
        return None

    def _open(self, message: Open) -> None:
        if message.stream in self.streams:
            raise _refused("stream_exists", f"stream {message.stream} is open already")
        audio_format = FORMATS.get(message.format)
        if audio_format is None:
            raise _refused("unknown_format", f"no format {message.format!r}; there are: {', '.join(FORMATS)}")
        if not protocol.SLOWEST <= message.speed <= protocol.FASTEST:
            between = f"{protocol.SLOWEST:g} to {protocol.FASTEST:g}"
            raise _refused("bad_speed", f"speed {message.speed:g} is not within {between}")
        if len(self.streams) >= self._limits.streams:
            raise _refused("too_many_streams", f"{self._limits.streams} streams are open on this socket")
        stream = ServerStream(self, message.stream, audio_format)
        request = SpeechRequest(
            "", message.voice or "", audio_format, message.speed, message.priority, message.cut, message.language
        )
        if message.language:
            try:
                language(message.language)
            except KeyError as error:
                raise _refused("unknown_language", error.args[0]) from None
        stream.tags = None if message.cut else Checker()
        stream.speech = self._open_stream(request, stream)
        self.streams[message.stream] = stream

    def _text(self, stream: ServerStream, text: str) -> None:
        if stream.ended:
            raise _refused("already_ended", f"text after the end of stream {stream.number}")
        stream.characters += len(text)
        if stream.characters > self._limits.text_chars:
            raise _refused("text_too_long", f"more than {self._limits.text_chars} characters in stream {stream.number}")
        for mistake in stream.tags.feed(text) if stream.tags is not None else ():
            raise _refused("bad_ssml", mistake)
        if stream.speech is not None:
            stream.speech.text(text)

    def _cancel(self, stream: ServerStream) -> None:
        self.end(stream, "cancelled")
        if stream.speech is not None:
            stream.speech.cancel()


def as_message(error: VoiceError, stream: int) -> Error:
    """An error as the client is told it."""
    code = error.code or ("busy" if error.kind == "busy" else "speech_failed")
    retry_after_ms = None if error.retry_after_s is None else round(error.retry_after_s * 1000)
    return Error(code, str(error), stream, retry_after_ms)


def _refused(code: str, message: str) -> VoiceError:
    return VoiceError(message, "rejected", code=code)
