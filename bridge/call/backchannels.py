"""What a listener says without wanting the floor, per language: "mm-hm", "yeah", "go on". Data, and how it is read.

A word belongs here if people say it over somebody else's speech to show that they follow. Whoever wants to interrupt
uses other words; "yes", "no", "stop", "wait" and "hello" never belong here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_LONGEST = 4
"""More words than this are no listener's noise, whatever they are."""


_LONGEST_LAUGH = 400
"""Letters of a text that are looked at: a laugh that goes on so long is one."""


@dataclass(frozen=True, slots=True)
class Backchannels:
    """One language's list: single words, and phrases of several."""

    words: frozenset[str]
    phrases: tuple[str, ...]


def _list(words: str, *phrases: str) -> Backchannels:
    return Backchannels(frozenset(words.split()), phrases)


_SOUNDS = "ah aha eh ha hah haha hehe hm hmm huh mhm mm mmm mmhmm mm-hmm mm-hm oh uh uh-huh uhhuh um ok okay okey wow"

BACKCHANNELS: dict[str, Backchannels] = {
    "en": _list(
        f"{_SOUNDS} alright fine good gotcha great nice really right sure yeah yep yup cool perfect",
        *("i see", "got it", "go on", "go ahead", "of course", "makes sense", "sounds good", "i know"),
    ),
    "de": _list(
        f"{_SOUNDS} ach ach-so achso ähm äh ja jaja jo jup genau gut richtig klar super prima schön stimmt verstehe",
        *("ach so", "alles klar", "na gut", "sehr gut", "ich verstehe", "in ordnung"),
    ),
    "fr": _list(
        f"{_SOUNDS} ben bon bien euh oui ouais d'accord exactement parfait super voilà",
        *("je vois", "ah bon", "très bien", "bien sûr", "je comprends", "ça marche"),
    ),
    "es": _list(
        f"{_SOUNDS} ajá bien bueno claro exacto perfecto sí si vale ya",
        *("ya veo", "de acuerdo", "muy bien", "por supuesto", "claro que sí"),
    ),
    "it": _list(
        f"{_SOUNDS} bene certo esatto già perfetto sì si va ecco capisco",
        *("va bene", "ho capito", "d'accordo", "molto bene"),
    ),
    "nl": _list(
        f"{_SOUNDS} ja jaja goed juist klopt prima precies oké leuk",
        *("ik snap het", "is goed", "dat klopt", "ach zo"),
    ),
    "pt": _list(
        f"{_SOUNDS} certo claro exato pois sim tá bem bom perfeito entendi",
        *("pois é", "tá bom", "está bem", "muito bem", "com certeza"),
    ),
}
"""By the first part of the language's tag. A language without a list has only the sounds."""

_SOUNDS_ALONE = _list(_SOUNDS)


def backchannels(language: str) -> Backchannels:
    """The list for a language tag such as `en-GB`."""
    return BACKCHANNELS.get(language.split("-")[0].lower(), _SOUNDS_ALONE)


_LAUGH = r"[bdmw]{0,2}[auw]*(?:h[aeo]+)%sh*"
_LAUGHTER = re.compile(rf"\W*(?:{_LAUGH % '+'}\b\W*){{2,}}|\W*{_LAUGH % '{2,}'}\W*", re.IGNORECASE)
"""Laughter as recognisers write it: two words of it, or one of two syllables, since one alone is a pronoun."""


def is_laughter(text: str) -> bool:
    """Whether a recogniser wrote a laugh: "ha ha ha", "hehehehe", "Dha, aha, aha", however long it went on."""
    if len(text) > _LONGEST_LAUGH:
        text = text[:_LONGEST_LAUGH].rpartition(" ")[0] or text[:_LONGEST_LAUGH]
    return _LAUGHTER.fullmatch(text) is not None


@cache
def _phrases(language: str) -> re.Pattern[str]:
    phrases = backchannels(language).phrases
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b" if phrases else r"(?!)")


def is_backchannel(text: str, language: str = "en", *, begun: bool = False) -> bool:
    """Whether all that was said is a listener's noise ("mm-hm", "yeah, okay"), which asks for no floor.

    `begun`: more words may follow, so that the beginning of a phrase ("go" of "go on") may still become one.
    """
    if is_laughter(text):
        return True
    known = backchannels(language)
    marked = _phrases(language).sub("ok", text.lower())
    words = re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+", marked)
    if not 0 < len(words) <= _LONGEST:
        return False
    left = [word for word in words if word not in known.words]
    if not left:
        return True
    tail = " ".join(words[len(words) - len(left) :])
    return begun and left == words[-len(left) :] and any(_begins(tail, phrase) for phrase in known.phrases)


def _begins(text: str, phrase: str) -> bool:
    return phrase.startswith(f"{text} ")
