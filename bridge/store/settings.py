"""Where the service keeps what must outlive a process, and what joins its processes and machines."""

from __future__ import annotations

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What outlives a process: tickets, outcomes, the states of calls (`bridge.store`)."""

    redis_url: str = ""
    """`redis://`, `rediss://` or `unix://`; joins machines, and keeps phrases for all of them. Empty: no Redis."""
    redis_prefix: str = "bridge"
    """What every key in Redis begins with, so that several services can share one."""
    redis_deadline_ms: float = 100.0
    """The longest that a call may wait for one operation; phrases have a shorter one of their own."""
    secret_env: str = "BRIDGE_SECRET"
    """The variable with the service's secret, the same on all machines: it signs tickets and what lies in Redis."""
