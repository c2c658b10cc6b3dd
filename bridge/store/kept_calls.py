"""Calls that were transferred, kept for as long as it may ring: a caller whom nobody answers comes back to theirs.

The stream that they come back on may reach another process, so a call is in the store, under its own key.
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
    """Transferred calls, by call id."""

    def __init__(self, store: Store, *, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    async def keep(self, call_id: str, call: KeptCall) -> None:
        """Keep it; one that is too large is not kept, and its caller will meet an agent who knows nothing."""
        try:
            await self._store.put(f"kept:{call_id}", _encoder.encode(call), self._ttl_s)
        except ValueError as error:
            logger.warning("a call cannot be kept: %s", error)

    async def ask(self, call_id: str) -> KeptCall | None:
        """What was kept; a webhook that comes twice finds it twice."""
        return _read(await self._store.get(f"kept:{call_id}"))

    async def take(self, call_id: str) -> KeptCall | None:
        """What was kept, for the one stream that goes on with it."""
        return _read(await self._store.take(f"kept:{call_id}"))


def _read(kept: bytes | None) -> KeptCall | None:
    try:
        return None if kept is None else _decoder.decode(kept)
    except msgspec.DecodeError as error:  # by a process of another version
        logger.warning("a call in the store cannot be read: %s", error)
        return None
