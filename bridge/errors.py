"""Errors by who is at fault, since that decides what happens next."""

from __future__ import annotations

from typing import Literal

FailureKind = Literal["auth", "quota", "busy", "rejected", "idle", "lost", "internal"]
"""Why a speech provider gives no audio, and so what helps.

`auth` and `quota`: nothing until somebody acts. `busy`: asking again later. `rejected`: another voice, text or format.
`idle`: opening anew. `lost`: connecting anew and asking for what was not heard. `internal`: another provider.
"""


class BridgeError(Exception):
    """Anything this service raises on purpose."""


class ConfigError(BridgeError):
    """Ours, at start-up: the message names file, key, value and what was expected. Refuse to run."""


class UnexpectedEvent(BridgeError):
    """Ours, in a call: a bug. Log the call's last events and end that call."""


class BadMessage(BridgeError):
    """The carrier's or another peer's: end that leg, count it, keep serving."""


class VoiceError(BridgeError):
    """A speech provider gives no audio, or no more of it."""

    def __init__(
        self, message: str, kind: FailureKind = "internal", *, code: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        """The provider's own word for it, where it has one."""
        self.retry_after_s = retry_after_s


class VoiceBusy(VoiceError):
    """There is no free place; `retry_after_s` says when to ask again."""

    retry_after_s: float

    def __init__(self, message: str, retry_after_s: float, *, code: str = "") -> None:
        super().__init__(message, "busy", code=code, retry_after_s=retry_after_s)


class VoiceLost(VoiceError):
    """The stream broke off in the middle: what was heard stays heard."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message, "lost", code=code)


_BY_STATUS: dict[int, FailureKind] = {401: "auth", 402: "quota", 403: "auth", 408: "idle", 429: "busy", 503: "busy"}


def kind_of_status(status: int) -> FailureKind:
    """Return why a hosted service answered with this HTTP status (RFC 9110, 15.5 and 15.6)."""
    return _BY_STATUS.get(status, "rejected" if 400 <= status < 500 else "internal")
