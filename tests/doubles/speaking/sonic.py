"""A double of Cartesia's text to speech socket, written from its documentation."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import SonicSettings
from tests.doubles.speaking.base import Misbehaves, Orders, SpeakingDouble, sound
from tests.speaking.provider_contract import Fault

_ERRORS: dict[Fault, tuple[int, str]] = {
    "busy": (429, "concurrency_limited"),
    "rejected": (400, "invalid_voice"),
    "internal": (500, "internal_error"),
}


class _Context:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.texts: asyncio.Queue[str | None] = asyncio.Queue()
        self.words = 0


class SonicDouble(SpeakingDouble):
    path = "/tts/websocket"
    its_idle_s = 300.0

    def settings(self, url: str, **others: Any) -> SonicSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("ada", "bob"), "concurrency": 8}
        return SonicSettings(**{**its, **others})

    def refusal(self, request: web.Request) -> str:
        return "" if "Cartesia-Version" in request.headers or "cartesia_version" in request.query else "version"

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        contexts: dict[str, _Context] = {}
        async for message in self.messages(socket):
            order = json.loads(message.data)
            name = order["context_id"]
            if order.get("cancel"):
                self.cancelled += 1  # what has begun goes on to its end
                continue
            if name not in contexts and self.most is not None and len(contexts) >= self.most:
                await self._refuse(socket, name, "busy")
                continue
            if name not in contexts:
                contexts[name] = _Context(self.next_orders())
                self.spawn(self._speak(socket, order, contexts, name))
            if order["transcript"].strip():
                contexts[name].texts.put_nowait(order["transcript"])
            if not order.get("continue"):
                contexts[name].texts.put_nowait(None)

    async def _speak(
        self, socket: web.WebSocketResponse, order: dict[str, Any], contexts: dict[str, _Context], name: str
    ) -> None:
        context = contexts[name]
        try:
            while (text := await context.texts.get()) is not None:
                self.texts.append(" ".join(text.split()))
                before = context.words
                context.words += len(text.split())
                async for index, word, placed, sounded in self.parts(text, context.orders):
                    if placed and order.get("add_timestamps"):
                        await self._place(socket, name, word, before + index)
                    if sounded:
                        await self._say(socket, order, name, word)
        except Misbehaves as misbehaving:
            del contexts[name]
            if misbehaving.fault == "lost":
                self.cut(socket)
                return
            await self._refuse(socket, name, misbehaving.fault)
            return
        del contexts[name]

        async def done() -> None:
            await socket.send_json({"type": "done", "context_id": name, "done": True, "status_code": 200})

        async def late() -> None:
            await self._say(socket, order, name, "late")

        await self.ends(done, late)

    async def _refuse(self, socket: web.WebSocketResponse, name: str, fault: Fault) -> None:
        status, code = _ERRORS[fault]
        error = {"type": "error", "context_id": name, "done": True, "status_code": status, "error_code": code}
        await socket.send_json({**error, "title": "Error", "message": "no", "request_id": "r"})

    async def _place(self, socket: web.WebSocketResponse, name: str, word: str, index: int) -> None:
        start = index * self.word_ms / 1000
        times = {"words": [word], "start": [start], "end": [start + self.word_ms / 1000]}
        told = {"type": "timestamps", "context_id": name, "done": False, "status_code": 206}
        await socket.send_json({**told, "word_timestamps": times})

    async def _say(self, socket: web.WebSocketResponse, order: dict[str, Any], name: str, word: str) -> None:
        wanted = order["output_format"]
        audio = sound(word, "mulaw" if wanted["encoding"] == "pcm_mulaw" else "pcm", wanted["sample_rate"])
        for piece in self.cut_up(audio):
            told = {"type": "chunk", "context_id": name, "data": base64.b64encode(piece).decode(), "done": False}
            await socket.send_json({**told, "status_code": 206, "step_time": 12.3, "flush_id": 1})
