"""Outgoing HTTP for every room: proxies, certificates, and a second try where a kept connection had just closed.

One `HttpClient` per server that is spoken to; it opens nothing before its first request and belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge.errors import ConfigError
from bridge.variables import without_password

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_KEPT_S = 60.0
"""How long a connection is kept that nobody uses: longer than a caller's turn, shorter than most servers keep it."""
_MESSAGES_AT_ONCE = 8
_MOST_AFTER_GOODBYE = 64
"""Messages that are read, and dropped, before the other end's goodbye."""
_CLOSES = 408
"""What some servers say as they close a connection that was idle."""
_PLAIN = {"ws": "http", "wss": "https"}
"""A WebSocket begins as a request of this scheme, and goes through the proxy for it."""


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How servers elsewhere are reached: agents, hosted voices and recognisers, the carrier's REST API."""

    proxy: str = ""
    """`http://host:port` for every address; empty: what the environment says, address by address. One that wants a
    password stands in the environment."""
    no_proxy: list[str] = []
    """Hosts that are reached directly: `example.com` (and all below it), `10.0.0.0/8`, `host:port`, or `*`."""
    use_environment: bool = True
    """Obey HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in capitals or not."""
    ca_bundle: str = ""
    """PEM file, relative to the configuration file, of authorities that are trusted besides the system's own."""


class _Parting:
    """What is left to read of a WebSocket that is being closed: a little, and then the end, whatever comes."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._left = _MOST_AFTER_GOODBYE

    async def read(self) -> Any:
        self._left -= 1
        if self._left < 0:
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.ABNORMAL_CLOSURE, None)
        return await self._reader.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class FairSocket(aiohttp.ClientWebSocketResponse):
    """A WebSocket whose messages, however many come at once, are read a few at a time: others have their turn."""

    _received = 0

    async def receive(self, timeout: float | None = None) -> Any:
        """The next message; after every few of them the loop does what else there is to do."""
        self._received += 1
        if self._received % _MESSAGES_AT_ONCE == 0:
            await asyncio.sleep(0)
        return await super().receive(timeout)

    async def close(self, *, code: int = aiohttp.WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close; whoever goes on sending instead of closing, too, is not listened to for long."""
        self._reader: Any = _Parting(self._reader)
        return await super().close(code=code, message=message)


