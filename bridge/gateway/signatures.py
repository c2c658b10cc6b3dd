"""Is it really the carrier who asks? Each carrier's own checks, over our public address, before any work is done.

The address that a request seems to have behind a proxy is never used, unless nothing is signed at all
(`development_unsigned`), where it only saves the developer from setting PUBLIC_URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from urllib.parse import urlsplit

from aiohttp import web

from bridge.carriers.base import Carrier, NotGenuine
from bridge.carriers.web import CarrierRequest, UnreadableRequest
from bridge.errors import BridgeError, ConfigError
from bridge.gateway.settings import GatewaySettings
from bridge.system.connections import read_body
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

logger = logging.getLogger(__name__)


class RequestRefused(BridgeError):
    """The request is not the carrier's, or cannot be read; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Signatures:
    """Checks requests. Raises ConfigError when they could not be checked over a public address."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        self._unsigned = settings.development_unsigned
        self._public_url = settings.public_url.rstrip("/")
        self._patience_s = settings.webhook_timeout_s
        self._body_bytes = settings.max_webhook_bytes
        self._metrics = metrics
        self._proxies = [ipaddress.ip_network(network) for network in settings.trusted_proxies]
        if self._unsigned:
            logger.warning(
                "DEVELOPMENT MODE: signatures are not checked, anybody can place calls here. "
                "Remove gateway.development_unsigned before this is on a public address."
            )
            return
        if not self._public_url:
            raise ConfigError(
                "no public address: set PUBLIC_URL or gateway.public_url to what the carrier calls, such as "
                "https://bridge.example.com; signatures are checked over it"
            )
        parts = urlsplit(self._public_url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ConfigError(
                f"gateway.public_url: is {self._public_url!r}, expected https: media streams are opened over TLS only"
            )

    def public_url(self, request: web.Request) -> str:
        """How the carrier reaches us, without a slash at the end."""
        return self._public_url or f"{request.scheme}://{request.host}"

    async def check_webhook(self, carrier: Carrier, route: str, request: web.Request) -> CarrierRequest:
        """The request as data. Raises RequestRefused for what the carrier did not send.

        Nothing is read of a request without a signature or with too long a body, and its fields are parsed once.
        """
        if not self._unsigned and not any(request.headers.get(name) for name in carrier.signature_headers):
            raise self._refusal("no_signature", request, carrier, route)
        if (request.content_length or 0) > self._body_bytes:
            raise RequestRefused(413, f"a webhook has at most {self._body_bytes} bytes")
        try:
            async with asyncio.timeout(self._patience_s):
                body = await read_body(request)
        except TimeoutError:
            raise RequestRefused(408, "the body did not come in time") from None
        asked = self._as_data(request, body)
        try:
            if not self._unsigned:
                carrier.check_webhook(asked, time.time())
        except NotGenuine as refusal:
            raise self._refusal(refusal.why, request, carrier, route) from None
        except UnreadableRequest as error:
            raise RequestRefused(400, str(error)) from None
        return asked

    def check_socket(self, carrier: Carrier, request: web.Request) -> None:
        """Raises RequestRefused for a media handshake that is not the carrier's."""
        if self._unsigned:
            return
        try:
            carrier.check_socket(self._as_data(request, b""), time.time())
        except NotGenuine as refusal:
            raise self._refusal(refusal.why, request, carrier, "media") from None

    def address(self, request: web.Request) -> str:
        """Who connects: the peer, or whom a trusted proxy says it speaks for."""
        peer = request.remote or "unknown"
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        while hops and self.is_proxy(peer):
            peer = hops.pop()
        return peer

    def _as_data(self, request: web.Request, body: bytes) -> CarrierRequest:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return CarrierRequest(request.method, self.public_url(request) + request.raw_path, headers, body)

    def is_proxy(self, address: str) -> bool:
        """Whether an address is one of the trusted proxies."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def _refusal(self, why: str, request: web.Request, carrier: Carrier, route: str) -> RequestRefused:
        """Count and log a refusal; whoever asks is told less than the operator."""
        self._metrics.signature_failures.labels(route, why).inc()
        logs.event(
            logger,
            "signature refused",
            logging.WARNING,
            carrier=carrier.name,
            route=route,
            why=why,
            remote=self.address(request),
            url=self._public_url + request.path,
        )
        return RequestRefused(403, "signature missing or wrong")
