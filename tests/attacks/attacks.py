"""What an outsider can send without a secret: one round of each, small enough to be repeated beside calls."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

Attack = Callable[["Target"], Awaitable[None]]
_ROUND_S = 5.0
_BOMB = zlib.compress(bytes(60_000_000), 9)[:60_000]
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Target:
    """A service on this machine. Raises ValueError for any other: this is no tool to aim at others."""

    url: str
    http: aiohttp.ClientSession

    def __post_init__(self) -> None:
        require_loopback(self.url)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    async def post(self, path: str, body: bytes, **headers: str) -> int:
        """The status of the answer, 0 when there was none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            async with self.http.post(self.url + path, data=body, headers=_FORM | named) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def raw(self, sent: bytes, hold_s: float = 0.0) -> None:
        """Bytes on a connection of their own, kept open for a while."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(*self.address)
            try:
                writer.write(sent)
                await writer.drain()
                await asyncio.sleep(hold_s)
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
    """The same with a signature that is none, as one long field and as many short ones."""
    await target.post("/twilio/voice", b"a=" + b"b" * 65_000, X_Twilio_Signature="AAAA")
    await target.post("/twilio/voice", b"a=b&" * 16_000, X_Twilio_Signature="AAAA")


async def bombs(target: Target) -> None:
    """Bodies that are a thousand times larger when they are inflated, on paths that are there and that are not."""
    for path in ("/twilio/voice", "/nowhere", "/v1/audio/speech"):
        await target.post(path, _BOMB, Content_Encoding="deflate", X_Twilio_Signature="AAAA")


async def slow_heads(target: Target) -> None:
    """Connections that never finish their first line."""
    await asyncio.gather(*(target.raw(b"GET /twilio/media HT", hold_s=0.5) for _ in range(40)))


async def slow_bodies(target: Target) -> None:
    """Bodies that are announced and never come."""
    head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nX-Twilio-Signature: A\r\n\r\n"
    await asyncio.gather(*(target.raw(head, hold_s=0.5) for _ in range(40)))


async def broken_off(target: Target) -> None:
    """Bodies that their senders break off, and requests that are no HTTP."""
    head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc"
    await asyncio.gather(
        *(target.raw(sent) for sent in [head, b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n"] * 15)
    )


async def metrics_scrapes(target: Target) -> None:
    """The metrics page, again and again."""

    async def scrape() -> None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with target.http.get(target.url + "/metrics") as answer:
                await answer.read()

    await asyncio.gather(*(scrape() for _ in range(20)))


async def forged_sockets(target: Target) -> None:
    """Media sockets without a signature."""
    for _ in range(10):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with target.http.ws_connect(target.url + "/twilio/media") as socket:
                await socket.send_str("{" * 60_000)


ATTACKS: dict[str, Attack] = {
    one.__name__: one
    for one in (
        unsigned_forms, forged_forms, bombs, slow_heads, slow_bodies, broken_off, metrics_scrapes, forged_sockets,
    )
}  # fmt: skip


async def again_and_again(attack: Attack, url: str, rounds: int | None = None) -> int:
    """Rounds of an attack with a pause of 50 ms, until cancelled or after so many; how many there were."""
    done = 0
    timeout = aiohttp.ClientTimeout(total=_ROUND_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64)) as http:
        target = Target(url, http)
        while rounds is None or done < rounds:
            await attack(target)
            done += 1
            await asyncio.sleep(0.05)
    return done
