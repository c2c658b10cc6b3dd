"""20,000 sentences with known values: whoever only hears the words must get every digit, sign and currency back.

The listener here shares nothing with the grammar: it knows the names of numbers, and writes down what it hears.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
VALUES = {word: value for value, word in enumerate(SMALL)} | {word: 20 + 10 * i for i, word in enumerate(TENS)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
SENTENCES = 20_000


def heard(words: str) -> int:
    """The number that these words name."""
    total = group = 0
    for word in words.replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in SCALES:
            total, group = total + group * SCALES[word], 0
        else:
            group += VALUES[word]
    return total + group


def heard_digits(words: str) -> str:
    """The digits that were read one by one."""
    return "".join(str(VALUES[word]) for word in words.replace(",", "").split())


def heard_decimal(words: str) -> str:
    """A number with its sign and decimals, written with a point."""
    sign = "-" if words.startswith("minus ") else ""
    whole, point, decimals = words.removeprefix("minus ").partition(" point ")
    return f"{sign}{heard(whole)}{'.' + heard_digits(decimals) if point else ''}"


def heard_money(words: str, unit: str, cents: str) -> int:
    """Hundredths of the currency."""
    sign = -1 if words.startswith("minus ") else 1
    amount = 0
    for part in words.removeprefix("minus ").split(" and "):
        number, _, name = part.rpartition(" ")
        assert name.rstrip("s") in (unit, cents.rstrip("s"), "penny", "pence"), words
        amount += heard(number) * (100 if name.rstrip("s") == unit else 1)
    return sign * amount


LETTERS = {
    "dot": ".", "at": "@", "dash": "-", "underscore": "_", "plus": "+", "slash": "/", "bang": "!", "and": "&",
    "percent": "%", "equals": "=", "tilde": "~", "star": "*", "hash": "#",
}  # fmt: skip


def heard_address(words: str) -> str:
    """An address with its signs; letters and digits that were spelled are joined."""
    return "".join(LETTERS.get(word, str(VALUES[word]) if word in VALUES else word.lower()) for word in words.split())


def whole_number(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    value = int(10 ** r.uniform(0, 11))
    value = value % 10_000 if 1100 <= value < 2100 else value
    return f"There are {value:,} of them.", "There are {} of them.", heard, value


def decimal(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    value = f"{'-' if r.random() < 0.3 else ''}{int(10 ** r.uniform(0, 6))}.{r.randrange(10**3):03d}"
    return f"It reads {value} now.", "It reads {} now.", heard_decimal, value


def money(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    sign, unit, cents = r.choice([("$", "dollar", "cents"), ("€", "euro", "cents"), ("£", "pound", "pence")])
    amount = int(10 ** r.uniform(0, 8))
    minus = "-" if r.random() < 0.3 else ""
    figures = f"{amount // 100:,}" + (f".{amount % 100:02d}" if amount % 100 or r.random() < 0.5 else "")
    written = f"{minus}{sign}{figures}"
    if sign == "€" and r.random() < 0.5:
        written = minus + figures.translate(str.maketrans(",.", ".,")) + " €"
    value = -amount if minus else amount
    frame = r.choice(["You owe {} today.", "{}", "That makes {}.", "({})"])
    return frame.format(written), frame, lambda words: heard_money(words, unit, cents), value


def telephone(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    digits = f"{r.randrange(200, 999)}{r.randrange(200, 999)}{r.randrange(10**4):04d}"
    a, b, c = digits[:3], digits[3:6], digits[6:]
    written = r.choice([f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"{a} {b} {c}", digits])
    frame = r.choice(["Call {} now.", "{}", "My number is {}.", "Please ring {} today."])
    return frame.format(written), frame, heard_digits, digits


def code(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    digits = "".join(r.choice("0123456789") for _ in range(r.randint(3, 12)))
    frame = r.choice(
        ["Your PIN is {}.", "confirmation code {}", "Your account number is {} today.", "flight {} is late",
         "Your booking reference: {}", "The access code is {}"]
    )  # fmt: skip
    return frame.format(digits), frame, heard_digits, digits


def mixed_code(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    letters = "".join(r.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(r.randint(1, 3)))
    text = f"{letters}{r.randrange(10**4):04d}"
    return f"Code {text}.", "Code {}.", heard_address, text.lower()


def email(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    names = ["john", "mary", "alice", "info", "sales", "miller", "bob"]
    local = r.choice(names) + r.choice(["", f".{r.choice(names)}", f"_{r.choice(names)}", str(r.randrange(1000))])
    text = f"{local}@{r.choice(['example', 'my-shop', 'mail.example'])}.{r.choice(['com', 'org', 'de', 'co.uk'])}"
    frame = r.choice(["Write to {} please.", "{}", "It is {}."])
    return frame.format(text), frame, heard_address, text


def percent(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    value = f"{'-' if r.random() < 0.3 else ''}{r.randrange(200)}.{r.randrange(1, 10)}"
    return f"Save {value}% now.", "Save {} percent now.", heard_decimal, value


def clock(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    hours, minutes = r.randrange(1, 13), r.randrange(10, 60)
    half = r.choice(["a.m.", "p.m.", "am", "PM"])
    written = f"{hours}:{minutes} {half}" if r.random() < 0.5 else f"{hours}:{minutes}{half}"

    def listen(words: str) -> object:
        first, *rest = words.split()
        return VALUES[first], heard(" ".join(rest[:-2])), rest[-2] + rest[-1]

    return f"Come at {written} if you can.", "Come at {} if you can.", listen, (hours, minutes, half[0].upper() + "M")


def described_sum(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    sign, unit, cents = r.choice([("$", "dollar", "cent"), ("£", "pound", "penny")])
    amount = r.randrange(100, 10**5)
    figures = f"{amount // 100:,}" + (f".{amount % 100:02d}" if amount % 100 else "")
    noun = r.choice(["fee", "deposit", "bill", "gift"])
    frame = f"There is a {{}} {noun}."
    return frame.format(f"{sign}{figures}"), frame, lambda words: heard_money(words, unit, cents), amount


def inches(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    value = r.randrange(1, 200)
    return f'Take a {value}" pipe.', "Take a {} inch pipe.", heard, value


def millions(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    value = r.randrange(2, 1000)
    return f"Over {value}{r.choice('mM')} people came.", "Over {} people came.", heard, value * 10**6


def secret(r: random.Random) -> tuple[str, str, Callable[[str], object], object]:
    text = "".join(r.choice("bcdfghjklm0123456789!&%=~*#+") for _ in range(r.randint(4, 10)))
    text = f"{r.choice('bcdf')}{text}{r.randrange(10)}"
    return (
        f"The password is {text} now.",
        "The password is {} now.",
        lambda words: heard_address(words.replace(",", "")),
        text,
    )


KINDS = [
    described_sum, inches, millions, secret,
    whole_number, decimal, money, telephone, code, mixed_code, email, percent, clock,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_listener_gets_every_figure_back(
    kind: Callable[..., tuple[str, str, Callable[[str], object], object]],
) -> None:
    r = random.Random(kind.__name__)
    english = language("en-US")
    for _ in range(SENTENCES // len(KINDS) + 1):
        written, frame, listen, value = kind(r)
        spoken = spoken_form(written, english).text
        head, tail = frame.split("{}")
        assert spoken.startswith(head), (written, spoken)
        assert spoken.endswith(tail), (written, spoken)
        words = spoken[len(head) : len(spoken) - len(tail)]
        assert listen(words) == value, (written, spoken)
