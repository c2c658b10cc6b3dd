"""Phrases recognised by their first words while an agent is still writing them.

A chat model writes a sentence in about a second, the first three words in a tenth of that. If exactly one known
phrase of the call's voice and tenant begins so, it is brought into memory or made ahead. Nothing is spoken on the
strength of a guess: the sentence is looked up when it is complete, as any other.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable

from bridge.speaking.phrases.phrase import PhraseKey, normalise, tokens

_FIRST_WORDS = 3
_REMEMBERED = 8192
_First = tuple[str, str, tuple[str, ...]]


class Beginnings:
    """Known phrases by tenant, voice and first three words; of too many the oldest are forgotten. Pure."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._all: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._by_first: defaultdict[_First, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, tenant: str, voice: str, text: str) -> None:
        """Know this phrase; `text` is normalised. Shorter ones than three words say nothing early."""
        words = tokens(text)
        if len(words) <= _FIRST_WORDS or text.endswith("{}"):
            return
        known = (tenant, voice, text)
        self._all[known] = None
        self._all.move_to_end(known)
        self._by_first[tenant, voice, tuple(words[:_FIRST_WORDS])].add(text)
        if len(self._all) > self._limit:
            tenant, voice, text = self._all.popitem(last=False)[0]
            self._drop(tenant, voice, text)

    def purge(self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None) -> None:
        """Forget what matches all that is given; `text` is normalised."""
        wanted = (tenant, voice, text)
        for known in [k for k in self._all if all(w in (None, had) for w, had in zip(wanted, k, strict=True))]:
            del self._all[known]
            self._drop(*known)

    def match(self, tenant: str, voice: str, begun: str) -> str | None:
        """The one known phrase that a text begins like; None if there is none, or more than one."""
        begun = normalise(begun)
        words = tokens(begun)
        if len(words) <= _FIRST_WORDS:
            return None  # the last word may be half a word
        bucket = self._by_first.get((tenant, voice, tuple(words[:_FIRST_WORDS])), ())
        found = [text for text in bucket if text.startswith(begun)]
        return found[0] if len(found) == 1 else None

    def _drop(self, tenant: str, voice: str, text: str) -> None:
        first = (tenant, voice, tuple(tokens(text)[:_FIRST_WORDS]))
        bucket = self._by_first[first]
        bucket.discard(text)
        if not bucket:
            del self._by_first[first]


class Foresight:
    """Watches one utterance while it is written, and says how each guess came out.

    foresee   given the text so far and its voice: the phrase that it begins like, now being prepared, or None
    came_out  told whether a guess was right
    """

    def __init__(
        self, foresee: Callable[[str, str | None], PhraseKey | None], came_out: Callable[[PhraseKey, bool], None]
    ) -> None:
        self._foresee = foresee
        self._came_out = came_out
        self._guess: PhraseKey | None = None

    def written(self, waiting: str, voice: str | None) -> None:
        """More text has come; `waiting` is what is in no piece yet."""
        waiting = waiting.strip()
        if self._guess is not None:
            if self._guess.text.startswith(normalise(waiting)):
                return
            self.over()
        if waiting.count(" ") >= _FIRST_WORDS:
            self._guess = self._foresee(waiting, voice)

    def said(self, piece: str) -> None:
        """A piece is complete: the guess is decided."""
        if self._guess is not None:
            guess, self._guess = self._guess, None
            self._came_out(guess, normalise(piece) == guess.text)

    def over(self) -> None:
        """What was guessed has not come."""
        if self._guess is not None:
            guess, self._guess = self._guess, None
            self._came_out(guess, False)
