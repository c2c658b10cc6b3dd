"""How well synthetic callers are told from people: the spectral detector, on windows of three seconds of speech.

    python -m tests.bench.synthetic_speech [--clips DIR] [--keep NAME] [--fit]

People are the clips of `fixtures/human`, or of a folder like it; machines are the voices that are installed, saying
sentences of the scenarios. All go the same way: 8 kHz, a level and a noise drawn for each, mu-law, pauses left out.
Machines of one engine are judged by weights that were found with another, and people by weights that were found
without them (the part `held` where there is one, else each speaker without themselves). `--fit` writes the weights
that the service has, found on all but the part `held`. Rates are by window, with 95 % intervals that count each
speaker once (1,000 draws of speakers).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw
from bridge.listening.detectors.base import WINDOW_S
from bridge.listening.detectors.spectral import WEIGHTS, Features, features
from bridge.session.detecting import spoken_blocks
from tests.bench.human_clips import read_sound
from tests.bench.machine import keep
from tests.bench.understanding import voices

RATE_HZ = 8000
CLIPS = Path(__file__).parents[2] / "fixtures" / "human"
SENTENCES = (
    "I would like to book an appointment for Tuesday morning, if you still have one.",
    "My order has not arrived yet, and I have been waiting for more than a week.",
    "Could you tell me what time you open on Saturday and whether there is parking?",
    "No, that is not right. The number ends in seven four nine two.",
    "I moved to a new address last month and need to change it on my account.",
    "The heating in our flat stopped working last night, and it is very cold.",
    "Yes, please go ahead and cancel it, I do not need the second one any more.",
    "Is there somebody I can talk to about an invoice that I do not understand?",
    "My name is Margaret Whitfield, and I am calling on behalf of my mother.",
    "We are four people, two of them children, and we would like to stay three nights.",
    "I paid by card yesterday, but the money was taken twice from my account.",
    "The package was left with a neighbour, who says that she never got it.",
    "Can you put me through to the service department? I have called before.",
    "It makes a strange noise when I brake, and there is a light on the dashboard.",
    "Thank you, that is very kind of you. Could you send me that by e-mail?",
    "I am looking for a red one in medium, the kind with the short sleeves.",
    "The train was cancelled, so I missed my connection and had to take a taxi.",
    "We have a meeting at half past nine, so the afternoon would be better.",
    "I forgot my password, and the message with the link never comes.",
    "How long does it take to have the glass replaced, and what does it cost?",
    "I have a question about the contract which you sent me the other day.",
    "There are eleven of us now, and one of my friends does not eat any meat.",
    "I think that I left my umbrella in your shop on Thursday evening.",
    "Please tell the doctor that the tablets do not help me as they used to.",
)


class Window(NamedTuple):
    """Three seconds of speech as a detector is given them."""

    speaker: str
    machine: bool
    held: bool
    found: Features


def on_the_line(sound: NDArray[np.float32], chance: np.random.Generator) -> bytes:
    """A voice at some level over some line."""
    active = np.abs(sound) > 0.02 * np.abs(sound).max()
    level_db, noise_db = chance.uniform(-28, -14), chance.uniform(-68, -52)
    gain = 10 ** (level_db / 20) / float(np.sqrt(np.mean(sound[active] ** 2)))
    noise = chance.standard_normal(len(sound)) * 10 ** (noise_db / 20)
    return mulaw.encode_float((sound * gain + noise).astype(np.float32))


def windows(
    speaker: str, sounds: Sequence[NDArray[np.float32]], *, machine: bool, held: bool, seed: int
) -> list[Window]:
    """What a speaker says, in windows, each clip over a line of its own."""
    chance, speech = np.random.default_rng(seed), bytearray()
    for sound in sounds:
        speech += b"".join(spoken_blocks(on_the_line(sound, chance)))
    size = round(WINDOW_S * RATE_HZ)
    found = [
        features(mulaw.decode_float(bytes(speech[at : at + size]))) for at in range(0, len(speech) - size + 1, size)
    ]
    return [Window(speaker, machine, held, one) for one in found if one is not None]


def people(folder: Path) -> list[Window]:
    """All clips with one person's speech, by speaker."""
    clips: defaultdict[tuple[str, bool], list[NDArray[np.float32]]] = defaultdict(list)
    with (folder / "INDEX.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["kind"] in ("turn", "pause", "digits", "letters", "word"):
                clips[row["speaker"], row.get("part") == "held"].append(_read(folder / row["file"]))
    return [
        window
        for number, ((speaker, held), sounds) in enumerate(sorted(clips.items(), key=lambda one: one[0]))
        for window in windows(speaker, sounds, machine=False, held=held, seed=number)
    ]


def _read(path: Path) -> NDArray[np.float32]:
    return mulaw.decode_float(read_sound(path))


def machines() -> list[Window]:
    """Every voice that is installed, at several speeds; the last third of the sentences is held back."""
    found = []
    for number, (name, say) in enumerate(voices().items()):
        cut = 2 * len(SENTENCES) // 3
        for held, texts in ((False, SENTENCES[:cut]), (True, SENTENCES[cut:])):
            sounds = [np.asarray(say(text), np.float32) for text in texts]
            found += windows(name, sounds, machine=True, held=held, seed=1000 + number)
    return found


class Line(NamedTuple):
    """Weights that were found on examples."""

    mean: Features
    scale: Features
    weights: Features
    bias: float

    def score(self, window: Window) -> float:
        """The evidence for a machine; 0 is undecided."""
        return float((window.found - self.mean) / self.scale @ self.weights) + self.bias


def fit(examples: Sequence[Window], ridge: float = 3.0) -> Line:
    """Logistic regression, both kinds weighing the same, by Newton's steps."""
    x = np.array([one.found for one in examples])
    y = np.array([one.machine for one in examples], float)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    share = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    penalty = np.diag([ridge] * (x.shape[1] - 1) + [1e-6])
    w = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        slope = x.T @ (share * (p - y)) + penalty @ w
        curve = (x * (share * p * (1 - p))[:, None]).T @ x + penalty
        w -= np.linalg.solve(curve, slope)
    return Line(mean, scale, w[:-1], float(w[-1]))


def rates(scored: Sequence[tuple[str, bool, float]]) -> dict[str, Any]:
    """How often people are taken for machines and machines for people, and how well the scores tell them apart."""
    measures: dict[str, Callable[[Sequence[tuple[str, bool, float]]], float]] = {
        "people_taken_for_machines": lambda some: float(np.mean([s > 0 for _, machine, s in some if not machine])),
        "machines_found": lambda some: float(np.mean([s > 0 for _, machine, s in some if machine])),
        "area_under_curve": _area,
    }
    by: defaultdict[tuple[bool, str], list[tuple[str, bool, float]]] = defaultdict(list)
    for one in scored:
        by[one[1], one[0]].append(one)
    chance = np.random.default_rng(1)
    found: dict[str, Any] = {
        "people": sum(not machine for machine, _ in by),
        "windows_of_people": sum(not machine for _, machine, _ in scored),
        "machines": sum(machine for machine, _ in by),
        "windows_of_machines": sum(machine for _, machine, _ in scored),
    }
    draws = []
    for _ in range(1000):
        drawn: list[tuple[str, bool, float]] = []
        for kind in (False, True):
            names = [name for machine, name in by if machine == kind]
            picked = [by[kind, names[n]] for n in chance.integers(0, len(names), len(names))]
            drawn += [some[n] for some in picked for n in chance.integers(0, len(some), len(some))]
        draws.append(drawn)
    for name, measure in measures.items():
        low, high = np.percentile([measure(drawn) for drawn in draws], (2.5, 97.5))
        found[name] = {"is": round(measure(scored), 3), "low": round(float(low), 3), "high": round(float(high), 3)}
    return found


def _area(some: Sequence[tuple[str, bool, float]]) -> float:
    people, machines = ([s for _, machine, s in some if machine == kind] for kind in (False, True))
    return float(np.mean([[(m > p) + 0.5 * (m == p) for m in machines] for p in people]))


def judged(
    everybody: Sequence[Window], of_test: Callable[[Window], bool], knows: Callable[[Window], bool]
) -> dict[str, Any]:
    """Judge the windows of one set by weights found on another."""
    line = fit([one for one in everybody if knows(one)])
    return rates([(one.speaker, one.machine, line.score(one)) for one in everybody if of_test(one)])


def main() -> None:
    """Print the rates, and keep them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS)
    parser.add_argument("--keep", default="", metavar="NAME", help="keep the result under this name")
    parser.add_argument("--fit", action="store_true", help="write the service's weights")
    arguments = parser.parse_args()
    everybody = [*people(arguments.clips), *machines()]

    def joe(one: Window) -> bool:
        return one.speaker == "joe"

    whole = {
        "speakers and sentences that it does not know, engines that it knows": judged(
            everybody, lambda one: one.held, lambda one: not one.held
        ),
        "people that it does not know, a Piper voice by weights found with the default one": judged(
            everybody, lambda one: (one.held and not one.machine) or joe(one), lambda one: not (one.held or joe(one))
        ),
        "people that it does not know, the default voice by weights found with a Piper one": judged(
            everybody,
            lambda one: (one.held and not one.machine) or (one.machine and not joe(one)),
            lambda one: not one.held and (not one.machine or joe(one)),
        ),
    }
    every: list[tuple[str, bool, float]] = []
    for speaker in sorted({one.speaker for one in everybody}):
        line = fit([one for one in everybody if one.speaker != speaker])
        every += [(one.speaker, one.machine, line.score(one)) for one in everybody if one.speaker == speaker]
    whole["each speaker, person or voice, by weights found without them"] = rates(every)
    for what, found in whole.items():
        print(f"\n{what}")
        for name, value in found.items():
            told = (
                value if isinstance(value, int) else f"{value['is']:.3f}  ({value['low']:.3f} to {value['high']:.3f})"
            )
            print(f"  {name.replace('_', ' '):28} {told}")
    if arguments.keep:
        print("kept:", keep(arguments.keep, {"rates": whole}))
    if arguments.fit:
        line = fit([one for one in everybody if not (one.held and not one.machine)])
        kept = {
            "mean": [round(float(v), 5) for v in line.mean],
            "scale": [round(float(v), 5) for v in line.scale],
            "weights": [round(float(v), 5) for v in line.weights],
            "bias": round(line.bias, 5),
        }
        WEIGHTS.write_text(json.dumps(kept) + "\n")
        print("written:", WEIGHTS)


if __name__ == "__main__":
    main()
