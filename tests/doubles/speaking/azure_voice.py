"""A double of Azure's text to speech socket, written from the JavaScript SDK."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

from aiohttp import web

from bridge.speaking.hosted_settings import AzureVoiceSettings
from tests.doubles.speaking.base import KEY, Misbehaves, Orders, SpeakingDouble, sound

_TICKS_PER_MS = 10_000


class AzureVoiceDouble(SpeakingDouble):
    path = "/cognitiveservices/websocket/v2"

    def settings(self, url: str, **others: Any) -> AzureVoiceSettings:
        its = {"url": url, "key_env": "VENDOR_KEY", "voices": ("en-US-AdaNeural", "en-US-BobNeural")}
        return AzureVoiceSettings(**{**its, **others})

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Ocp-Apim-Subscription-Key") == KEY

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        turn = text = ""
        form = "raw-8khz-8bit-mono-mulaw"
        seen: set[str] = set()
        speaking: asyncio.Task[None] | None = None
        orders = Orders()
        async for message in self.messages(socket):
            head, _, body = message.data.partition("\r\n\r\n")
            parted = (line.partition(":") for line in head.split("\r\n"))
            headers = {name.lower(): value.strip() for name, _, value in parted}
            asked = headers.get("x-requestid", "")
            match headers["path"]:
                case "speech.config":
                    json.loads(body)
                case "synthesis.context":
                    if len(asked) != 32 or asked in seen:
                        await socket.close(code=1002, message=b"Bad request: X-RequestId")
                        return
                    seen.add(asked)
                    turn, text, orders = asked, "", self.next_orders()
                    form = json.loads(body)["synthesis"]["audio"]["outputFormat"]
                case "text.piece":
                    text += body
                case "text.end":
                    speaking = self.spawn(self._speak(socket, turn, text, form, orders))
                case "synthesis.control" if json.loads(body) == {"action": "stop"}:
                    self.cancelled += 1
                    if speaking is not None:
                        speaking.cancel()
                    await self._say(socket, turn, form, "late")
                    await self._tell(socket, turn, "turn.end", {})
                case _:
                    await socket.close(code=1007, message=b"Bad request: Path")
                    return

    async def _tell(self, socket: web.WebSocketResponse, turn: str, path: str, body: dict[str, Any]) -> None:
        kind = "application/json; charset=utf-8"
        await socket.send_str(f"X-RequestId:{turn}\r\nContent-Type:{kind}\r\nPath:{path}\r\n\r\n{json.dumps(body)}")

    async def _speak(self, socket: web.WebSocketResponse, turn: str, text: str, form: str, orders: Orders) -> None:
        self.texts.append(" ".join(text.split()))
        await self._tell(socket, turn, "turn.start", {"context": {"serviceTag": "s"}})
        await self._tell(socket, turn, "response", {"context": {}, "audio": {"type": "inline", "streamId": "1"}})
        try:
            async for index, word, placed, sounded in self.parts(text, orders):
                spoken = {"Text": word, "Length": len(word), "BoundaryType": "WordBoundary"}
                start = index * self.word_ms * _TICKS_PER_MS
                data = {"Offset": start, "Duration": self.word_ms * _TICKS_PER_MS, "text": spoken}
                mark = {"Metadata": [{"Type": "WordBoundary", "Data": data}]}
                if placed:
                    await self._tell(socket, turn, "audio.metadata", mark)
                if sounded:
                    await self._say(socket, turn, form, word)
        except Misbehaves as misbehaving:
            match misbehaving.fault:
                case "lost":
                    self.cut(socket)
                case "busy":
                    await socket.close(code=1007, message=b"Throttled due to too many requests")
                case "rejected":
                    await socket.close(code=1007, message=b"Unsupported voice")
                case _:
                    await socket.close(code=1011, message=b"Internal error")
            return

        async def done() -> None:
            await self._tell(socket, turn, "turn.end", {})

        async def late() -> None:
            await self._say(socket, turn, form, "late")

        await self.ends(done, late)

    async def _say(self, socket: web.WebSocketResponse, turn: str, form: str, word: str) -> None:
        khz = int(form.split("-")[1].removesuffix("khz"))
        headers = f"X-RequestId:{turn}\r\nContent-Type:audio/basic\r\nX-StreamId:1\r\nPath:audio\r\n".encode()
        for piece in self.cut_up(sound(word, "mulaw" if form.endswith("mulaw") else "pcm", khz * 1000)):
            await socket.send_bytes(struct.pack(">H", len(headers)) + headers + piece)
