"""Deepgram Flux over `/v2/listen`: turns whose text grows, with its own opinion of when they end.

Sources: developers.deepgram.com/docs/flux (quickstart, state, configuration, force-end-turn, close-stream, configure)
and the types of deepgram-sdk 7.17 (`listen/v2`).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.audio import mulaw
from bridge.call.events import Opinion, TurnOpinion
from bridge.listening.hosted_settings import FluxSettings
from bridge.listening.recognisers.base import Capabilities, ExpectedSpeech, RecognisedWord, StreamFailed
from bridge.listening.recognisers.hosted.deepgram import key_terms
from bridge.listening.recognisers.wire import (
    Accepted,
    Address,
    GrowingTurn,
    Message,
    RecogniserWire,
    Reply,
    Settled,
    WireEvent,
    WireTraits,
    checked,
    plain_words,
)

_END_S = 0.04
"""A request is answered by a text that reaches so near to it."""
_BEHIND_S = 0.3
"""It tells how far it has heard every 0.25 s of audio, even if nothing changed (Deepgram's page on its events)."""


class _Word(msgspec.Struct):
    word: str
    confidence: float = 1.0
    start: float | None = None
    end: float | None = None


class _TurnInfo(msgspec.Struct):
    event: str
    transcript: str = ""
    audio_window_end: float = 0.0
    words: tuple[_Word, ...] = ()
    end_of_turn_confidence: float = 0.0
    trigger: str = ""


class _Kind(msgspec.Struct):
    type: str = ""
    code: str = ""
    description: str = ""


_kinds = msgspec.json.Decoder(_Kind)
_turns = msgspec.json.Decoder(_TurnInfo)


class FluxWire(RecogniserWire):
    """Flux's protocol for one connection."""

    def __init__(self, settings: FluxSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._turn = GrowingTurn()
        self._asked_s = -1.0
        self._heard_s = self._sent_s = 0.0
        self._configuring = False
        self._terms = self._wanted = key_terms(expected.hints)
        self.traits = WireTraits(
            name="deepgram_flux",
            capabilities=Capabilities(
                live=True, word_times=False, turn_ends=True, forced_finals=settings.force_end, live_language=False
            ),
            message_ms=80,
            awaits_ready=True,
            silence_s=0.25,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether it has not heard as far as we asked, or texts of this turn are not final."""
        return self._turn.open or self._asked_s > self._heard_s + _END_S

    def address(self, key: str) -> Address:
        """Everything that the service must know stands in the query."""
        settings = self._settings
        query = {
            "model": settings.model,
            "encoding": "mulaw",
            "sample_rate": "8000",
            "eot_threshold": f"{settings.end_threshold:g}",
            "eot_timeout_ms": str(settings.end_timeout_ms),
        }
        if settings.eager_threshold is not None:
            query["eager_eot_threshold"] = f"{settings.eager_threshold:g}"
        terms = [("keyterm", term) for term in self._terms]
        if settings.model.endswith("-multi"):
            terms.append(("language_hint", self._expected.language.partition("-")[0]))
        url = f"{settings.url}?{urlencode([*query.items(), *terms])}"
        return Address(url, {"Authorization": f"Token {key}"} if key else {})

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Change the key terms; only one change may be under way."""
        self._wanted = key_terms(expected.hints)
        return self._configure()

    def _configure(self) -> tuple[Message, ...]:
        if self._configuring or self._wanted == self._terms:
            return ()
        self._terms, self._configuring = self._wanted, True
        return (msgspec.json.encode({"type": "Configure", "keyterms": self._terms}).decode(),)

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio goes as it is; how much of it there was tells how far the service should have heard."""
        self._sent_s += len(ulaw) / mulaw.RATE_HZ
        return (ulaw,)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """End the turn if that is wanted; otherwise the next text that reaches so far is the answer."""
        self._asked_s = at_s
        return ('{"type":"ForceEndTurn"}',) if self._settings.force_end else ()

    def unanswered(self) -> Sequence[WireEvent]:
        """Take the newest text: its updates stop when audio does. If they stop while audio comes, it is not well."""
        if self._turn.open and self._sent_s > self._heard_s + _BEHIND_S:
            return ()
        return (*_given(self._turn.settle()), Settled())

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over."""
        return ('{"type":"CloseStream"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        kind = _kinds.decode(message)
        match kind.type:
            case "Connected":
                return (Accepted(),)
            case "TurnInfo":
                return self._told(_turns.decode(message))
            case "ConfigureSuccess" | "ConfigureFailure":
                self._configuring = False
                messages = self._configure()
                return (Reply(messages),) if messages else ()
            case "Error":
                rejected = "UNPARSABLE" in kind.code
                return (StreamFailed("rejected" if rejected else "internal", kind.code[:60] or "an error"),)
        return ()

    def _told(self, info: _TurnInfo) -> list[WireEvent]:
        at = self._heard_s = info.audio_window_end
        words = [RecognisedWord(checked(w.word), w.start, w.end, w.confidence) for w in info.words]
        words = words or plain_words(info.transcript)
        sure = min(1.0, max(0.0, info.end_of_turn_confidence))
        events: list[WireEvent] = []
        if info.event == "EndOfTurn":
            events += _given(self._turn.end(words, at))
            if info.trigger != "manual":  # else it was our own opinion
                events.append(TurnOpinion(Opinion.OVER, sure, at))
        else:
            events += _given(self._turn.grown(words, at))
            if info.event == "StartOfTurn":
                events.append(TurnOpinion(Opinion.SPEECH, 0.8, at))
            elif info.event == "EagerEndOfTurn":
                events.append(TurnOpinion(Opinion.OVER_EARLY, sure, at))
            elif info.event == "TurnResumed":
                events.append(TurnOpinion(Opinion.RESUMED, 1.0, at))
        reached = at >= self._asked_s - _END_S and (info.event == "EndOfTurn" or not self._settings.force_end)
        if self._asked_s >= 0.0 and (info.trigger == "manual" or reached):
            events += [*_given(self._turn.settle()), Settled()]
            self._asked_s = -1.0
        return events


def _given(text: WireEvent | None) -> list[WireEvent]:
    return [] if text is None else [text]
