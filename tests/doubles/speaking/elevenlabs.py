"""A double of ElevenLabs' `multi-stream-input`, written from its documentation."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import ElevenLabsSettings
from tests.doubles.speaking.base import KEY, Misbehaves, Orders, SpeakingDouble, sound
from tests.speaking.provider_contract import Fault

_ERRORS: dict[Fault, tuple[str, str]] = {
    "busy": ("concurrent_limit_exceeded", "Too many concurrent requests"),
    "rejected": ("voice_id_does_not_exist", "A voice with this id does not exist"),
    "internal": ("internal_error", "Something went wrong. You have not been charged."),
}


class _Context:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.buffered = ""
        self.flushed: asyncio.Queue[str | None] = asyncio.Queue()
        self.closing = False


class ElevenLabsDouble(SpeakingDouble):
    path = "/v1/text-to-speech/{voice}/multi-stream-input"
    its_idle_s = 20.0
    """Where the address does not say otherwise."""
    snake = False
    """Say `is_final` and `context_id`, as other versions of the documentation do."""
    whole_segments = False
    """Place all letters of a segment with its first audio, and none later: what happens without `sync_alignment`."""

    def settings(self, url: str, **others: Any) -> ElevenLabsSettings:
        return ElevenLabsSettings(**{"url": url, "key_env": "VENDOR_KEY", "voices": ("ada", "bob"), **others})

    def authorised(self, request: web.Request) -> bool:
        return True  # it answers 101 even with a bad key, and says so in a message

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        if request.headers.get("xi-api-key") != KEY:
            await self._refuse(socket, "invalid_api_key", "Invalid API key")
            return
        if request.match_info["voice"] not in ("ada", "bob"):
            await self._refuse(socket, "voice_id_does_not_exist", "A voice with this id does not exist")
            return
        contexts: dict[str, _Context] = {}
        self.idle_s = float(request.query.get("inactivity_timeout", self.idle_s))
        async for message in self.messages(socket):
            order = json.loads(message.data)
            if order.get("close_socket"):
                break
            name = order.get("context_id", "default")
            if name not in contexts:
                if len(contexts) >= 5:
                    await self._refuse(socket, "max_active_conversations", "Maximum simultaneous contexts exceeded")
                    return
                contexts[name] = _Context(self.next_orders())
                self.spawn(self._speak(socket, request, contexts, name))
            context = contexts[name]
            context.buffered += order.get("text", "")
            if order.get("flush") and context.buffered.strip():
                context.flushed.put_nowait(context.buffered)
                context.buffered = ""
            if order.get("close_context") and not context.closing:
                context.closing = True
                context.flushed.put_nowait(None)

    async def idle(self, socket: web.WebSocketResponse) -> None:
        await self._refuse(socket, "input_timeout_exceeded", "Have not received a new text input within the timeout")

    async def _refuse(self, socket: web.WebSocketResponse, error: str, message: str) -> None:
        await socket.send_json({"message": message, "error": error, "code": 1008})
        await socket.close(code=1008, message=message.encode())

    async def _speak(
        self, socket: web.WebSocketResponse, request: web.Request, contexts: dict[str, _Context], name: str
    ) -> None:
        context = contexts[name]
        while (text := await context.flushed.get()) is not None:
            self.texts.append(" ".join(text.split()))
            try:
                async for index, word in self.spoken(text, context.orders):
                    await self._say(socket, request, name, text, index, word)
            except Misbehaves as misbehaving:
                if misbehaving.fault == "lost":
                    self.cut(socket)
                else:
                    await self._refuse(socket, *_ERRORS[misbehaving.fault])
                return
        del contexts[name]

        async def done() -> None:
            await socket.send_json(self._named({"audio": None, "isFinal": True}, name))

        async def late() -> None:
            await self._say(socket, request, name, "late", 0, "late")

        await self.ends(done, late)

    async def _say(
        self, socket: web.WebSocketResponse, request: web.Request, name: str, text: str, index: int, word: str
    ) -> None:
        wanted = request.query["output_format"]
        encoding, _, rate = wanted.partition("_")
        audio = sound(word, "mulaw" if encoding == "ulaw" else "pcm", int(rate))
        alignment = None
        if self.placing == "never":
            pass
        elif self.whole_segments or self.placing == "early":
            alignment = self._alignment(" ".join(text.split())) if not index else None
        elif request.query.get("sync_alignment") == "true":
            alignment = self._alignment(word)
        for piece in self.cut_up(audio):
            told = {"audio": base64.b64encode(piece).decode(), "isFinal": None, "alignment": alignment}
            await socket.send_json(self._named({**told, "normalizedAlignment": alignment}, name))
            alignment = None

    def _alignment(self, text: str) -> dict[str, object]:
        """Letters of each word share its 200 ms; the blank after it takes no time. Times begin at zero."""
        chars: list[str] = []
        starts: list[int] = []
        durations: list[int] = []
        for number, word in enumerate(text.split()):
            edges = [number * self.word_ms + self.word_ms * place // len(word) for place in range(len(word) + 1)]
            for letter, start, end in zip(word, edges, edges[1:], strict=False):
                chars.append(letter)
                starts.append(start)
                durations.append(end - start)
            chars.append(" ")
            starts.append((number + 1) * self.word_ms)
            durations.append(0)
        return {"chars": chars, "charStartTimesMs": starts, "charDurationsMs": durations}

    def _named(self, told: dict[str, Any], name: str) -> dict[str, Any]:
        if not self.snake:
            return {**told, "contextId": name}
        final = told.pop("isFinal")
        return {**told, "is_final": final, "context_id": name}
