"""What is given to commands as numbers and addresses: read, and refused in one line where it makes no sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from bridge.addresses import is_address
from bridge.errors import ConfigError

_LAST_PORT = 65535
_T = TypeVar("_T", int, float, str)


def port(name: str) -> Callable[[str], int]:
    """Read a port; 0 is any free one."""
    return _reader(int, name, f"a port, 0 to {_LAST_PORT}", lambda number: 0 <= number <= _LAST_PORT)


def count(name: str) -> Callable[[str], int]:
    """Read how many there are to be, at least one."""
    return _reader(int, name, "1 or more", lambda number: number >= 1)


def positive(name: str) -> Callable[[str], float]:
    """Read a duration, rate or factor that is more than nothing and finite."""
    return _reader(float, name, "a number over 0", lambda number: number > 0 and math.isfinite(number))


def web_address(name: str, *schemes: str) -> Callable[[str], str]:
    """Read an address with one of these schemes, a host, and a port that there can be."""
    return _reader(
        str, name, " or ".join(f"{scheme}://host" for scheme in schemes), lambda url: is_address(url, schemes)
    )


def _reader(read: Callable[[str], _T], name: str, expected: str, fits: Callable[[_T], bool]) -> Callable[[str], _T]:
    def reading(text: str) -> _T:
        try:
            value = read(text)
        except ValueError:
            raise ConfigError(f"{name}: {text}: expected {expected}") from None
        if not fits(value):
            raise ConfigError(f"{name}: {text}: expected {expected}")
        return value

    return reading
