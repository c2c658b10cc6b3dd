"""How likely is it that the caller has finished? What was said, how it sounded, and how the caller speaks. Pure.

A logistic regression: the sound's log-odds (`bridge.listening.turn_model`), and on top of them what the words and the
caller's own pauses say. `tests/bench/turn_training.py` finds the weights and prints what they are worth.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_UNFINISHED_WORDS = frozenset(
    """a about also am an and another any as at because between but by can could does during each er erm every for from
    gonna he he'd he's her his how i i'd i'll i'm i've if into is it's its let's like may maybe might mr mrs must my of
    on onto or our please's she she'd she's should since so than that's the their then there's they they'd they're
    they've through to uh uhm um under unless until very wanna was we we'd we're we've were what when where whether
    which while who whose will with without would you'd you're you've your""".split()
)
_WHOLE_ALONE = frozenset(
    """yes no yeah yep yup nope nah sure okay ok correct right exactly stop wait help hello hi bye goodbye thanks cancel
    repeat again agent operator""".split()
)
"""Words that are an answer by themselves, whatever tone they are said in."""
MOST_PAUSES = 2
"""Whoever has paused so often in a turn may well again; more pauses say no more."""
_LIMIT = 0.002
"""The sound is never surer than this."""


class TextWeights(NamedTuple):
    """How much each thing counts, in log-odds."""

    unfinished: float
    """The last word asks for more."""
    wordless: float
    """Nothing was recognised."""
    pause: float
    """For each earlier pause of the turn."""


WEIGHTS = TextWeights(unfinished=-1.42, wordless=-1.56, pause=-0.6)


def sounds_unfinished(text: str) -> bool:
    """Whether the last word asks for more, or the text trails off. A question may end so: "What is it for?"."""
    text = text.strip()
    if not text or text.endswith(("...", "…", ",", "-")):
        return True
    words = re.findall(r"[\w']+", text.lower())
    return not text.endswith("?") and bool(words) and words[-1] in _UNFINISHED_WORDS


def is_whole_alone(text: str) -> bool:
    """Whether a text is one word that answers by itself, such as "no": the tone of so short a sound says little."""
    return text.strip().rstrip(".!?").lower() in _WHOLE_ALONE


def odds(sound: float, text: str, pauses: int, weights: TextWeights = WEIGHTS) -> float:
    """Log-odds that the caller has finished: the sound says so with this probability, after this many pauses."""
    kept = min(max(sound, _LIMIT), 1.0 - _LIMIT)
    found = math.log(kept / (1.0 - kept)) + weights.pause * min(pauses, MOST_PAUSES)
    if not text.strip():
        return found + weights.wordless
    return found + weights.unfinished * sounds_unfinished(text)
