"""A double of Hume's streaming input, written from its client."""

from __future__ import annotations

import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import HumeSettings
from tests.doubles.speaking.base import KEY, Misbehaves, Orders, SpeakingDouble, sound


class HumeDouble(SpeakingDouble):
    path = "/v0/tts/stream/input"

    def settings(self, url: str, **others: Any) -> HumeSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("Ada", "Bob"), "warm": 0}
        return HumeSettings(**{**its, **others})

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("X-Hume-Api-Key") == KEY or request.query.get("api_key") == KEY

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.orders.fault == "busy":
            return web.Response(status=429, headers={"Retry-After": "2"})
        return await super().handle(request)

    def refusal(self, request: web.Request) -> str:
        wanted = {"format_type": "pcm", "no_binary": "true", "strip_headers": "true"}
        return "" if all(request.query.get(name, "").lower() == value for name, value in wanted.items()) else "query"

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        text, orders = "", self.next_orders()
        async for message in self.messages(socket):
            order = json.loads(message.data)
            text += order.get("text", "")
            if order.get("close"):
                await self._speak(socket, text, orders)
                return

    async def _speak(self, socket: web.WebSocketResponse, text: str, orders: Orders) -> None:
        self.texts.append(" ".join(text.split()))
        try:
            async for index, word, placed, sounded in self.parts(text, orders):
                time = {"begin": index * self.word_ms, "end": (index + 1) * self.word_ms}
                stamp = {"type": "word", "text": word, "time": time}
                named = {"snippet_id": "s", "generation_id": "g", "request_id": "r"}
                if placed:
                    await socket.send_json({"type": "timestamp", "timestamp": stamp, **named})
                for number, piece in enumerate(self.cut_up(sound(word, "pcm", 48_000)) if sounded else ()):
                    told: dict[str, object] = {
                        "type": "audio",
                        "audio": base64.b64encode(piece).decode(),
                        "audio_format": "pcm",
                    }
                    told |= {"chunk_index": number, "is_last_chunk": index == 0}  # the end of a snippet, not of all
                    await socket.send_json({**told, **named, "text": text, "transcribed_text": None})
        except Misbehaves as misbehaving:
            if misbehaving.fault == "lost":
                self.cut(socket)
                return
            code, said = ("E0714", "voice not found") if misbehaving.fault == "rejected" else ("500", "internal")
            await socket.send_json({"error": said, "code": code, "message": said})
            return
        if self.ending == "missing":
            self.cut(socket)
        else:
            await socket.close(code=1000)
