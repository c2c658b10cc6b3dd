"""How long written text takes to be put into words, kind by kind: `python -m tests.bench.spoken_form [LANGUAGE]`.

For each kind 20,000 characters, whole, and in the pieces in which speech really asks for it, of which the longest is
the time that an event loop is held. The best of three runs, in milliseconds of this process's own time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bridge.text.chunker import Chunker, unhurried
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import language
from tests.text.kinds import REPEATED, VARIED, repeated, varied

LENGTH = 20_000


def best_ms(work: Callable[[], object]) -> float:
    """The shortest of three runs."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times) * 1000


def main(code: str = "en-US") -> None:
    """Print the table."""
    spoken = language(code)
    texts = {f"`{unit}` again and again": repeated(unit, LENGTH) for unit in REPEATED}
    texts |= {kind: varied(kind, LENGTH) for kind in VARIED}
    print("| 20,000 characters | whole ms | longest piece ms |\n| --- | ---: | ---: |")
    for kind, text in texts.items():
        pieces = Chunker(unhurried("clause")).finish(0.0, text)
        longest = max((_cost_ms(piece, spoken) for piece in pieces), default=0.0)
        print(f"| {kind} | {_cost_ms(text, spoken):.1f} | {longest:.2f} |")


def _cost_ms(text: str, spoken: Language) -> float:
    return best_ms(lambda: spoken_form(text, spoken))


if __name__ == "__main__":
    main(*sys.argv[1:])
