"""How long written text takes to be put into words, kind by kind: `python -m tests.bench.spoken_form [LANGUAGE ...]`.

For each kind and language 20,000 characters that were not seen before, whole, and in the pieces in which speech really
asks for it, of which the longest in any language is the time that an event loop is held. The best of three texts, in
milliseconds of this process's own time; plain words, between each two kinds, tell how busy the machine is with others.
"""

from __future__ import annotations

import sys
import time

from bridge.text.chunker import Chunker, unhurried
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import CODES, language
from tests.text.kinds import REPEATED, VARIED, repeated, varied

LENGTH = 20_000


def cost_ms(text: str, spoken: Language) -> float:
    """The processor's time that one text takes."""
    begun = time.process_time()
    spoken_form(text, spoken)
    return (time.process_time() - begun) * 1000


def kind_ms(kind: str, spoken: Language) -> float:
    """The shortest time of three texts of a kind that were not read before; its tokens may have been."""
    cost_ms(_text(kind, ""), spoken)
    return min(cost_ms(_text(kind, seed), spoken) for seed in "abc")


def _text(kind: str, seed: str) -> str:
    return varied(kind, LENGTH, seed) if kind in VARIED else repeated(kind, LENGTH)


def longest_piece_ms(kind: str, spoken: Language) -> float:
    """The longest that one of the pieces takes which speech asks for."""
    pieces = Chunker(unhurried("clause")).finish(0.0, _text(kind, "a"))
    return max((min(cost_ms(piece, spoken) for _ in range(3)) for piece in pieces), default=0.0)


def main(*codes: str) -> None:
    """Print the table."""
    languages = [language(code) for code in codes or CODES]
    print(f"| 20,000 characters | {' | '.join(one.code for one in languages)} | longest piece |")
    print(f"| --- |{' ---: |' * (len(languages) + 1)}")
    plain = []
    for kind in (*REPEATED, *VARIED):
        plain.append(min(kind_ms(REPEATED[0], languages[0]) for _ in range(2)))
        times = [kind_ms(kind, one) for one in languages]
        piece = max(longest_piece_ms(kind, one) for one in languages)
        name = kind if kind in VARIED else f"`{kind}` again and again"
        print(f"| {name} | {' | '.join(f'{one:.1f}' for one in times)} | {piece:.2f} |", flush=True)
    print(f"\nPlain words took {min(plain):.1f} to {max(plain):.1f} ms in {languages[0].code}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
