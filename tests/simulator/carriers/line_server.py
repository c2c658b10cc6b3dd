"""A server of a few lines for each carrier: says a second of tone, waits for its mark, and closes the socket.

Written by literal messages, so that the doubles are tested without the bridge.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from bridge.simulator.sound import RATE_HZ, Sound, to_ulaw

Ending = Callable[["LineServer", web.WebSocketResponse, str], Awaitable[None]]


def tone(seconds: float = 1.0, rate_hz: int = RATE_HZ) -> Sound:
    return np.asarray(0.2 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz), np.float32)


async def close(server: LineServer, socket: web.WebSocketResponse, call: str) -> None:
    """The end of a talk that leaves the rest to the document."""
    await socket.close()


@dataclass
class LineServer:
    carrier: str
    ending: Ending = close
    """What is done when the mark has come back."""
    refuses: int = 0
    """So many sockets are refused first."""
    attributes: str = ""
    """More of the document's stream, for Plivo and Telnyx."""
    origin: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and fields of every webhook."""
    starts: list[dict[str, Any]] = field(default_factory=list)
    played: list[str] = field(default_factory=list)
    frames: int = 0
    keys: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/media", self.media)
        app.router.add_route("*", "/{path:.*}", self.webhook)
        return app

    async def webhook(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            fields = {str(key): str(value) for key, value in (await request.json()).items()}
        else:
            fields = {str(key): str(value) for key, value in (await request.post()).items()} | dict(request.query)
        self.requests.append((request.path, fields))
        if request.path.endswith(("/status", "/hangup")) and fields.get("status") not in ("disconnected", "failed"):
            return web.Response()
        if request.path.endswith(("/after", "/status")):
            return self._document(self._transfer())
        return self._document(self._stream())

    def _document(self, text: str) -> web.Response:
        return web.Response(text=text, content_type="application/json" if text.startswith("[") else "text/xml")

    def _transfer(self) -> str:
        if self.carrier == "vonage":
            return json.dumps([{"action": "connect", "endpoint": [{"type": "phone", "number": "15550100"}]}])
        return "<Response><Dial><Number>+15550100</Number></Dial></Response>"

    def _stream(self) -> str:
        base, socket = self.origin, self.origin.replace("http", "ws", 1) + "/media"
        match self.carrier:
            case "vonage":
                endpoint = {
                    "type": "websocket",
                    "uri": socket,
                    "content-type": "audio/l16;rate=16000",
                    "headers": {"ticket": "t"},
                }
                return json.dumps([{"action": "connect", "eventUrl": [f"{base}/status"], "endpoint": [endpoint]}])
            case "plivo":
                kind = self.attributes or 'keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
                stream = (
                    f'<Stream bidirectional="true" {kind} extraHeaders="ticket=t" '
                    f'statusCallbackUrl="{base}/status">{socket}</Stream>'
                )
            case _:
                mode = 'bidirectionalMode="rtp"' if self.carrier == "telnyx" else ""
                stream = (
                    f'<Connect><Stream url="{socket}" {mode} {self.attributes} statusCallback="{base}/status">'
                    f'<Parameter name="ticket" value="t"/></Stream></Connect>'
                )
        return f"<Response>{stream}<Redirect>{base}/after</Redirect></Response>"

    async def media(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = call = ""
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                self.frames += 1
                continue
            body = json.loads(message.data)
            match body["event"]:
                case "start" | "websocket:connected":
                    self.starts.append(body)
                    start = body.get("start", {})
                    sid = start.get("streamSid") or start.get("streamId") or ""
                    call = start.get("callSid") or start.get("call_control_id") or start.get("callId") or ""
                    await self.say(socket, sid)
                case "media":
                    self.frames += 1
                case "dtmf":
                    self.keys.append(body["dtmf"]["digit"])
                case "websocket:dtmf":
                    self.keys.append(body["digit"])
                case "mark" | "playedStream" | "websocket:notify":
                    named = body.get("mark") or body.get("payload") or body
                    self.played.append(named.get("name") or named.get("mark"))
                    await self.ending(self, socket, call or self.requests[0][1].get("uuid", ""))
        return socket

    async def say(self, socket: web.WebSocketResponse, sid: str) -> None:
        payload = base64.b64encode(to_ulaw(tone())).decode()
        match self.carrier:
            case "vonage":
                pcm = (tone(1.0, 16000) * 32768).astype("<i2").tobytes()
                for at in range(0, len(pcm), 640):
                    await socket.send_bytes(pcm[at : at + 640])
                await socket.send_json({"action": "notify", "payload": {"mark": "end"}})
            case "plivo":
                media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": payload}
                await socket.send_json({"event": "playAudio", "media": media})
                await socket.send_json({"event": "checkpoint", "streamId": sid, "name": "end"})
            case "telnyx":
                await socket.send_json({"event": "media", "media": {"payload": payload}})
                await socket.send_json({"event": "mark", "mark": {"name": "end"}})
            case _:
                await socket.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})
                await socket.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "end"}})
