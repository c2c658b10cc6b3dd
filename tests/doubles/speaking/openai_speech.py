"""A double of OpenAI's `/v1/audio/speech`, written from its documentation."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import OpenAISpeechSettings
from tests.doubles.speaking.base import KEY, Misbehaves, SpeakingDouble, sound

_STATUS = {"busy": 429, "rejected": 400, "internal": 500}


class OpenAISpeechDouble(SpeakingDouble):
    path = "/v1/audio/speech"
    header = b""
    """Put before the samples, as servers do that only look like it."""

    def settings(self, url: str, **others: Any) -> OpenAISpeechSettings:
        return OpenAISpeechSettings(**{"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", **others})

    def routes(self, app: web.Application) -> None:
        app.router.add_post(self.path, self._speech)

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        orders = self.next_orders()
        if self.refuses is not None:
            return self._error(self.refuses, "rate_limit_exceeded")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._error(401, "invalid_api_key")
        body = await request.json()
        if len(body["input"]) > 4096 or body.get("response_format") != "pcm":
            return self._error(400, "invalid_request_error")
        self.texts.append(body["input"])
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm", "x-request-id": "r"})
        try:
            audio = self.header
            async for _, word in self.spoken(body["input"], orders):
                if not response.prepared:
                    await response.prepare(request)
                audio += sound(word, "pcm", 24_000)
                for piece in self.cut_up(audio):
                    await response.write(piece)
                audio = b""
            if self.ending == "missing":
                self._cut(request)
            await response.write_eof()
        except ConnectionError:
            self.cancelled += 1
        except Misbehaves as misbehaving:
            if not response.prepared and misbehaving.fault != "lost":
                return self._error(_STATUS[misbehaving.fault], "server_error")
            self._cut(request)
        return response

    def _cut(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()

    def _error(self, status: int, code: str) -> web.Response:
        trouble = {"message": "no", "type": "error", "param": None, "code": code}
        return web.json_response({"error": trouble}, status=status, headers={"Retry-After": "2"})
