"""Pauses to learn the end of a turn from: real people's, the published floor clips', and speech made for it.

An example is what the bridge knows at a pause: the caller's audio since the turn began, what the recogniser and the
end-of-turn model make of it, and how often the caller paused before; and what came then, more or nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bridge.audio.mulaw import encode_float
from bridge.call.actions import Action, Expect, Prompt
from bridge.call.commands import Command, Transcribe
from bridge.call.settings import CallSettings, EndpointSettings
from bridge.simulator.sound import Sound, at_level, resample
from bridge.worker.engines.base import Engine
from bridge.worker.engines.hibari import HibariEngine
from bridge.worker.engines.piper import PiperEngine
from tests.bench.gpu import installed_voice
from tests.bench.human_clips import BEFORE_S, EXPECTED, SPEECH, Clip, on_the_line, read_clips
from tests.bench.turn_taking import CALLER_DB, CLIPS, WAYS_S, Engines, Listener, read_ulaw

SENTENCES = """I'd like to book an appointment for next Tuesday morning.
Can I change my reservation to the second of May?
My order number is four seven one nine two.
I was charged twice for the same ticket last week.
The washing machine stopped working after two days.
Could you tell me when you open on Saturdays?
I need to speak with someone about my insurance claim.
We are a party of six and would like a table by the window.
My name is Jonathan Miller and I live in Oakland.
It would be great if somebody could call me back this afternoon.
Please send the invoice to my new address on Park Avenue.
I want a large coffee with oat milk and a blueberry muffin.
Is there any chance to get a refund for this?
The technician was supposed to come between eight and ten.
I'm calling because the internet has been down since yesterday.
Tomorrow at half past three works for me.
He said that I should bring my passport and a recent photo.
Do you have anything cheaper than that?
I think the blue one fits better with the carpet.
Let me talk to the manager about the delivery.
We moved to a different city in the middle of the year.
The package arrived but one of the glasses was broken.
Can you repeat the last part for me?
There is a strange noise whenever I turn the engine on.
I would rather pay by credit card if that is possible.
My doctor wants me to come back in three weeks.
No, I meant the flight to Boston on Sunday evening.
I've been waiting on this line for almost twenty minutes.
You can reach me at work until five o'clock.
Everything is fine so far, thank you very much.
Put me down for the early train, please.
I forgot the password of my online account.""".splitlines()
HESITATIONS = ("", "", " um", " uh")
NOISES_DBFS = (-70.0, -55.0, -45.0)
AFTER_S = 0.15
"""As much silence as the machine has heard when it asks."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One pause of a caller."""

    source: str
    speaker: str
    file: str
    answer: str
    ulaw: bytes
    text: str
    probability: float
    """The end-of-turn model's, from the sound alone."""
    earlier: int
    """Pauses in this turn before this one."""
    finished: bool
    gap_s: float
    """How long the pause lasts; 0 where the clip's index does not tell."""
    counts: bool = True
    """Its reply is timed: a sentence without pauses, with clear edges."""
    late_ms: float = 0.0
    """From the last sound by the index to the last that the machine heard."""
    kind: str = "turn"


class _Asking(Listener):
    """Notes what is known at each pause."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asked: list[tuple[float, bytes, str, float]] = []

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, Transcribe) and not command.so_far and (turn := self.call.turn) is not None:
            ulaw = bytes(self._heard[max(int((command.since - 0.2) * 8000), 0) :])
            text, _, probability = self._engines.heard(ulaw)
            self.asked.append((turn.last_speech_at, ulaw, text, probability))
        super()._carry_out(command)


PATIENT = EndpointSettings(
    short_ms=6000, doubtful_ms=6000, long_ms=6000, ceiling_ms=6000, unheard_ms=6000, speculate=False
)


def of_clips(engines: Engines, clips: Iterable[Clip], source: str) -> Iterator[Example]:
    """Every pause of these recordings that the machine would ask about, with a bot that waits for ever."""
    for clip in clips:
        answer = EXPECTED.get(clip.kind, "open")

        def script(prompt: Prompt, answer: str = answer) -> list[Action]:
            return [Expect(answer)] if prompt.kind == "call_started" else []

        phone = _Asking(engines, on_the_line(clip), script, CallSettings(no_input_s=60, endpoint=PATIENT), WAYS_S[-1])
        phone.call.floor.caller_level_db = CALLER_DB
        phone.answers()
        phone.wait(0.5)
        phone.plays_clip()
        began = phone.now + BEFORE_S + WAYS_S[-1]
        phone.wait(BEFORE_S + len(clip.ulaw) / 8000 + 1.0)
        whole = clip.kind == "turn" and max((length for _, length in clip.pauses), default=0.0) < 0.35
        for number, (last_at, ulaw, text, probability) in enumerate(phone.asked):
            last_s = last_at - began
            finished = last_s >= clip.end_s - 0.25
            pause = next(((at, s) for at, s in clip.pauses if at - 0.15 <= last_s <= at + s), None)
            late_s = last_s - (clip.end_s if finished else pause[0] if pause else last_s)
            yield Example(
                source, clip.speaker if clip.speaker.count("crowd") == 0 or "F0" in clip.speaker else clip.file,
                clip.file, answer, ulaw, text, probability, number, finished,
                0.0 if finished or pause is None else pause[1], clip.sure and (whole or clip.kind == "word"),
                late_s * 1000, clip.kind,
            )  # fmt: skip


def of_people(engines: Engines, folder: Path) -> list[Example]:
    """A folder of real people's recordings (`human_clips`), without those that are kept back to measure with."""
    kept_back = {clip.file for clip in read_clips(folder, "held")} if folder == CLIPS.parent / "human" else set()
    clips = [clip for clip in read_clips(folder) if clip.kind in SPEECH | {"word"} and clip.file not in kept_back]
    return list(of_clips(engines, clips, "people"))


