"""What another process must know of a relayed session to go on with it, once the one that had it is gone."""

from __future__ import annotations

import msgspec

from bridge.agents.relay_unsaid import Unsaid
from bridge.errors import BadMessage


class RelayMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session at one moment; all else is remembered by the application."""

    session_id: str
    spoken: str
    heard: str
    unsaid: tuple[Unsaid, ...] = ()
    """What the application has written and nobody has begun to say."""
    unanswered: tuple[str, ...] = ()
    """What it was told and has not answered, as it is told once more."""
    in_cycle: bool = False
    """It was in the middle of what it says: the rest comes with what it answers now, or never."""
    said: str = ""
    """What it had written of that, said or unsaid."""
    turn: int = 0
    """The prompt that was answered last."""
    begun: str = ""
    """What of its words was said in that answer."""

    def encode(self) -> bytes:
        """The memory as bytes, for a call's state."""
        return msgspec.msgpack.encode(self)


def decode(state: bytes) -> RelayMemory:
    """Read a memory. Raises BadMessage for what is no state of a session."""
    try:
        return msgspec.msgpack.decode(state, type=RelayMemory)
    except msgspec.DecodeError as error:
        raise BadMessage(f"not the state of a relayed session: {error}") from None
