"""Transfers to a person who is told first: the caller waits with music, and is back with the agent when that fails.

```
line      the caller is put into a room, then somebody is called       (carriers without rooms: `<Dial>`, as before)
webhook   somebody has answered -> the summary, and which key to press
          they have pressed it  -> they join the caller                        decided: joined
          their call is over, or nobody decides in time -> the caller is back  decided: the reason, such as `busy`
          the caller has hung up -> so do we, on whoever was called            decided: gone

A telephone that rings for a transfer that is decided is called off.
```

Webhooks come to any process and in any order, so what becomes of a transfer is decided once, in the store.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any

import msgspec

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import Announce, CallReference, Carrier, ComeBack, EndCall, ForwardCall, Outcome
from bridge.carriers.conference import (
    AskParty,
    CallParty,
    HoldCall,
    HoldOver,
    JoinRoom,
    PartyAnswered,
    PartyChose,
    PartyOver,
    PartyRings,
)
from bridge.gateway.control import CallControl
from bridge.gateway.departures import Departures
from bridge.gateway.settings import WarmTransferSettings
from bridge.session.ports import KeptCall
from bridge.store.base import Store
from bridge.store.kept_calls import KeptCalls
from bridge.store.outcomes import Outcomes
from bridge.telemetry import logs
from bridge.text.sentences import sentences
from bridge.text.spoken.languages import language

logger = logging.getLogger(__name__)

_KEPT_S = 600.0
"""How long it may take until somebody has answered, and decided."""
_LATE_S = 5.0
"""Carriers report that nobody has answered, or decided, within this time of it."""
_TRIES = 4
_BETWEEN_S = 1.0
_JOINED, _GONE = "joined", "gone"


class Transferred(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a transfer with a summary, under its name."""

    summary: str
    key: str = ""
    """The caller's call among those of all carriers; empty where the carrier connects them itself."""
    call_id: str = ""
    account_id: str = ""
    from_number: str = ""
    to_number: str = ""
    base: str = ""
    """Where the carrier reaches us."""
    language: str = ""
    """The language of the summary, with its country: carriers' voices need one."""


