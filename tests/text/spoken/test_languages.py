"""What is said in other languages: numbers, money, dates, times, telephone numbers, addresses, keys and codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import CODES, language

TABLES: list[dict[str, dict[str, str]]] = [
    yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    for name in ("languages.yaml", "hard.yaml", "odd.yaml", "agents.yaml", "written_by_models.yaml", "results.yaml")
]
"""What is said by the classes of each language, and what is said of sentences as users and agents write them."""
ROWS = [(code, written, said) for table in TABLES for code, rows in table.items() for written, said in rows.items()]


@pytest.mark.parametrize(("code", "written", "said"), ROWS)
def test_is_said(code: str, written: str, said: str) -> None:
    assert spoken_form(written, language(code)).text == said


def test_a_language_is_found_by_the_nearest_code() -> None:
    assert language("de-LU").code == "de-DE"
    assert language("de-AT").code == "de-AT"
    assert language("en-AU").code == "en-GB"
    assert language("en-CA").code == "en-US"
    assert language("pt-Latn-ao").code == "pt-PT"
    assert language("EN_gb").code == "en-GB"
    assert language("pt").code == "pt-BR"
    with pytest.raises(KeyError, match="'tlh' is not a language that can be spoken"):
        language("tlh")


@pytest.mark.parametrize("code", CODES)
def test_every_number_has_a_name_of_its_own(code: str) -> None:
    known = language(code)
    numbers = [*range(3000), 10**4, 10**5, 123_456, 10**6, 2 * 10**6 + 1, 10**9, 10**12 + 10**6, 10**15 - 1]
    names = [known.cardinal(number, "") for number in numbers]

    assert len(set(names)) == len(names)
    assert all(name.strip() == name and "  " not in name for name in names)
    assert len({known.ordinal(number, "") for number in range(1, 100)}) == 99


@pytest.mark.parametrize("code", CODES)
def test_every_clock_time_and_date_has_words_of_its_own(code: str) -> None:
    known = language(code)

    assert len({known.clock(hours, minutes, None, "") for hours in range(24) for minutes in range(60)}) == 24 * 60
    assert len({known.date(day, month, 2024) for day in range(1, 29) for month in range(1, 13)}) == 28 * 12
