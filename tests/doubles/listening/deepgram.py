"""A double of Deepgram's `/v1/listen`, written from its documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bridge.listening.hosted_settings import DeepgramSettings
from tests.doubles.hearing import Heard
from tests.doubles.listening.base import Close, ListeningDouble, Side, Told


class DeepgramSide(Side):
    idle_s = 10.0
    deaf_to_finalize = False

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("type"):
            case "Finalize":
                if self.deaf_to_finalize or self.hearing.position_s < 0.2:
                    return ()
                return [self._results(self.hearing.settle(), final=True, forced=True)]
            case "KeepAlive":
                return ()
            case "Configure":
                if len(order.get("keyterms", [])) > 100:
                    return [{"type": "ConfigureFailure", "code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"}]
                return [{"type": "ConfigureSuccess", "keyterms": order["keyterms"]}]
            case "CloseStream":
                last = self._results(self.hearing.settle(), final=True)
                metadata = {"type": "Metadata", "transaction_key": "deprecated", "request_id": "r", "sha256": "x"}
                metadata |= {"created": "2026-11-27T10:00:00Z"}
                return [last, {**metadata, "duration": self.hearing.position_s, "channels": 1}, Close(1000)]
        wrong = {"type": "Error", "variant": "SchemaError", "description": "unknown variant", "message": text}
        return [wrong, Close(1008, "DATA-0000")]

    def audio(self, data: bytes) -> Sequence[Told]:
        if not data:
            return [Close(1000)]
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind == "partial":
                told.append(self._results(heard, final=False))
        return told

    def idle(self) -> Sequence[Told]:
        return [Close(1011, "NET-0001: no audio or text from the client")]

    def _results(self, heard: Heard, *, final: bool, forced: bool = False) -> dict[str, Any]:
        words = [
            {"word": w.text.lower().strip(".,?!"), "punctuated_word": w.text, "start": w.start_s, "end": w.end_s}
            | {"confidence": 0.98}
            for w in heard.words
        ]
        start = max(0.0, heard.words[0].start_s - 0.2) if heard.words else 0.0
        best = {"transcript": heard.text, "confidence": 0.97 if heard.text else 0.0, "words": words}
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start,
            "duration": heard.at_s - start,
            "is_final": final,
            "speech_final": False,
            "from_finalize": forced,
            "channel": {"alternatives": [best]},
            "metadata": {
                "request_id": "r",
                "model_uuid": "m",
                "model_info": {"name": "general-nova-3", "version": "1", "arch": "nova-3"},
            },
        }


class DeepgramDouble(ListeningDouble):
    path = "/v1/listen"
    side = DeepgramSide

    def settings(self, url: str) -> DeepgramSettings:
        return DeepgramSettings(url=f"{url}{self.path}", key_env="VENDOR_KEY")

    def refusal(self, request: web.Request) -> str:
        wanted = {"encoding": "mulaw", "sample_rate": "8000", "interim_results": "true"}
        wrong = [name for name, value in wanted.items() if request.query.get(name) != value]
        return f"Bad Request: {wrong}" if wrong or "model" not in request.query else ""
