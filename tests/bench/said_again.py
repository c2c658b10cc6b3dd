"""Whether hard sentences are still themselves at the caller's ear: ten are spoken, and recognised again.

    python -m tests.bench.said_again
    python -m tests.bench.said_again --config voices.yaml --voice joe

Each sentence is written as agents write, put into words, spoken by the named voices as a telephone carries it (mu-law,
8 kHz), and given to the embedded recogniser; what that writes is put into words once more. The two rows of words
differ where the voice, or the recogniser, said or heard something else: which of them it was is for a person to judge,
so all rows are printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bridge.audio import mulaw, wav
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.text.cleaning import clean
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from tests.text.table import SENTENCES

CHOSEN = (1, 2, 4, 6, 11, 13, 15, 17, 25, 27)
"""Of the table in `bridge/text/README.md`: a code, money, prices, a telephone number, streets, opening hours, days, a
flight with its room, acronyms, measures."""
_SILENCE = b"\xff" * 3200


def words(written: str) -> list[str]:
    """What is said of a text, without its marks."""
    spoken = spoken_form(clean(written), language("en-US")).text.lower()
    return "".join(c if c.isalnum() or c == "'" else " " for c in spoken).split()


def differing(said: list[str], heard: list[str]) -> int:
    """How many words must be left out, put in or exchanged to make one row the other."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
    return row[-1]


def spoken(written: str, voice: str, config: Path | None) -> bytes:
    """What a caller gets of a text, mu-law at 8 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        options = ["-o", str(path), *(("--voice", voice) if voice else ()), *(("-c", str(config)) if config else ())]
        subprocess.run(
            [sys.executable, "-m", "bridge.cli", "say", written, *options], check=True, stdout=subprocess.DEVNULL
        )
        return mulaw.encode(wav.read(path.read_bytes()).mono)


def main() -> None:
    """Print the table, and how many words differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="YAML file with the worker's voices")
    parser.add_argument("--voice", nargs="*", default=[""], help="their names (default: the worker's own voice)")
    arguments = parser.parse_args()
    recogniser = Whisper(WhisperSettings())
    for voice in arguments.voice:
        print(f"**{voice or 'the default voice'}**\n\n| Written | Spoken | Recognised | Words that differ |")
        print("| --- | --- | --- | ---: |")
        wrong = count = 0
        for number in CHOSEN:
            written = SENTENCES[number][1]
            heard = recogniser.recognise(_SILENCE + spoken(written, voice, arguments.config) + _SILENCE).text.strip()
            said = words(written)
            errors = differing(said, words(heard))
            wrong, count = wrong + errors, count + len(said)
            print(f"| `{written}` | {' '.join(said)} | {heard} | {errors} of {len(said)} |", flush=True)
        print(f"\n{wrong} of {count} words differ.\n", flush=True)


if __name__ == "__main__":
    main()
