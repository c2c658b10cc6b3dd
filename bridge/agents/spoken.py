"""Numbers, letters, addresses and yes or no: from what a recogniser writes, and back to what a voice can read."""

from __future__ import annotations

import re
import unicodedata

_UNITS = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TEENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15",
    "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
_TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fifty": "5", "sixty": "6", "seventy": "7",
    "eighty": "8", "ninety": "9",
}  # fmt: skip
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
NUMBER_WORDS = {**_UNITS, **_TEENS}
"""Number words that mean the same as these digits wherever they stand."""

_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")

_YES = (
    "yes", "yeah", "yep", "yup", "sure", "correct", "right", "exactly", "absolutely", "definitely", "certainly", "ok",
    "okay", "fine", "affirmative", "of course", "please do", "go ahead", "that is it", "sounds good", "uh huh",
    "mm hmm", "mhm", "no problem", "no worries", "why not", "perfect", "great", "you bet", "indeed",
)  # fmt: skip
_NO = (
    "no", "nope", "nah", "negative", "wrong", "incorrect", "never", "not", "no thank you", "no thanks", "uh uh",
)  # fmt: skip
_NEITHER = ("not know", "not sure", "not certain", "no idea", "not understand", "not hear")


def words_of(text: str) -> list[str]:
    """Lower-case words of a text without punctuation; digits stay together, hyphens separate."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)


def read_digits(text: str) -> str:
    """Digits in a spoken or written answer: `five 5 5, double one` -> `55511`. Other words are skipped.

    `oh` counts as zero only beside another digit, since it is also something people say.
    """
    found: list[tuple[str, bool]] = []  # digits, and whether they are certain to be digits
    repeat = 1
    tens = ""
    for word in words_of(text):
        if word in _REPEATS:
            repeat = _REPEATS[word]
            continue
        digits = "".join(str(unicodedata.digit(c)) for c in word) if word.isdigit() else NUMBER_WORDS.get(word, "")
        if tens:  # "twenty three" is 23, "twenty ... ten" is 20 and 10
            joined = len(digits) == 1 and digits != "0"
            found.append((tens + digits if joined else tens + "0", True))
            tens = ""
            if joined:
                continue
        if word in _TENS:
            tens = _TENS[word]
        elif digits:
            found.append((digits * repeat, word not in ("oh", "o")))
        repeat = 1
    if tens:
        found.append((tens + "0", True))
    return "".join(digits for digits, _ in found) if any(certain for _, certain in found) else ""


def read_spelling(text: str) -> str:
    """A spelled word: `Smith, S M I double T, H as in Harry` -> `smitth`; without letters, the words themselves."""
    words = words_of(text)
    letters = ""
    repeat = 1
    skip = 0
    for place, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in _REPEATS:
            repeat = _REPEATS[word]
        elif len(word) == 1 or word.isdigit():
            letters += word * repeat
            repeat = 1
            if words[place + 1 : place + 3] == ["as", "in"]:
                skip = 3
            elif words[place + 1 : place + 2] == ["for"]:
                skip = 2
        else:
            repeat = 1
    return letters if len(letters) > 1 else "".join(words)


def read_email(text: str) -> str:
    """An e-mail address as spoken or written: `john dot smith at example dot com` -> `john.smith@example.com`.

    Empty when there is none in the text.
    """
    plain = unicodedata.normalize("NFKC", text).lower().strip().rstrip(".?!,")
    plain = re.sub(r"\s*\b(?:dot|point|period)\b\s*", ".", plain)
    plain = re.sub(r"\s*\bunderscore\b\s*", "_", plain)
    plain = re.sub(r"\s*\b(?:dash|hyphen|minus)\b\s*", "-", plain)
    plain = re.sub(r"\s*\bat\b(?: sign)?\s*", "@", plain)
    written = _EMAIL.search(plain)
    if written and len(written.group().split("@")[0]) > 1:
        return written.group()
    spelled = _EMAIL.search(re.sub(r"\s+", "", plain))  # "j o h n@example.com"
    return spelled.group() if spelled else ""


def read_yes_no(words: list[str] | tuple[str, ...]) -> bool | None:
    """True for yes, False for no, None for neither; `words` as `bridge.agents.matching.normalise` gives them.

    The first word that decides wins; `no problem` is a yes and `not right` a no.
    """
    for place in range(len(words)):
        for length in (3, 2, 1):
            phrase = " ".join(words[place : place + length])
            if phrase in _NEITHER:
                return None
            if phrase in _YES:
                return True
            if phrase in _NO:
                return False
    return None


def say_digits(digits: str) -> str:
    """Digits as a person reads them back, in groups: `5551234567` -> `5 5 5, 1 2 3, 4 5 6 7`.

    Ten and eleven digits are grouped as North American telephone numbers, others by threes and fours.
    """
    only = [c for c in digits if c.isdigit()]
    sizes = [1, 3, 3, 4] if len(only) == 11 and only[0] == "1" else _groups(len(only))
    groups: list[str] = []
    start = 0
    for size in sizes:
        groups.append(" ".join(only[start : start + size]))
        start += size
    return ", ".join(groups)


def _groups(count: int) -> list[int]:
    """Sizes of groups of three with a last group of up to four."""
    if count <= 4:
        return [count] if count else []
    return [3, *_groups(count - 3)]
