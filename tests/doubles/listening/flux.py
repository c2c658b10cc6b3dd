"""A double of Deepgram's `/v2/listen`, written from its documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from bridge.listening.hosted_settings import FluxSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session, Side, Told

UPDATE_S = 0.25
"""An update comes about so often, even when nothing has changed."""


class FluxSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._sequence = self._turn = 0
        self._last: Heard | None = None
        self._told_s = 0.0
        self._eager = "eager_eot_threshold" in session.query

    def opened(self) -> Sequence[Told]:
        return [{"type": "Connected", "request_id": "r", "sequence_id": 0}]

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("type"):
            case "ForceEndTurn":
                return [self._end("manual")] if self._last is not None else self._late_turn()
            case "Configure":
                return [self._numbered({"type": "ConfigureSuccess", "thresholds": {}, "keyterms": order["keyterms"]})]
            case "CloseStream":
                return [Close(None)]
        return [self._numbered({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": "?"}), Close(1008)]

    def _late_turn(self) -> list[Told]:
        """Words may have been said since the last look, without a turn that is known yet."""
        if not self.hearing.now().text:
            return []
        return [self._begin(self.hearing.now()), self._end("manual")]

    def audio(self, data: bytes) -> Sequence[Told]:
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind in ("partial", "lull") and heard.text:
                told.append(self._begin(heard) if self._last is None else self._info("Update", heard))
                self._last = heard
            elif heard.kind == "pause" and heard.text:
                if self._last is None:
                    told.append(self._begin(heard))
                self._last = heard
                if self._eager:
                    told.append(self._info("EagerEndOfTurn", heard, sure=0.55))
                told.append(self._end("model", heard))
        if self._last is not None and self.hearing.position_s >= self._told_s + UPDATE_S:
            if self._last.kind == "lull" and self.hearing.quiet:
                self._last = replace(self._last, at_s=self.hearing.position_s)
            told.append(self._info("Update", self._last))
        return told

    def _begin(self, heard: Heard) -> dict[str, Any]:
        self._last = heard
        return self._info("StartOfTurn", heard)

    def _end(self, trigger: str, upto: Heard | None = None) -> dict[str, Any]:
        told = self._info("EndOfTurn", self.hearing.settle(upto), sure=0.83) | {"trigger": trigger}
        self._last = None
        self._turn += 1
        return told

    def _info(self, event: str, heard: Heard, sure: float = 0.02) -> dict[str, Any]:
        self._told_s = self.hearing.position_s
        return self._numbered(
            {
                "type": "TurnInfo",
                "request_id": "r",
                "event": event,
                "turn_index": self._turn,
                "audio_window_start": heard.words[0].start_s if heard.words else 0.0,
                "audio_window_end": heard.at_s,
                "transcript": heard.text,
                "words": [{"word": w.text, "confidence": 0.9} for w in heard.words],
                "end_of_turn_confidence": sure,
            }
        )

    def _numbered(self, told: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        return {**told, "sequence_id": self._sequence}


class FluxDouble(ListeningDouble):
    path = "/v2/listen"
    side = FluxSide
    force_end = False

    def settings(self, url: str) -> FluxSettings:
        return FluxSettings(url=f"{url}{self.path}", key_env="VENDOR_KEY", force_end=self.force_end)

    def refusal(self, request: web.Request) -> str:
        if "interim_results" in request.query or not request.query.get("model", "").startswith("flux-"):
            return "Bad Request: not for this model"
        return "" if request.query.get("encoding") == "mulaw" else "Bad Request: encoding"
