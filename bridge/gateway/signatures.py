"""Is it really the carrier who asks? Signatures of webhooks and of the media handshake, over our public address.

The address that a request seems to have behind a proxy is never used, unless nothing is signed at all
(`development_unsigned`), where it only saves the developer from setting PUBLIC_URL.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from bridge.carriers.twilio import signatures as twilio_signature
from bridge.errors import BridgeError, ConfigError
from bridge.gateway.settings import GatewaySettings
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
    """Checks requests. Raises ConfigError when it would have nothing to check them with."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        self._unsigned = settings.development_unsigned
        self._public_url = settings.public_url.rstrip("/")
        self._tokens = settings.twilio.auth_tokens
        self._metrics = metrics
        self._proxies = [ipaddress.ip_network(network) for network in settings.trusted_proxies]
        if self._unsigned:
            logger.warning(
                "DEVELOPMENT MODE: signatures are not checked, anybody can place calls here. "
                "Remove gateway.development_unsigned before this is on a public address."
            )
            return
        if not self._tokens or not all(self._tokens):
            raise ConfigError(
                "no Twilio auth token: set TWILIO_AUTH_TOKEN or gateway.twilio.auth_tokens, "
                "or gateway.development_unsigned: true on a machine that nobody else can reach"
            )
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

    async def check_webhook(self, request: web.Request, route: str) -> dict[str, str]:
        """The request's fields, from form, query or JSON. Raises RequestRefused for what the carrier did not sign."""
        body = await request.read()
        kind = request.content_type
        try:
            fields = twilio_signature.fields_of(request.method, request.raw_path, kind, body)
        except ValueError as error:
            raise RequestRefused(400, str(error)) from None
        if not self._unsigned:
            why = twilio_signature.webhook_refusal(
                self._tokens,
                url=self._public_url + request.raw_path,
                headers=_lower(request.headers),
                method=request.method,
                body=body,
            )
            self._refuse(why, request, route)
        return fields

    def check_socket(self, request: web.Request) -> None:
        """Raises RequestRefused for a media handshake that the carrier did not sign."""
        if self._unsigned:
            return
        url = self._public_url + request.raw_path
        self._refuse(twilio_signature.socket_refusal(self._tokens, url=url, headers=_lower(request.headers)), request)

    def address(self, request: web.Request) -> str:
        """Who connects: the peer, or whom a trusted proxy says it speaks for."""
        peer = request.remote or "unknown"
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        while hops and self._is_proxy(peer):
            peer = hops.pop()
        return peer

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def _refuse(self, why: twilio_signature.Refusal | None, request: web.Request, route: str = "media") -> None:
        """Count, log and raise a refusal, where there is one; whoever asks is told less than the operator."""
        if why is None:
            return
        self._metrics.signature_failures.labels(route, why).inc()
        checked = self._public_url + request.path
        logs.event(
            logger, "signature refused", logging.WARNING, route=route, why=why, remote=request.remote, url=checked
        )
        raise RequestRefused(403, "signature missing or wrong")


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
