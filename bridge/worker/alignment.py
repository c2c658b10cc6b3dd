"""Find which part of what is spoken belongs to which word of the text, when the front end rewrites words.

The text's tokens ("It", "costs", "$9.99", "at", "9:30", "a.m.") and the tokens a front end really reads ("It",
"costs", "$9.99", "at", "nine", "thirty", "A.M.") agree at most places. Between the places where they agree the spoken
ones are dealt out in order, each token getting about the share that its own reading has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate

Span = tuple[float, float]
"""From, to: in whatever unit the caller counts."""


def _plain(token: str) -> str:
    return token.replace("’", "'").casefold()


def align(tokens: Sequence[str], spoken: Sequence[str], weight: Callable[[str], float]) -> list[Span]:
    """Find for every token the spoken tokens that it owns, as a span of indices (fractions where several share one).

    The spans follow each other without overlap from 0 to `len(spoken)`. `weight` says how long a token is when read.
    """
    mine, theirs = [_plain(token) for token in tokens], [_plain(token) for token in spoken]
    if mine == theirs:
        return [(index, index + 1) for index in range(len(tokens))]
    spans: list[Span] = []
    for _, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        spans += _deal([max(weight(token), 0.0) for token in tokens[a:b]], c, d)
        if a == b and spans:  # spoken, but nobody's: the word before has it
            spans[-1] = (spans[-1][0], d)
    if spans:
        spans[0] = (0, spans[0][1])
    return spans


def _deal(weights: list[float], first: int, last: int) -> list[Span]:
    """Divide the spoken tokens from `first` to `last` by weight, at whole tokens where there are enough of them."""
    if not weights:
        return []
    total = sum(weights)
    if total <= 0:
        weights, total = [1.0] * len(weights), float(len(weights))
    count, read = last - first, sum(weight > 0 for weight in weights)
    ends = [first + part / total * count for part in accumulate(weights)]
    if count >= read:  # whole tokens, at least one for each that is read at all
        end = first
        for index, weight in enumerate(weights):
            read -= weight > 0
            if weight > 0:
                end = min(max(round(ends[index]), end + 1), last - read)
            ends[index] = end
    ends[-1] = last
    starts = [float(first), *ends[:-1]]
    return list(zip(starts, ends, strict=True))


def at(edges: Sequence[float], index: float) -> float:
    """The time at a fractional index, between `edges[i]` and `edges[i + 1]` in proportion."""
    whole = min(int(index), len(edges) - 2)
    return edges[whole] + (edges[whole + 1] - edges[whole]) * (index - whole)
