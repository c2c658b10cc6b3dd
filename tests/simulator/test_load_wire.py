"""The load's own WebSocket: frames as RFC 6455 says, real servers, and proxies of either scheme in both loops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from aiohttp import web

from bridge.errors import BadMessage
from bridge.simulator import load_wire
from bridge.simulator.load_wire import MediaSocket, frame
from tests import http_doubles


async def test_the_socket_speaks_to_a_real_server() -> None:
    got: asyncio.Queue[bytes | int | None] = asyncio.Queue()

    async def echo(request: web.Request) -> web.WebSocketResponse:
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        await peer.ping(b"are you there")
        async for message in peer:
            await peer.send_str(message.data)
            if message.data == "bye":
                await peer.close(code=4001)
        return peer

    app = web.Application()
    app.router.add_get("/media", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    wire = await MediaSocket.connect(f"ws://127.0.0.1:{port}/media", {"X": "y"}, got.put_nowait, got.put_nowait)
    for text in (b"short", b"m" * 1000, b"l" * 100_000, b"bye"):
        wire.send(text)
        assert await asyncio.wait_for(got.get(), 5.0) == text
    assert await asyncio.wait_for(got.get(), 5.0) == 4001
    with pytest.raises(BadMessage, match=r"31920 handshake error: HTTP/1\.1 404"):
        await MediaSocket.connect(f"ws://127.0.0.1:{port}/nowhere", {}, got.put_nowait, got.put_nowait)
    await runner.cleanup()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that this machine trusts, and no proxy in the environment yet."""
    authority.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    load_wire.trust.cache_clear()
    yield authority
    load_wire.trust.cache_clear()


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(tls)
    return tls


async def greeted(monkeypatch: pytest.MonkeyPatch, trusted: trustme.CA, media: str, scheme: str) -> list[str]:
    """What the proxy of this scheme was asked by a socket that got its first message through it."""
    got: asyncio.Queue[bytes | int | None] = asyncio.Queue()

    async def greet(request: web.Request) -> web.WebSocketResponse:
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        await peer.send_str("hello")
        await peer.close()
        return peer

    app = web.Application()
    app.router.add_get("/media", greet)
    tls = certified(trusted, "media.example.com") if media.startswith("wss") else None
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    proxy = http_doubles.Proxy(runner.addresses[0][1])
    guarded = certified(trusted, "127.0.0.1") if scheme == "https" else None
    try:
        async with http_doubles.listening(proxy.handle, guarded) as at:
            monkeypatch.setenv("https_proxy" if tls else "http_proxy", f"{scheme}://127.0.0.1:{at}")
            await MediaSocket.connect(media, {}, got.put_nowait, got.put_nowait)
            assert await asyncio.wait_for(got.get(), 60.0) == b"hello"
    finally:
        await runner.cleanup()
    return proxy.asked


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("media", "asked"),
    [
        ("ws://media.example.com/media", "CONNECT media.example.com:80 HTTP/1.1"),
        ("wss://media.example.com/media", "CONNECT media.example.com:443 HTTP/1.1"),
    ],
)
def test_the_socket_goes_through_the_proxy_for_its_address(
    media: str, asked: str, scheme: str, loop: Any, trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(greeted(monkeypatch, trusted, media, scheme)) == [asked]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", r"the proxy refused: .*407"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the proxy did not answer as one does"),
        (b"", "the proxy did not answer as one does"),
        (b"x" * 10_000, "the proxy did not answer as one does"),
    ],
)
async def test_a_proxy_that_leads_nowhere_is_named(
    answer: bytes, says: str, trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with http_doubles.listening(refuse) as at:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{at}")
        with pytest.raises(OSError, match=says):
            await MediaSocket.connect("ws://media.example.com/media", {}, lambda _: None, lambda _: None)


def test_frames_are_masked_and_sized_as_rfc_6455_says() -> None:
    assert frame(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert frame(b"x" * 200)[:4] == b"\x81\xfe\x00\xc8"
    assert frame(b"x" * 70000)[:10] == b"\x81\xff" + (70000).to_bytes(8, "big")
