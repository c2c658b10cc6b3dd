"""What the carriers' JSON messages have in common: fields that may hold anything, read without complaint."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from bridge.carriers.base import KEYS, OtherMessage, StreamEvent, StreamViolation

_LONGEST_TEXT = 200
_LONGEST_MENDED = 16_384


class _Anything(msgspec.Struct):
    event: str


_decode_event = msgspec.json.Decoder(_Anything).decode


class JsonReader(ABC):
    """What becomes of a stream's message that is not as documented: what can be used of it, and a count."""

    known: ClassVar[frozenset[str]]
    """The protocol's events; any other is passed on by its name, since carriers add events without notice."""

    def __init__(self) -> None:
        self.odd_fields = 0

    @abstractmethod
    def _salvaged(self, data: bytes) -> StreamEvent | None:
        """Read no more of a media message than its audio. Raises ValueError, and StreamViolation for another stream."""

    @abstractmethod
    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read one message; None when it means nothing to us. Raises StreamViolation, naming what is wrong."""

    def _odd(self, data: bytes, error: Exception) -> StreamEvent | None:
        """Use what can be used of a message that raised this error. Raises StreamViolation when that is nothing."""
        mended = without_odd_numbers(data)
        if mended is not None:
            self.odd_fields += 1
            return self.read_text(mended)
        try:
            event = _decode_event(data).event
        except (ValueError, RecursionError):
            # msgspec's errors, broken UTF-8 and digits without end are all ValueErrors.
            raise StreamViolation("bad_message", f"not a media-stream message: {reason_of(error)}") from None
        if event not in self.known:
            return OtherMessage(event[:60])
        if event == "media":
            try:
                audio = self._salvaged(data)
            except (ValueError, RecursionError):
                raise StreamViolation("bad_message", f"media message: {reason_of(error)}") from None
            self.odd_fields += 1
            return audio
        if event == "start":
            raise StreamViolation("bad_message", f"start message: {reason_of(error)}")
        return self._pass_over()

    def _told_text(self, value: object, usual: str) -> str:
        """What a start message says of its format; the carrier's usual one, and a count, where that is no text."""
        if isinstance(value, str) and value:
            return value
        self.odd_fields += 1
        return usual

    def _told_number(self, value: object, usual: int) -> int:
        """The same for a number, however it was written."""
        number = whole_of(value)
        if number > 0:
            return number
        self.odd_fields += 1
        return usual

    def _pass_over(self) -> StreamEvent | None:
        self.odd_fields += 1
        return None


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


def without_odd_numbers(data: bytes) -> bytes | None:
    """Put null for `NaN`, `Infinity` and numbers beyond all range, which JSON has not; None where there is none.

    Many JSON writers know no better, and the audio beside such a number is as good as ever.
    """
    odd: list[str] = []

    def null(text: str) -> None:
        odd.append(text)

    def finite(text: str) -> float | None:
        number = float(text)
        if math.isfinite(number):
            return number
        odd.append(text)
        return None

    try:
        read = json.loads(data, parse_constant=null, parse_float=finite) if len(data) <= _LONGEST_MENDED else None
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode(read) if odd else None


def reason_of(error: Exception) -> str:
    """What a decoder says is wrong, short enough for a log."""
    return str(error)[:200]


def no_binary() -> StreamViolation:
    """Return the violation of a binary message in a protocol that has none."""
    return StreamViolation("binary_frame", "the protocol has no binary messages")
