"""Addresses of speech workers: one worker, or a name under which as many are found as there are. Pure.

ws://10.0.0.7:8090   unix:/run/bridge/worker.sock    one worker
dns+ws://workers.example.com:8090                    whom the name leads to
ray+http://ray.example.com:8000/workers              whom the directory of a Ray Serve fleet names
"""

from __future__ import annotations

from urllib.parse import urlsplit

from bridge.system.sockets import LONGEST_PATH, fits

_SCHEMES = ("dns+ws", "dns+wss", "ray+http", "ray+https")


def stands_for_many(address: str) -> bool:
    """Whether workers are found by this address, rather than one of them being there."""
    return address.partition("://")[0] in _SCHEMES


def check_address(address: str) -> None:
    """Raises ValueError for an address at which no worker can be, or be found."""
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        if not fits(rest):
            raise ValueError(f"{address!r} is too long: a socket's path may have {LONGEST_PATH} bytes")
        return
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("")
    if scheme not in ("ws", "wss", "http", "https", *_SCHEMES) or not parts.hostname:
        forms = "ws://host:port, unix:/path, dns+ws://name:port or ray+http://host:port/workers"
        raise ValueError(f"{address!r} is no address of speech workers, expected {forms}")
    if scheme.startswith("dns") and not port:
        raise ValueError(f"{address!r} names no port, expected one as in dns+ws://name:8090")


def check_worker(address: str) -> None:
    """Raises ValueError for what a directory must not name: anything but one worker on the network."""
    check_address(address)
    if not address.startswith(("ws://", "wss://")):
        raise ValueError(f"{address!r} is no worker on the network, expected ws://host:port")
