"""What is read one by one, because it cannot be guessed when one of it was missed: telephone, card and account numbers,
codes. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import digits, group_digits, whole

_GROUPED = re.compile(r"\+?\(?\d{1,15}\)?(?:[-–./ ()]{1,2}\d{1,15}){0,8}")
_NORTH_AMERICAN = re.compile(r"(?:\+?1[-. ])?\(?\d{3}\)?[-. /]?\d{3}[-. ]\d{4}")
_RUNS = re.compile(r"\d+")
_LOCAL = re.compile(r"\d{3}-\d{4}")
_SOCIAL = re.compile(r"\d{3}-\d{2}-\d{4}")
_GROUPINGS = {7: _LOCAL, 9: _SOCIAL, 10: _NORTH_AMERICAN, 11: _NORTH_AMERICAN}
"""How many digits are grouped so that they can be nothing else."""
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3})+")
_QUANTITY = re.compile(r"\d{1,3}(?:[.,]\d{3})+|\d+\.\d{1,2}")
_LETTERED = re.compile(r"((?:\+?1[-. ])?\(?8\d{2}\)?)[-. ]([A-Z]{3,10}|[A-Z]{2,4}[-.][A-Z]{2,6})")
_EXTENSION = re.compile(r"(?:[xX]|[eE]xt\.?)(\d{1,6})")
_NINE = re.compile(r"[1-9]\d{2}(?: \d{3}){2}")
_MASKED = re.compile(r"(?:[xX]{3}-[xX]{2}-|(?:[*•·]{2,16}|[xX]{4,16})(?:-?(?:[*•·]{2,16}|[xX]{4,16})){0,4}-?)(\d{2,6})")
_MASK = re.compile(r"[*•·]{2,16}|[xX]{4,16}")
_CARD = re.compile(r"\d{4}(?:[-.]\d{4}){3}")
IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2})?")
CODE = re.compile(r"[A-Za-z0-9]++(?:[-–/.:][A-Za-z0-9]++)*+")
_PIECES = re.compile(r"\d+|[A-ZÀ-ÖØ-Þ]+(?![a-zß-öø-ÿ])|[A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]+|[^\W\d_]+|.")
_CLOCK_OR_DATE = re.compile(
    r"\d{1,2}:\d{2}(?:[ap]m)?|\d{1,2}[ap]m|\d{1,4}([/.-])\d{1,2}\1\d{2,4}|\d{1,3}(?:st|nd|rd|th)"
)
_AREA = re.compile(r"\d{1,4}[x×]\d{1,4}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_OFFSET = re.compile(r"(GMT|UTC)[-−](\d{1,2})")
_PLATE = re.compile(r"[A-Z]{1,3}(?:-[A-Z]{1,3}){0,2}")
_UNSPEAKABLE = re.compile(r"[B-DF-HJ-NP-TV-XZ]{3}|Q(?!U)")
_CRAMMED = re.compile(r"[B-DF-HJ-NP-TV-XZ]{4}")
_VOWELS = re.compile(r"[aeiouyAEIOUYäöüáéíóúàèâêîôû]")
_PHONE_DIGITS = range(7, 16)


def telephone(c: Cursor) -> Reading | None:
    """A telephone number in any of the ways it is written, with its extension, in groups with pauses."""
    language, part = c.language, c.part()
    if c.at < c.no_phone_before:
        return None
    core, following = part.core, c.core(1)
    if len(core) < 3 and not following[:1].isdecimal() and following not in ("-", "–", "/"):
        return None  # fewer than three digits in all
    if (core[:1] == "8" or core[:2] in ("1-", "1.", "+1")) and (lettered := _LETTERED.fullmatch(core)):
        word = " ".join(piece.lower() for piece in re.split(r"[-.]", lettered[2]))
        head = language.digit_groups.join(digits(run, language) for run in re.findall(r"\d+", lettered[1]))
        return Reading(1, f"{_plus(core, language)}{head}{language.digit_groups}{word}")
    text, count = _collect(c)
    numbers = _RUNS.findall(text)
    total = sum(map(len, numbers))
    c.no_phone_before = c.at + count
    if not 3 <= total <= 24:
        return None
    called = c.may_be_called and _called(c.before(7), language)
    plus = "+" in text[:2]
    known = (plus and total in _PHONE_DIGITS) or (
        total == 9 and _NINE.fullmatch(text) and not _is_quantity(c, text, count)
    )
    if not known and not _looks_like_phone(text, numbers, total, called, language):
        return None
    if part.lead.startswith("(") and count == 1 and ")" in part.trail and not called and total == 3:
        return None
    words = _number_words(text, numbers, language)
    apart = c.core(count) in ("x", "X") and c.core(count + 1).isdecimal() and len(c.core(count + 1)) <= 6
    if apart and total >= 7:  # "555-1234 x 12"
        said = digits(c.core(count + 1), language)
        return Reading(count + 2, f"{words}{language.digit_groups}{language.extension} {said}")
    extension = _EXTENSION.fullmatch(c.core(count))
    if extension is not None and total >= 7:
        return Reading(
            count + 1, f"{words}{language.digit_groups}{language.extension} {digits(extension[1], language)}"
        )
    return Reading(count, words)


def whole_telephone(core: str) -> bool:
    """Whether this is a whole telephone number, to which no digits after it can belong."""
    return _NORTH_AMERICAN.fullmatch(core) is not None


def _is_quantity(c: Cursor, text: str, count: int) -> bool:
    """Whether nine digits in groups count something: they are round, or what is counted follows them."""
    language, after = c.language, c.core(count)
    measured = after == "%" or after in language.currencies or after in language.units or after in language.scales
    noun = after.islower() and after.isalpha() and after not in language.counted_stops
    return (
        text.endswith("000")
        or (not c.part(count - 1).trail and (measured or noun))
        or c.core(-1) in language.currencies
    )


def telephone_link(c: Cursor) -> Reading | None:
    """Read a number that is written to be tapped, such as `tel:+15551234567`."""
    return Reading(1, telephone_words(c.core().partition(":")[2], c.language))


def telephone_words(text: str, language: Language) -> str:
    """The digits of a text in the groups that it is written in, or else in those of the language's country."""
    return _number_words(text, _RUNS.findall(text), language)


