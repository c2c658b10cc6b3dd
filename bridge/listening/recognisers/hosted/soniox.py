"""Soniox real-time: tokens smaller than words, each sent once as final, and markers where a request or a turn ends.

Sources: soniox.com/docs/stt (api-reference/websocket-api, rt/manual-finalization, rt/endpoint-detection,
rt/error-handling) and soniox 2.10 (`types/realtime.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bridge.call.events import Opinion, TurnOpinion
from bridge.errors import kind_of_status
from bridge.listening.hosted_settings import SonioxSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
)
from bridge.listening.recognisers.wire import (
    Address,
    Message,
    RecogniserWire,
    Settled,
    WireEvent,
    WireTraits,
    checked,
    end_of,
)

_LONGEST_SESSION_S = 300 * 60.0
_MOST_TOKENS = 2000
_MARKS = ("<end>", "<fin>")


class _Token(msgspec.Struct):
    text: str
    is_final: bool = False
    start_ms: float | None = None
    end_ms: float | None = None
    confidence: float = 1.0


class _Message(msgspec.Struct):
    tokens: tuple[_Token, ...] = ()
    total_audio_proc_ms: float = 0.0
    finished: bool = False
    error_code: int | None = None
    error_type: str = ""
    error_message: str = ""


_decoder = msgspec.json.Decoder(_Message)


class SonioxWire(RecogniserWire):
    """Soniox's protocol for one connection."""

    def __init__(self, settings: SonioxSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._key = ""
        self._segment = 0
        self._final: list[_Token] = []
        """Final tokens of the segment under way."""
        self._open = False
        self._asked_s = float("-inf")
        self._awaited = False
        self.traits = WireTraits(
            name="soniox",
            capabilities=Capabilities(
                live=True, word_times=True, turn_ends=True, live_hints=False, longest_session_s=_LONGEST_SESSION_S
            ),
            keep_alive_s=5.0,
            catch_up=settings.catch_up,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a marker is owed, or tokens of the segment are not closed by one."""
        return self._awaited or self._open

    def address(self, key: str) -> Address:
        """The key goes into the handshake."""
        return Address(self._settings.url, {"Authorization": f"Bearer {key}"} if key else {})

    def opening(self) -> Sequence[Message]:
        """The first message is the configuration; nothing answers it."""
        settings = self._settings
        told: dict[str, object] = {
            "model": settings.model,
            "audio_format": "mulaw",
            "sample_rate": 8000,
            "num_channels": 1,
            "language_hints": [self._expected.language.partition("-")[0]],
            "enable_endpoint_detection": True,
            "max_endpoint_delay_ms": settings.endpoint_delay_ms,
        }
        if self._expected.hints:
            told["context"] = {"terms": list(self._expected.hints[:100])}
        return (msgspec.json.encode(told).decode(),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Ask for final tokens, which must not be done too often."""
        if at_s - self._asked_s < self._settings.finalise_gap_s:
            return ()
        self._asked_s, self._awaited = at_s, True
        return ('{"type":"finalize"}',)

    def keep_alive(self) -> Sequence[Message]:
        """Needed while no audio flows."""
        return ('{"type":"keepalive"}',)

    def goodbye(self) -> Sequence[Message]:
        """An empty text ends the stream."""
        return ("",)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message with tokens, or an error."""
        told = _decoder.decode(message)
        if told.error_code is not None:
            reason = f"{told.error_code} {told.error_type or told.error_message[:80]}"
            lost = told.error_code == 503 and "restart" in told.error_message.lower()
            return (StreamFailed("lost" if lost else kind_of_status(told.error_code), reason),)
        events: list[WireEvent] = []
        pending = []
        for token in told.tokens:
            if token.text in _MARKS:
                events += self._closed(token.text, told.total_audio_proc_ms / 1000)
            elif token.is_final:
                self._final.append(token)
                if len(self._final) > _MOST_TOKENS:
                    raise ValueError(f"more than {_MOST_TOKENS} tokens without a marker")
            else:
                pending.append(token)
        words = _words([*self._final, *pending])
        if words or self._open:
            self._open = bool(words)
            text = checked(" ".join(word.text for word in words))
            events.append(PartialText(self._segment, text, end_of(words), _least(words), tuple(words)))
        return events

    def _closed(self, mark: str, at: float) -> list[WireEvent]:
        words = _words(self._final)
        self._final, self._open = [], False
        events: list[WireEvent] = []
        if words:
            text = checked(" ".join(word.text for word in words))
            events.append(FinalText(self._segment, text, end_of(words), _least(words), tuple(words)))
            self._segment += 1
        if mark == "<end>":
            events.append(TurnOpinion(Opinion.OVER, 0.9, at))
        else:
            self._awaited = False
            events.append(Settled())
        return events


def _words(tokens: Sequence[_Token]) -> list[RecognisedWord]:
    """Words out of tokens, of which one that begins with a blank begins a word."""
    groups: list[list[_Token]] = []
    for token in tokens:
        if not groups or token.text[:1].isspace() or groups[-1][-1].text[-1:].isspace():
            groups.append([])
        groups[-1].append(token)
    words = []
    for group in groups:
        text = "".join(token.text for token in group).strip()
        starts = [token.start_ms for token in group if token.start_ms is not None]
        ends = [token.end_ms for token in group if token.end_ms is not None]
        if text:
            words.append(
                RecognisedWord(
                    text,
                    min(starts) / 1000 if starts else None,
                    max(ends) / 1000 if ends else None,
                    min(token.confidence for token in group),
                )
            )
    return words


def _least(words: Sequence[RecognisedWord]) -> float:
    return min((word.confidence for word in words if word.confidence is not None), default=1.0)
