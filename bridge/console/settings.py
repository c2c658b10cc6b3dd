"""The pages of the service: who may see them, and what they offer."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bridge.variables import VariableOrNone


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`/calls`: calls in progress and past ones, and a phone in the browser. There is none without a password."""

    password_env: VariableOrNone = "BRIDGE_CONSOLE_PASSWORD"
    """The environment variable with the password. Everything the pages show is behind it, and there is one for all."""
    login_hours: Annotated[float, msgspec.Meta(gt=0, le=720)] = 12.0
    """How long a login holds. All of them end when the service's secret or the password changes."""
    phone: bool = True
    """Whether the pages have a phone, whose calls are answered like any carrier's."""
