"""Callers who come back to the conversation that they left, whichever process it was in.

| why | how we learn of it | what they find |
| --- | --- | --- |
| a transfer that nobody answered | the webhook after it | the agent, told of it |
| their stream is gone | the webhook after a stream, or a second `start` | the first unheard word |

A stream is gone when its process died, or moved its calls, or when the network broke. A call that was ended, by either
side, leaves nothing in the store, and nobody goes on with it.
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
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

LOST_STREAM = "lost"
"""In the parameter `returned`: the caller has not been anywhere, the stream has."""
_MOST_RETURNS = 12
"""In a row, of a call of which no stream lasts: then the carrier apologises for us."""
_SETTLED_S = 30.0
"""After so long a return is forgotten."""
_SILENT_S = 2.5 * BEAT_S
"""A process that has not been heard of for so long is gone."""


async def come_back(process: Process, key: str) -> KeptCall | None:
    """The call whose stream is gone; None where nobody can go on with it.

    Only looked at: the same question may come twice, and late, when another process goes on with the call already.
    """
    await process.keeper.settled()  # what this process has just lost may still be on its way to the store
    kept = await process.kept_calls.ask(key)
    if kept is None:
        return None
    try:
        decode(kept.state)
    except BadMessage as error:
        logs.event(logger, "call cannot be gone on with", logging.WARNING, call=key, why=str(error))
        return None
    times = int(await process.store.get(f"returns:{key}") or b"0")
    if times >= _MOST_RETURNS:
        return None
    await process.store.put(f"returns:{key}", b"%d" % (times + 1), _SETTLED_S)
    return kept


async def is_abandoned(process: Process, key: str) -> bool:
    """Whether the call is in the store, and no process has its stream: the one that wrote it lost it, or is gone."""
    kept = await process.kept_calls.ask(key)
    if kept is None:
        return False
    if not kept.process:
        return True
    last = await _last_alive(process, kept.process)
    if process.keeper.now - last < _SILENT_S:
        await asyncio.sleep(_SILENT_S)
        kept = await process.kept_calls.ask(key)
        return kept is not None and (not kept.process or await _last_alive(process, kept.process) == last)
    return True


async def kept_call(process: Process, info: CallInfo, key: str) -> tuple[CallInfo, CallState | None, KeptCall | None]:
    """The call that a new stream goes on with: its facts, its state when it was lost, and what was kept of it.

    A caller who comes back when nothing was kept, or what cannot be read, meets an agent that is told so and no more.
    """
    kept = await process.kept_calls.take(key)
    if kept is None:
        return info, None, None
    info = msgspec.structs.replace(info, parameters=kept.parameters)
    try:
        kept = await _reckoned(process, kept)
        return info, decode(kept.state), kept
    except BadMessage as error:
        logs.event(logger, "call cannot be gone on with", logging.WARNING, call=info.call_id, why=str(error))
        return info, None, None


async def _reckoned(process: Process, kept: KeptCall) -> KeptCall:
    """The call as it was when its process was last alive, give or take half a beat; nobody's from then on.

    Raises BadMessage for a state that cannot be read.
    """
    if not kept.process:
        return kept
    last = await _last_alive(process, kept.process)
    later_s = max(last + BEAT_S / 2 - kept.written_at, 0.0)
    state = encode(played_on(decode(kept.state), later_s))
    return msgspec.structs.replace(kept, state=state, process="", written_at=0.0)


async def _last_alive(process: Process, name: str) -> float:
    """When a process was last heard of, on its own clock; long ago when never."""
    value = await process.store.get(f"alive:{name}")
    try:
        return 0.0 if value is None else msgspec.msgpack.decode(value, type=float)
    except msgspec.DecodeError:
        return 0.0
