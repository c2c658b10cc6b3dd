"""A double of Rime's `/ws3`, written from its documentation."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import RimeSettings
from tests.doubles.speaking.base import Misbehaves, Orders, SpeakingDouble, sound


class RimeDouble(SpeakingDouble):
    path = "/ws3"

    def settings(self, url: str, **others: Any) -> RimeSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("ada", "bob"), "warm": 0}
        return RimeSettings(**{**its, **others})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.orders.fault == "busy":
            return web.Response(status=429, text="Currently at websocket limit")
        return await super().handle(request)

    def refusal(self, request: web.Request) -> str:
        query = request.query
        if "speaker" not in query or query.get("audioFormat") not in ("mulaw", "pcm"):
            return "invalid query"
        return "" if query.get("segment") == "never" else "this double speaks at flush only"

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        text = context = ""
        speaking: asyncio.Task[None] | None = None
        async for message in self.messages(socket):
            order = json.loads(message.data)
            match order.get("operation"):
                case None:
                    text += order["text"]
                    context = order.get("contextId", context)
                case "flush" | "eos":
                    speaking = self.spawn(self._speak(socket, request, text, context, self.next_orders()))
                    text = ""
                case "clear" if speaking is not None:
                    speaking.cancel()

    async def _speak(
        self, socket: web.WebSocketResponse, request: web.Request, text: str, context: str, orders: Orders
    ) -> None:
        self.texts.append(" ".join(text.split()))
        try:
            async for index, word, placed, sounded in self.parts(text, orders):
                start = index * self.word_ms / 1000
                times = {"words": [word], "start": [start], "end": [start + self.word_ms / 1000]}
                if placed:
                    await socket.send_json({"type": "timestamps", "word_timestamps": times, "contextId": context})
                if sounded:
                    await self._say(socket, request, context, word)
        except Misbehaves as misbehaving:
            match misbehaving.fault:
                case "lost":
                    self.cut(socket)
                case "rejected":
                    await socket.send_json({"type": "error", "message": "invalid speaker"})
                case _:
                    await socket.close(code=1011, message=b"500: internal error")
            return

        async def done() -> None:
            await socket.send_json({"type": "done", "contextId": context})

        async def late() -> None:
            await self._say(socket, request, context, "late")

        await self.ends(done, late)

    async def _say(self, socket: web.WebSocketResponse, request: web.Request, context: str, word: str) -> None:
        encoding = "mulaw" if request.query["audioFormat"] == "mulaw" else "pcm"
        for piece in self.cut_up(sound(word, encoding, int(request.query["samplingRate"]))):  # type: ignore[arg-type]
            data = base64.b64encode(piece).decode()
            await socket.send_json({"type": "chunk", "data": data, "contextId": context})
