"""What attacks leave behind: a collector that finds thousands of connections at once holds the loop for all calls."""

from __future__ import annotations

import asyncio
import gc

import aiohttp
import pytest
from aiohttp import web

from bridge.system.connections import LimitedConnection
from tests.attacks.attacks import OUTSIDERS, Target, again_and_again
from tests.attacks.neighbours import Elsewhere
from tests.gateway.carrier import Carrier, running

PATIENCE_S = 60.0


async def attack(name: str, url: str) -> None:
    async with aiohttp.ClientSession() as http:
        await again_and_again(OUTSIDERS[name], Target(url, http), lambda rounds: rounds >= 1)


async def until_all_are_gone(carrier: Carrier) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while b"\nbridge_connections 0.0\n" not in carrier.gateway.metrics.page():
            await asyncio.sleep(0.001)


def what_is_left(one: object, carrier: Carrier) -> str:
    """A connection of this service's, or a request on one, in words; nothing for what others left."""
    connection = one.protocol if isinstance(one, web.Request) else one
    if not isinstance(connection, LimitedConnection) or connection._limits is not carrier.gateway._site._limits:  # type: ignore[union-attr]
        return ""
    holders = [type(other).__name__ for other in gc.garbage if any(it is one for it in gc.get_referents(other))]
    return f"{one!r}, held by {', '.join(holders)}"


@pytest.mark.parametrize("name", OUTSIDERS)
async def test_what_is_refused_is_gone_at_once(name: str) -> None:
    elsewhere = Elsewhere()
    try:
        async with running() as carrier:
            gc.collect()
            gc.disable()
            await elsewhere.begin(attack(name, carrier.base))
            await until_all_are_gone(carrier)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [told for one in gc.garbage if (told := what_is_left(one, carrier))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        elsewhere.close()
    assert left == []
