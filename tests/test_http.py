"""Outgoing HTTP: through a real proxy, with an authority of our own, and over a kept connection that just closed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme

from bridge.errors import ConfigError
from bridge.http import HttpClient, HttpSettings

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def answer(text: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


class Proxy:
    """Does as a proxy does, but every name leads to this machine: tunnels by CONNECT, passes plain requests on."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(self._copy(reader, back))
            both_ways.create_task(self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()


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


class Closing:
    """Keeps its connections, and closes a kept one in the moment in which it is used again."""

    def __init__(self, *, at_first: bool = False, in_the_answer: bool = False) -> None:
        self._at_first = at_first
        self._in_the_answer = in_the_answer
        self.requests: list[bytes] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for count in range(2):
            self.requests.append((await read_request(reader)).rpartition(b"\r\n\r\n")[2])
            if self._at_first or (count and not self._in_the_answer):
                return
            if count:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
                return
            writer.write(answer("hello"))


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
