"""What is read together is never cut apart, however the deltas are cut, so that pieces say what the whole would."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.text.chunker import Chunker, says_something, whole
from bridge.text.settings import Chunking, ChunkSettings
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language

HARD = [
    "It costs $1,200.50 in all.",
    "Write to john.smith@example.com or call 555-123-4567 today.",
    "Your PIN is 0042 and your code is A1 B2.",
    "Your confirmation number is: 48213 as of now.",
    "Open 9:00 - 17:00 on 12 May 2024 or Jan. 5 at 9:30 a.m. daily.",
    "Card 4111 1111 1111 1111 with 12,50 € or 5 USD on it.",
    "DE89 3704 0044 0532 0130 00 is the account.",
    "Dial *67 or press # then 1 1/2 cups of No. 5 at 12 Main St. near Dr. Smith.",
    "Flight BA 2490 leaves from room 305 in 5 km at (555) 123-4567 ext. 12 soon.",
]
HARD_ELSEWHERE: dict[str, list[str]] = {
    "de-DE": [
        "Am 3. Mai um 14:30 Uhr kostet es 1.234,50 € und mehr.",
        "Rufen Sie 030 1234567 oder +49 171 1234567 an, z. B. am Mo. um 9 Uhr.",
        "Ihre PIN lautet 0042, Bestellnr. 4711, und Zimmer 305.",
        "Ludwig XIV. war in der Hauptstr. 5, 10115 Berlin bei Dr. Schmidt.",
        "Es sind 1 1/2 Liter, 25 °C, 10 % bis 15 %, ca. 3 Mio. Euro im Monat.",
        "Schreiben Sie an max.muster@firma.de oder drücken Sie *67.",
    ],
    "es-ES": [
        "El 3 de mayo de 2024 a las 14:30 cuesta 1.234,50 € en total.",
        "Llame al 91 123 45 67 o al +34 600 123 456 ahora.",
        "Su PIN es 0042 y su código es A1B2, n.º 5, 2º piso.",
        "La Sra. López vive en EE. UU. con Juan Pablo II en la Avda. de la Paz 3.",
    ],
    "fr-FR": [
        "Le 1er mai 2024 à 14h30 il coûte 1 234,50 € en tout.",
        "Appelez le 01 23 45 67 89 ou le +33 6 12 34 56 78 maintenant.",
        "Votre code est 0042, n° 5, au XXe siècle, chez M. Dupont, av. Foch 3.",
        "Il y a 1 250 000 personnes et 71 % de plus.",
    ],
    "it-IT": [
        "Il 3 maggio 2024 alle 9:30 costa 1.234,50 € in tutto.",
        "Chiami lo 06 1234567 o il +39 333 1234567 ora.",
        "Il PIN è 0042, n. 5, nel XXI secolo con il Sig. Rossi.",
    ],
    "pt-BR": [
        "Em 3 de maio de 2024 às 14h30 custa R$ 1.234,50 no total.",
        "Ligue (11) 91234-5678 ou +55 11 91234-5678 agora.",
        "Seu PIN é 0042, nº 5, com a Sra. Silva na Av. Paulista 3.",
    ],
    "pt-PT": ["Em 3 de maio de 2024 às 14h30 custa 1.234,50 € no total.", "Ligue 912 345 678 agora."],
    "nl-NL": [
        "Op 3 mei 2024 om 14:30 uur kost het € 1.234,50 in totaal.",
        "Bel 020 123 4567 of +31 6 12345678 nu.",
        "Uw pincode is 0042, nr. 5, bij dhr. Jansen in de 21e eeuw.",
    ],
    "en-GB": [
        "On 3 May 2024 at 9:30 it costs £1,234.50 or 50p in all.",
        "Call 020 7946 0958 or 07700 900123 today, sort code 12-34-56.",
    ],
}
ODD = [
    (code, written)
    for name in ("odd.yaml", "results.yaml", "written_by_models.yaml")
    for code, rows in yaml.safe_load((Path(__file__).parent / "spoken" / name).read_text(encoding="utf-8")).items()
    for place, written in enumerate(rows)
    if (name != "written_by_models.yaml" or place % 3 == 0)
    and not written.endswith(("123!", "2026!"))  # a password's last sign, by what follows it
]
STRATEGIES: list[Chunking] = ["sentence", "clause", "fixed", "word"]


def said(text: str, code: str = "en") -> str:
    """Words without marks: at a cut after `a.m.` there may be a pause more."""
    return re.sub(r"[.,]", "", spoken_form(text, language(code)).text)


def said_in_turn(pieces: list[str], code: str = "en") -> str:
    """The same of pieces, each told what was said before it, as a stream of speech tells it."""
    return " ".join(
        re.sub(r"[.,]", "", spoken_form(piece, language(code), " ".join(pieces[:place])).text)
        for place, piece in enumerate(pieces)
    )


def pieces_of(text: str, strategy: Chunking, cuts: list[int], step_ms: float) -> list[str]:
    """The pieces of a text that comes in deltas at an even pace."""
    chunker, now, pieces = Chunker(ChunkSettings(strategy=strategy, settle_ms=10**6)), 0.0, []
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in pairwise(edges):
        pieces += chunker.feed(text[start:end], now)
        now += step_ms / 1000
        pieces += chunker.wake(now)
    return pieces + chunker.finish(now)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    text=st.lists(st.sampled_from(HARD), min_size=1, max_size=3).map(" ".join),
    cuts=st.lists(st.integers(0, 250), max_size=20),
    step_ms=st.sampled_from([0.0, 20.0, 500.0]),
)
@settings(max_examples=150, deadline=None)
def test_the_pieces_say_what_the_whole_says(strategy: Chunking, text: str, cuts: list[int], step_ms: float) -> None:
    pieces = pieces_of(text, strategy, cuts, step_ms)

    assert said_in_turn(pieces) == said(text)


@pytest.mark.parametrize("code", HARD_ELSEWHERE)
@given(
    strategy=st.sampled_from(STRATEGIES),
    place=st.integers(0, 10),
    cuts=st.lists(st.integers(0, 120), max_size=12),
    step_ms=st.sampled_from([0.0, 20.0, 500.0]),
)
@settings(max_examples=100, deadline=None)
def test_so_they_do_in_every_language(
    code: str, strategy: Chunking, place: int, cuts: list[int], step_ms: float
) -> None:
    text = HARD_ELSEWHERE[code][place % len(HARD_ELSEWHERE[code])]
    pieces = pieces_of(text, strategy, cuts, step_ms)

    assert said_in_turn(pieces, code) == said(text, code)


@pytest.mark.parametrize(("code", "written"), ODD)
def test_nor_is_anything_odd_cut_apart(code: str, written: str) -> None:
    text = f"Well {written} then and now to go on with it."
    strategies: list[Chunking] = ["sentence", "clause"]
    for strategy in strategies:
        pieces = pieces_of(text, strategy, list(range(len(text))), 20.0)

        assert said_in_turn(pieces, code).lower() == said(text, code).lower()


def test_marks_and_pictures_alone_are_no_piece() -> None:
    assert whole("Done. ... 👍 !", ChunkSettings(strategy="word")) == ("Done.",)
    assert [sign for sign in ("#", "5", "*", " ... — !?") if says_something(sign)] == ["#", "5", "*"]
