"""A double of Smallest.ai's live socket, written from its documentation."""

from __future__ import annotations

import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import SmallestSettings
from tests.doubles.speaking.base import Misbehaves, Orders, SpeakingDouble, sound


class SmallestDouble(SpeakingDouble):
    path = "/waves/v1/tts/live"
    its_idle_s = 60.0
    nested = False
    """Say errors as its package does, in place of the form that is in use."""

    def settings(self, url: str, **others: Any) -> SmallestSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("ada", "bob"), "warm": 0}
        return SmallestSettings(**{**its, "concurrency": 5, "sockets": 20, **others})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.orders.fault == "busy":
            return web.json_response({"error": "too many", "message": "concurrency"}, status=429)
        return await super().handle(request)

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        text = ""
        async for message in self.messages(socket):
            order = json.loads(message.data)
            text += order["text"]
            if order.get("flush") or not order.get("continue"):
                if text.strip():  # a text of blanks is never said to be complete
                    self.spawn(self._speak(socket, order, text, self.next_orders()))
                text = ""

    async def idle(self, socket: web.WebSocketResponse) -> None:
        said = {"status": "error", "message": "connection timed out due to inactivity"}
        await socket.send_json({"session_id": "s", "request_id": "", **said})
        await socket.close(code=1000)

    async def _speak(self, socket: web.WebSocketResponse, order: dict[str, Any], text: str, orders: Orders) -> None:
        self.texts.append(" ".join(text.split()))
        named = {"session_id": "s", "request_id": "r", "external_request_id": order.get("request_id", "")}
        try:
            async for index, word, placed, sounded in self.parts(text, orders):
                if placed and order.get("word_timestamps"):
                    start = index * self.word_ms / 1000
                    data = {"id": index, "word": word, "start": start, "end": start + self.word_ms / 1000}
                    await socket.send_json({**named, "status": "word_timestamp", "data": data})
                if sounded:
                    await self._say(socket, order, named, word)
        except Misbehaves as misbehaving:
            if misbehaving.fault == "lost":
                self.cut(socket)
                return
            said = "unknown voice_id" if misbehaving.fault == "rejected" else "internal error"
            error: dict[str, object] = {"error": {"message": said, "code": 0}} if self.nested else {"message": said}
            await socket.send_json({**named, "status": "error", **error})
            return

        async def done() -> None:
            await socket.send_json({**named, "status": "complete"})

        async def late() -> None:
            await self._say(socket, order, named, "late")

        await self.ends(done, late)

    async def _say(
        self, socket: web.WebSocketResponse, order: dict[str, Any], named: dict[str, str], word: str
    ) -> None:
        for piece in self.cut_up(sound(word, "pcm", order["sample_rate"])):
            data = {"audio": base64.b64encode(piece).decode()}
            await socket.send_json({**named, "status": "chunk", "data": data})
