"""Calls as others would have to go on with them: written as they go, and for as long as it may ring when transferred.

The stream that goes on with a call may reach another process, so a call is in the store, under its own key.
"""

from __future__ import annotations

import logging

import msgspec

from bridge.session.ports import KeptCall
from bridge.store.base import Store

logger = logging.getLogger(__name__)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptCall)


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

    async def ask(self, call_id: str) -> KeptCall | None:
        """What was kept; a webhook that comes twice finds it twice."""
        return _read(await self._store.get(self.key(call_id)))

    async def take(self, call_id: str) -> KeptCall | None:
        """What was kept, for the one stream that goes on with it."""
        return _read(await self._store.take(self.key(call_id)))

    async def forget(self, call_id: str) -> None:
        """The call is over: nobody goes on with it."""
        await self._store.take(self.key(call_id))


def _read(kept: bytes | None) -> KeptCall | None:
    try:
        return None if kept is None else _decoder.decode(kept)
    except msgspec.DecodeError as error:  # by a process of another version
        logger.warning("a call in the store cannot be read: %s", error)
        return None
