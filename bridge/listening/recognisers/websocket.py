"""A streaming recogniser of your own, behind a small protocol: wrap any engine in it, and the bridge can use it.

One WebSocket for each call. Messages to the recogniser are JSON texts, audio is binary: mu-law at 8 kHz, silence
included, at the pace of the call. Times in its answers are milliseconds from the first byte of audio on this socket.

```
-> {"type":"start","format":"mulaw_8000","language":"en-US","hints":["Okafor"],"answer":"open"}      once, at first
<- {"type":"ready"}                                                             accepted; audio may be sent before it
-> binary                                                                       audio
-> {"type":"expect","language":"en-US","hints":["Patel"],"answer":"yes_no"}     from now on this is likely to be said
-> {"type":"finalise","id":3}                                                   settle all audio so far
<- {"type":"partial","segment":0,"text":"I want","end_ms":900}                  all of the segment; may change or shrink
<- {"type":"final","segment":0,"text":"I want to cancel.","end_ms":1480,"confidence":0.93,
    "words":[["I",310,350,0.99],...],"alternatives":[["I went to cancel.",0.05]]}
<- {"type":"turn","opinion":"over_early","strength":0.7,"at_ms":1600}           speech paused over_early resumed over
<- {"type":"finalised","id":3}                                                  after the finals of the audio before it
<- {"type":"error","code":"busy","message":"..."}     auth quota busy rejected idle lost internal; then it closes
-> {"type":"close"}                                                             the call is over; then we close
```

Only `type` and the fields of the shortest form are required: `segment` and `text`, `opinion`, `id`, `code`. A word may
lack times and confidence. Unknown types and fields are ignored. A bearer token travels in the handshake.
"""

from __future__ import annotations

import asyncio
import os

import aiohttp
import msgspec

from bridge import variables
from bridge.call.events import Opinion, TurnOpinion
from bridge.http import HttpClient, OpenClient
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    Finalised,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamEvent,
    StreamFailed,
    StreamListener,
    TextAlternative,
)
from bridge.listening.settings import WebSocketRecogniserSettings

_LARGEST_MESSAGE = 64 * 1024
_MOST_UNSENT = 12 * 8000
"""Bytes of audio that wait for the connection, or for a service that does not read; beyond it the stream is lost."""


class _Start(msgspec.Struct, tag="start"):
    language: str
    hints: tuple[str, ...]
    answer: str
    format: str = "mulaw_8000"


class _Expect(msgspec.Struct, tag="expect"):
    language: str
    hints: tuple[str, ...]
    answer: str


class _Finalise(msgspec.Struct, tag="finalise"):
    id: int


class _Close(msgspec.Struct, tag="close"):
    pass