class HttpClient:
    """Connections to servers elsewhere. Raises ConfigError for a proxy or certificates that cannot be used."""

    def __init__(
        self,
        settings: HttpSettings | None = None,
        *,
        connect_deadline_s: float = 3.0,
        directory: Path = Path(),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        settings = HttpSettings() if settings is None else settings
        self._routes = _Routes(
            settings, (os.environ if environ is None else environ) if settings.use_environment else {}
        )
        self._bundle = directory / settings.ca_bundle if settings.ca_bundle else None
        self._ssl = _trust(self._bundle) if self._bundle is not None else None
        self._connect_deadline_s = connect_deadline_s
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def request(
        self, method: str, url: str, *, data: bytes | Callable[[], Any] | None = None, **options: Any
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer's beginning; close the answer when done with it.

        `data` is the body, or makes it (a form can be sent but once); `options` are those of `aiohttp.request`.

        A server may close a kept connection in the moment in which it is used again (RFC 9112, 9.3.1), with the
        status 408 or without a word (RFC 9110, 15.5.9). Nothing is wrong then, and the request is sent once more on a
        connection of its own. It may thus arrive twice where the server closed after reading it: whoever acts on
        requests needs something in them to tell that by.

        Raises aiohttp.ClientError, OSError or TimeoutError.
        """
        context = SimpleNamespace(reused=False)
        try:
            answer = await self._send(False, method, url, data, trace_request_ctx=context, **options)
            if not context.reused or answer.status != _CLOSES:
                return answer
            answer.close()
        except aiohttp.ClientConnectionError as error:
            if not context.reused or isinstance(error, TimeoutError):
                raise
        return await self._send(True, method, url, data, **options)

    async def websocket(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket; `options` are those of `aiohttp.ClientSession.ws_connect`."""
        proxy = self._routes.proxy_for(url)
        socket: aiohttp.ClientWebSocketResponse = await self._session(False).ws_connect(url, proxy=proxy, **options)
        return socket

    async def close(self) -> None:
        """Close all connections to servers elsewhere."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    def proxy_for(self, url: str) -> str | None:
        """The proxy that leads to this address; None: it is reached directly."""
        return self._routes.proxy_for(url)

    @property
    def authorities(self) -> bytes:
        """The PEM file of authorities that are trusted besides the usual ones; empty: none."""
        return self._bundle.read_bytes() if self._bundle is not None else b""

    @property
    def trust(self) -> ssl.SSLContext | None:
        """Who is trusted, where that is more than the system trusts by itself."""
        return self._ssl

    async def _send(self, fresh: bool, method: str, url: str, data: Any, **options: Any) -> aiohttp.ClientResponse:
        body = data() if callable(data) else data
        proxy = self._routes.proxy_for(url)
        return await self._session(fresh).request(method, url, data=body, proxy=proxy, **options)

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        """The session with kept connections, or the one that opens a connection for each request."""
        session = self._sessions.get(fresh)
        if session is None or session.closed:
            tls: ssl.SSLContext | bool = True if self._ssl is None else self._ssl
            session = self._sessions[fresh] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=tls, force_close=True)
                if fresh
                else aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=_KEPT_S),
                ws_response_class=FairSocket,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_deadline_s),
                trace_configs=[_reuse_noted()],
            )
        return session


def why_unreachable(error: BaseException) -> str:
    """Say in plain words why a server could not be reached."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            return f"{error.host}:{error.port}: its certificate is not trusted ({reason})"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message or error.reason})"
        case aiohttp.ClientConnectorDNSError():
            return f"no address is known for {error.host}"
        case aiohttp.ClientConnectorError():
            return f"{error.host}:{error.port}: {_in_words(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientHttpProxyError():
            return f"its proxy answered {error.status}"
        case aiohttp.WSServerHandshakeError():
            return f"it answered {error.status}, and opened no WebSocket"
        case aiohttp.TooManyRedirects():
            return "it redirects in circles"
        case aiohttp.ClientResponseError():
            return "what answers there does not speak HTTP"
        case aiohttp.ClientPayloadError():
            return "its answer broke off"
        case aiohttp.NonHttpUrlClientError():
            return "that is no address of a web server"
        case ValueError():  # aiohttp.InvalidURL, and what a name's encoding refuses
            return "that is no address"
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "no address is known for that name"
        case OSError():
            return _in_words(error)
        case _:
            return str(error) or type(error).__name__


def _in_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no TLS there ({(error.reason or 'it answers otherwise').replace('_', ' ').lower()})"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, ConnectionResetError):
        return "it closed the connection"
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error) or type(error).__name__


OpenClient = Callable[[], HttpClient]
"""Makes a client that reaches servers as the service's settings say."""


def _reuse_noted() -> aiohttp.TraceConfig:
    """Writes into a request's context that it went over a connection that was used before."""

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace


def _trust(bundle: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=bundle)
    except OSError as error:  # ssl.SSLError is one, too
        what = error.strerror or str(error)
        raise ConfigError(f"http.ca_bundle: {str(bundle)!r}: expected a PEM file of certificates: {what}") from None
    return context


class _Routes:
    """Which proxy leads where. Settings win over the environment; ourselves we always reach directly, as Go does."""

    def __init__(self, settings: HttpSettings, environ: Mapping[str, str]) -> None:
        self._proxies = {}
        for scheme in ("http", "https"):
            named = [(f"{scheme}_proxy".upper(), _variable(environ, f"{scheme}_proxy"))]
            named.append(("ALL_PROXY", _variable(environ, "all_proxy")))
            named.insert(0, ("http.proxy", settings.proxy))
            where, proxy = next(((where, value) for where, value in named if value), ("", ""))
            self._proxies[scheme] = _checked(where, proxy)
        direct = _variable(environ, "no_proxy") if not settings.proxy else ""
        self._direct = [*_entries(settings.no_proxy), *_entries(re.split(r"[,\s]+", direct))]

    def proxy_for(self, url: str) -> str | None:
        """The proxy for this address, if there is one. Raises aiohttp.InvalidURL for what is no address."""
        try:
            address, port = urlsplit(url), urlsplit(url).port
        except ValueError:  # a port over 65535, half an IPv6 address
            raise aiohttp.InvalidURL(url) from None
        scheme = _PLAIN.get(address.scheme, address.scheme)
        proxy = self._proxies.get(scheme)
        host = (address.hostname or "").rstrip(".").lower()
        if not proxy or _is_loopback(host):
            return None
        port = port or _PORTS.get(address.scheme, 0)
        return None if any(_covers(entry, host, port) for entry in self._direct) else proxy


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for this address, for whoever has no settings; None: it is reached directly.

    Raises ConfigError for one that cannot be used.
    """
    return _Routes(HttpSettings(), os.environ).proxy_for(url)


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _checked(where: str, proxy: str) -> str:
    if not proxy:
        return ""
    if "://" not in proxy:
        proxy = f"http://{proxy}"  # as everybody takes HTTPS_PROXY=proxy.example.com:3128
    try:
        address = urlsplit(proxy)
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{where}: {without_password(proxy)!r}: expected http://host:port of a proxy")
    return proxy


def _entries(raw: Iterable[str]) -> list[str]:
    return [entry.strip().rstrip(".").lower() for entry in raw if entry.strip()]


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means this host: a name, all below a name, an address, a network, or everything."""
    if entry == "*":
        return True
    try:
        network = ipaddress.ip_network(entry.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        pass  # a name
    else:
        return _is_within(host, network)
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal():
        return wanted == str(port) and _covers(name.strip("[]"), host, port)
    name = entry.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")


def _is_within(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
