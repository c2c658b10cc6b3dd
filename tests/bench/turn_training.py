"""Find the weights by which the end of a turn is judged, and say honestly what they are worth.

    python -m tests.bench.turn_training [--clips DIR ...] [--json FILE]

A logistic regression with an L2 penalty over what is known at a pause (`turn_examples`): the end-of-turn model's tone,
three measures of prosody, two of the text, and how often the caller paused before. Few weights, since there are few
people: every number printed for a person is of weights that were found without that person. The weights go by hand
into `bridge.listening.turn_model` (sound) and `bridge.call.completion` (the rest).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.call.completion import MOST_PAUSES, TextWeights, is_whole_alone, sounds_unfinished
from bridge.call.completion import odds as odds_of
from bridge.call.endpointing import Endpointing
from bridge.call.settings import EndpointSettings
from bridge.listening.prosody import prosody
from bridge.listening.turn_model import SoundWeights, log_odds
from tests.bench import turn_examples
from tests.bench.turn_examples import Example
from tests.bench.turn_taking import CLIPS, JUDGED_BYTES, Engines

Floats = npt.NDArray[np.float64]

NAMES = (*SoundWeights._fields[1:], *TextWeights._fields)
PENALTY = 3.0
IMPORTANCE = {"people": 1.0, "floor": 0.1, "made": 0.1}
SHORT_GAP, UNKNOWN_GAP = 0.4, 0.3
"""Pauses that end before any turn would, and those that the index does not list, teach less than long ones."""
OVERHEAD_MS = 45.0
"""From the decision to the first sound at the caller's ear."""
NOTICE_S = 0.1
CUT_COSTS_MS = 1500.0
"""What being cut off is worth in waiting: our first words are heard, the caller stops, and says half of it again."""


def measures(example: Example) -> list[float]:
    """What is known, in the order of `NAMES`."""
    heard = prosody(example.ulaw[-JUDGED_BYTES:])
    text = example.text
    return [
        log_odds(example.probability),
        *heard,
        float(bool(text) and sounds_unfinished(text)),
        float(not text),
        float(min(example.earlier, MOST_PAUSES)),
    ]


def importance(example: Example) -> float:
    """How much an example counts: what is said in pieces by declaration is judged by other rules."""
    if example.answer != "open" or (example.finished and not example.counts and example.source == "people"):
        return 0.0
    weight = IMPORTANCE[example.source]
    if not example.finished and example.source != "made":
        weight *= UNKNOWN_GAP if not example.gap_s else SHORT_GAP if example.gap_s < 0.35 else 1.0
    return weight


def fit(inputs: Floats, finished: Floats, weights: Floats) -> Floats:
    """Bias and weights of the logistic regression, by Newton's method; the penalty is on standardised inputs."""
    middle = np.average(inputs, axis=0, weights=weights)
    spread = np.sqrt(np.average((inputs - middle) ** 2, axis=0, weights=weights)) + 1e-9
    scaled = np.column_stack([np.ones(len(inputs)), (inputs - middle) / spread])
    penalty = np.full(scaled.shape[1], PENALTY)
    penalty[0] = 1e-3
    found = np.zeros(scaled.shape[1])
    for _ in range(50):
        likely = 1.0 / (1.0 + np.exp(-scaled @ found))
        slope = scaled.T @ (weights * (likely - finished)) + penalty * found
        bend = (scaled * (weights * likely * (1.0 - likely))[:, None]).T @ scaled + np.diag(penalty)
        found -= np.linalg.solve(bend, slope)
    found[1:] /= spread
    found[0] -= float(found[1:] @ middle)
    return found


def without_each_speaker(examples: Sequence[Example], inputs: Floats) -> Floats:
    """Log-odds of each example by weights that were found without its speaker."""
    finished = np.array([float(e.finished) for e in examples])
    weights = np.array([importance(e) for e in examples])
    speakers = np.array([e.speaker for e in examples])
    odds = np.zeros(len(examples))
    for speaker in sorted(set(speakers)):
        own = speakers == speaker
        found = fit(inputs[~own], finished[~own], weights[~own])
        odds[own] = found[0] + inputs[own] @ found[1:]
    return odds


def area(finished: Floats, unfinished: Floats) -> float:
    """How often an end scores above a pause (area under the ROC curve)."""
    above = np.subtract.outer(finished, unfinished)
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


# -- what it comes to ----------------------------------------------------------------------------------------------


