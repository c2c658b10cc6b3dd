"""What others can send: one round of each attack, small enough to be repeated beside calls.

`OUTSIDERS` need no secret; `TENANTS` are programs with a key of the speech API or the token of the metrics; `SERVICES`
are those that the service asks itself, a web agent and Redis (`tests.attacks.hostile`), made to misbehave.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from tests.attacks.hostile import ANSWERS, ODD_WORDS, HostileAgent, HostileRedis, Temper

Attack = Callable[["Target"], Awaitable[None]]
ROUND_S = 5.0
_BOMB = zlib.compress(bytes(60_000_000), 9)[:60_000]
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_HELD_S = 0.25


@dataclass(frozen=True)
class Target:
    """A service on this machine. Raises ValueError for any other: this is no tool to aim at others.

    ring   rings at a number whose agent is `agent`, and stays for one answer
    """

    url: str
    http: aiohttp.ClientSession
    api_key: str = ""
    metrics_token: str = ""
    agent: HostileAgent | None = None
    redis: HostileRedis | None = None
    ring: Callable[[], Awaitable[None]] | None = None
    statuses: list[int] = field(default_factory=list)
    """How requests were answered; 0 when they were not."""

    def __post_init__(self) -> None:
        require_loopback(self.url)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    async def post(self, path: str, body: bytes, **headers: str) -> int:
        """The status of the answer, 0 when there was none; the answer is read to its end."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status = 0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.post(self.url + path, data=body, headers=_FORM | named) as answer:
                status = answer.status
                await answer.read()
        self.statuses.append(status)
        return status

    async def raw(self, sent: bytes, held_s: float = 0.0) -> None:
        """Bytes on a connection of their own, kept until the service closes it, so long at most."""
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                writer.write(sent)
                await writer.drain()
                async with asyncio.timeout(held_s):
                    await reader.read()
            finally:
                writer.close()


def require_loopback(url: str) -> None:
    """Raises ValueError unless the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if not own:
        raise ValueError(f"{url}: attacks are tried on this machine's own loopback addresses only")


async def unsigned_forms(target: Target) -> None:
    """64 KB forms without a signature."""
    await target.post("/twilio/voice", b"a=b&" * 16_000)


async def forged_forms(target: Target) -> None:
    """The same with a signature that is nobody's: one long field, many short ones, and fields that are escaped."""
    for form in (
        b"a=" + b"b" * 65_000,
        b"a=b&" * 16_000,
        b"a=" + b"%41" * 21_000,
        b"a=" + b"%zz" * 21_000,
        b"a=" + b"%41bbbbbbbbbbbbb" * 4_050,
        b"&".join(b"k%d=" % number + b"v" * 300 for number in range(199)),
    ):
        await target.post("/twilio/voice", form, X_Twilio_Signature="A" * 27 + "=")


async def bombs(target: Target) -> None:
    """Bodies that are a thousand times larger when they are inflated, on paths that are there and that are not."""
    for path in ("/twilio/voice", "/nowhere", "/v1/audio/speech"):
        await target.post(path, _BOMB, Content_Encoding="deflate", X_Twilio_Signature="AAAA")


async def slow_heads(target: Target) -> None:
    """Connections that never finish their first line."""
    await asyncio.gather(*(target.raw(b"GET /twilio/media HT", held_s=_HELD_S) for _ in range(40)))


async def slow_bodies(target: Target) -> None:
    """Bodies that are announced and never come."""
    head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nX-Twilio-Signature: A\r\n\r\n"
    await asyncio.gather(*(target.raw(head, held_s=_HELD_S) for _ in range(40)))


