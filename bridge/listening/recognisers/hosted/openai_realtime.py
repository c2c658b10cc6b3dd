"""OpenAI realtime transcription: audio in JSON, items that are committed at our pauses, texts that are added to.

Sources: developers.openai.com (guides/realtime-transcription, realtime client and server events) and the types of
openai 3.57 (`types/realtime`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from bridge.listening.hosted_settings import OpenAIRealtimeSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    FinalText,
    PartialText,
    StreamFailed,
)
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
)

_LONGEST_SESSION_S = 3600.0
_SHORTEST_S = 0.1
"""Less audio than this cannot be committed."""
_PREFIX = "conversation.item.input_audio_transcription."
_KINDS: dict[str, FailureKind] = {
    "invalid_api_key": "auth",
    "insufficient_quota": "quota",
    "rate_limit_exceeded": "busy",
    "session_expired": "lost",
    "server_error": "internal",
}
_NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
_MOST_ITEMS = 64


class _Trouble(msgspec.Struct):
    code: str | None = None
    type: str | None = None
    message: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    item_id: str = ""
    delta: str = ""
    transcript: str = ""
    error: _Trouble | None = None


_events = msgspec.json.Decoder(_Event)


class _Item:
    def __init__(self, segment: int) -> None:
        self.segment = segment
        self.text = ""
        self.until_s = UNKNOWN
        self.asked = False
        """Its final text is the answer to our request."""


class OpenAIRealtimeWire(RecogniserWire):
    """The transcription session's protocol for one connection."""

    def __init__(self, settings: OpenAIRealtimeSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._items: dict[str, _Item] = {}
        self._segments = 0
        self._sent_s = self._committed_s = 0.0
        self._committing_s: float | None = None
        self.traits = WireTraits(
            name="openai_realtime",
            capabilities=Capabilities(live=True, longest_session_s=_LONGEST_SESSION_S, live_language=True),
            message_ms=60,
            awaits_ready=True,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a commit or an item has no final text yet."""
        return self._committing_s is not None or any(item.text or item.asked for item in self._items.values())

    def address(self, key: str) -> Address:
        """The address names no model: with one it would be a conversation."""
        return Address(self._settings.url, {"Authorization": f"Bearer {key}"} if key else {})

    def opening(self) -> Sequence[Message]:
        """Configure the session for the transcription of telephone audio."""
        return (self._session(self._expected),)

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Change language and key words."""
        return (self._session(expected),)

    def _session(self, expected: ExpectedSpeech) -> str:
        model = self._settings.model
        told: dict[str, object] = {"model": model}
        language = expected.language.partition("-")[0]
        if model in ("gpt-live-transcribe", "gpt-transcribe"):
            told |= {"languages": [language], "keywords": list(expected.hints[:100])}
        else:
            told["language"] = language
            if expected.hints and model != "gpt-realtime-whisper":
                told["prompt"] = ", ".join(expected.hints[:100])
        audio = {"input": {"format": {"type": "audio/pcmu"}, "transcription": told, "turn_detection": None}}
        return _json({"type": "session.update", "session": {"type": "transcription", "audio": audio}})

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio goes in JSON messages, as base64."""
        self._sent_s += len(ulaw) / 8000
        return (_json({"type": "input_audio_buffer.append", "audio": base64.b64encode(ulaw).decode()}),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Commit what came since the last time, unless it is too little."""
        if self._sent_s - self._committed_s < _SHORTEST_S:
            return ()
        self._committed_s = self._committing_s = self._sent_s
        return ('{"type":"input_audio_buffer.commit"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one event; those of unknown types are ignored."""
        event = _events.decode(message)
        match event.type:
            case "session.updated":
                return (Accepted(),)
            case "input_audio_buffer.committed":
                item = self._item(event.item_id)
                item.until_s = self._sent_s if self._committing_s is None else self._committing_s
                item.asked, self._committing_s = True, None
                return ()
            case "error":
                return self._trouble(event.error or _Trouble())
        if event.type == _PREFIX + "delta":
            item = self._item(event.item_id)
            item.text = checked(item.text + event.delta)
            return (PartialText(item.segment, item.text.strip(), item.until_s),)
        if event.type in (_PREFIX + "completed", _PREFIX + "failed"):
            return self._completed(event)
        return ()

    def _item(self, name: str) -> _Item:
        if name not in self._items:
            if len(self._items) >= _MOST_ITEMS:
                raise ValueError(f"{_MOST_ITEMS} items without a final text")
            self._items[name] = _Item(self._segments)
            self._segments += 1
        return self._items[name]

    def _completed(self, event: _Event) -> list[WireEvent]:
        item = self._item(event.item_id)
        del self._items[event.item_id]
        text = checked(event.transcript).strip() or (item.text.strip() if event.type.endswith("failed") else "")
        events: list[WireEvent] = []
        if text or item.text:
            events.append(FinalText(item.segment, text, item.until_s))
        if item.asked and not self.outstanding:
            events.append(Settled())
        return events

    def _trouble(self, trouble: _Trouble) -> list[WireEvent]:
        code = trouble.code or trouble.type or ""
        if code == _NOTHING_TO_COMMIT:
            self._committing_s = None
            return [Settled()]
        return [StreamFailed(_KINDS.get(code, "rejected"), f"{code}: {trouble.message[:100]}")]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
