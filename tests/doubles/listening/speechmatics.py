"""A double of Speechmatics' real-time service, written from its specification."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.listening.hosted_settings import SpeechmaticsSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session, Side, Told


class SpeechmaticsSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._started = False
        self._number = 0

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        match order.get("message"):
            case "StartRecognition":
                if order["audio_format"] != {"type": "raw", "encoding": "mulaw", "sample_rate": 8000}:
                    return self._error("invalid_audio_type", "unsupported", 1003)
                self._started = True
                quality = {"message": "Info", "type": "recognition_quality", "reason": "", "quality": "telephony"}
                return [quality, {"message": "RecognitionStarted", "id": "u", "language_pack_info": {}}]
            case "ForceEndOfUtterance":
                return self._end(self.hearing.now(), forced=True)
            case "EndOfStream":
                if order["last_seq_no"] != self._number:
                    return self._error("protocol_error", f"last_seq_no is {order['last_seq_no']}", 1003)
                return [*self._end(self.hearing.now()), {"message": "EndOfTranscript"}, Close(1000)]
        return self._error("invalid_message", "unknown message", 1003)

    def audio(self, data: bytes) -> Sequence[Told]:
        if not self._started:
            return self._error("protocol_error", "audio before RecognitionStarted", 1003)
        self._number += 1
        told: list[Told] = [{"message": "AudioAdded", "seq_no": self._number}]
        for heard in self.hearing.hears(data):
            if heard.kind == "partial":
                told.append(self._transcript("AddPartialTranscript", heard))
            elif heard.kind == "pause":
                told += self._end(heard)
        return told

    def _end(self, heard: Heard, *, forced: bool = False) -> list[Told]:
        """The final text comes in two parts, and the mark at its end as a result of its own."""
        if not heard.text:
            return []
        self.hearing.settle(heard)
        half = len(heard.words) // 2
        parts = [heard.words[:half], heard.words[half:]] if half else [heard.words]
        told: list[Told] = []
        for words in parts:
            one = Heard("pause", heard.at_s, " ".join(w.text for w in words), words)
            told.append(self._transcript("AddTranscript", one) | ({"forced": True} if forced else {}))
            told.append({"message": "AddPartialTranscript", "metadata": {"start_time": heard.at_s,
                         "end_time": heard.at_s, "transcript": ""}, "results": []})  # fmt: skip
        at = {"start_time": heard.at_s, "end_time": heard.at_s}
        return [*told, {"message": "EndOfUtterance", "metadata": at, **({"forced": True} if forced else {})}]

    def _transcript(self, message: str, heard: Heard) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for word in heard.words:
            bare = word.text.rstrip(".,?!")
            times = {"start_time": word.start_s, "end_time": word.end_s}
            results.append({"type": "word", **times, "alternatives": [{"content": bare, "confidence": 0.9}]})
            if mark := word.text[len(bare) :]:
                end = {"start_time": word.end_s, "end_time": word.end_s, "attaches_to": "previous", "is_eos": True}
                results.append({"type": "punctuation", **end, "alternatives": [{"content": mark, "confidence": 1.0}]})
        start = heard.words[0].start_s if heard.words else heard.at_s
        end_s = heard.words[-1].end_s if heard.words else heard.at_s
        metadata = {"start_time": start, "end_time": end_s, "transcript": heard.text + " "}
        return {"message": message, "metadata": metadata, "results": results}

    def _error(self, kind: str, reason: str, code: int) -> list[Told]:
        return [{"message": "Error", "type": kind, "reason": reason}, Close(code, kind)]


class SpeechmaticsDouble(ListeningDouble):
    path = "/v2"
    side = SpeechmaticsSide

    def settings(self, url: str) -> SpeechmaticsSettings:
        return SpeechmaticsSettings(url=f"{url}{self.path}", key_env="VENDOR_KEY")