async def broken_off(target: Target) -> None:
    """Bodies that their senders break off, and requests that are no HTTP."""
    head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc"
    await asyncio.gather(
        *(target.raw(sent) for sent in [head, b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n"] * 15)
    )


async def bursts(target: Target) -> None:
    """Hundreds of connections, from several addresses where this machine has them, that all ask at the same moment."""
    host, port = target.address
    asked = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b"
    crowd = []
    try:
        for number in range(750):
            crowd.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            crowd[-1].setblocking(False)
            if host.startswith("127."):
                crowd[-1].bind((f"127.0.0.{2 + number % 3}", 0))
            crowd[-1].connect_ex((host, port))
        await asyncio.sleep(_HELD_S)
        for one in crowd:
            with contextlib.suppress(OSError):
                one.send(asked)
        await asyncio.sleep(_HELD_S)
    finally:
        for one in crowd:
            one.close()


async def forged_sockets(target: Target) -> None:
    """Media sockets without a signature."""
    for _ in range(10):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with target.http.ws_connect(target.url + "/twilio/media") as socket:
                await socket.send_str("{" * 60_000)


async def odd_requests(target: Target) -> None:
    """Heads of every odd shape: long, of many lines, with a body that is announced twice, paths without end."""
    await asyncio.gather(
        *(
            target.raw(sent, held_s=_HELD_S)
            for sent in (
                b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
                b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"
                + b"a" * 90_000,
                b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"1\r\na\r\n" * 20_000,
                b"GET /%2e%2e/%00" + b"%ff" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            )
        )
    )


async def metrics_scrapes(target: Target) -> None:
    """The metrics page without a token, with a wrong one, and with as long a one as there can be."""
    await asyncio.gather(
        *(target.raw(_get("/metrics", token), held_s=_HELD_S) for token in ("", "wrong", "y" * 7000) for _ in range(7))
    )


async def api_without_a_key(target: Target) -> None:
    """Speech asked for with keys that are none, and bodies that nobody should read for them."""
    text = json.dumps({"input": "a" * 60_000}).encode()
    for key in ("", "Bearer ", "Bearer " + "k" * 7000, "Basic eDp5"):
        await target.post("/v1/audio/speech", text, Authorization=key, Content_Type="application/json")


async def metrics_with_the_token(target: Target) -> None:
    """The metrics page, again and again, by who may read it."""
    await asyncio.gather(
        *(target.raw(_get("/metrics", target.metrics_token), held_s=_HELD_S) for _ in range(20)),
    )


async def api_broken_bodies(target: Target) -> None:
    """Bodies that are deep, long, and no JSON, from a program with a key."""
    key = f"Bearer {target.api_key}"
    for body in (
        b"[" * 60_000,
        b'{"input":' + b'{"a":' * 12_000,
        b'{"input":"' + b"\\ud83d" * 9_000 + b'"}',
        b'{"input":"a","speed":' + b"9" * 60_000 + b"}",
        b'{"input":"a",' + b",".join(b'"k%d":1' % number for number in range(5_000)) + b"}",
        b"\xff" * 60_000,
    ):
        await target.post("/v1/audio/speech", body, Authorization=key, Content_Type="application/json")


async def api_odd_texts(target: Target) -> None:
    """Texts of the greatest length that is allowed, of odd words alone, as many at once as a key may have."""

    def spoken(text: str) -> bytes:
        body = json.dumps({"input": text[:4096], "response_format": "mulaw"}).encode()
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.api_key}\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    await asyncio.gather(*(target.raw(spoken(word), held_s=_HELD_S) for word in ODD_WORDS[:12]))


async def api_sockets(target: Target) -> None:
    """Sockets of a program with a key, on which one message is odder than the other."""
    headers = {"Authorization": f"Bearer {target.api_key}"}
    for message in (
        "[" * 60_000,
        json.dumps({"type": "open", "stream": 10**300}),
        json.dumps({"type": "text", "stream": 99, "text": "1a" * 20_000}),
        "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1") * 20_000,
    ):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with target.http.ws_connect(target.url + "/v1/audio/stream", headers=headers) as socket:
                await socket.send_str(message)
                await socket.receive(_HELD_S)


def answering(answer: str) -> Attack:
    """A web agent that answers its caller so."""

    async def attack(target: Target) -> None:
        assert target.agent is not None
        assert target.ring is not None
        target.agent.answer = answer
        target.agent.over.clear()
        await target.ring()

    attack.__doc__ = f"A caller of a web agent that answers so: {answer.replace('_', ' ')}."
    return attack


def tempered(temper: Temper) -> Attack:
    """A Redis that behaves so while a call comes in, and is empty afterwards."""

    async def attack(target: Target) -> None:
        assert target.redis is not None
        assert target.agent is not None
        assert target.ring is not None
        target.redis.temper, target.agent.answer = temper, "short"
        try:
            await target.ring()
        finally:
            target.redis.temper = "empty"

    attack.__doc__ = f"A call while Redis is {temper}."
    return attack


OUTSIDERS: dict[str, Attack] = {
    one.__name__: one
    for one in (
        unsigned_forms, forged_forms, bombs, slow_heads, slow_bodies, broken_off, bursts, odd_requests, metrics_scrapes,
        forged_sockets, api_without_a_key,
    )
}  # fmt: skip
TENANTS: dict[str, Attack] = {
    one.__name__: one for one in (metrics_with_the_token, api_broken_bodies, api_odd_texts, api_sockets)
}
SERVICES: dict[str, Attack] = {f"agent_{name}": answering(name) for name in ANSWERS if name != "short"} | {
    f"redis_{temper}": tempered(temper) for temper in ("silent", "refusing", "forged", "garbage", "endless")
}
ATTACKS = OUTSIDERS | TENANTS | SERVICES


def _get(path: str, token: str) -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}\r\n".encode()


async def again_and_again(attack: Attack, target: Target, enough: Callable[[int], bool], every_s: float = 0.0) -> int:
    """Rounds of an attack until `enough` of how many there were, or until it is cancelled; returns how many.

    One begins `every_s` at the earliest.
    """
    rounds, clock = 0, asyncio.get_running_loop().time
    began = clock()
    while not enough(rounds):
        await asyncio.sleep(max(began + rounds * every_s - clock(), 0.0) if every_s else 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUND_S):
                await attack(target)
        rounds += 1
    return rounds
