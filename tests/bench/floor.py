"""The floor of a call's cost: a bare aiohttp socket that decodes frames and sends 12 messages a second."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import uvloop
from aiohttp import WSMsgType, web

from bridge.audio.mulaw import decode

_AUDIO = base64.b64encode(b"\xff" * 640).decode()


async def media(request: web.Request) -> web.WebSocketResponse:
    """Decode what comes, send 80 ms of silence twelve times a second."""
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)

    async def send() -> None:
        while True:
            await asyncio.sleep(1 / 12)
            await ws.send_str(json.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": _AUDIO}}))

    sender = asyncio.create_task(send())
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            told = json.loads(message.data)
            if told["event"] == "media":
                decode(base64.b64decode(told["media"]["payload"]))
    sender.cancel()
    return ws


async def ready(request: web.Request) -> web.Response:
    """Always."""
    return web.Response()


if __name__ == "__main__":
    uvloop.install()
    app = web.Application()
    app.add_routes([web.get("/twilio/media", media), web.get("/readyz", ready)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