def of_floor(engines: Engines) -> list[Example]:
    """The published clips of one synthetic voice: whole sentences, and those with a pause in the middle."""
    entries = json.loads((CLIPS / "manifest.json").read_text())["clips"]
    found = []
    for entry in entries:
        if entry["set"] != "turn" or entry["answer"] != "open":
            continue
        pauses = tuple((p[0] / 1000, (p[1] - p[0]) / 1000) for p in entry.get("pauses_ms", []))
        clip = Clip(
            entry["file"], "turn", str(entry.get("voice", "floor")), entry["onset_ms"] / 1000, entry["end_ms"] / 1000,
            pauses, True, read_ulaw(CLIPS / entry["file"]),
        )  # fmt: skip
        found += list(of_clips(engines, [clip], "floor"))
    return found


# -- speech made for it ----------------------------------------------------------------------------------------------


def _spoken(engine: Engine, text: str, speed: float) -> tuple[Sound, list[tuple[float, float]]]:
    job = engine.begin(text, text.split(), "", speed)
    parts, words = [], []
    while job.kind:
        [step] = engine.run([job])
        parts.append(step.audio)
        words += list(step.words or ())
    return resample(np.concatenate(parts), engine.rate_hz, 8000), words


def _on_a_line(sound: Sound, rng: np.random.Generator) -> bytes:
    noise_db = float(rng.choice(NOISES_DBFS))
    quiet = np.zeros(int(AFTER_S * 8000), np.float32)
    whole = np.concatenate([quiet, at_level(sound, float(rng.uniform(-28, -18))), quiet])
    whole += rng.normal(0.0, 10 ** (noise_db / 20), len(whole)).astype(np.float32)
    return encode_float(np.clip(whole, -1, 1).astype(np.float32))


def made(engines: Engines, seed: int = 5) -> Iterator[Example]:
    """Each sentence whole, and broken off behind some word of it, some after a hesitation, by every voice there is."""
    rng = np.random.default_rng(seed)
    voices: dict[str, Engine] = {"hibari": HibariEngine()}
    if (model := installed_voice()) is not None:
        voices["joe"] = PiperEngine(model, "cpu")
    for name, engine in voices.items():
        for number, sentence in enumerate(SENTENCES):
            sound, words = _spoken(engine, sentence, float(rng.uniform(0.85, 1.2)))
            yield _made_example(engines, name, number, sound, True, rng)
            for cut in rng.choice(np.arange(1, len(words) - 1), 2, replace=False):
                part = sound[: round(words[cut][1] * 8000)]
                if hesitation := str(rng.choice(HESITATIONS)):
                    part = np.concatenate([part, _spoken(engine, hesitation.strip() + ",", 0.9)[0]])
                yield _made_example(engines, name, number, part, False, rng)


def _made_example(
    engines: Engines, name: str, number: int, sound: Sound, finished: bool, rng: np.random.Generator
) -> Example:
    ulaw = _on_a_line(sound, rng)
    text, _, probability = engines.heard(ulaw)
    return Example("made", name, f"{name}_{number}", "open", ulaw, text, probability, 0, finished, 0.0)
