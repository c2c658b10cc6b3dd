"""A double of Soniox's transcription socket, written from its documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.listening.hosted_settings import SonioxSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session, Side, Told


class SonioxSide(Side):
    idle_s = 20.0

    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._configured = False

    def text(self, text: str) -> Sequence[Told]:
        if not text:
            return [self._said(self.hearing.settle(), final=True) | {"finished": True}, Close(1000)]
        order = json.loads(text)
        if not self._configured:
            if order.get("audio_format") != "mulaw" or order.get("sample_rate") != 8000 or "model" not in order:
                return self._error(400, "invalid_request", "Invalid audio format.")
            self._configured = True
            return ()
        match order.get("type"):
            case "finalize":
                return [self._said(self.hearing.settle(), final=True, mark="<fin>")]
            case "keepalive":
                return ()
        return self._error(400, "invalid_request", "Control request invalid type.")

    def audio(self, data: bytes) -> Sequence[Told]:
        if not self._configured:
            return self._error(400, "invalid_request", "Start request must be a text message.")
        if not data:
            return self.text("")
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind == "partial":
                told.append(self._said(heard, final=False))
            elif heard.kind == "pause":
                told.append(self._said(self.hearing.settle(heard), final=True, mark="<end>"))
        return told

    def idle(self) -> Sequence[Told]:
        return self._error(408, "request_timeout", "Request timeout.")

    def _said(self, heard: Heard, *, final: bool, mark: str = "") -> dict[str, Any]:
        """Tokens are halves of words, and the first of a word holds the blank before it."""
        tokens: list[dict[str, Any]] = []
        for number, word in enumerate(heard.words):
            cut = max(1, len(word.text) // 2)
            middle = (word.start_s + word.end_s) / 2
            halves = ((word.text[:cut], word.start_s, middle), (word.text[cut:], middle, word.end_s))
            for half, (text, start_s, end_s) in enumerate(halves):
                blank = " " if number and not half else ""
                if text:
                    times = {"start_ms": round(start_s * 1000), "end_ms": round(end_s * 1000)}
                    tokens.append({"text": blank + text, **times, "confidence": 0.9, "is_final": final})
        if mark:
            tokens.append({"text": mark, "is_final": True})
        done_ms = round(heard.at_s * 1000)
        return {"tokens": tokens, "final_audio_proc_ms": done_ms if final else 0, "total_audio_proc_ms": done_ms}

    def _error(self, code: int, kind: str, message: str) -> list[Told]:
        return [
            {"tokens": [], "error_code": code, "error_type": kind, "error_message": message, "request_id": "r"},
            Close(1000),
        ]


class SonioxDouble(ListeningDouble):
    path = "/transcribe-websocket"
    side = SonioxSide

    def settings(self, url: str) -> SonioxSettings:
        return SonioxSettings(url=f"{url}{self.path}", key_env="VENDOR_KEY", catch_up=0.0)
