"""What the tests of agents share: time that passes at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import pytest

from bridge.simulator import virtual
from tests.agents.doubles import VirtualTime

T = TypeVar("T")


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Runs a coroutine function to its end on a network in memory, where seconds cost nothing."""

    def connector(**_how: Any) -> virtual.MemoryConnector:
        return virtual.MemoryConnector()

    def run(main: Callable[[], Awaitable[T]]) -> T:
        monkeypatch.setattr(aiohttp, "TCPConnector", connector)
        return virtual.run(main)

    return run