def outcome(examples: Sequence[Example], silence_ms: Callable[[int], float]) -> dict[str, Any]:
    """Cut-offs by length of pause, and reply latencies, if each pause were given this silence."""
    cuts: dict[str, list[bool]] = {"0.35-0.5": [], "0.5-0.9": [], "0.9-": []}
    replies: list[float] = []
    words: list[float] = []
    for number, example in enumerate(examples):
        waits_ms = silence_ms(number)
        reply_ms = example.late_ms + waits_ms + OVERHEAD_MS
        if example.finished and example.counts:
            (words if example.kind == "word" else replies).append(reply_ms)
        elif not example.finished and example.gap_s >= 0.35:
            row = "0.35-0.5" if example.gap_s < 0.5 else "0.5-0.9" if example.gap_s < 0.9 else "0.9-"
            cuts[row].append(reply_ms / 1000 < example.gap_s + NOTICE_S)
    return {
        "cut": {row: f"{sum(found)}/{len(found)}" for row, found in cuts.items()},
        "cut_off": sum(map(sum, cuts.values())),
        "cost_ms": round(sum(map(sum, cuts.values())) / sum(map(len, cuts.values())) * CUT_COSTS_MS + np.mean(replies)),
        "reply_ms": [round(float(np.percentile(replies, p))) for p in (50, 95)],
        "word_ms": [round(float(np.percentile(words, p))) for p in (50, 95)] if words else [],
    }


def patience(example: Example, odds: float, settings: EndpointSettings) -> float:
    """The silence that the machine would wait for, if its log-odds were these."""
    endpoint = Endpointing(settings, example.answer)
    endpoint.text, endpoint.earlier_pauses = example.text, example.earlier
    known = odds - odds_of(0.5, example.text, example.earlier)
    endpoint.probability = 1.0 / (1.0 + float(np.exp(-known)))
    return endpoint.patience(listens=True).silence_ms


def curve(examples: Sequence[Example], odds: Floats) -> list[dict[str, Any]]:
    """Cut-offs against latency for several thresholds, by people whom the weights do not know."""
    rows = []
    for finished in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8):
        for doubtful in (0.2, 0.3, 0.4):
            settings = EndpointSettings(finished_probability=finished, doubtful_probability=doubtful)
            row = outcome(examples, lambda n, s=settings: patience(examples[n], float(odds[n]), s))  # type: ignore[misc]
            rows.append({"finished": finished, "doubtful": doubtful, **row})
    return rows


def by_tone_alone(example: Example) -> float:
    """The rule before there were weights: three silences by Smart Turn's probability and the last word."""
    text = example.text
    if example.answer != "open" or not text or is_whole_alone(text):
        endpoint = Endpointing(EndpointSettings(), example.answer)
        endpoint.text = text
        return endpoint.patience(listens=True).silence_ms
    if sounds_unfinished(text) or example.probability < 0.5:
        return 1250.0
    return 800.0 if example.probability < 0.9 else 430.0


def report(examples: Sequence[Example]) -> dict[str, Any]:
    """Fit, judge every person without them, print weights and curve."""
    inputs = np.array([measures(e) for e in examples])
    odds = without_each_speaker(examples, inputs)
    people = [n for n, e in enumerate(examples) if e.source == "people"]
    ends = [n for n in people if examples[n].finished and examples[n].counts and examples[n].kind == "turn"]
    gaps = [
        n for n in people if not examples[n].finished and examples[n].gap_s >= 0.35 and examples[n].answer == "open"
    ]
    tone = inputs[:, 0]
    print(
        f"{len(examples)} examples, {len({e.speaker for e in examples})} speakers; {len(ends)} ends, {len(gaps)} pauses"
    )
    print(
        f"area under the curve: Smart Turn {area(tone[ends], tone[gaps]):.2f}, all {area(odds[ends], odds[gaps]):.2f}"
    )
    found = fit(inputs, np.array([float(e.finished) for e in examples]), np.array([importance(e) for e in examples]))
    weights = dict(zip(("bias", *NAMES), (round(float(w), 2) for w in found), strict=True))
    print(weights)
    chosen = [examples[n] for n in people]
    before = outcome(chosen, lambda n: by_tone_alone(chosen[n]))
    print("tone alone", before)
    rows = curve(chosen, odds[people])
    for row in rows:
        print(row)
    return {"weights": weights, "tone_alone": before, "curve": rows}


def main() -> None:
    """Gather, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="*", default=[CLIPS.parent / "human"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    engines = Engines()
    examples = [example for folder in arguments.clips for example in turn_examples.of_people(engines, folder)]
    examples += [*turn_examples.of_floor(engines), *turn_examples.made(engines)]
    result = report(examples)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
