"""How written text is cut into pieces that are worth synthesising."""

from __future__ import annotations

from typing import Literal

import msgspec

Chunking = Literal["sentence", "clause", "fixed", "word"]
"""Where pieces end: at sentences; there, but for the first piece at a clause, too; after so many characters; at words.

Shorter pieces are heard earlier, longer ones sound better.
"""


class ChunkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How text is cut into pieces (`bridge.text.chunker`)."""

    strategy: Chunking = "clause"
    """`clause`: whole sentences, except where the listener would have to wait for one."""
    clause_after_ms: float = 60.0
    """The first piece may be a clause once its text has waited this long for a sentence end."""
    words_after_ms: float = 400.0
    """The first piece may end between words once its text has waited this long."""
    settle_ms: float = 250.0
    """A writer who pauses this long after a sentence's end has ended it."""
    first_clause_chars: int = 24
    """The first piece may be a clause of this length at once: a shorter one leaves no time to make the next."""
    first_clause_rest_chars: int = 24
    """That is done only if so much of its sentence follows: a short rest is better spoken in one breath with it."""
    shortest_chars: int = 8
    """A fragment with fewer letters and digits is joined to what follows."""
    longest_chars: int = 220
    """A longer sentence is cut at a clause."""
    fixed_chars: int = 60
    """The least length of a piece of the `fixed` strategy."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            strategy = _OF_ONE_STRATEGY.get(field.name, self.strategy)
            if strategy != self.strategy and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{field.name} belongs to `strategy: {strategy}` and does nothing with {self.strategy}"
                )


_OF_ONE_STRATEGY: dict[str, Chunking] = {
    "clause_after_ms": "clause",
    "words_after_ms": "clause",
    "first_clause_chars": "clause",
    "first_clause_rest_chars": "clause",
    "fixed_chars": "fixed",
}
"""Settings that one way of cutting has, and no other."""
