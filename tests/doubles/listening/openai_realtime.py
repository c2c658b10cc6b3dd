"""A double of OpenAI's realtime transcription sessions, written from its documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from aiohttp import web

from bridge.listening.hosted_settings import OpenAIRealtimeSettings
from tests.doubles.hearing import Hearing
from tests.doubles.listening.base import ListeningDouble, Session, Side, Told

_PREFIX = "conversation.item.input_audio_transcription."


class OpenAIRealtimeSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._items = 0
        self._said = ""
        self._configured = False

    def opened(self) -> Sequence[Told]:
        return [{"type": "session.created", "event_id": "e0", "session": {"type": "transcription", "id": "sess"}}]

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("type"):
            case "session.update":
                session = order["session"]
                if session.get("type") != "transcription" or "transcription" not in session["audio"]["input"]:
                    return [self._error("invalid_request_error", "invalid_value", "session.type")]
                self._configured = True
                return [{"type": "session.updated", "event_id": "e1", "session": session}]
            case "input_audio_buffer.append":
                return self._append(base64.b64decode(order["audio"], validate=True))
            case "input_audio_buffer.commit":
                return self._commit()
        return [self._error("invalid_request_error", "unknown_event", f"Invalid value: {order.get('type')!r}")]

    def audio(self, data: bytes) -> Sequence[Told]:
        return [self._error("invalid_request_error", "invalid_event", "no binary messages")]

    @property
    def _item(self) -> str:
        return f"i{self._items}"

    def _append(self, ulaw: bytes) -> list[Told]:
        told: list[Told] = []
        for heard in self.hearing.hears(ulaw):
            if heard.kind == "partial" and heard.text.startswith(self._said):
                delta, self._said = heard.text[len(self._said) :], heard.text
                told.append(self._transcription("delta", delta=delta))
        return told

    def _commit(self) -> list[Told]:
        if self.hearing.position_s - self.hearing.begun_s < 0.1:
            message = "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio"
            return [self._error("invalid_request_error", "input_audio_buffer_commit_empty", message)]
        before = f"i{self._items - 1}" if self._items else None
        told: list[Told] = [
            {"type": "input_audio_buffer.committed", "event_id": "e", "item_id": self._item, "previous_item_id": before}
        ]
        usage = {"type": "duration", "seconds": 2.1}
        told.append(self._transcription("completed", transcript=self.hearing.settle().text, usage=usage))
        self._items += 1
        self._said = ""
        return told

    def _transcription(self, kind: str, **fields: object) -> dict[str, object]:
        return {"type": _PREFIX + kind, "event_id": "e", "item_id": self._item, "content_index": 0, **fields}

    def _error(self, kind: str, code: str, message: str) -> dict[str, object]:
        trouble = {"type": kind, "code": code, "message": message, "param": None, "event_id": None}
        return {"type": "error", "event_id": "e", "error": trouble}


class OpenAIRealtimeDouble(ListeningDouble):
    path = "/v1/realtime"
    side = OpenAIRealtimeSide

    def settings(self, url: str) -> OpenAIRealtimeSettings:
        return OpenAIRealtimeSettings(url=f"{url}{self.path}?intent=transcription", key_env="VENDOR_KEY")

    def refusal(self, request: web.Request) -> str:
        return "" if request.query.get("intent") == "transcription" and "model" not in request.query else "intent"
