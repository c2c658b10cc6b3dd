"""What the processes that share a store know of each other: who takes calls, and how many more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.gateway.neighbours import Neighbours
from bridge.store.memory import MemoryStore

pytestmark = pytest.mark.usefixtures("in_virtual_time")


class Place:
    """One process, and how many places it has free."""

    def __init__(self, store: MemoryStore, name: str, places: int | None) -> None:
        self.places = places
        self.store = store
        self.neighbours = Neighbours(store, name, lambda: self.places, asyncio.get_running_loop().time)


@asynccontextmanager
async def street(*places: int | None) -> AsyncIterator[list[Place]]:
    store = MemoryStore()
    processes = [Place(store, f"p{number}", free) for number, free in enumerate(places)]
    for one in processes:
        one.neighbours.start()
    try:
        await asyncio.sleep(1.5)
        yield processes
    finally:
        for one in processes:
            await one.neighbours.close()


async def test_each_knows_the_places_of_all_others_but_not_its_own() -> None:
    async with street(3, 4, 0) as (a, b, c):
        assert [one.neighbours.places for one in (a, b, c)] == [4, 3, 7]
        assert [one.neighbours.serving for one in (a, b, c)] == [2, 2, 2]


async def test_a_place_that_is_taken_is_known_within_a_second() -> None:
    async with street(3, 4) as (a, b):
        b.places = 1
        await asyncio.sleep(1.1)
        assert a.neighbours.places == 1


async def test_who_leaves_or_is_not_up_has_no_places() -> None:
    async with street(3, 4, None) as (a, b, c):
        assert a.neighbours.places == 4
        b.neighbours.leave()
        await asyncio.sleep(0.1)
        assert (a.neighbours.serving, a.neighbours.places) == (0, 0)
        assert c.neighbours.places == 3


async def test_the_places_of_a_process_that_died_are_forgotten() -> None:
    async with street(3, 4) as (a, b):
        await b.neighbours.close()
        await asyncio.sleep(4.0)
        assert (a.neighbours.serving, a.neighbours.places) == (0, 0)


async def test_a_process_of_an_earlier_version_serves_and_has_no_places_that_are_known() -> None:
    async with street(3) as (a,):
        await a.store.put("serving:older", b"1", 7.0)
        assert (a.neighbours.serving, a.neighbours.places) == (1, 0)
