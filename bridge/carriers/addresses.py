"""Where carriers reach us: the addresses of our webhooks and media sockets, and what stands in them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from bridge.carriers.web import CarrierRequest, UnreadableRequest


class Addresses(msgspec.Struct, frozen=True):
    """Where one carrier reaches us."""

    base: str
    """Our public address and the carrier's name, such as `https://bridge.example.com/acme`."""

    def webhook(self, route: str) -> str:
        """The address of one of the carrier's routes."""
        return f"{self.base}/{route}"

    def announcement(self, name: str) -> str:
        """Where a carrier asks what a party who has answered is told; empty without a name."""
        return self.transfer("announce", name) if name else ""

    def transfer(self, route: str, name: str) -> str:
        """The address of a route that is asked about one transfer (`bridge.carriers.conference`)."""
        return f"{self.webhook(route)}?of={quote(name, safe='')}"

    @property
    def hold_music(self) -> str:
        """Where a carrier finds the document about what a caller hears who waits; no secret, and not signed."""
        return self.webhook("hold-music")

    @property
    def media(self) -> str:
        """The media socket's address; `ws` instead of `wss` only where we are not reached by https, as in tests."""
        parts = urlsplit(self.base)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return f"{urlunsplit(parts._replace(scheme=scheme))}/media"


_LONGEST_ANNOUNCEMENT = 64


def announcement_of(request: CarrierRequest) -> str:
    """The announcement that a request names in its address. Raises UnreadableRequest for none."""
    name = dict(request.query).get("of", "")
    if not name or len(name) > _LONGEST_ANNOUNCEMENT:
        raise UnreadableRequest("the announcement is not named")
    return name


def media_address(address: str) -> str:
    """The address of a media socket, if carriers accept it: secure and without a query string. Raises ValueError.

    `ws` is accepted towards this machine itself, where no carrier is but a simulated one.
    """
    parts = urlsplit(address)
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        raise ValueError(f"a stream URL must be wss: {address}")
    if parts.query:
        raise ValueError(f"a stream URL has no query string: {address}")
    return address