class _Text(msgspec.Struct):
    segment: int
    text: str
    end_ms: float | None = None
    confidence: float = 1.0
    words: tuple[tuple[str, float | None, float | None, float | None], ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()


class _Partial(_Text, tag="partial"):
    pass


class _Final(_Text, tag="final"):
    pass


class _Turn(msgspec.Struct, tag="turn"):
    opinion: Opinion
    strength: float = 1.0
    at_ms: float | None = None


class _Finalised(msgspec.Struct, tag="finalised"):
    id: int


class _Ready(msgspec.Struct, tag="ready"):
    pass


class _Error(msgspec.Struct, tag="error"):
    code: FailureKind
    message: str = ""


class _Kind(msgspec.Struct):
    type: str


_messages = msgspec.json.Decoder(_Partial | _Final | _Turn | _Finalised | _Ready | _Error)
_kinds = msgspec.json.Decoder(_Kind)
_KNOWN = frozenset({"partial", "final", "turn", "finalised", "ready", "error"})
_encode = msgspec.json.Encoder().encode


class WebSocketRecogniser:
    """Follows each call's audio over a socket of its own."""

    name = "websocket"
    capabilities = Capabilities(live=True, word_times=True, turn_ends=True)

    def __init__(self, settings: WebSocketRecogniserSettings, open_client: OpenClient = HttpClient) -> None:
        self.settings = settings
        self._open_client = open_client
        self._headers: dict[str, str] = {}
        self._http: HttpClient | None = None

    async def load(self) -> None:
        """Have a client ready; each call connects when it starts."""
        key = variables.header(self.settings.key_env, os.environ)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = self._open_client()

    async def unload(self) -> None:
        """Close what is still open."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WebSocketStream:
        """Begin to connect for one call; what is fed meanwhile is kept."""
        return WebSocketStream(self.settings, self._http, self._headers, expected, listener)


class WebSocketStream:
    """One call's socket: a task that connects, one that sends, and one that reads."""

    def __init__(
        self,
        settings: WebSocketRecogniserSettings,
        http: HttpClient | None,
        headers: dict[str, str],
        expected: ExpectedSpeech,
        listener: StreamListener,
    ) -> None:
        self._settings = settings
        self._http = http
        self._headers = headers
        self._listener = listener
        self._audio = bytearray()
        self._texts: list[tuple[int, bytes]] = [
            (0, _encode(_Start(expected.language, expected.hints, expected.answer)))
        ]
        """Messages, each with the number of bytes of audio that go before it."""
        self._fed = self._sent = 0
        self._begun_at: float | None = None
        self._fed_until = 0.0
        self._full = settings.message_ms * 8
        self._wake = asyncio.Event()
        self._over = self._closing = False
        self._work = asyncio.get_running_loop().create_task(self._run())

    def feed(self, ulaw: bytes, at: float) -> None:
        """Queue audio; the sender is woken when there is enough for a message."""
        if self._over or self._closing:
            return
        if self._begun_at is None:
            self._begun_at = at - len(ulaw) / 8000
        self._audio += ulaw
        self._fed += len(ulaw)
        self._fed_until = at
        if len(self._audio) >= self._full:
            self._wake.set()

    def expect(self, expected: ExpectedSpeech) -> None:
        """Tell the recogniser, after the audio so far."""
        self._say(_Expect(expected.language, expected.hints, expected.answer))

    def finalise(self, number: int, deadline_s: float) -> None:
        """Ask for the final texts of the audio so far; whoever asks watches the deadline."""
        self._say(_Finalise(number))

    def close(self) -> None:
        """Say goodbye and hang up, without waiting for it; nothing is told from here on."""
        if self._over or self._closing:
            return
        self._say(_Close())
        self._closing = True

    def _say(self, message: _Expect | _Finalise | _Close) -> None:
        if not self._over and not self._closing:
            self._texts.append((self._fed, _encode(message)))
            self._wake.set()

    async def _run(self) -> None:
        try:
            failure = await self._converse()
        except TimeoutError:
            failure = StreamFailed("lost", f"{self._settings.url}: no connection within {self._settings.connect_s:g} s")
        except aiohttp.WSServerHandshakeError as error:
            kind: FailureKind = (
                "auth" if error.status in (401, 403) else "busy" if error.status in (429, 503) else "lost"
            )
            failure = StreamFailed(kind, f"{self._settings.url} answered {error.status}")
        except (aiohttp.ClientError, OSError) as error:
            failure = StreamFailed("lost", f"{self._settings.url}: {type(error).__name__}")
        self._tell(failure)
        self._over = True

    async def _converse(self) -> StreamFailed:
        if self._http is None:
            return StreamFailed("internal", "the recogniser is not loaded")
        async with asyncio.timeout(self._settings.connect_s):
            socket = await self._http.websocket(
                self._settings.url, headers=self._headers, max_msg_size=_LARGEST_MESSAGE, autoping=True
            )
        sender = asyncio.create_task(self._send(socket))
        reader = asyncio.create_task(self._read(socket))
        try:
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
            # What it said before the connection broke still counts.
            return reader.result() if reader.done() else sender.result()
        finally:
            for task in (sender, reader):
                task.cancel()
            await asyncio.gather(sender, reader, return_exceptions=True)
            await socket.close()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> StreamFailed:
        """Send audio and messages in the order in which they came, until there is no more to say."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._texts or len(self._audio) >= self._full:
                if len(self._audio) > _MOST_UNSENT:
                    return StreamFailed("lost", f"{self._settings.url} does not read: {len(self._audio)} bytes wait")
                upto = self._texts[0][0] if self._texts else self._fed
                if audio := bytes(self._audio[: upto - self._sent]):
                    del self._audio[: len(audio)]
                    self._sent += len(audio)
                    await socket.send_bytes(audio)
                else:
                    await socket.send_str(self._texts.pop(0)[1].decode())
            if self._closing:
                return StreamFailed("lost", "closed by us")

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> StreamFailed:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                event = self._understand(message.data)
            except msgspec.MsgspecError as error:
                # Without the text itself, which may be what the caller said.
                return StreamFailed("internal", f"{self._settings.url} sent a bad message: {str(error)[:120]}")
            if event is not None:
                self._tell(event)
            if isinstance(event, StreamFailed):
                return event
        return StreamFailed("lost", f"{self._settings.url} closed the connection ({socket.close_code})")

    def _understand(self, text: str) -> StreamEvent | None:
        if _kinds.decode(text).type not in _KNOWN:
            return None
        match _messages.decode(text):
            case _Partial() as said:
                return PartialText(said.segment, said.text, self._end(said), said.confidence, self._words(said))
            case _Final() as said:
                others = tuple(TextAlternative(*other) for other in said.alternatives)
                end, words = self._end(said), self._words(said)
                return FinalText(said.segment, said.text, end, said.confidence, words, others)
            case _Turn(opinion, strength, at_ms):
                return TurnOpinion(opinion, strength, self._fed_until if at_ms is None else self._at(at_ms))
            case _Finalised(number):
                return Finalised(number)
            case _Error(code, message):
                return StreamFailed(code, f"{self._settings.url}: {message[:120]}")
        return None

    def _at(self, ms: float) -> float:
        """A time of theirs on the clock of the call."""
        return (self._begun_at or 0.0) + ms / 1000

    def _end(self, said: _Text) -> float:
        if said.end_ms is not None:
            return self._at(said.end_ms)
        ends = [end for _, _, end, _ in said.words if end is not None]
        return self._at(max(ends)) if ends else self._fed_until

    def _words(self, said: _Text) -> tuple[RecognisedWord, ...]:
        return tuple(
            RecognisedWord(
                text, None if start is None else self._at(start), None if end is None else self._at(end), confidence
            )
            for text, start, end, confidence in said.words
        )

    def _tell(self, event: StreamEvent) -> None:
        if not self._over and not self._closing:
            self._over = isinstance(event, StreamFailed)
            self._listener(event)
