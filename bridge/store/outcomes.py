"""What is to become of a call when its media stream has ended: noted by the socket, asked by the next webhook.

The carrier goes on to `/twilio/after-stream` when a stream ends, possibly at another process and possibly
more than once, so the answer is kept on the shelf under the call's id until it expires.
"""

from __future__ import annotations

import msgspec

from bridge.session.ports import Outcome
from bridge.store.shelf import Shelf

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Outcome)


class Afterwards:
    """Outcomes of calls, by call id."""

    def __init__(self, shelf: Shelf, *, ttl_s: float) -> None:
        self._shelf = shelf
        self._ttl_s = ttl_s

    async def note(self, call_sid: str, outcome: Outcome) -> None:
        """This is what is to happen to the call next."""
        await self._shelf.put(f"after:{call_sid}", _encoder.encode(outcome), self._ttl_s)

    async def ask(self, call_sid: str) -> Outcome | None:
        """What was noted; None when the stream broke off, or never began."""
        noted = await self._shelf.get(f"after:{call_sid}")
        return None if noted is None else _decoder.decode(noted)
