"""The table of hard sentences in `bridge/text/README.md`, made by the code: `python -m tests.text.table` renews it."""

from __future__ import annotations

from pathlib import Path

from bridge.text.cleaning import clean
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language

PAGE = Path(__file__).parents[2] / "bridge" / "text" / "README.md"
BEGIN, END = "<!-- table: made by tests/text/table.py -->", "<!-- end of table -->"

SENTENCES: list[tuple[str, str]] = [
    ("en-US", "Say yes or no."),
    ("en-US", "Your PIN is 0042, not 42."),
    ("en-US", "Your balance is -$45.20."),
    ("en-US", "It costs 12,50 € or $12.5, that is $1.5m."),
    ("en-US", "Plans from $5-$10/month, up to 50% off."),
    ("en-US", "Press * or #, or dial *67."),
    ("en-US", "Call (555) 123-4567 ext. 12."),
    ("en-US", "Call +49 30 1234567 or 1-800-FLOWERS."),
    ("en-US", "John <john.smith@example.com>"),
    ("en-US", "See https://www.example.com/menu?x=1."),
    ("en-US", "3*4 is 12, 2+2=4, and 10/2=5."),
    ("en-US", "12 Main St. Please ring at Dr. Smith's on Elm Dr."),
    ("en-US", "St. Paul St. is in St. Louis."),
    ("en-US", "Open Mon-Fri 9:00-17:00, Sat 9-11 am."),
    ("en-US", "On 3/4/2024 at 9:30 a.m."),
    ("en-US", "Jan. 5th, 2024, or 5 May."),
    ("en-US", "Order 2024-0031, code A1B2-C3D4."),
    ("en-US", "Flight BA2490, room 305, zip 90210."),
    ("en-US", "Card 4111 1111 1111 1111, or **** 4242."),
    ("en-US", "IBAN DE89 3704 0044 0532 0130 00"),
    ("en-US", "In 1984, 1984 people, in the 1990s."),
    ("en-US", "1 1/2 cups, 3/4 mile, 0.5 kg, 5'10\" tall."),
    ("en-US", "The 1st, 22nd and 103rd."),
    ("en-US", "Version 3.11 or v2.0.1, at 192.168.0.1."),
    ("en-US", "Chapter IV of Henry VIII."),
    ("en-US", "The FBI and NASA do NOT call."),
    ("en-US", "Fish &amp; chips, e.g. at AT&T.[1]"),
    ("en-US", "**Note:** 70°F, 5 km/h, ~10 min."),
    ("en-US", "<think>Hm.</think>#OpenDay with @alice 👋"),
    ("en-GB", "120 people on 3/4/2024, press #."),
    ("de-DE", "Am 3. Mai um 14:30 Uhr, 12,50 €, Nr. 5."),
    ("de-DE", "1 Stunde, 21 Personen, 1.234.567 Menschen."),
    ("de-DE", "Drücken Sie *, Tel. 030 1234567, max@example.de."),
    ("es-ES", "Cuesta 21,50 €, el 3 de mayo a las 14:30."),
    ("es-ES", "21 personas, 1/2, pulse #."),
    ("fr-FR", "Le 1er mai à 14h30, 1 250,99 €, 71 %."),
    ("fr-FR", "Appelez le 01 23 45 67 89, tapez #."),
    ("it-IT", "Il 3 maggio alle 9:30, 28,50 €, prema *."),
    ("pt-BR", "Em 3 de maio às 14h30, R$ 12,50, 2 pessoas."),
    ("nl-NL", "Op 3 mei om 14:30 uur, € 12,50, de 2e keer."),
]


def table() -> str:
    """The rows, with what the code says now."""
    rows = ["| Language | Written | Spoken |", "| --- | --- | --- |"]
    for code, written in SENTENCES:
        said = spoken_form(clean(written), language(code)).text
        escaped = written.replace("|", "\\|").replace("`", "'")
        rows.append(f"| {code} | `{escaped}` | {said} |")
    return "\n".join(rows)


def renewed(page: str) -> str:
    """The page with the table of today."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