class WarmTransfers:
    """All that are under way, of whichever process: each is known by a name that nobody can guess."""

    def __init__(
        self,
        settings: WarmTransferSettings,
        *,
        store: Store,
        outcomes: Outcomes,
        kept_calls: KeptCalls,
        control: CallControl,
        departures: Departures,
    ) -> None:
        self._settings = settings
        self._store = store
        self._outcomes = outcomes
        self._kept_calls = kept_calls
        self._control = control
        self._departures = departures
        self._watching: set[asyncio.Task[object]] = set()

    # -- the caller's side ---------------------------------------------------------------------------

    async def named(self, forward: ForwardCall) -> ForwardCall:
        """Keep the summary of a transfer that the carrier carries out itself: it does not travel in addresses."""
        name = secrets.token_urlsafe(24)
        await self._keep(name, Transferred(forward.summary, language=_with_country(forward.language)))
        return msgspec.structs.replace(forward, summary="", announcement=name)

    async def begun(
        self,
        forward: ForwardCall,
        carrier: Carrier,
        call: CallReference,
        addresses: Addresses,
        key: str,
        kept: KeptCall,
    ) -> bool:
        """Let the caller wait with music while somebody is called. False when that cannot be: they are still here."""
        name = secrets.token_urlsafe(24)
        party = CallParty(name, forward.target, kept.to_number, round(self._settings.rings_s))
        if carrier.call_party(party, call, addresses) is None:
            return False
        transfer = Transferred(
            forward.summary,
            key,
            call.call_id,
            call.account_id,
            kept.from_number,
            kept.to_number,
            addresses.base,
            _with_country(forward.language),
        )
        await self._keep(name, transfer)
        hold = HoldCall(name)
        await self._outcomes.note(key, hold)
        result = await self._control.send(hold, carrier, call, addresses)
        if result == "gone":
            return True  # so is the caller, and nobody is called for them
        if result != "done":
            return False
        self._departures.rings(key, self._longest_s)
        self._watch(self._call(carrier, party, transfer))
        return True

    async def _call(self, carrier: Carrier, party: CallParty, transfer: Transferred) -> None:
        """Call somebody, and take the caller back when nobody answers or decides, whatever the carrier reports."""
        name, settings = party.transfer, self._settings
        call = CallReference(transfer.call_id, transfer.account_id)
        called = await self._control.call_party(party, carrier, call, Addresses(transfer.base))
        if called is None:
            await asyncio.sleep(_BETWEEN_S)  # some carriers are only now asking what to do with the caller
            await self._back(carrier, name, transfer, "failed")
            return
        if called:
            await self.rings(carrier, PartyRings(called, name))
        await asyncio.sleep(settings.rings_s + _LATE_S)
        if await self._store.get(_party(name)) is None:
            if await self._back(carrier, name, transfer, "no_answer"):
                await self._dismiss(carrier, name, transfer)
            return
        await asyncio.sleep(settings.decides_s + _LATE_S)
        await self._back(carrier, name, transfer, "declined")

    async def hold_over(self, carrier: Carrier, hold: HoldOver) -> Outcome | None:
        """The caller is in the room no longer; None when they are to be back with the agent."""
        transfer = await self._find(hold.transfer)
        if transfer is None:
            return EndCall()
        self._departures.rang(transfer.key)
        if hold.call_over:
            await self.gone(carrier, hold.transfer)
            return EndCall()
        if await self._store.add(_decision(hold.transfer), b"failed", _KEPT_S):
            await self._note_back(transfer, "failed")
            self._watch(self._dismiss(carrier, hold.transfer, transfer))
        elif await self._decide(hold.transfer, _GONE) in (_JOINED, _GONE):
            return EndCall()
        return None

    async def gone(self, carrier: Carrier, name: str) -> None:
        """The caller has hung up: whoever was called for them is not to wait."""
        transfer = await self._find(name)
        if transfer is None:
            return
        self._departures.rang(transfer.key)
        await self._decide(name, _GONE)
        await self._dismiss(carrier, name, transfer)

    async def _dismiss(self, carrier: Carrier, name: str, transfer: Transferred) -> None:
        """End the call to whoever was called: they have answered, or it still rings."""
        party, rings = await self._store.get(_party(name)), await self._store.get(_rings(name))
        if party is not None:
            call = CallReference(party.decode(), transfer.account_id)
            await self._control.carry_out(EndCall(), carrier, call, Addresses(transfer.base))
        elif rings is not None:
            await self._control.cancel_party(carrier, CallReference(rings.decode(), transfer.account_id))

    # -- the other side ------------------------------------------------------------------------------

    async def rings(self, carrier: Carrier, party: PartyRings) -> None:
        """A telephone rings: it may be called off from now on, and is, when nobody waits any more."""
        transfer = await self._find(party.transfer)
        if transfer is None or not transfer.key:
            return
        await self._store.put(_rings(party.transfer), party.call_id.encode(), _KEPT_S)
        if await self._store.get(_decision(party.transfer)) not in (None, _JOINED.encode()):
            await self._dismiss(carrier, party.transfer, transfer)

    async def answered(self, party: PartyAnswered) -> Outcome:
        """Somebody has answered: tell them what it is about, and nobody else."""
        name, settings = party.announcement, self._settings
        transfer = await self._find(name)
        if transfer is None or not transfer.key:
            return Announce("") if transfer is None else Announce(transfer.summary, transfer.language)
        await self._store.put(_party(name), party.call_id.encode(), _KEPT_S)
        if await self._store.get(_decision(name)) is not None:
            return EndCall()
        if settings.accept_key:
            text = settings.accept_text or sentences(transfer.language)["accept"]
            text = text.replace("{key}", settings.accept_key)
            return AskParty(name, f"{transfer.summary} {text}", transfer.language)
        return await self._joins(name, transfer, transfer.summary)

    async def chose(self, carrier: Carrier, party: PartyChose) -> Outcome:
        """Somebody has pressed a key: connect them with the caller, or let both go their ways."""
        transfer = await self._find(party.transfer)
        if transfer is None:
            return EndCall()
        if party.keys == self._settings.accept_key:
            return await self._joins(party.transfer, transfer, "")
        self._watch(self._back(carrier, party.transfer, transfer, "declined"))
        return EndCall()

    async def over(self, carrier: Carrier, party: PartyOver) -> None:
        """Whoever was called has hung up, or was not reached: the caller is back, unless they have talked."""
        transfer = await self._find(party.transfer)
        if transfer is not None:
            why = "declined" if party.result == "answered" else party.result
            await self._back(carrier, party.transfer, transfer, why)

    async def _joins(self, name: str, transfer: Transferred, text: str) -> Outcome:
        if await self._decide(name, _JOINED) != _JOINED:
            return EndCall()
        self._departures.rang(transfer.key)
        logs.event(logger, "transfer accepted", call=transfer.call_id)
        return JoinRoom(name, text, transfer.language if text else "")

    # -- what becomes of it --------------------------------------------------------------------------

    async def _back(self, carrier: Carrier, name: str, transfer: Transferred, why: str) -> bool:
        """Take the caller out of the room and back to the agent; False where something else was decided before."""
        if not await self._store.add(_decision(name), why.encode(), _KEPT_S):
            return False
        logs.event(logger, "transfer failed", call=transfer.call_id, why=why)
        await self._note_back(transfer, why)
        call, addresses = CallReference(transfer.call_id, transfer.account_id), Addresses(transfer.base)
        for left in reversed(range(_TRIES)):
            if await self._control.carry_out(self._come_back(transfer, why), carrier, call, addresses):
                return True
            if left:
                await asyncio.sleep(_BETWEEN_S)
        logs.event(logger, "caller cannot be taken back", logging.ERROR, call=transfer.call_id)
        return True

    async def _note_back(self, transfer: Transferred, why: str) -> None:
        """The carrier's next question about the caller is answered by the agent."""
        self._departures.rang(transfer.key)
        kept = await self._kept_calls.ask(transfer.key)
        if kept is not None:  # should the stream that they come back on be lost, too
            await self._kept_calls.keep(transfer.key, msgspec.structs.replace(kept, returned=why))
        self._departures.leaves(transfer.key)
        await self._outcomes.note(transfer.key, self._come_back(transfer, why))

    @staticmethod
    def _come_back(transfer: Transferred, why: str) -> ComeBack:
        parameters = {"from": transfer.from_number, "to": transfer.to_number, "returned": why}
        return ComeBack(transfer.call_id, transfer.account_id, parameters)

    async def _decide(self, name: str, how: str) -> str:
        """Decide it this way, if nobody has yet; returns what is decided."""
        if await self._store.add(_decision(name), how.encode(), _KEPT_S):
            return how
        return (await self._store.get(_decision(name)) or b"").decode()

    @property
    def _longest_s(self) -> float:
        return self._settings.rings_s + self._settings.decides_s + 2 * _LATE_S

    async def _keep(self, name: str, transfer: Transferred) -> None:
        await self._store.put(_named(name), msgspec.msgpack.encode(transfer), _KEPT_S)

    async def _find(self, name: str) -> Transferred | None:
        value = await self._store.get(_named(name))
        try:
            return None if value is None else msgspec.msgpack.decode(value, type=Transferred)
        except msgspec.DecodeError:  # by a process of another version
            return None

    def _watch(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def close(self) -> None:
        """Leave what is under way to other processes, and to the carrier's reports."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)


def _with_country(code: str) -> str:
    """A language as carriers' voices name it: `de` is `de-DE`; one that we have no words of stays as it is."""
    try:
        return code if "-" in code or not code else language(code).code
    except KeyError:
        return code


def _named(name: str) -> str:
    return f"transfer:{name}"


def _party(name: str) -> str:
    """The store's key of the id of the call with whoever has answered."""
    return f"party:{name}"


def _rings(name: str) -> str:
    """The store's key of the name of the call to somebody who has not answered."""
    return f"rings:{name}"


def _decision(name: str) -> str:
    return f"decided:{name}"
