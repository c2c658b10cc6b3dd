"""Generated sentences in every language: whoever hears the words gets every digit, sign, currency and letter back.

The listener knows the names of the ten digits and of signs, and that two numbers never have one
name (`test_languages`), and nothing of the grammar.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import CODES, language

Sentence = tuple[str, str]
"""What is written, and what must be heard of it."""
ROUNDS = 4_000 // 8
"""Of each kind in each language; 20,000 sentences of each language take half a minute."""


def grouped(number: int, known: Language) -> str:
    """With the mark that parts thousands there: of those that it may be, one that is no decimal mark."""
    return f"{number:,}".replace(",", "." if known.decimal_mark == "," else ",")


def figures(r: random.Random, count: int) -> str:
    return "".join(r.choice("0123456789") for _ in range(count))


def read_singly(text: str, known: Language) -> str:
    return " ".join(known.digits[int(digit)] for digit in text)


def sign(r: random.Random, known: Language) -> Sentence:
    return r.choice([("", ""), ("-", f"{known.minus} ")])


def whole_number(r: random.Random, known: Language) -> Sentence:
    number = r.randrange(3000, 10 ** r.randint(4, 9))  # four groups with stops may be the address of a machine
    return f"= {grouped(number, known)} !", known.cardinal(number, "")


def decimal(r: random.Random, known: Language) -> Sentence:
    written, said = sign(r, known)
    number, fraction = r.randrange(10**4), "0" + figures(r, 2)
    head = f"{said}{known.cardinal(number, '')} {known.point}"
    return f"= {written}{number}{known.decimal_mark}{fraction} !", f"{head} {read_singly(fraction, known)}"


def money(r: random.Random, known: Language) -> Sentence:
    written, said = sign(r, known)
    units, cents, currency = r.randrange(2, 10**6), r.randrange(2, 100), known.currencies["€"]
    amount = f"{grouped(units, known)}{known.decimal_mark}{cents:02d}"
    heard = f"{said}{known.cardinal(units, currency.gender)} {currency.many}{known.and_cents}"
    return f"{written}{amount} €", f"{heard}{known.cardinal(cents, currency.cent_gender)} {currency.cents}"


def percent(r: random.Random, known: Language) -> Sentence:
    written, said = sign(r, known)
    number = r.randrange(1000)
    return f"{written}{number}{r.choice(['', ' '])}%", f"{said}{known.cardinal(number, '')} {known.percent}"


def code(r: random.Random, known: Language) -> Sentence:
    text = figures(r, r.randint(4, 12))
    return f"PIN: {text}", read_singly(text, known)


def mixed_code(r: random.Random, known: Language) -> Sentence:
    letter, text = r.choice("BDFGKLMNPQRT"), figures(r, 4)
    return f"PIN {letter}{text}", f"{known.letters.get(letter, letter)} {read_singly(text, known)}"


def telephone(r: random.Random, known: Language) -> Sentence:
    text = f"{figures(r, 2)} {figures(r, 3)} {figures(r, 4)}"
    return f"+{r.choice('4356')}{text}"[:-1] + "7", ""


def address(r: random.Random, known: Language) -> Sentence:
    local, number, host = r.choice(["anna", "peter", "info"]), figures(r, 3), r.choice(["firma", "beispiel", "example"])
    signs = known.address_signs
    heard = f"{local} {signs['_']} {read_singly(number, known)} {signs['@']} {host} {signs['-']} mail {signs['.']} com"
    return f"{local}_{number}@{host}-mail.com", heard


KINDS: list[Callable[[random.Random, Language], Sentence]] = [
    whole_number, decimal, money, percent, code, mixed_code, telephone, address,
]  # fmt: skip


@pytest.mark.parametrize("code_of_language", CODES)
def test_nothing_is_lost_and_nothing_invented(code_of_language: str) -> None:
    r, known = random.Random(code_of_language), language(code_of_language)
    for kind in KINDS:
        for _ in range(ROUNDS):
            written, heard = kind(r, known)
            if not heard:  # a number of a telephone, with its plus
                heard = f"{known.plus} {read_singly(''.join(filter(str.isdecimal, written)), known)}"
            spoken = spoken_form(written, known).text.replace(",", "").rstrip("!. ")
            expected = heard.replace(",", "")
            assert spoken.endswith(expected), (written, spoken, expected)
            assert len(spoken) - len(expected) <= len(f"PIN: {known.equals}  {known.letters.get('P', '')}"), written
