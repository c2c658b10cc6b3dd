"""Doubles of Cartesia's two speech to text sockets, written from their documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from bridge.listening.hosted_settings import InkSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session, Side, Told


class InkTurnsSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._turn = False

    def opened(self) -> Sequence[Told]:
        return [{"type": "connected", "request_id": "r"}]

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("type"):
            case "close":
                return [*self._end(self.hearing.now()), Close(1000)]
            case "config":
                return ()
        return [{"type": "error", "status_code": 400, "title": "Bad request", "message": "?", "error_code": None}]

    def audio(self, data: bytes) -> Sequence[Told]:
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind in ("partial", "lull") and heard.text:
                if not self._turn:
                    self._turn = True
                    told.append({"type": "turn.start", "request_id": "r"})
                told.append({"type": "turn.update", "transcript": heard.text, "request_id": "r"})
            elif heard.kind == "pause" and self._turn:
                told.append({"type": "turn.eager_end", "transcript": heard.text, "request_id": "r"})
                told += self._end(heard)
        return told

    def _end(self, heard: Heard) -> list[Told]:
        if not self._turn:
            return []
        self._turn = False
        return [{"type": "turn.end", "transcript": self.hearing.settle(heard).text, "request_id": "r"}]


class InkSide(Side):
    def text(self, text: str) -> Sequence[Told]:
        match text:
            case "finalize":
                return [self._transcript(self.hearing.settle(), final=True), {"type": "flush_done", "request_id": "r"}]
            case "close":
                last = self._transcript(self.hearing.settle(), final=True)
                return [last, {"type": "done", "request_id": "r"}, Close(1000)]
        return [{"type": "error", "status_code": 400, "title": "Bad request", "message": text, "error_code": None}]

    def audio(self, data: bytes) -> Sequence[Told]:
        return [self._transcript(heard, final=False) for heard in self.hearing.hears(data) if heard.kind == "partial"]

    def _transcript(self, heard: Heard, *, final: bool) -> dict[str, object]:
        words = [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in heard.words]
        told = {"type": "transcript", "text": heard.text, "is_final": final, "duration": heard.at_s, "request_id": "r"}
        return {**told, "language": "en", "words": words}


class InkTurnsDouble(ListeningDouble):
    path = "/stt/turns/websocket"
    side: type[Side] = InkTurnsSide
    turns = True

    def settings(self, url: str) -> InkSettings:
        return InkSettings(url=f"{url}/stt/", key_env="VENDOR_KEY", turns=self.turns)

    def refusal(self, request: web.Request) -> str:
        if "Cartesia-Version" not in request.headers:
            return "the header Cartesia-Version is required"
        return "" if request.query.get("encoding") == "pcm_mulaw" else "encoding"


class InkDouble(InkTurnsDouble):
    path = "/stt/websocket"
    side = InkSide
    turns = False
