"""A double of Deepgram's `/v1/speak`, written from its documentation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import AuraSettings
from tests.doubles.speaking.base import Misbehaves, Orders, SpeakingDouble, sound


class AuraDouble(SpeakingDouble):
    path = "/v1/speak"
    its_idle_s = 60.0
    """Not documented: that it closes with NET-0001 is."""
    flushes_a_minute = 20

    def settings(self, url: str, **others: Any) -> AuraSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("aura-2-ada-en", "aura-2-bob-en")}
        return AuraSettings(**{**its, "warm": 0, **others})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.orders.fault == "busy" or (self.most is not None and len(self._sockets) >= self.most):
            return web.Response(status=429, headers={"Retry-After": "2", "dg-error": "Too many requests"})
        return await super().handle(request)

    async def idle(self, socket: web.WebSocketResponse) -> None:
        await socket.close(code=1011, message=b"NET-0001: no message within the time limit")

    def refusal(self, request: web.Request) -> str:
        if not request.query.get("model", "").startswith("aura-"):
            return "No such model"
        return "" if request.query.get("encoding") in ("mulaw", "linear16") else "Unsupported audio format"

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        model = {"model_name": request.query["model"], "model_version": "1", "model_uuid": "m"}
        await socket.send_json({"type": "Metadata", "request_id": "r", **model})
        text, flushes = "", 0
        speaking: asyncio.Task[None] | None = None
        async for message in self.messages(socket):
            order = json.loads(message.data)
            match order.get("type"):
                case "Speak":
                    if len(order["text"]) > 2000:
                        await socket.close(code=1009, message=b"BIG-0001")
                        return
                    text += order["text"]
                case "Flush":
                    flushes += 1
                    if flushes > self.flushes_a_minute:
                        warning = {"warn_code": "EXCESSIVE_FLUSH", "warn_msg": "too many flushes"}
                        await socket.send_json({"type": "Warning", **warning})
                    else:
                        speaking = self.spawn(self._speak(socket, request, text, flushes - 1, self.next_orders()))
                    text = ""
                case "Clear":
                    self.cancelled += 1
                    if speaking is not None:
                        speaking.cancel()
                    text = ""
                    await socket.send_bytes(self._sound(request, "late"))
                    await socket.send_json({"type": "Cleared", "sequence_id": 0})
                case "Close":
                    break
                case _:
                    await socket.close(code=1008, message=b"DATA-0000")
                    return

    async def _speak(
        self, socket: web.WebSocketResponse, request: web.Request, text: str, number: int, orders: Orders
    ) -> None:
        self.texts.append(" ".join(text.split()))
        try:
            async for _, word in self.spoken(text, orders):
                for piece in self.cut_up(self._sound(request, word)):
                    await socket.send_bytes(piece)
        except Misbehaves as misbehaving:
            match misbehaving.fault:
                case "lost":
                    self.cut(socket)
                case "rejected":
                    await socket.close(code=1008, message=b"DATA-0000")
                case _:
                    await socket.close(code=1011, message=b"NET-0000")
            return

        async def done() -> None:
            await socket.send_json({"type": "Flushed", "sequence_id": number})

        async def late() -> None:
            await socket.send_bytes(self._sound(request, "late"))

        await self.ends(done, late)

    def _sound(self, request: web.Request, word: str) -> bytes:
        encoding = "mulaw" if request.query["encoding"] == "mulaw" else "pcm"
        return sound(word, encoding, int(request.query["sample_rate"]))  # type: ignore[arg-type]
