"""How written text is cut into pieces that are worth synthesising."""

from __future__ import annotations

from typing import Literal

import msgspec


class ChunkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the agent's text is cut into pieces (`bridge.text.chunker`)."""

    strategy: Literal["sentence", "clause", "fixed", "word"] = "clause"
    """`clause`: whole sentences, except where the listener would have to wait for one."""
    clause_after_ms: float = 60.0
    """The first piece may be a clause once its text has waited this long for a sentence end."""
    words_after_ms: float = 400.0
    """The first piece may end between words once its text has waited this long."""
    settle_ms: float = 250.0
    """A writer who pauses this long after a sentence's end has ended it."""
    shortest_chars: int = 8
    """A fragment with fewer letters and digits is joined to what follows."""
    longest_chars: int = 220
    """A longer sentence is cut at a clause."""
    fixed_chars: int = 60
    """The least length of a piece of the `fixed` strategy."""