def _number_words(text: str, numbers: list[str], language: Language) -> str:
    if len(numbers) == 1:
        words = _one_run(numbers[0], language, abroad="+" in text)
    else:
        single = max(map(len, numbers)) == 1
        words = (" " if single else language.digit_groups).join([digits(run, language) for run in numbers])
    return _plus(text, language) + words


def _plus(text: str, language: Language) -> str:
    return f"{language.plus} " if text.lstrip("(").startswith("+") else ""


def _collect(c: Cursor) -> tuple[str, int]:
    """The run of tokens from the cursor that are digits with brackets and dashes, as one text."""
    texts: list[str] = []
    for place, (lead, core, trail, _) in enumerate(c.ahead(8)):
        if not lead and core.isdecimal() and len(core) <= 15:
            texts.append(core)
            if trail and trail.strip(")"):
                break
            continue
        if not core or (lead and lead != "("):
            break
        if texts and core in ("-", "–", "/") and not trail and c.core(place + 1)[:1].isdecimal():
            texts.append("-")
            continue
        closed = trail[:1] == ")"
        core = f"{lead}{core})" if closed and lead else lead + core
        if core[-1:].isalpha() or not _GROUPED.fullmatch(core) or (texts and core[0] == "+"):
            break
        texts.append(core)
        if (trail and (not closed or trail.strip(")"))) or (len(core) >= 11 and _NORTH_AMERICAN.fullmatch(core)):
            break
    while texts and texts[-1] == "-":
        texts.pop()
    return " ".join(texts), len(texts)


def _called(context: Iterable[str], language: Language) -> bool:
    """Whether the words before a number say that it is to be dialled."""
    for word in context:
        if word.rstrip(":") in language.phone_words:
            return True
        if word.isdecimal():
            continue  # "call 110 or 112"
        if word.rstrip(":") not in language.link_words and word not in language.phone_links:
            return False
    return False


def _looks_like_phone(text: str, numbers: list[str], total: int, called: bool, language: Language) -> bool:
    if called and total >= 3:
        short = len(numbers) > 1 and total < 6 and max(map(len, numbers)) > 1
        grouped = total < 9 and _QUANTITY.fullmatch(text)
        return not short and not grouped
    longest = max(map(len, numbers))
    if len(numbers) == 2 and 2 <= len(numbers[0]) <= 3 and 6 <= len(numbers[1]) <= 8 and total >= 9:
        return True
    if longest == 1 and numbers[0] != "0":
        return False
    grouping = _GROUPINGS.get(total)
    if grouping is not None and grouping.fullmatch(text):
        return True
    if len(numbers) == 1:
        return total in range(9, 14) and numbers[0][0] == "0"
    if (" " not in text and IP.fullmatch(text)) or (text[0] != "0" and _THOUSANDS.fullmatch(text)):
        return False
    if numbers[0][0] == "0" and total >= 8 and len(numbers[0]) <= 6:
        return True
    return len(numbers) >= 3 and total >= 8 and longest <= 5 and min(map(len, numbers[1:])) >= 2 and " " in text


