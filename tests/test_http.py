"""Outgoing HTTP: through a real proxy, with an authority of our own, and over a kept connection that just closed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from bridge.errors import ConfigError
from bridge.http import HttpClient, HttpSettings, why_unreachable
from tests.http_doubles import Closing, Proxy, answer, listening, read_request


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await read_request(reader)
        writer.write(answer("hello"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def behind_a_proxy(authority: trustme.CA | None) -> AsyncIterator[tuple[int, Proxy]]:
    """A server that says hello, by TLS where there is an authority, and a proxy that leads to it: its port."""
    tls = None
    if authority is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("agent.test").configure_cert(tls)
    async with listening(hello, tls) as port:
        proxy = Proxy(port)
        async with listening(proxy.handle) as proxy_port:
            yield proxy_port, proxy


async def get(client: HttpClient, url: str) -> str:
    try:
        response = await client.request("GET", url)
        async with response:
            return await response.text()
    finally:
        await client.close()


@pytest.mark.parametrize("by", ["environment", "environment in capitals", "setting"])
async def test_https_goes_through_the_proxy_and_trusts_the_bundle(
    by: str, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    async with behind_a_proxy(authority) as (port, proxy):
        where = f"http://127.0.0.1:{port}"
        environ = {"environment": {"https_proxy": where}, "environment in capitals": {"HTTPS_PROXY": where}}.get(by, {})
        settings = HttpSettings(ca_bundle="ours.pem", proxy=where if by == "setting" else "")
        client = HttpClient(settings, directory=tmp_path, environ=environ)
        assert await get(client, "https://agent.test/hello") == "hello"
        assert proxy.asked == ["CONNECT agent.test:443 HTTP/1.1"]


async def test_an_authority_that_nobody_named_is_not_trusted(authority: trustme.CA) -> None:
    async with behind_a_proxy(authority) as (port, _):
        client = HttpClient(HttpSettings(proxy=f"http://127.0.0.1:{port}"), environ={})
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await get(client, "https://agent.test/")


async def test_plain_requests_go_through_the_proxy_too() -> None:
    async with behind_a_proxy(None) as (port, proxy):
        client = HttpClient(environ={"http_proxy": f"127.0.0.1:{port}"})  # without a scheme, as many write it
        assert await get(client, "http://agent.test/hello") == "hello"
        assert proxy.asked == ["GET http://agent.test/hello HTTP/1.1"]


PROXIES = {"HTTP_PROXY": "http://plain:1", "https_proxy": "http://user:pass@tls:2"}


@pytest.mark.parametrize(
    ("url", "environ", "settings", "proxy"),
    [
        ("https://a.example.com/", PROXIES, HttpSettings(), "http://user:pass@tls:2"),
        ("wss://a.example.com/", PROXIES, HttpSettings(), "http://user:pass@tls:2"),
        ("http://a.example.com/", PROXIES, HttpSettings(), "http://plain:1"),
        ("ws://a.example.com/", PROXIES, HttpSettings(), "http://plain:1"),
        ("https://a.example.com/", {"ALL_PROXY": "all:3"}, HttpSettings(), "http://all:3"),
        ("https://a.example.com/", {}, HttpSettings(), None),
        ("https://a.example.com/", PROXIES, HttpSettings(use_environment=False), None),
        ("https://a.example.com/", PROXIES, HttpSettings(proxy="http://own:4"), "http://own:4"),
        ("https://a.example.com/", PROXIES | {"NO_PROXY": "*"}, HttpSettings(proxy="http://own:4"), "http://own:4"),
        ("https://a.example.com/", {}, HttpSettings(proxy="http://own:4", no_proxy=["example.com"]), None),
        ("http://localhost:8000/", PROXIES, HttpSettings(), None),
        ("http://127.0.0.1:8000/", PROXIES, HttpSettings(), None),
        ("http://[::1]:8000/", PROXIES, HttpSettings(proxy="http://own:4"), None),
        *[
            (url, PROXIES | {"no_proxy": entry}, HttpSettings(), None)
            for url, entry in [
                ("https://a.example.com/", "example.com"),
                ("https://example.com/", "example.com"),
                ("https://A.Example.com./", ".EXAMPLE.com"),
                ("https://a.example.com/", "*.example.com"),
                ("https://a.example.com/", "x, a.example.com ,y"),
                ("https://a.example.com/", "a.example.com:443"),
                ("https://a.example.com:8443/", "a.example.com:8443"),
                ("https://10.1.2.3/", "10.0.0.0/8"),
                ("https://10.1.2.3/", "10.1.2.3"),
                ("https://[fd00::7]/", "fd00::/8"),
                ("https://[fd00::7]:8443/", "[fd00::7]:8443"),
                ("https://[fd00::7]:8443/", "[fd00::7]"),
                ("https://a.example.com/", "x a.example.com\ty"),
                ("https://a.example.com/", "example.com."),
                ("https://a.example.com/", "*"),
            ]
        ],
        *[
            (url, PROXIES | {"no_proxy": entry}, HttpSettings(), "http://user:pass@tls:2")
            for url, entry in [
                ("https://notexample.com/", "example.com"),
                ("https://a.example.com:8443/", "a.example.com:443"),
                ("https://11.1.2.3/", "10.0.0.0/8"),
                ("https://a.example.com/", ""),
                ("https://a.example.com/", ",,"),
            ]
        ],
    ],
)
def test_which_proxy_leads_where(url: str, environ: dict[str, str], settings: HttpSettings, proxy: str | None) -> None:
    assert HttpClient(settings, environ=environ).proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("settings", "environ", "mistake"),
    [
        (HttpSettings(proxy="socks5://a:1"), {}, "http.proxy: 'socks5://a:1': expected http://host:port"),
        (HttpSettings(proxy="http://"), {}, "http.proxy: 'http://': expected http://host:port"),
        (HttpSettings(proxy="http://a:port"), {}, "http.proxy: 'http://a:port': expected http://host:port"),
        (HttpSettings(), {"HTTPS_PROXY": "ftp://me:secret@a"}, "HTTPS_PROXY: 'ftp://a': expected http://host:port"),
        (HttpSettings(ca_bundle="absent.pem"), {}, "http.ca_bundle: 'absent.pem': expected a PEM file"),
        (HttpSettings(ca_bundle=__file__), {}, f"http.ca_bundle: {__file__!r}: expected a PEM file"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(
    settings: HttpSettings, environ: dict[str, str], mistake: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        HttpClient(settings, environ=environ)
    assert str(refused.value).startswith(mistake)


async def post(client: HttpClient, port: int, body: bytes | Callable[[], bytes]) -> str:
    async with await client.request("POST", f"http://127.0.0.1:{port}/", data=body) as response:
        return await response.text()


async def test_a_request_on_a_kept_connection_that_just_closed_is_sent_once_more() -> None:
    server, client = Closing(), HttpClient(environ={})
    async with listening(server.handle) as port:
        assert await post(client, port, b"one") == "hello"
        assert await post(client, port, lambda: b"two") == "hello"
        await client.close()
    assert server.requests == [b"one", b"two", b"two"]
    assert server.connections == 2


async def test_a_server_may_say_that_it_closes_a_connection_that_was_idle() -> None:
    refused = answer("", status="408 Request Timeout")
    server, client = Closing(closes_with=refused), HttpClient(environ={})
    async with listening(server.handle) as port:
        assert await post(client, port, b"one") == "hello"
        assert await post(client, port, b"two") == "hello"
        await client.close()
    assert (server.requests, server.connections) == ([b"one", b"two", b"two"], 2)


async def test_a_request_that_comes_too_late_on_a_connection_of_its_own_is_late() -> None:
    server, client = Closing(says=answer("", status="408 Request Timeout")), HttpClient(environ={})
    async with listening(server.handle) as port:
        async with await client.request("POST", f"http://127.0.0.1:{port}/", data=b"one") as response:
            assert response.status == 408
        await client.close()
    assert server.requests == [b"one"]


async def test_a_request_on_a_connection_of_its_own_is_sent_once() -> None:
    server, client = Closing(at_first=True), HttpClient(environ={})
    async with listening(server.handle) as port:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await post(client, port, b"one")
        await client.close()
    assert server.requests == [b"one"]


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    server, client = Closing(in_the_answer=True), HttpClient(environ={})
    async with listening(server.handle) as port:
        await post(client, port, b"one")
        with pytest.raises(aiohttp.ClientPayloadError):
            await post(client, port, b"two")
        await client.close()
    assert server.requests == [b"one", b"two"]


@asynccontextmanager
async def chatterbox(messages: int) -> AsyncIterator[str]:
    """A WebSocket that sends so many messages at once, and its address."""

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for _ in range(messages):
            await socket.send_str("7")
        async for _ in socket:
            pass
        return socket

    app = web.Application()
    app.router.add_get("/", talk)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def arrived(socket: aiohttp.ClientWebSocketResponse, messages: int) -> None:
    """Wait until so many messages wait to be read."""
    async with asyncio.timeout(60):
        while len(socket._reader._buffer) < messages:
            await asyncio.sleep(0.01)


async def test_a_flood_of_messages_leaves_others_their_turn() -> None:
    client = HttpClient()
    async with chatterbox(2000) as address:
        socket = await client.websocket(address)
        await arrived(socket, 2000)
        turns, over = 0, False

        def turn() -> None:
            nonlocal turns
            turns += 1
            if not over:
                asyncio.get_running_loop().call_soon(turn)

        turn()
        for _ in range(2000):
            assert (await socket.receive()).data == "7"
        over = True
        assert turns >= 200
        await socket.close()
        assert socket.close_code == 1000, "said goodbye in good order"
    await client.close()


async def test_a_socket_that_goes_on_sending_is_not_read_to_its_end_when_it_is_closed() -> None:
    client = HttpClient()
    async with chatterbox(2000) as address:
        socket = await client.websocket(address)
        await arrived(socket, 2000)
        await socket.close()
        assert socket.close_code == 1006
        assert len(socket._reader._buffer) > 1900
    await client.close()


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def speaks_another_language(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")


@pytest.mark.parametrize(
    ("scheme", "handle", "why"),
    [
        ("http", breaks_off, "it closed the connection without an answer"),
        ("http", speaks_another_language, "what answers there does not speak HTTP"),
        ("https", speaks_another_language, "no TLS there"),
        ("https", None, "its certificate is not trusted"),
    ],
)
async def test_why_a_server_cannot_be_reached_is_said_in_words(
    scheme: str, handle: Callable[..., Any] | None, why: str, authority: trustme.CA
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with listening(handle or hello, None if handle else tls) as port:
        assert why in await refusal(f"{scheme}://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/", "127.0.0.1:9: nobody listens there"),
        ("http://127.0.0.1:99999/", "that is no address"),
        ("http://[::1/", "that is no address"),
        ("http://127.0.0.1:http/", "that is no address"),
        ("http://no-such-name.invalid/", "no address is known for no-such-name.invalid"),
    ],
)
async def test_why_nobody_is_reached_is_said_in_words(url: str, why: str) -> None:
    assert await refusal(url) == why


async def refusal(url: str) -> str:
    """What is said of a server that cannot be reached."""
    client = HttpClient(environ={})
    try:
        await client.request("GET", url)
    except (aiohttp.ClientError, OSError) as error:
        said = why_unreachable(error)
        for odd in ("Errno", "('", "ssl:", "Error(", "message="):
            assert odd not in said
        return said
    finally:
        await client.close()
    raise AssertionError("it was reached")
