"""A double of AssemblyAI's `/v3/ws`, written from its documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bridge.listening.hosted_settings import AssemblyAISettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session, Side, Told


class AssemblyAISide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._order = 0

    def opened(self) -> Sequence[Told]:
        configuration = {"model": self.session.query["speech_model"], "mode": "balanced", "api_version": "2025-05-12"}
        return [{"type": "Begin", "id": "u", "expires_at": 1790000000, "configuration": configuration}]

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("type"):
            case "ForceEndpoint":
                return self._end(self.hearing.now())
            case "UpdateConfiguration" | "KeepAlive":
                return ()
            case "Terminate":
                lasted = {"audio_duration_seconds": int(self.hearing.position_s), "session_duration_seconds": 1}
                return [{"type": "Termination", **lasted}, Close(1000)]
        return [{"type": "Error", "error_code": 3006, "error": "Invalid message"}, Close(3006, "Invalid message")]

    def audio(self, data: bytes) -> Sequence[Told]:
        if not 400 <= len(data) <= 8000:
            wrong = "Input Duration Violation: 20 ms. Expected between 50 and 1000 ms"
            return [{"type": "Error", "error_code": 3007, "error": wrong}, Close(3007, wrong)]
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind in ("partial", "lull"):
                told.append(self._turn(heard, utterance=heard.text if heard.kind == "lull" else ""))
            elif heard.kind == "pause":
                told += self._end(heard)
        return told

    def _end(self, heard: Heard) -> list[Told]:
        """With formatting a second copy follows; without, the client may meet one all the same."""
        if not heard.text:
            return []
        self.hearing.settle(heard)
        ended = self._turn(heard, ended=True)
        self._order += 1
        return [ended, {**ended, "turn_is_formatted": True}]

    def _turn(self, heard: Heard, *, utterance: str = "", ended: bool = False) -> dict[str, Any]:
        words = [
            {"text": w.text, "start": round(w.start_s * 1000), "end": round(w.end_s * 1000), "confidence": 0.95}
            | {"word_is_final": True}
            for w in heard.words
        ]
        return {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": False,
            "end_of_turn": ended,
            "transcript": heard.text if ended else " ".join(heard.text.split()[:-1]),
            "utterance": utterance,
            "end_of_turn_confidence": 0.8 if ended else 0.02,
            "words": words,
        }


class AssemblyAIDouble(ListeningDouble):
    path = "/v3/ws"
    side = AssemblyAISide

    def settings(self, url: str) -> AssemblyAISettings:
        return AssemblyAISettings(url=f"{url}{self.path}", key_env="VENDOR_KEY", catch_up=0.0)

    def refusal(self, request: web.Request) -> str:
        wanted = {"encoding": "pcm_mulaw", "sample_rate": "8000"}
        wrong = [name for name, value in wanted.items() if request.query.get(name) != value]
        return f"Bad Request: {wrong}" if wrong or "speech_model" not in request.query else ""
