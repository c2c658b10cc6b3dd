"""What is to become of a call when its media stream has ended: noted by the socket, asked by the next webhook.

The carrier's next request may reach another process, and may come more than once, so the answer is kept in the store
under the call's id until it expires.
"""

from __future__ import annotations

import logging

import msgspec

from bridge.carriers.base import Outcome
from bridge.store.base import Store

logger = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Outcome)


class Outcomes:
    """Outcomes of calls, by call id."""

    def __init__(self, store: Store, *, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    async def note(self, call_id: str, outcome: Outcome) -> None:
        """Keep what is to happen to the call next."""
        await self._store.put(f"after:{call_id}", _encoder.encode(outcome), self._ttl_s)

    async def forget(self, call_id: str) -> None:
        """The call goes on with a new stream: what was noted of the last one must not befall this one."""
        await self._store.take(f"after:{call_id}")

    async def ask(self, call_id: str) -> Outcome | None:
        """Return what was noted; None when the stream broke off, or never began."""
        noted = await self._store.get(f"after:{call_id}")
        try:
            return None if noted is None else _decoder.decode(noted)
        except msgspec.DecodeError as error:  # by a process of another version
            logger.warning("an outcome in the store cannot be read: %s", error)
            return None
