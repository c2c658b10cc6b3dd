"""Limits of what others may ask of a process before it knows who they are."""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ConnectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Connections to the port, before and between requests; calls have limits of their own."""

    most: Count = 4096
    """At the same time, of each process; never more than its descriptors allow."""
    most_silent_per_address: Count = 256
    """Of one address, those that have not asked for anything yet; `trusted_proxies` may have more."""
    most_idle_per_address: Count = 64
    """Of one address, those kept open between two requests; more are closed after their answer, but for those of
    `trusted_proxies`."""
    head_s: Positive = 10.0
    """The first request's head must be there by then."""
    body_s: Positive = 10.0
    """And every body so long after its head."""
    idle_s: Positive = 30.0
    """The longest pause between two requests of a connection."""
    linger_s: Positive = 1.0
    """What comes of a body after its answer is read and thrown away for this long."""
