"""Calls as others would have to go on with them: from the webhook that admits them until they are over.

The stream of a call may reach another process than its webhook, and the next one yet another, so a call is in the
store, under its own key: without a state while it has not begun, as it goes, and while it may ring when transferred.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec

from bridge.session.ports import KeptCall
from bridge.store.base import Store

logger = logging.getLogger(__name__)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptCall)


_TRIES = 5
"""Whoever lost the call may still write of it, twice a second."""


class ClaimedByOthers(Exception):
    """Another stream of the same call was faster."""


class KeptCalls:
    """Calls in the store, by call id."""

    def __init__(self, store: Store, *, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    @staticmethod
    def key(call_id: str) -> str:
        """The store's key of a call."""
        return f"kept:{call_id}"

    @staticmethod
    def encode(call: KeptCall) -> bytes:
        """A call as the store has it."""
        return _encoder.encode(call)

    async def keep(self, call_id: str, call: KeptCall) -> None:
        """Keep it; one that is too large is not kept, and its caller will meet an agent who knows nothing."""
        try:
            await self._store.put(self.key(call_id), _encoder.encode(call), self._ttl_s)
        except ValueError as error:
            logger.warning("a call cannot be kept: %s", error)

    async def admit(self, call_id: str, call: KeptCall) -> None:
        """A call may begin, wherever its stream comes to; what is known of it already stays."""
        try:
            await self._store.add(self.key(call_id), _encoder.encode(call), self._ttl_s)
        except ValueError as error:
            logger.warning("a call cannot be kept: %s", error)

    async def ask(self, call_id: str) -> KeptCall | None:
        """What was kept; a webhook that comes twice finds it twice."""
        return _read(await self._store.get(self.key(call_id)))

    async def claim(self, call_id: str, ours: Callable[[KeptCall], Awaitable[KeptCall]]) -> KeptCall | None:
        """What was kept, for the one stream that goes on with it: it stays in the store, as `ours` makes it.

        None where nothing is kept that can be read. Raises ClaimedByOthers when another process was faster, and what
        `ours` raises.
        """
        owner: str | None = None
        for _ in range(_TRIES):
            found = await self._store.get(self.key(call_id))
            kept = _read(found)
            if found is None or kept is None:
                return None
            if owner is not None and kept.process not in ("", owner):
                break
            owner = kept.process
            mine = await ours(kept)
            if await self._store.replace(self.key(call_id), found, _encoder.encode(mine), self._ttl_s):
                return mine
        raise ClaimedByOthers(f"another process goes on with call {call_id}")

    async def forget(self, call_id: str) -> None:
        """The call is over: nobody goes on with it."""
        await self._store.take(self.key(call_id))


def _read(kept: bytes | None) -> KeptCall | None:
    try:
        return None if kept is None else _decoder.decode(kept)
    except msgspec.DecodeError as error:  # by a process of another version
        logger.warning("a call in the store cannot be read: %s", error)
        return None
