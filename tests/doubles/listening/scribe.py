"""A double of ElevenLabs' realtime Scribe, written from its documentation."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence

from aiohttp import web

from bridge.listening.hosted_settings import ScribeSettings
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Side, Told


class ScribeSide(Side):
    idle_s = 10.0

    def opened(self) -> Sequence[Told]:
        return [{"message_type": "session_started", "session_id": "s", "config": {**self.session.query}}]

    def text(self, text: str) -> Sequence[Told]:
        order = json.loads(text)
        if order.get("message_type") != "input_audio_chunk":
            return [{"message_type": "input_error", "error": "unknown message_type"}, Close(1008)]
        told: list[Told] = []
        for heard in self.hearing.hears(base64.b64decode(order["audio_base_64"], validate=True)):
            if heard.kind == "partial":
                told.append({"message_type": "partial_transcript", "text": heard.text})
        return [*told, *self._commit()] if order.get("commit") else told

    def audio(self, data: bytes) -> Sequence[Told]:
        return [{"message_type": "input_error", "error": "binary message"}, Close(1008)]

    def idle(self) -> Sequence[Told]:
        return [{"message_type": "insufficient_audio_activity", "error": "no audio"}, Close(1008)]

    def _commit(self) -> list[Told]:
        if (since_s := self.hearing.position_s - self.hearing.begun_s) < 0.3:
            wrong = f"Commit request ignored: only {since_s:.2f}s of uncommitted audio."
            return [{"message_type": "commit_throttled", "error": wrong}]
        heard = self.hearing.settle()
        words: list[dict[str, object]] = []
        for word in heard.words:
            if words:
                words.append({"text": " ", "start": word.start_s, "end": word.start_s, "type": "spacing"})
            times = {"start": word.start_s, "end": word.end_s}
            words.append({"text": word.text, **times, "type": "word", "logprob": math.log(0.9), "speaker_id": None})
        plain = {"message_type": "committed_transcript", "text": heard.text}
        if self.session.query.get("include_timestamps") != "true":
            return [plain]
        timed = {"message_type": "committed_transcript_with_timestamps", "text": heard.text, "language_code": "en"}
        return [plain, {**timed, "words": words}]


class ScribeDouble(ListeningDouble):
    path = "/v1/speech-to-text/realtime"
    side = ScribeSide

    def settings(self, url: str) -> ScribeSettings:
        return ScribeSettings(url=f"{url}{self.path}", key_env="VENDOR_KEY")

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("xi-api-key") == KEY

    def refusal(self, request: web.Request) -> str:
        return "" if request.query.get("audio_format") == "ulaw_8000" and "model_id" in request.query else "format"
