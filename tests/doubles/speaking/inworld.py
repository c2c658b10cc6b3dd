"""A double of Inworld's bidirectional socket, written from its documentation."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import InworldSettings
from tests.doubles.speaking.base import Misbehaves, Orders, SpeakingDouble, sound
from tests.speaking.provider_contract import Fault

_ERRORS: dict[Fault, tuple[int, str]] = {
    "busy": (8, "Max contexts limit reached"),
    "rejected": (3, "unknown voice"),
    "internal": (13, "internal"),
}


class _Context:
    def __init__(self, create: dict[str, Any], orders: Orders) -> None:
        self.create = create
        self.orders = orders
        self.buffered = ""
        self.flushed: asyncio.Queue[str | None] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None


class InworldDouble(SpeakingDouble):
    path = "/tts/v1/voice:streamBidirectional"

    def settings(self, url: str, **others: Any) -> InworldSettings:
        its = {"url": f"{url}{self.path}", "key_env": "VENDOR_KEY", "voices": ("Ada", "Bob"), "concurrency": 8}
        return InworldSettings(**{**its, **others})

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        contexts: dict[str, _Context] = {}
        async for message in self.messages(socket):
            order = json.loads(message.data)
            name = order["contextId"]
            if "create" in order:
                if len(contexts) >= 5:
                    await socket.send_json({"error": {"code": 8, "message": "Max contexts limit reached"}})
                    await socket.close()
                    return
                contexts[name] = _Context(order["create"], self.next_orders())
                contexts[name].task = self.spawn(self._speak(socket, contexts, name))
                await socket.send_json({"result": {"contextId": name, "contextCreated": {}}})
                continue
            context = contexts.get(name)
            if context is None:
                continue
            context.buffered += order.get("send_text", {}).get("text", "")
            if ("flush_context" in order or "close_context" in order) and context.buffered.strip():
                context.flushed.put_nowait(context.buffered)
                context.buffered = ""
            if "close_context" in order:
                context.flushed.put_nowait(None)
            if "cancel_context" in order:
                self.cancelled += 1
                if context.task is not None:
                    context.task.cancel()
                await self._say(socket, context, name, 0, "late")
                await self._close(socket, contexts, name)

    async def _close(self, socket: web.WebSocketResponse, contexts: dict[str, _Context], name: str) -> None:
        contexts.pop(name, None)
        await socket.send_json({"result": {"contextId": name, "contextClosed": {}}})

    async def _speak(self, socket: web.WebSocketResponse, contexts: dict[str, _Context], name: str) -> None:
        context = contexts[name]
        try:
            while (text := await context.flushed.get()) is not None:
                self.texts.append(" ".join(text.split()))
                async for index, word, placed, sounded in self.parts(text, context.orders):
                    await self._say(socket, context, name, index, word, placed=placed, sounded=sounded)
                await socket.send_json({"result": {"contextId": name, "flushCompleted": {}}})
        except Misbehaves as misbehaving:
            contexts.pop(name, None)
            if misbehaving.fault == "lost":
                self.cut(socket)
                return
            code, said = _ERRORS[misbehaving.fault]
            await socket.send_json({"result": {"contextId": name, "status": {"code": code, "message": said}}})
            return

        async def done() -> None:
            await self._close(socket, contexts, name)

        async def late() -> None:
            await self._say(socket, context, name, 0, "late")

        await self.ends(done, late)

    async def _say(
        self,
        socket: web.WebSocketResponse,
        context: _Context,
        name: str,
        index: int,
        word: str,
        *,
        placed: bool = True,
        sounded: bool = True,
    ) -> None:
        wanted = context.create["audioConfig"]
        encoding = "mulaw" if wanted["audioEncoding"] == "MULAW" else "pcm"
        start = index * self.word_ms / 1000  # counted from the latest flush
        alignment: dict[str, object] | None = {
            "words": [word], "wordStartTimeSeconds": [start], "wordEndTimeSeconds": [start + self.word_ms / 1000]
        }  # fmt: skip
        audio = sound(word, encoding, wanted["sampleRateHertz"])  # type: ignore[arg-type]
        alignment = alignment if placed else None
        for piece in self.cut_up(audio) if sounded else [b""]:
            chunk: dict[str, object] = {"audioContent": base64.b64encode(piece).decode()}
            if alignment is not None:
                chunk["timestampInfo"] = {"wordAlignment": alignment}
            alignment = None
            await socket.send_json({"result": {"contextId": name, "audioChunk": chunk}})
