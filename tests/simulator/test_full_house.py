"""More callers than there is room for: the surplus is told so at once, and those who are served hear no difference."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from bridge.simulator import virtual
from bridge.simulator.caller import Caller
from bridge.simulator.phone_call import PhoneCall
from bridge.simulator.scenario import parse
from bridge.simulator.trunk import Trunk, new_call
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, session, virtual_bridge

ROOM, OFFERED = 30, 45
STORY = """
name: listens and hangs up
steps: [{silence: 2500}, hang_up]
"""


class Account(NamedTuple):
    """What became of one caller."""

    served: bool
    heard: bytes
    ended: str


async def ring(offered: int, room: int) -> list[Account]:
    """So many people ring within a second."""
    async with virtual_bridge(AGENTS / "booth.yaml", max_calls=room) as (application, origin):
        trunk = Trunk(url=f"{PUBLIC}/twilio/voice", auth_token=TOKEN, connect_to=origin)
        story = parse(STORY)

        async def caller(number: int) -> Account:
            await asyncio.sleep(number * 0.02)
            async with session() as http:
                call = new_call(f"+1500555{number:04}", story.caller.called, str(number))
                facts = await PhoneCall(trunk, call, story, Caller(story), http).run()
            sound = facts.recording.bot.sound
            return Account(bool(facts.streams), (sound * 32767).round().astype("<i2").tobytes(), facts.ended)

        accounts = await asyncio.gather(*(caller(number) for number in range(offered)))
        refused = application.metrics.refused.labels("full")._value.get()
        assert refused == max(offered - room, 0)
        return accounts


def test_of_45_callers_for_30_places_15_are_told_and_the_others_hear_what_they_would_alone() -> None:
    crowded = virtual.run(lambda: ring(OFFERED, ROOM))
    served = [one for one in crowded if one.served]
    assert len(served) == ROOM
    assert {one.ended for one in served} == {"caller"}, "nobody is dropped"
    alone = virtual.run(lambda: ring(ROOM, ROOM))
    assert [one.heard for one in served] == [one.heard for one in alone], "not a sample differs"
    assert all(any(one.heard) for one in served)
    busy = [one for one in crowded if not one.served]
    assert len(busy) == OFFERED - ROOM
    assert {one.ended for one in busy} == {"hung up"}
