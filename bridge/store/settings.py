"""Where the service keeps what must outlive a process, and what joins its processes and machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from bridge import variables
from bridge.errors import ConfigError
from bridge.variables import Variable, VariableOrNone

_SCHEMES = ("redis://", "rediss://", "unix://")


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What outlives a process: tickets, outcomes, the states of calls (`bridge.store`)."""

    redis_url: str = ""
    """`redis://`, `rediss://` or `unix://`; joins machines, and keeps phrases for all of them. Empty: no Redis."""
    redis_url_env: VariableOrNone = "REDIS_URL"
    """The environment variable with such an address, for one that holds a password; it wins over `redis_url`."""
    redis_prefix: str = "bridge"
    """What every key in Redis begins with, so that several services can share one."""
    redis_deadline_ms: float = 100.0
    """The longest that a call may wait for one operation; phrases have a shorter one of their own."""
    secret_env: Variable = "BRIDGE_SECRET"
    """The variable with the service's secret, the same on all machines: it signs tickets and what lies in Redis."""


def redis_address(settings: StoreSettings, environ: Mapping[str, str]) -> str:
    """Return where Redis is, with its password if it has one; empty where there is none. Raises ConfigError."""
    named = variables.value(settings.redis_url_env, environ)
    address = named or settings.redis_url
    where = f"environment variable {settings.redis_url_env}" if named else "store.redis_url"
    if address and not address.startswith(_SCHEMES):
        raise ConfigError(f"{where}: expected an address that starts with {', '.join(_SCHEMES)}")
    if address and not _readable(address):
        raise ConfigError(
            f"{where}: cannot be read: expected redis://USER:PASSWORD@HOST:PORT/NUMBER, with every /, @, : and % of "
            "the password as %2F, %40, %3A and %25, and behind a ? only options that redis-py has"
        )
    return address


def _readable(address: str) -> bool:
    """Whether the client library understands an address. Its own words may hold parts of a password."""
    from redis.asyncio import Redis  # heavy, and wanted only where there is an address

    try:
        parts = urlsplit(address)
        Redis.from_url(address).connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return False
    return parts.scheme == "unix" or re.fullmatch(r"(/\d*)?", parts.path, re.ASCII) is not None
