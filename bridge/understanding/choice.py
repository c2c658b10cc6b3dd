"""One of several things that were offered, by its name, by another word for it, or by its place. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.understanding.coming_days import ordinal_at
from bridge.understanding.corrections import segments
from bridge.understanding.denials import wanted
from bridge.understanding.former import clauses, happened
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.numbers import groups
from bridge.understanding.phrases import Intent, normalise
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at, split, spoken

Choices = Mapping[str, Sequence[str]]
"""What may be chosen, in the order offered, each with other ways to say it."""

_FEWEST_TURNED = 3
"""Words of a phrase that is known in another order."""
_CLEARLY = 0.25
"""So much better than the second the first must fit."""


def read_choice(words: Sequence[Token], lexicon: Lexicon, choices: Choices) -> Interpretation | None:
    """The name of the choice that was meant; None where none fits, or two do equally well."""
    best: Interpretation | None = None
    for because, said in segments(_bound(words, lexicon, choices), lexicon):
        found = _chosen(wanted(_open_still(said, lexicon, choices), lexicon), lexicon, choices)
        if found is not None or because in ("strong", "restart"):
            best = found
    return best


def _open_still(words: Sequence[Token], lexicon: Lexicon, choices: Choices) -> list[Token]:
    """The words without clauses that only tell of a choice: "the outage is over", "the agent hung up"."""
    ways = (way for name, others in choices.items() for way in (name.replace("_", " "), *others))
    own = {word for way in ways for word in spoken(split(way))}
    kept: list[Token] = []
    for clause in clauses(list(words), lexicon):
        plain = [word.text for word in clause]
        other = [word for word in clause if word.text not in own]  # a choice may be "power went out"
        settled = any(at(plain, place, lexicon.settled) for place in range(len(plain)))
        if not settled and not happened(other, lexicon):
            kept += clause
    return kept


def _bound(words: Sequence[Token], lexicon: Lexicon, choices: Choices) -> list[Token]:
    """The words, those that name a choice as one where a change of mind could be heard in them: "no power"."""
    names = [way for name, others in choices.items() for way in (name.replace("_", " "), *others)]
    phrases = [plain for name in names if len(plain := spoken(split(name))) > 1]
    whole = frozenset(tuple(plain) for plain in phrases if any((word,) in lexicon.weak_corrections for word in plain))
    kept: list[Token] = []
    place = 0
    if len(words) > 2 and words[1].text in ",." and (words[0].text,) in lexicon.weak_corrections:
        place = 2  # "no, power is fine" is about no "no power"
    while place < len(words):
        length = at([word.text for word in words[place : place + 6]], 0, whole)
        run = words[place : place + max(length, 1)]
        kept.append(run[0]._replace(text=" ".join(word.text for word in run)) if length else run[0])
        place += len(run)
    return kept


def _chosen(words: list[Token], lexicon: Lexicon, choices: Choices) -> Interpretation | None:
    said = _one_form(words, lexicon)
    if not said:
        return None
    scores = {name: _score(said, name, others, lexicon) for name, others in choices.items()}
    ranked = sorted(scores.items(), key=lambda entry: -entry[1])
    if ranked and ranked[0][1] > 0:
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        if ranked[0][1] - second < _CLEARLY or (second and any(word.text in lexicon.ranges for word in words)):
            return None  # two do equally well, or "the balance or the outage"
        exact = ranked[0][1] >= int(ranked[0][1]) and ranked[0][1] % 1 == 0
        return Interpretation(ranked[0][0], (CERTAIN if exact else LIKELY) if not second else FAIR)
    return _not_denied(words, lexicon, choices) or _by_place(words, lexicon, list(choices))


def _not_denied(words: list[Token], lexicon: Lexicon, choices: Choices) -> Interpretation | None:
    """ "Not the red one, the blue one": what a comma parts is read alone."""
    pieces: list[list[Token]] = [[]]
    articles = lexicon.determiners | lexicon.date_links
    begin = int(len(words) > 2 and (words[0].text,) in lexicon.no and words[1].text in lexicon.negations)
    denied = len(words) > begin + 1 and words[begin].text in lexicon.negations and words[begin + 1].text in articles
    for place, word in enumerate(words):
        if word.text in ",;." or word.text in lexicon.contrasts:
            pieces.append([])
            continue
        if place > begin + 2 and denied and word.text in articles:
            pieces.append([])  # "not the red one the blue one"
        pieces[-1].append(word)
    if len(pieces) == 1:
        return None
    found = {chosen.value for piece in pieces if piece and (chosen := _chosen(piece, lexicon, choices))}
    return Interpretation(found.pop(), FAIR) if len(found) == 1 else None


def _one_form(words: Sequence[Token], lexicon: Lexicon) -> tuple[str, ...]:
    """Words in the form that phrases are compared in, whose word for a denial is "not"."""
    plain = [_without_article(word) for word in " ".join(word.text for word in words).split()]
    return normalise(" ".join("not" if word in lexicon.negations else word for word in plain))


def _without_article(word: str) -> str:
    """A word without the article that is written together with it: Italian "l'ultimo"."""
    return word.removeprefix("l'")


def _score(said: tuple[str, ...], name: str, others: Sequence[str], lexicon: Lexicon) -> float:
    ways = (_one_form(split(way), lexicon) for way in (name.replace("_", " "), *others))
    phrases = [phrase for phrase in ways if phrase]
    match = Intent(phrases=tuple(phrases)).match(said) if phrases else None
    turned = max((_turned(said, phrase) for phrase in phrases), default=0.0)
    return max(match.score if match else 0.0, turned)


def _turned(said: tuple[str, ...], phrase: tuple[str, ...]) -> float:
    """The score of a phrase whose words stand together in another order: German "ist der Strom weg"."""
    if len(phrase) < _FEWEST_TURNED or "not" in phrase:
        return 0.0
    length = len(phrase) + 1
    parts = (said[place : place + length] for place in range(len(said)))
    matches = (Intent(word_sets=(phrase,)).match(part) for part in parts if "not" not in part)
    return max((match.score for match in matches if match), default=0.0)


def _by_place(words: list[Token], lexicon: Lexicon, names: list[str]) -> Interpretation | None:
    """ "The second one", "number two", "option B", "the last one"."""
    plain = [_without_article(word) for word in spoken(words)]
    if any(word in lexicon.questions for word in plain):
        return None  # "what was the second one"
    places = {lexicon.ordinals[word] for word in plain if word in lexicon.ordinals}
    places |= {day for place in range(len(words)) if (day := ordinal_at(words, place, lexicon))}
    if not places:
        numbers = [group for group in groups(words, lexicon) if group.sure]
        polite = lexicon.beside | lexicon.closing | lexicon.fillers
        short = len(plain) <= 2 or sum(word not in polite for word in plain) == 1
        led = len(plain) == 1 or (len(plain) > 1 and plain[-2] in lexicon.numbered)
        if not numbers and led and plain[-1] == lexicon.spoken.digits[1]:
            numbers = groups([words[-1]], lexicon)  # French "numéro un"
        named = any(word in lexicon.numbered for word in plain)
        if len(numbers) == 1 and (named or short) and len(numbers[0].digits) <= 2:
            places = {numbers[0].value}
        elif named and len(plain[-1]) == 1 and plain[-1].isalpha():
            places = {ord(plain[-1]) - ord("a") + 1}
    if len(places) != 1 or any(word in lexicon.negations for word in plain):
        return None
    place = places.pop()
    if place == -1 and names:
        return Interpretation(names[-1], LIKELY)
    return Interpretation(names[place - 1], LIKELY) if 1 <= place <= len(names) else None