def _one_run(number: str, language: Language, *, abroad: bool) -> str:
    sizes = language.area_groups
    if len(number) == 11 and number[0] == "1" and (abroad or language.area_groups == (3, 3, 4)):
        sizes = (1, 3, 3, 4)
    return digits(number, language) if len(number) <= 4 else group_digits(number, sizes, language)


def card(c: Cursor) -> Reading | None:
    """Card numbers and IBANs in groups of four, cards that show their last digits only."""
    language, core = c.language, c.core()
    if core.isdecimal():
        return _card_in_digits(c, core)
    if _MASK.fullmatch(core):
        count = 1
        while count < 5 and _MASK.fullmatch(c.core(count)):
            count += 1
        last = c.core(count)
        if last.isdecimal() and 2 <= len(last) <= 6:
            return Reading(count + 1, f"{_ending(c)}{digits(last, language)}")
        return None
    if masked := _MASKED.fullmatch(core):
        return Reading(1, f"{_ending(c)}{digits(masked[1], language)}")
    if _CARD.fullmatch(core):
        return Reading(1, group_digits(re.sub(r"\D", "", core), (4, 4, 4, 4), language))
    if core[:2].isalpha() and core[:2].isupper() and core[2:4].isdecimal() and core.isalnum():
        return _iban(c)
    return None


def _card_in_digits(c: Cursor, core: str) -> Reading | None:
    """A card's number in one run, or in fours."""
    language = c.language
    if len(core) in (15, 16):
        return Reading(1, group_digits(core, (4, 6, 5) if len(core) == 15 else (4, 4, 4, 4), language))
    if len(core) != 4:
        return None
    second, third = c.core(1), c.core(2)
    if not (second + third).isdecimal() or (len(second), len(third)) not in ((4, 4), (6, 5)):
        return None
    count = 3
    while count < 5 and c.core(count).isdecimal() and len(c.core(count)) <= 4 and c.joined(count - 1):
        count += 1
    if not all(c.joined(k) for k in range(count - 1)):
        return None
    return Reading(count, language.digit_groups.join([digits(c.core(k), language) for k in range(count)]))


def _ending(c: Cursor) -> str:
    """What stands before the last digits of a number that is hidden, unless it is written before it."""
    language, before = c.language, c.word(-1)
    if f"{c.word(-2)} {before}" in language.endings:
        return ""
    return language.ending_in.removeprefix(f"{before} ") + " "


def _iban(c: Cursor) -> Reading | None:
    """`DE89 3704 0044 0532 0130 00`: letters and digits, four by four."""
    text, count = c.core(), 1
    if len(text) == 4:
        while count < 9 and c.joined(count - 1) and re.fullmatch(r"[A-Z0-9]{1,4}", c.core(count)):
            text, count = text + c.core(count), count + 1
    if not _IBAN.fullmatch(text):
        return None
    fours = (text[start : start + 4] for start in range(0, len(text), 4))
    return Reading(count, c.language.digit_groups.join(spelled(four, c.language) for four in fours))


def numbered(c: Cursor) -> Reading | None:
    """Read a number sign with its number, such as `#5`, `#1234` or `№ 7`."""
    core, language = c.core(), c.language
    if core[:1] not in "#№" or not core[1:].isdecimal():
        return None
    number = core[1:]
    words = whole(number, language) if len(number) <= 2 else spaced_digits(number, language)
    return Reading(1, f"{language.number_sign} {words}")


def code(c: Cursor) -> Reading | None:
    """Digits and letters that name something: leading zeros, letters mixed with digits, anything after `code`."""
    language, core = c.language, c.core()
    if core.isdecimal():
        if (len(core) > 1 and core[0] == "0") or (len(core) >= 7 and not _round(core)):
            return Reading(1, spaced_digits(core, language))
        return None
    if offset := _OFFSET.fullmatch(core):
        return Reading(1, f"{letters(offset[1], language)} {language.minus} {whole(offset[2], language)}")
    if not any(map(str.isalpha, core)) and not _split_by_dashes(core):
        return None
    return Reading(1, spelled(core, language))


