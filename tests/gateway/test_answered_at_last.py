"""Somebody answers a transfer in the very moment in which we stop waiting for them: one of the two counts, not both."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, Carrier, ForwardCall
from bridge.carriers.conference import JoinRoom, PartyAnswered
from bridge.gateway.control import CallControl
from bridge.gateway.departures import Departures
from bridge.gateway.settings import WarmTransferSettings
from bridge.gateway.warm_transfers import WarmTransfers
from bridge.session.ports import KeptCall
from bridge.simulator import virtual
from bridge.store.kept_calls import KeptCalls
from bridge.store.memory import MemoryStore
from bridge.store.outcomes import Outcomes


class Exchange:
    """The carrier, which can place calls."""

    def call_party(self, *_: object) -> str:
        return "a request"


class Line:
    """The line to it: everything is carried out, and what happens to calls is taken note of."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    async def call_party(self, *_: object) -> str:
        return "CAparty"

    async def send(self, *_: object) -> str:
        return "done"

    async def carry_out(self, outcome: object, _carrier: object, call: CallReference, _where: object) -> bool:
        self.done.append((type(outcome).__name__, call.call_id))
        return True

    async def cancel_party(self, _carrier: object, call: CallReference) -> None:
        self.done.append(("cancelled", call.call_id))


class PickedUpJustThen(MemoryStore):
    """A store whose answer, that nobody has picked up yet, is true no more when it comes."""

    rooms: WarmTransfers
    told: object = None

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if key.startswith("party:") and value is None and self.told is None:
            self.told = ()
            self.told = await self.rooms.answered(PartyAnswered("CAparty", key.removeprefix("party:")))
        return value


@pytest.mark.parametrize("accept_key", ["", "1"], ids=["joins at once", "is asked first"])
def test_who_picks_up_just_then_is_joined_or_let_go_and_never_both(accept_key: str) -> None:
    async def call() -> tuple[object, list[tuple[str, str]]]:
        store, line = PickedUpJustThen(), Line()
        store.rooms = rooms = WarmTransfers(
            WarmTransferSettings(accept_key=accept_key, rings_s=5),
            store=store,
            outcomes=Outcomes(store, ttl_s=600),
            kept_calls=KeptCalls(store, ttl_s=600),
            control=cast(CallControl, line),
            departures=Departures(600),
        )
        carrier, forward = cast(Carrier, Exchange()), ForwardCall("+15550100", summary="A bill.")
        caller, where = CallReference("CA1", "AC1"), Addresses("https://bridge.example")
        kept = KeptCall(b"", "+15550142", "+15550199", {})
        assert await rooms.begun(forward, carrier, caller, where, "twilio:CA1", kept)
        await asyncio.sleep(60)
        await rooms.close()
        return store.told, line.done

    told, done = virtual.run(call)
    if isinstance(told, JoinRoom):
        assert done == []
    else:
        assert done == [("ComeBack", "CA1"), ("EndCall", "CAparty")]
    assert isinstance(told, JoinRoom) == (accept_key == "")
