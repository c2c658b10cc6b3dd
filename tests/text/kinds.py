"""Texts of one kind each, of any length: what a grammar could be slow at. `repeated` ones say one thing again."""

from __future__ import annotations

import random
from collections.abc import Callable

REPEATED = (
    "please call us when you have time. ", "1 ", "(1 ", "+1 ", "1 2 3 ", "$1.50 ", "555-123-4567 ", "4111 1111 ",
    "1/2 ", "12:30 ", "- ", "1 - ", "* ", "A B ", "FBI ", "St. ", "II ", "x ", "1 x ", "code 1 ", "a@b.c ",
    "http://a.b/c ", "#1 ", "1", "1a", "1-", "a.", "a@", "'", "😀 ",
)  # fmt: skip

VARIED: dict[str, Callable[[random.Random], str]] = {
    "digits": lambda r: str(r.randrange(10)),
    "numbers below 100": lambda r: str(r.randrange(100)),
    "numbers below 10,000": lambda r: str(r.randrange(10_000)),
    "digits with a plus": lambda r: f"+{r.randrange(10)}",
    "digits after a bracket": lambda r: f"({r.randrange(10)}",
    "telephone numbers": lambda r: f"{r.randrange(200, 999)}-{r.randrange(200, 999)}-{r.randrange(10_000):04d}",
    "money": lambda r: f"${r.randrange(1000)}.{r.randrange(100):02d}",
    "times": lambda r: f"{r.randrange(24)}:{r.randrange(60):02d}",
    "numbers with commas": lambda r: f"{r.randrange(10_000)},",
    "prices with commas": lambda r: f"${r.randrange(1000)}.{r.randrange(100):02d},",
    "prices apart": lambda r: f"{r.randrange(1000)},{r.randrange(100):02d} €,",
    "years": lambda r: f"{r.randrange(1900, 2030)},",
    "fractions": lambda r: f"{r.randrange(1, 9)}/{r.randrange(1, 9)},",
    "decimals": lambda r: f"{r.randrange(100)}.{r.randrange(100)},",
    "ordinals": lambda r: f"{r.randrange(100)}th,",
    "numbers with stops": lambda r: f"{r.randrange(1, 99)}.,",
    "times with halves": lambda r: f"{r.randrange(1, 12)}:{r.randrange(60):02d} pm,",
    "telephone numbers apart": lambda r: f"0{r.randrange(100, 999)} {r.randrange(1000, 9999)} {r.randrange(100, 999)},",
    "telephone numbers from abroad": lambda r: f"+49 {r.randrange(100, 999)} {r.randrange(100_000, 999_999)},",
    "days and months": lambda r: f"{r.randrange(1, 28)}. Mai {r.randrange(2010, 2030)},",
    "months and days": lambda r: f"May {r.randrange(1, 28)}, {r.randrange(2010, 2030)},",
    "dates": lambda r: f"{r.randrange(1, 13)}/{r.randrange(1, 29)}/{r.randrange(1950, 2050)}",
    "codes": lambda r: "".join(r.choice("AB12") for _ in range(3)),
    "codes after a word": lambda r: f"code {r.choice('AB')}{r.randrange(10)}",
    "capitals": lambda r: "".join(r.choice("ABCDEFGHIJ") for _ in range(3)),
    "initials": lambda r: f"{r.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}.",
    "titles and streets": lambda r: r.choice(("Dr.", "St.", "Main", "No.", "Ave", "Mr.", "W.", "May", "Sat.", "12")),
    "words with stops": lambda r: "".join(r.choice("abcdefghij") for _ in range(2)) + r.choice(".,"),
    "e-mail addresses": lambda r: (
        f"{r.choice('abcdef')}{r.randrange(100)}@{r.choice('abcdef')}.{r.choice(('de', 'com'))}"
    ),
    "ranges": lambda r: f"{r.randrange(20)}{r.choice('-–')}{r.randrange(20)}",
    "measures": lambda r: f"{r.randrange(100)} {r.choice(('km', 'kg', '%', '€', 'h', 'million'))}",
    "hidden digits": lambda r: f"{'*' * r.randrange(1, 6)}{r.randrange(100)}",
    "signs": lambda r: r.choice("*-+=/#@%&<>~"),
    "anything": lambda r: "".join(r.choice("aA1.,-+/$:#@") for _ in range(r.randrange(1, 4))),
}


def repeated(unit: str, length: int) -> str:
    """So many characters of one thing."""
    return (unit * (length // len(unit) + 1))[:length]


def varied(kind: str, length: int, seed: str = "") -> str:
    """So many characters of different things of one kind, the same at every call with a seed."""
    r, make = random.Random(kind + seed), VARIED[kind]
    words: list[str] = []
    while sum(map(len, words)) + len(words) < length:
        words += [make(r) for _ in range(100)]
    return " ".join(words)[:length]
