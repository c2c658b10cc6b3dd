"""Callers who come back to the conversation that they left, whichever process it was in.

| why | how we learn of it | what they find |
| --- | --- | --- |
| a transfer that nobody answered | the webhook after it | the agent, told of it |
| their stream is gone | the webhook after a stream, or a second `start` | the first unheard word |
| it went before the call's first state was written, or never came | likewise | the call's beginning |

A stream is gone when its process died, or moved its calls, or when the network broke. A call that was ended, by either
side, leaves nothing in the store, and nobody goes on with it. The store names the process that has a call from before
its first word on, and one after another: what is claimed stays there. A second `start` proves nothing by itself, as it
may be a thief's: then the process that is named must be gone. On its own machine the system knows that; of another
machine we only know that it has been silent.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from bridge.agents.base import CallInfo
from bridge.call.state import CallState, decode, encode, played_on
from bridge.errors import BadMessage
from bridge.gateway.keeping import BEAT_S
from bridge.gateway.process import Process
from bridge.session.ports import KeptCall
from bridge.system.process_name import still_runs
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

LOST_STREAM = "lost"
"""In the parameter `returned`: the caller has not been anywhere, the stream has."""
_MOST_RETURNS = 12
"""In a row, of a call of which no stream lasts: then the carrier apologises for us."""
_MOST_BEGINNINGS = 3
"""In a row, of a call that never begins."""
_SETTLED_S = 30.0
"""After so long a return is forgotten."""
_SILENT_S = 10 * BEAT_S
"""A process of another machine that is not heard of while we wait for so long is gone; one that is there may notice
meanwhile that the stream is lost."""
_LAST_WORD_S = 0.5
"""A process of this machine whose stream is gone has so long to write down what it knew last."""
_LOOKS = 10
_STOPPED_S = 2.5
"""A process of this machine that was silent for so long was stopped before it was killed, and its streams were open."""


async def come_back(process: Process, key: str) -> KeptCall | None:
    """The call whose stream is gone; None where nobody can go on with it.

    Only looked at: the same question may come twice, and late, when another process goes on with the call already.
    """
    kept = await _last_word(process, key)
    if kept is None:
        return None
    try:
        if kept.state:
            decode(kept.state)
    except BadMessage as error:
        logs.event(logger, "call cannot be gone on with", logging.WARNING, call=key, why=str(error))
        return None
    times = int(await process.store.get(f"returns:{key}") or b"0")
    if times >= (_MOST_RETURNS if kept.state else _MOST_BEGINNINGS):
        return None
    await process.store.put(f"returns:{key}", b"%d" % (times + 1), _SETTLED_S)
    return kept


async def _last_word(process: Process, key: str) -> KeptCall | None:
    """What is kept of a call whose stream is gone: its process, if it is there, writes that down just now."""
    await process.keeper.settled()
    for look in range(_LOOKS + 1):
        if look:
            await asyncio.sleep(_LAST_WORD_S / _LOOKS)
        kept = await process.kept_calls.ask(key)
        if kept is None or kept.process in ("", process.keeper.process) or not still_runs(kept.process):
            break
    return kept


async def is_abandoned(process: Process, key: str, ticket: str) -> bool:
    """Whether the call is in the store, and no process has its stream: the one that had it lost it, or is gone.

    `ticket` is the store's key of the spent ticket, which says who began the call that has no state yet.
    """
    signs: set[float] = set()
    for look in range(_LOOKS + 1):
        if look:
            await asyncio.sleep(_SILENT_S / _LOOKS)
        kept = await process.kept_calls.ask(key)
        if kept is None:
            return False
        owner = kept.process
        if not owner and kept.state:
            return True
        if not owner:
            owner = (await process.store.get(ticket) or b"").decode(errors="replace")
        runs = still_runs(owner)
        if runs is False:
            return True
        if not runs:
            signs.add(await _last_alive(process, owner))
    return runs is None and bool(owner) and len(signs) == 1  # by the other's clock, which need not agree with ours


async def kept_call(
    process: Process, info: CallInfo, key: str, lead_s: float
) -> tuple[CallInfo, CallState | None, KeptCall | None]:
    """The call that a new stream goes on with: its facts, its state when it was lost, and what was kept of it.

    `lead_s` is how far ahead of the caller's ear audio is sent. The call is this process's from then on. A caller who
    comes back when nothing was kept, or what cannot be read, meets an agent that is told so and no more. Raises
    ClaimedByOthers.
    """

    async def ours(kept: KeptCall) -> KeptCall:
        state = await _reckoned(process, kept, lead_s)
        return msgspec.structs.replace(kept, state=state, process=process.keeper.process, written_at=process.keeper.now)

    try:
        kept = await process.kept_calls.claim(key, ours)
        if kept is None:
            return info, None, None
        if not kept.state:
            return info, None, kept
        return msgspec.structs.replace(info, parameters=kept.parameters), decode(kept.state), kept
    except BadMessage as error:
        logs.event(logger, "call cannot be gone on with", logging.WARNING, call=info.call_id, why=str(error))
        return info, None, None


async def _reckoned(process: Process, kept: KeptCall, lead_s: float) -> bytes:
    """The call's state when its process was last alive: better a word is said twice than not at all.

    What had been sent by then was heard as well, if the stream was open long enough for it. Raises BadMessage for a
    state that cannot be read.
    """
    if not kept.process or not kept.state:
        return kept.state
    last = await _last_alive(process, kept.process)
    later_s = max(last - kept.written_at, 0.0)
    if still_runs(kept.process) is not None and process.keeper.now - last > _STOPPED_S:
        later_s += lead_s
    return encode(played_on(decode(kept.state), later_s))


async def _last_alive(process: Process, name: str) -> float:
    """When a process was last heard of, on its own clock; long ago when never."""
    value = await process.store.get(f"alive:{name}")
    try:
        return 0.0 if value is None else msgspec.msgpack.decode(value, type=float)
    except msgspec.DecodeError:
        return 0.0
