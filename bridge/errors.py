"""Errors by who is at fault, since that decides what happens next."""

from __future__ import annotations


class BridgeError(Exception):
    """Anything this service raises on purpose."""


class ConfigError(BridgeError):
    """Ours, at start-up: the message names file, key, value and what was expected. Refuse to run."""


class UnexpectedEvent(BridgeError):
    """Ours, in a call: a bug. Log the call's last events and end that call."""


class BadMessage(BridgeError):
    """The carrier's or another peer's: end that leg, count it, keep serving."""


class VoiceError(BridgeError):
    """The speech worker's: no audio, or no more of it."""


class VoiceBusy(VoiceError):
    """No free slot; `retry_after_s` says when to ask again."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VoiceAstray(VoiceError):
    """The voice lost the text (repeats itself, never ends, says nothing): another voice should go on."""


class VoiceLost(VoiceError):
    """Broken off mid-utterance: what was heard stays heard."""
