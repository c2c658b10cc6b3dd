"""The client's side of one socket to a speech worker, without the socket: streams in, messages out, and back.

    client = ProtocolClient(send)                      `send` queues one text message
    stream = client.open(SpeechRequest("Hello."), listener)
    client.receive(data)                               whatever the socket brings, text or binary

Whoever owns the socket calls `receive` with what comes, and `lose` when it is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BadMessage, FailureKind, VoiceBusy, VoiceError, VoiceLost
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.worker import protocol
from bridge.worker.protocol import (
    Cancel,
    Cancelled,
    Done,
    Draining,
    End,
    Error,
    Flush,
    FromClient,
    Open,
    PlayoutReport,
    Ready,
    Text,
    Words,
)

KINDS: dict[str, FailureKind] = {
    "busy": "busy",
    "draining": "busy",
    "too_fast": "busy",
    "too_many_streams": "busy",
    "rate_limit_exceeded": "busy",
    "unknown_voice": "rejected",
    "unknown_language": "rejected",
    "unknown_format": "rejected",
    "bad_ssml": "rejected",
    "bad_speed": "rejected",
    "text_too_long": "rejected",
    "engine_runaway": "rejected",
    "missing_api_key": "auth",
    "invalid_api_key": "auth",
    "bad_message": "internal",
    "engine_failed": "internal",
    "out_of_memory": "internal",
    "engine_hung": "lost",
}
"""What the protocol's error codes mean to who chooses another provider; unknown ones are `internal`."""

_BUSY_S = 0.25


class ClientStream:
    """One stream of a socket: what it is told goes out as messages, what comes for it goes to its listener."""

    def __init__(self, client: ProtocolClient, number: int, request: SpeechRequest, listener: SpeechListener) -> None:
        self.number = number
        self.listener: SpeechListener | None = listener
        """None once the stream is over, or nobody wants it any more."""
        self.audio_format = request.audio_format
        self.received = 0
        """Bytes of audio."""
        self._client = client

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""
        self._say(Text(self.number, delta))

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence."""
        self._say(Flush(self.number))

    def end(self) -> None:
        """Say that there is no more text."""
        self._say(End(self.number))

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Tell the worker how much the caller still has to hear, and how far it may send."""
        self._say(PlayoutReport(self.number, max(0, int(lead_ms)), upto_ms))

    def cancel(self) -> None:
        """Stop; nothing more reaches the listener."""
        self._say(Cancel(self.number))
        self.listener = None
        self._client.forget(self)

    def _say(self, message: FromClient) -> None:
        if self.listener is not None:
            self._client.say(message)


class ProtocolClient:
    """All streams of one socket. Not a thread's, not a loop's: it only answers."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self.ready: Ready | None = None
        """What the worker offers, once it has said so."""
        self.draining = False
        """It announced that it takes no new streams."""
        self.streams: dict[int, ClientStream] = {}
        self._send = send
        self._number = 0

    @property
    def usable(self) -> bool:
        """Whether streams may be opened."""
        return self.ready is not None and not self.draining

    def open(self, request: SpeechRequest, listener: SpeechListener) -> ClientStream:
        """Begin a stream; a request with a text ends it, too."""
        number = self._number = self._free_number()
        stream = self.streams[number] = ClientStream(self, number, request, listener)
        name, voice = request.audio_format.name, request.voice or None
        self.say(Open(number, voice, name, request.speed, request.priority, request.cut, request.language))
        if request.text:
            stream.text(request.text)
            stream.end()
        return stream

    def say(self, message: FromClient) -> None:
        """Send a message to the worker."""
        self._send(protocol.encode(message))

    def forget(self, stream: ClientStream) -> None:
        """A stream is over for us."""
        self.streams.pop(stream.number, None)

    def lose(self, reason: str) -> int:
        """The socket is gone: fail all streams; return how many there were."""
        lost, self.streams, self.ready = list(self.streams.values()), {}, None
        for stream in lost:
            _fail(stream, VoiceLost(reason))
        return len(lost)

    def receive(self, data: str | bytes) -> Ready | Draining | None:
        """Take one message; those about the whole socket are returned. Raises BadMessage, after which to close it."""
        if isinstance(data, bytes):
            self._audio(data)
            return None
        message = protocol.decode_worker(data)
        match message:
            case Ready():
                if message.version != protocol.VERSION:
                    raise BadMessage(f"speech protocol: worker speaks version {message.version}, we {protocol.VERSION}")
                self.ready = message
                return message
            case Draining():
                self.draining = True
                return message
            case Words():
                stream = self.streams.get(message.stream)
                if stream and stream.listener:
                    stream.listener.words(message.words)
            case Done():
                stream = self.streams.pop(message.stream, None)
                if stream and stream.listener:
                    listener, stream.listener = stream.listener, None
                    listener.done()
            case Cancelled():
                pass  # we had forgotten it when we asked for that
            case Error():
                self._error(message)
        return None

    def _audio(self, data: bytes) -> None:
        audio = protocol.decode_audio(data)
        stream = self.streams.get(audio.stream)
        if stream is None or stream.listener is None:
            return
        sample_bytes = stream.audio_format.sample_bytes
        if audio.offset * sample_bytes != stream.received or len(audio.data) % stream.audio_format.frame_bytes:
            raise BadMessage(
                f"speech protocol: stream {audio.stream} has {stream.received // sample_bytes} samples, "
                f"then came {len(audio.data)} bytes for offset {audio.offset}"
            )
        stream.received += len(audio.data)
        stream.listener.audio(audio.data)

    def _error(self, error: Error) -> None:
        if error.stream is None:
            raise BadMessage(f"the worker ends the socket: {error.code}: {error.message}")
        stream = self.streams.pop(error.stream, None)
        if stream is not None:
            _fail(stream, as_exception(error))

    def _free_number(self) -> int:
        number = (self._number + 1) & 0xFFFF_FFFF
        while number in self.streams:
            number = (number + 1) & 0xFFFF_FFFF
        return number


def as_exception(error: Error) -> VoiceError:
    """A worker's error as it is raised here."""
    text, kind = f"{error.code}: {error.message}", KINDS.get(error.code, "internal")
    if kind == "busy":
        return VoiceBusy(text, (error.retry_after_ms or _BUSY_S * 1000) / 1000, code=error.code)
    return VoiceLost(text, code=error.code) if kind == "lost" else VoiceError(text, kind, code=error.code)


def _fail(stream: ClientStream, error: VoiceError) -> None:
    listener, stream.listener = stream.listener, None
    if listener is not None:
        listener.failed(error)
