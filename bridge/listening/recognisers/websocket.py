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

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from bridge.call.events import Opinion, TurnOpinion
from bridge.http import HttpClient, OpenClient
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
    TextAlternative,
)
from bridge.listening.recognisers.hosted.recogniser import HostedRecogniser
from bridge.listening.recognisers.wire import (
    UNKNOWN,
    Accepted,
    Address,
    Message,
    RecogniserWire,
    Settled,
    WireEvent,
    WireTraits,
    checked,
    end_of,
)
from bridge.listening.settings import WebSocketRecogniserSettings


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


class WebSocketRecogniser(HostedRecogniser):
    """Follows each call's audio over a socket of its own."""

    name = "websocket"
    capabilities = Capabilities(live=True, word_times=True, turn_ends=True)

    def __init__(
        self,
        settings: WebSocketRecogniserSettings,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        wire_of = partial(WebSocketWire, settings)
        super().__init__(settings, wire_of, open_client, environ, needs_key=False)


class WebSocketWire(RecogniserWire):
    """The protocol above, for one connection."""

    def __init__(self, settings: WebSocketRecogniserSettings, expected: ExpectedSpeech) -> None:
        self._url = settings.url
        self._expected = expected
        self.traits = WireTraits(
            name=WebSocketRecogniser.name,
            capabilities=WebSocketRecogniser.capabilities,
            message_ms=settings.message_ms,
            numbered=True,
        )
        self.outstanding = True
        """Every request is answered."""

    def address(self, key: str) -> Address:
        """Return where to connect; without a key none is sent."""
        return Address(self._url, {"Authorization": f"Bearer {key}"} if key else {})

    def opening(self) -> Sequence[Message]:
        """Say what we send and what is expected."""
        expected = self._expected
        return (_text(_Start(expected.language, expected.hints, expected.answer)),)

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Tell what will be said from now on."""
        return (_text(_Expect(expected.language, expected.hints, expected.answer)),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Ask for the final texts of all audio so far."""
        return (_text(_Finalise(number)),)

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over."""
        return (_text(_Close()),)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes) or _kinds.decode(message).type not in _KNOWN:
            return ()
        return (_understood(_messages.decode(message)),)


def _understood(message: _Partial | _Final | _Turn | _Finalised | _Ready | _Error) -> WireEvent:
    match message:
        case _Partial() as said:
            return PartialText(said.segment, checked(said.text), _end(said), said.confidence, _words(said))
        case _Final() as said:
            others = tuple(TextAlternative(*other) for other in said.alternatives)
            return FinalText(said.segment, checked(said.text), _end(said), said.confidence, _words(said), others)
        case _Turn(opinion, strength, at_ms):
            return TurnOpinion(opinion, strength, UNKNOWN if at_ms is None else at_ms / 1000)
        case _Finalised(number):
            return Settled(number)
        case _Error(code, reason):
            return StreamFailed(code, reason[:120])
        case _Ready():
            return Accepted()


def _end(said: _Text) -> float:
    return end_of(_words(said)) if said.end_ms is None else said.end_ms / 1000


def _words(said: _Text) -> tuple[RecognisedWord, ...]:
    return tuple(
        RecognisedWord(text, None if start is None else start / 1000, None if end is None else end / 1000, confidence)
        for text, start, end, confidence in said.words
    )


def _text(message: _Start | _Expect | _Finalise | _Close) -> str:
    return _encode(message).decode()
