"""A small real server on the other side of the carrier's protocol, so that the simulator is proved without the bridge.

It greets, falls silent when talked over, answers every turn of the caller, reads digits back and hangs up after
`#` when its goodbye was played. Speech detection is by level alone.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import WSMessage, WSMsgType, web

from bridge.simulator import voices
from bridge.simulator.sound import at_level, from_ulaw, level_db, to_ulaw

Line = Callable[[str], bytes]


def canned(text: str) -> bytes:
    return to_ulaw(at_level(voices.speak(text, "heart"), -20.0))


@dataclass
class MediaServer:
    """`faults` names what the server does wrong; each is something the ear must hear."""

    auth_token: str = "secret"
    faults: set[str] = field(default_factory=set)
    webhooks: list[dict[str, str]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    document: str = ""
    after: str = "<Response><Hangup/></Response>"
    greeting: str = "Hello, and thank you for calling the test line. Please tell me what you would like to do today."
    answer: str = "I see. Now please type your number on the keypad, and press the pound key when you are done."
    gives_up_s: float | None = None
    """Hang up when nothing has arrived for this long."""
    url: str = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/twilio/voice", self.voice)
        app.router.add_post("/twilio/after-stream", self.after_stream)
        app.router.add_post("/twilio/stream-status", self.status)
        app.router.add_post("/twilio/call-status", self.status)
        app.router.add_get("/twilio/media", self.media)
        return app

    async def voice(self, request: web.Request) -> web.Response:
        self.webhooks.append({str(key): str(value) for key, value in (await request.post()).items()})
        self.headers.append(dict(request.headers))
        base = f"{request.scheme}://{request.host}"
        text = self.document or (
            f'<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="{base.replace("http", "ws", 1)}'
            f'/twilio/media" statusCallback="{base}/twilio/stream-status"><Parameter name="token" value="t"/></Stream>'
            f'</Connect><Redirect method="POST">{base}/twilio/after-stream</Redirect></Response>'
        )
        return web.Response(text=text, content_type="text/xml")

    async def after_stream(self, request: web.Request) -> web.Response:
        return web.Response(text=self.after, content_type="text/xml")

    async def status(self, request: web.Request) -> web.Response:
        self.callbacks.append({str(key): str(value) for key, value in (await request.post()).items()})
        return web.Response()

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        self.headers.append(dict(request.headers))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await _Talk(self, socket).run()
        return socket


class _Talk:
    def __init__(self, server: MediaServer, socket: web.WebSocketResponse) -> None:
        self.server = server
        self.socket = socket
        self.sid = ""
        self.digits = ""
        self.loud = self.quiet = 0
        self.spoke = False
        self.playing_until = 0.0
        self.goodbye = False

    async def run(self) -> None:
        while (message := await self._receive()) is not None:
            body = json.loads(message.data)
            self.server.messages.append(body)
            match body["event"]:
                case "start":
                    self.sid = body["streamSid"]
                    await self.say(self.server.greeting)
                case "media":
                    await self.listen(base64.b64decode(body["media"]["payload"]))
                case "dtmf":
                    await self.key(body["dtmf"]["digit"])
                case "mark" if body["mark"]["name"] == "goodbye":
                    await self.socket.close()
                case "stop":
                    return

    async def _receive(self) -> WSMessage | None:
        try:
            message = await self.socket.receive(self.server.gives_up_s)
        except TimeoutError:
            await self.socket.close()
            return None
        return message if message.type is WSMsgType.TEXT else None

    async def listen(self, ulaw: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if level_db(from_ulaw(ulaw)) > -40.0:
            self.loud, self.quiet = self.loud + 1, 0
        else:
            self.quiet += 1
            if self.quiet > 5:
                self.loud = 0
        if self.loud == 10:
            self.spoke = True
            if now < self.playing_until and "deaf" not in self.server.faults:
                await self.send({"event": "clear"})
                self.playing_until = 0.0
        if self.spoke and self.quiet == 20 and now >= self.playing_until:
            self.spoke = False
            await self.say(self.server.answer)

    async def key(self, digit: str) -> None:
        if digit != "#":
            self.digits += digit
            return
        await self.say("You typed " + ", ".join(self.digits) + ". Thank you. Goodbye.")
        if "early_hang_up" in self.server.faults:
            await self.socket.close()
            return
        await self.send({"event": "mark", "mark": {"name": "goodbye"}})

    async def say(self, text: str) -> None:
        faults = self.server.faults
        if "mute" in faults:
            return
        ulaw = await asyncio.to_thread(canned, text)
        sound = from_ulaw(ulaw).copy()
        spots = np.flatnonzero(np.abs(sound) > 0.1)
        loud = int(spots[min(3000, len(spots) // 2)])
        if "click" in faults:
            sound[loud] += 0.5 if sound[loud] < 0 else -0.5
        if "dropout" in faults:
            sound[loud : loud + 800] = 0.0
        if "repeat" in faults:
            sound = np.concatenate([sound[:loud], sound[loud - 4000 :]])
        if "quiet" in faults and text != self.server.greeting:
            sound *= 0.25
        ulaw = to_ulaw(sound)
        now = asyncio.get_running_loop().time()
        self.playing_until = max(now, self.playing_until) + len(ulaw) / 8000
        if "underrun" in faults:
            await self.media_message(ulaw[:loud])
            await asyncio.sleep(loud / 8000 + 0.2)
            ulaw = ulaw[loud:]
        for start in range(0, len(ulaw), 8000):
            await self.media_message(ulaw[start : start + 8000])
        await self.send({"event": "mark", "mark": {"name": "said"}})

    async def media_message(self, ulaw: bytes) -> None:
        body = {"payload": base64.b64encode(ulaw).decode()}
        if "extra_field" in self.server.faults:
            body["track"] = "outbound"
        await self.send({"event": "media", "media": body})

    async def send(self, body: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(body | {"streamSid": self.sid}))


async def serve(server: MediaServer) -> web.AppRunner:
    """Start on a free port of this machine; `server.url` is the voice webhook then."""
    runner = web.AppRunner(server.app(), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/twilio/voice"
    return runner