def named(c: Cursor) -> Reading | None:
    """Digits and letters after a word that says what they name: `your PIN is 0042`, `room 12A`."""
    core = c.core()
    if not c.may_be_named or not any(map(str.isdecimal, core)) or not CODE.fullmatch(core) or not _names(c, core):
        return None
    if core[0] == "0" and core.isdecimal() and c.core(1).isdecimal() and c.joined(0) and (phone := telephone(c)):
        return phone
    return None if is_no_code(core) else Reading(1, spelled(core, c.language))


def is_no_code(core: str) -> bool:
    """Whether figures are no code whatever stands before them: a time, a date or a telephone number."""
    return bool(
        _CLOCK_OR_DATE.fullmatch(core)
        or _AREA.fullmatch(core)
        or _NORTH_AMERICAN.fullmatch(core)
        or _LOCAL.fullmatch(core)
    )


def lettered(c: Cursor) -> Reading | None:
    """Read capitals that name something: letters that are no word after `reference`, a plate's before its digits."""
    core, language = c.core(), c.language
    before = c.word(-1).rstrip(":#")
    if not c.may_be_named or before not in language.code_words:
        return None
    if len(core) >= 5:
        return Reading(1, letters(core, language)) if core.isalpha() and _UNSPEAKABLE.search(core) else None
    if _PLATE.fullmatch(core) and c.core(1).isdecimal() and c.joined(0):
        return Reading(1, ", ".join(letters(part, language) for part in core.split("-")))
    return None


def _round(core: str) -> bool:
    return core.endswith("000")


def _split_by_dashes(core: str) -> bool:
    """Digits with dashes that are no range, such as `2024-0031` and `12-34-56`."""
    return "-" in core and all(run.isdecimal() for run in core.split("-"))


def _names(c: Cursor, core: str) -> bool:
    """Whether the words before say that this names something: "your PIN is 0042"."""
    language, after = c.language, c.core(1)
    noun = after.islower() or (language.capital_nouns and after[:1].isupper())
    counts = after.isalpha() and noun and after.lower() not in language.counted_stops and not c.part().trail
    if counts and core.isdecimal() and len(core) <= 3 and core[0] != "0":
        return False
    if f"{c.word(-2)} {c.word(-1)}" in language.endings:
        return len(core) >= 2
    strong = len(core) >= 4 or not core.isdecimal()
    strong = strong or (len(core) > 1 and _after_letters(c))
    for distance, word in enumerate(c.before(5)):
        word = word.rstrip(":#").removesuffix("'s")
        if word in language.code_words:
            return distance < 4 and len(core) != 1
        if word in language.weak_code_words and strong:
            return True
        letters_of_it = distance < 4 and c.core(-1 - distance).isupper() and len(word) <= 4
        if word not in language.link_words and word and not _is_code_like(word) and not letters_of_it:
            return False
    return False


def _after_letters(c: Cursor) -> bool:
    """Whether capitals stand before pairs of digits: "number QQ 12 34 56"."""
    offset = -1
    while offset > -4 and len(c.core(offset)) == 2 and c.core(offset).isdecimal() and c.joined(offset):
        offset -= 1
    return c.core(offset).isupper() and len(c.core(offset)) <= 3 and c.joined(offset)


def _is_code_like(word: str) -> bool:
    return len(word) <= 12 and _RUNS.search(word) is not None


def spaced_digits(text: str, language: Language) -> str:
    """Digits one by one, with a short pause within long runs."""
    return digits(text, language) if len(text) <= 5 else group_digits(text, (), language)


def letters(text: str, language: Language) -> str:
    """Each letter by its name: `AZ` -> `A Z`, or `A Zed`."""
    names = language.letters
    return " ".join([names.get(char, char) for char in text.upper()])


def spelled(text: str, language: Language) -> str:
    """A code's letters, digits and signs one by one; what is plainly a word within it stays one."""
    words: list[str] = []
    for piece in _PIECES.findall(text):
        if piece.isdecimal():
            words.append(spaced_digits(piece, language) if len(piece) > 5 else digits(piece, language))
        elif piece.isalpha():
            is_word = (
                len(piece) >= 4
                and _VOWELS.search(piece)
                and not _CRAMMED.search(piece)
                and (piece.islower() or piece[1:].islower() or len(piece) > 5)
            )
            words.append(piece.lower() if is_word else letters(piece, language))
        elif piece in language.address_signs:
            words.append(language.address_signs[piece])
    return " ".join(words)
