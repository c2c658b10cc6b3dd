"""Languages as they are written and spoken in other countries than the ones they are named after. Pure.

Only what differs is said here: how numbers are written, what the currency's sign means, what months, keys and some
numbers are called.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from bridge.text.spoken.english import BRITISH
from bridge.text.spoken.french import FRENCH
from bridge.text.spoken.german import GERMAN
from bridge.text.spoken.language import Currency, Gender
from bridge.text.spoken.portuguese import EUROPEAN
from bridge.text.spoken.spanish import SPANISH

_PESO = Currency("peso", "pesos", "centavo", "centavos", "m", "m")
MEXICAN = dataclasses.replace(
    SPANISH,
    code="es-MX",
    home="$",
    decimal_mark=".",
    group_marks=", '’",
    point="punto",
    currencies={**SPANISH.currencies, "$": _PESO, "MXN": _PESO, "MX$": _PESO},
    keys={"*": "asterisco", "#": "gato"},
    symbols={**SPANISH.symbols, "#": "gato", "$": "pesos"},
    area_groups=(2, 4, 4),
)
"""Mexico writes numbers as the United States do, and `$` is the peso."""

US_SPANISH = dataclasses.replace(MEXICAN, code="es-US", home="$", currencies=SPANISH.currencies, area_groups=(3, 3, 4))
_AUSTRIAN_MONTHS = ("Jänner", *GERMAN.months[1:])
AUSTRIAN = dataclasses.replace(
    GERMAN,
    code="de-AT",
    months=_AUSTRIAN_MONTHS,
    month_abbreviations={**GERMAN.month_abbreviations, "jänner": 1, "jän": 1, "feber": 2},
    date=lambda day, month, year: GERMAN.date(day, month, year).replace("Januar", "Jänner"),
)


SWISS_GERMAN = dataclasses.replace(
    GERMAN,
    code="de-CH",
    home="CHF",
    decimal_mark=".",
    group_marks="'’ ",
    point="Punkt",
    currencies={**GERMAN.currencies, "Fr": GERMAN.currencies["CHF"], "SFr": GERMAN.currencies["CHF"]},
)
"""Switzerland writes `1'250.50`, and its prices in `Fr.` and `CHF`."""


def _with_nineties(cardinal: Callable[[int, Gender], str]) -> Callable[[int, Gender], str]:
    """Septante and nonante for seventy and ninety."""
    units = "un deux trois quatre cinq six sept huit neuf".split()
    there = "onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split()
    named = {"soixante et onze": "septante et un", "quatre-vingt-onze": "nonante et un"}
    named |= {f"soixante-{word}": f"septante-{unit}" for word, unit in zip(there[1:], units[1:], strict=True)}
    named |= {f"quatre-vingt-{word}": f"nonante-{unit}" for word, unit in zip(there[1:], units[1:], strict=True)}
    longest_first = sorted(named, key=len, reverse=True)

    @functools.lru_cache(maxsize=16_384)
    def say(number: int, gender: Gender = "") -> str:
        said = cardinal(number, gender)
        for word in longest_first:
            said = said.replace(word, named[word])
        return said.replace("quatre-vingt-dix", "nonante").replace("soixante-dix", "septante")

    return say


_nineties = _with_nineties(FRENCH.cardinal)


BELGIAN_FRENCH = dataclasses.replace(
    FRENCH,
    code="fr-BE",
    cardinal=_nineties,
    year=lambda number: _nineties(number, ""),
    date=lambda day, month, year: FRENCH.date(day, month, None) + ("" if year is None else f" {_nineties(year, '')}"),
    area_groups=(4, 2, 2, 2),
)
SWISS_FRENCH = dataclasses.replace(
    BELGIAN_FRENCH, code="fr-CH", home="CHF", group_marks=" '’", area_groups=(3, 3, 2, 2)
)
CANADIAN_FRENCH = dataclasses.replace(
    FRENCH,
    code="fr-CA",
    home="$",
    keys={"*": "étoile", "#": "carré"},
    symbols={**FRENCH.symbols, "#": "carré"},
    area_groups=(3, 3, 4),
    zero_begins_phone=False,
)
"""`12,50 $` are dollars there, telephone numbers are those of North America."""

ELSEWHERE = {
    **{f"en-{country}": BRITISH for country in ("AU", "HK", "IE", "IN", "KE", "MT", "NG", "NZ", "SG", "ZA")},
    **{f"es-{country}": MEXICAN for country in ("419", "DO", "GT", "HN", "MX", "NI", "PA", "SV")},
    **{f"es-{country}": US_SPANISH for country in ("PR", "US")},
    **{f"pt-{country}": EUROPEAN for country in ("AO", "CV", "MZ")},
    **{known.code: known for known in (AUSTRIAN, SWISS_GERMAN, BELGIAN_FRENCH, SWISS_FRENCH, CANADIAN_FRENCH)},
    "de-LI": SWISS_GERMAN,
}
"""Who writes and speaks in another way than the first country of the language, by the code."""
