"""What the carriers' JSON messages have in common: fields that may hold anything, read without complaint."""

from __future__ import annotations

from bridge.carriers.base import KEYS, StreamViolation

_LONGEST_TEXT = 200


def text_of(value: object, name: str) -> str:
    """The text in this member of an object; empty when there is no such member, or it is something else."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= _LONGEST_TEXT else ""


def key_of(value: object, name: str = "digit") -> str:
    """The key of a phone in this member of an object; empty when it is none."""
    found = value.get(name) if isinstance(value, dict) else None
    key = str(found).upper() if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return key if key in KEYS else ""


def whole_of(value: object) -> int:
    """A whole number from 0 on, however it was written; -1 when it is none."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else -1
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e18:
        return int(value)
    return -1


def one_channel(value: object) -> bool:
    """Whether a format of this many channels is mono, which it is where nothing is said."""
    return value is None or whole_of(value) == 1


def reason_of(error: Exception) -> str:
    """What a decoder says is wrong, short enough for a log."""
    return str(error)[:200]


def no_binary() -> StreamViolation:
    """Return the violation of a binary message in a protocol that has none."""
    return StreamViolation("binary_frame", "the protocol has no binary messages")
