"""Every attack beside callers, on a real gateway with a real voice: what they hear, and how long the loop was held.

The table of all is printed with `pytest -s`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.attacks.attacks import ATTACKS, require_loopback
from tests.attacks.neighbours import HEADING, Neighbours, neighbours
from tests.gateway.conftest import voice_address

__all__ = ["voice_address"]


@pytest.fixture(scope="module")
def kept_phrases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where phrases are found that were made once."""
    return tmp_path_factory.mktemp("phrases")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside(voice_address: str, kept_phrases: Path) -> AsyncIterator[Neighbours]:
    """Who is on the line while others attack."""
    async with neighbours(voice_address, kept_phrases) as on_the_line:
        print("\n" + HEADING)
        yield on_the_line


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside_redis(voice_address: str, kept_phrases: Path) -> AsyncIterator[Neighbours]:
    """The same, where store and phrases are in Redis, too."""
    async with neighbours(voice_address, kept_phrases, with_redis=True) as on_the_line:
        yield on_the_line


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith("redis_")])
async def test_callers_beside_an_attack_hear_no_gap_and_another_is_taken(name: str, beside: Neighbours) -> None:
    assert not (await beside.least_harm(name, ATTACKS[name])).found


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("redis_")])
async def test_callers_hear_no_gap_and_another_is_taken_whatever_redis_does(
    name: str, beside_redis: Neighbours
) -> None:
    assert not (await beside_redis.least_harm(name, ATTACKS[name])).found


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7:8080", "https://bridge.example.com", "http://localhost.example.com", "http://192.0.2.1", "x"],
)
def test_nobody_but_this_machine_is_ever_attacked(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"])
def test_this_machines_own_addresses_may_be(url: str) -> None:
    require_loopback(url)
