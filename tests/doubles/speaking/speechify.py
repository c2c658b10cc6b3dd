"""A double of Speechify's stream with timestamps, written from its client."""

from __future__ import annotations

import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import SpeechifySettings
from tests.doubles.speaking.base import KEY, Misbehaves, SpeakingDouble, sound
from tests.speaking.provider_contract import Fault

_ERRORS: dict[Fault, tuple[int, str]] = {
    "busy": (429, "concurrency_limit_reached"),
    "rejected": (404, "voice_not_found"),
    "internal": (500, "internal_error"),
}


class SpeechifyDouble(SpeakingDouble):
    path = "/v1/audio/stream/with-timestamps"

    def settings(self, url: str, **others: Any) -> SpeechifySettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("ada", "bob")}
        return SpeechifySettings(**{**its, **others})

    def routes(self, app: web.Application) -> None:
        app.router.add_post(self.path, self._stream)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        orders = self.next_orders()
        if self.refuses is not None:
            return self._error(self.refuses, "service_unavailable")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._error(401, "unauthorized")
        body = await request.json()
        wanted = body["output_format"]
        encoding, _, rate = wanted.partition("_")
        if encoding not in ("ulaw", "pcm"):
            return self._error(400, "validation_failed")
        self.texts.append(body["input"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        at = 0
        try:
            async for index, word, placed, sounded in self.parts(body["input"], orders):
                if not response.prepared:
                    await response.prepare(request)
                    await response.write(b": keep-alive\n\n")
                mark = {"type": "word", "value": word, "start": at, "end": at + len(word)}
                mark |= {"start_time": index * self.word_ms, "end_time": (index + 1) * self.word_ms}
                at += len(word) + 1
                if placed:
                    await self._event(response, {"type": "speech.chunk", "audio": None, "speech_marks": [mark]})
                audio = sound(word, "mulaw" if encoding == "ulaw" else "pcm", int(rate))
                for piece in self.cut_up(audio) if sounded else ():
                    data = base64.b64encode(piece).decode()
                    await self._event(response, {"type": "speech.chunk", "audio": data, "speech_marks": []})
        except ConnectionError:
            self.cancelled += 1
            return response
        except Misbehaves as misbehaving:
            if misbehaving.fault == "lost":
                self._cut(request)
                return response
            status, code = _ERRORS[misbehaving.fault]
            if not response.prepared:
                return self._error(status, code)
            trouble = {"type": "speech.error", "error": {"code": code, "message": "no"}, "request_id": "r"}
            await self._event(response, trouble)
            return response

        async def done() -> None:
            told = {"type": "speech.done", "billable_characters_count": len(body["input"])}
            await self._event(response, {**told, "audio_duration_ms": (index + 1) * self.word_ms})

        await self.ends(done, done)
        await response.write_eof()
        return response

    async def _event(self, response: web.StreamResponse, event: dict[str, Any]) -> None:
        await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def _cut(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()

    def _error(self, status: int, code: str) -> web.Response:
        body = {"error": {"code": code, "message": "no"}, "request_id": "r"}
        return web.json_response(body, status=status, headers={"Retry-After": "2"})
