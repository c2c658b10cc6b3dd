"""The carrier's side for tests of the gateway: raw messages over real sockets, signed by its own few lines."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import aiohttp

from bridge.call.settings import CallSettings
from bridge.carriers.base import Carrier as CarrierDoor
from bridge.carriers.twilio.carrier import TwilioCarrier
from bridge.carriers.twilio.requests import CallsApi
from bridge.gateway.observers import CallObservers
from bridge.gateway.server import Gateway
from bridge.gateway.settings import GatewaySettings
from bridge.session.profiles import CallProfiles
from bridge.store.base import Store
from bridge.telemetry.recorder import Recorder
from tests.gateway.doubles import FRAME, ServiceDoubles

TOKEN = "test_auth_token"
PUBLIC = "https://bridge.example.com"
ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000002"
STREAM = "MZ0000000000000000000000000000000a"
CALLER, CALLED = "+15005550006", "+15005550010"
RINGING = {
    "AccountSid": ACCOUNT,
    "CallSid": CALL,
    "From": CALLER,
    "To": CALLED,
    "CallStatus": "ringing",
    "Direction": "inbound",
    "ApiVersion": "2010-04-01",
}
SETTINGS = GatewaySettings(
    public_url=PUBLIC,
    max_loop_lag_ms=10_000.0,  # tests share their machine
    after_stream_s=0.05,
)
SECRET = "a secret of ours"
CALL_SETTINGS = CallSettings(listens=False, inter_digit_s=0.0)
PATIENCE_S = 60.0


def sign(url: str, fields: Mapping[str, str] | None = None, token: str = TOKEN) -> str:
    text = url + "".join(key + value for key, value in sorted((fields or {}).items()))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


@dataclass
class Carrier:
    """Talks to one gateway."""

    gateway: Gateway
    doubles: ServiceDoubles
    http: aiohttp.ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def post(
        self, path: str, fields: Mapping[str, str], signature: str | None = None
    ) -> tuple[int, str, Mapping[str, str]]:
        headers = {"X-Twilio-Signature": sign(PUBLIC + path, fields) if signature is None else signature}
        async with self.http.post(self.base + path, data=fields, headers=headers) as response:
            return response.status, await response.text(), response.headers

    async def document(self, path: str, fields: Mapping[str, str]) -> ElementTree.Element:
        status, text, headers = await self.post(path, fields)
        assert status == 200, text
        assert headers["Content-Type"].startswith("text/xml")
        return ElementTree.fromstring(text)

    async def ring(self, call_sid: str = CALL) -> dict[str, str]:
        """The voice webhook; the stream parameters of its document."""
        document = await self.document("/twilio/voice", {**RINGING, "CallSid": call_sid})
        return {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}

    async def after_stream(self, call_sid: str = CALL, status: str = "in-progress") -> ElementTree.Element:
        return await self.document("/twilio/after-stream", {**RINGING, "CallSid": call_sid, "CallStatus": status})

    async def open(self, signature: str | None = None) -> aiohttp.ClientWebSocketResponse:
        url = PUBLIC.replace("https", "wss") + "/twilio/media"
        headers = {"X-Twilio-Signature": sign(url) if signature is None else signature}
        return await self.http.ws_connect(self.base + "/twilio/media", headers=headers)

    async def call(self, call_sid: str = CALL, stream_sid: str = STREAM) -> Leg:
        """Ring, open the socket, start the stream."""
        leg = Leg(await self.open(), call_sid, stream_sid)
        await leg.start(await self.ring(call_sid))
        return leg

    async def metrics(self) -> str:
        return self.gateway.metrics.page().decode()

    async def count(self, name: str, **labels: str) -> float:
        """One number from the metrics page; 0 when it was never counted."""
        inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = re.escape(f"{name}{{{inside}}}" if inside else name)
        found = re.search(rf"^{wanted} (\S+)$", await self.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def until_calls(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.gateway.calls != number:
                await asyncio.sleep(0.005)

    async def refused_with(self, kind: str) -> float:
        return await self.count("bridge_protocol_errors_total", carrier="twilio", kind=kind)


@dataclass
class Leg:
    """One media socket, seen from the carrier."""

    socket: aiohttp.ClientWebSocketResponse
    call_sid: str = CALL
    stream_sid: str = STREAM
    audio: bytearray = field(default_factory=bytearray)
    seen: list[dict[str, Any]] = field(default_factory=list)
    answers_marks: bool = True

    async def send(self, message: Mapping[str, Any] | str) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def start(self, parameters: Mapping[str, str], **changes: Any) -> None:
        await self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send(start_message(parameters, self.call_sid, self.stream_sid, **changes))

    async def media(self, payload: bytes | str = FRAME, stream_sid: str | None = None) -> None:
        text = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
        await self.send(
            {
                "event": "media",
                "sequenceNumber": "3",
                "streamSid": stream_sid or self.stream_sid,
                "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": text},
            }
        )

    async def press(self, digit: str) -> None:
        await self.send(
            {
                "event": "dtmf",
                "sequenceNumber": "5",
                "streamSid": self.stream_sid,
                "dtmf": {"track": "inbound_track", "digit": digit},
            }
        )

    async def stop(self) -> None:
        await self.send(
            {
                "event": "stop",
                "sequenceNumber": "5",
                "streamSid": self.stream_sid,
                "stop": {"accountSid": ACCOUNT, "callSid": self.call_sid},
            }
        )

    async def take(self) -> dict[str, Any] | None:
        """The next message; marks are echoed at once, as by a carrier that plays very fast. None at the close."""
        message = await self.socket.receive(PATIENCE_S)
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
            return None
        assert message.type is aiohttp.WSMsgType.TEXT
        event: dict[str, Any] = json.loads(message.data)
        self.seen.append(event)
        if event["event"] == "media":
            self.audio += base64.b64decode(event["media"]["payload"], validate=True)
        if event["event"] == "mark" and self.answers_marks:
            with suppress(aiohttp.ClientConnectionResetError):  # closed meanwhile: the next receive says so
                await self.send(event)
        return event

    async def until_audio(self, length: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.audio) < length:
                assert await self.take() is not None, "the gateway closed the socket"

    async def until_closed(self, patience_s: float = PATIENCE_S) -> int | None:
        """Read to the end; the close code."""
        async with asyncio.timeout(patience_s):
            while await self.take() is not None:
                pass
        return self.socket.close_code


def start_message(
    parameters: Mapping[str, str], call_sid: str = CALL, stream_sid: str = STREAM, **changes: Any
) -> dict[str, Any]:
    return {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream_sid,
        "start": {
            "accountSid": ACCOUNT,
            "streamSid": stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
            **changes,
        },
    }


@asynccontextmanager
async def running(
    settings: GatewaySettings = SETTINGS,
    doubles: ServiceDoubles | None = None,
    *,
    tokens: tuple[str, ...] = (TOKEN,),
    api: CallsApi | None = None,
    others: Sequence[CarrierDoor] = (),
    call: CallSettings = CALL_SETTINGS,
    recorder: Recorder | None = None,
    observers: CallObservers | None = None,
    doors_open: bool = True,
    before: Callable[[Gateway], None] = lambda _gateway: None,
    headroom: Callable[[], float] = lambda: 1.0,
    store: Store | None = None,
    shared_port: int | None = None,
) -> AsyncIterator[Carrier]:
    """A gateway on a free port, or on one that it shares, and a carrier that knows it."""
    doubles = doubles or ServiceDoubles()
    carriers = [TwilioCarrier(tokens, api=api), *others]
    gateway = Gateway(
        settings,
        CallProfiles.for_all(call, doubles.services),
        carriers,
        observers=observers or CallObservers(recorder),
        ticket_secret=SECRET,
        headroom=headroom,
        store=store,
    )
    before(gateway)
    await gateway.start("127.0.0.1", shared_port or 0, reuse_port=shared_port is not None)
    if doors_open:
        gateway.open_doors()
    async with aiohttp.ClientSession() as http:
        try:
            yield Carrier(gateway, doubles, http)
        finally:
            await gateway.stop()
