"""The phrase cache: how fast a hit is, and how often a dialogue hits.

    python -m tests.bench.phrase_cache [--calls 200] [--seed 1]

Hit latency: from `synthesise` and `pull` of a kept greeting to its first audio, in process, one call after another.
Hit rates: a generated dialogue corpus (no public one is shipped with this project): phone agents of a clinic, a shop
and a bank, each turn drawn from fixed lines, sentences with a slot, or 216 free sentences, in stated shares.
Replayed with the default voice, call after call, against an empty cache; rates are of pieces, and of answers whose
first audio came from memory (within 1 ms).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections.abc import Iterator
from typing import Any

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed
from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import SpeechService
from tests.bench.machine import keep

GREETING = "Good morning! You have reached the practice of Dr. Patel. How can I help you today?"
HITS = 3000
SHARES = {"fixed": 0.45, "slot": 0.25, "free": 0.30}
"""Of a call's turns after the greeting."""

FIXED = [
    "Of course. Let me have a look.",
    "Could you repeat that, please?",
    "One moment, please.",
    "Is there anything else I can do for you?",
    "Thank you for waiting.",
    "I'm sorry, I didn't get that.",
    "Please say or type your date of birth.",
    "I will put you through to a colleague. Please hold the line.",
    "You're welcome. Goodbye!",
    "That is all sorted out now.",
]
SLOTS = [
    "Your appointment is on {date}.",
    "Your code is {digits}.",
    "The total comes to {amount} with tax.",
    "I can see an order for {name} from last week.",
    "The earliest I have is {time} on Monday.",
]
VALUES = {
    "date": ["Tuesday", "the third of May", "Friday", "March 14", "tomorrow", "June 21", "next Wednesday"],
    "digits": [],
    "amount": [],
    "name": ["Anna Kaminski", "Mr. Robinson", "Elizabeth Moore", "Peter Schmidt", "Ms. Okafor", "Sue Park"],
    "time": ["9:30 a.m.", "noon", "a quarter past three", "10 o'clock", "half past six"],
}
OPENERS = ["Well,", "As far as I can see,", "From what you tell me,", "To be honest,", "In that case,", "Right,"]
MIDDLES = [
    "the doctor would like to see you before",
    "your parcel should leave our warehouse within",
    "the card will be replaced free of charge after",
    "we can move the booking if you call us before",
    "it takes a little longer than usual, about",
    "the refund is on your account in",
]
ENDS = ["two days.", "the end of the week.", "three working days.", "noon.", "ten minutes.", "the first of the month."]


def corpus(calls: int, seed: int) -> Iterator[list[str]]:
    """Calls as the agent's answers."""
    chance = random.Random(seed)
    for _ in range(calls):
        answers = [GREETING]
        for _ in range(chance.randint(3, 8)):
            match chance.choices(list(SHARES), list(SHARES.values()))[0]:
                case "fixed":
                    # Some lines are said far more often than others: Zipf's law with exponent 1.
                    answers.append(chance.choices(FIXED, [1 / (i + 1) for i in range(len(FIXED))])[0])
                case "slot":
                    answers.append(_filled(chance.choice(SLOTS), chance))
                case _:
                    answers.append(" ".join(map(chance.choice, (OPENERS, MIDDLES, ENDS))))
        answers.append(FIXED[8])
        yield answers


def _filled(sentence: str, chance: random.Random) -> str:
    def value(slot: re.Match[str]) -> str:
        match slot[1]:
            case "digits":
                return " ".join(str(chance.randint(0, 9)) for _ in range(4))
            case "amount":
                return f"${chance.randint(3, 400)}.{chance.randint(0, 99):02d}"
            case name:
                return chance.choice(VALUES[name])

    return re.sub(r"\{(\w+)\}", value, sentence)


class _Answer:
    """One utterance and when its first audio came."""

    def __init__(self, speech: SpeechService) -> None:
        self._call = speech.open_call(self._deliver)
        self._over = asyncio.get_running_loop().create_future()
        self.first_ms: float | None = None
        self._began = 0.0

    async def say(self, text: str) -> float:
        """Milliseconds from the command to the first audio."""
        self._began = time.perf_counter()
        self._call.synthesise(Synthesise(1, text, True))
        self._call.pull(PullSpeech(1, 60_000, 0))
        await self._over
        self._call.close()
        assert self.first_ms is not None
        return self.first_ms

    def _deliver(self, event: Event) -> None:
        match event:
            case SpeechArrived() if self.first_ms is None:
                self.first_ms = (time.perf_counter() - self._began) * 1000
            case SpeechEnded() | SpeechFailed():
                self._over.set_result(None)


def percentile(samples: list[float], share: float) -> float:
    """Nearest rank."""
    ranked = sorted(samples)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


async def hit_latency(speech: SpeechService) -> dict[str, float]:
    """First audio of a kept greeting."""
    await speech.warm([GREETING])
    samples = [await _Answer(speech).say(GREETING) for _ in range(HITS)]
    return {f"p{share:g}": round(percentile(samples, share / 100), 4) for share in (50, 99)} | {"n": HITS}


async def replay(settings: SpeakingSettings, calls: int, seed: int, templates: bool) -> dict[str, Any]:
    """The corpus, one call after another, from an empty cache."""
    speech = SpeechService(settings)
    await speech.start()
    if templates:
        await speech.warm(SLOTS)
    before = speech.stats()
    firsts: list[float] = []
    for answers in corpus(calls, seed):
        for text in answers:
            firsts.append(await _Answer(speech).say(text))
    stats = {name: value - before.get(name, 0.0) for name, value in speech.stats().items()}
    hits = stats["cache_hits_memory"] + stats["cache_hits_disk"]
    pieces = hits + stats["cache_misses"]
    if templates:
        pieces += stats["phrases_private"] - stats["phrases_filled"]
    await speech.close()
    return {
        "answers": len(firsts),
        "pieces": int(pieces),
        "hit_rate_of_pieces": round(hits / pieces, 3),
        "answers_with_first_audio_from_memory": round(sum(ms < 1.0 for ms in firsts) / len(firsts), 3),
        "first_audio_ms": {f"p{s}": round(percentile(firsts, s / 100), 2) for s in (50, 95, 99)},
        "audio_saved_s": round(stats["cache_saved_audio_s"], 1),
        "synthesis_saved_ms": round(stats["cache_saved_synthesis_ms"]),
        "templates_filled": int(stats["phrases_filled"]),
    }


async def measure(calls: int, seed: int) -> dict[str, Any]:
    """Everything, with one worker of its own."""
    base = SpeechService(SpeakingSettings())
    await base.start()
    assert base.worker_address is not None
    settings = SpeakingSettings(workers=(base.worker_address,), cache=CacheSettings(memory_mb=32))
    found = {
        "seed": seed,
        "calls": calls,
        "shares": SHARES,
        "hit_ms": await hit_latency(base),
        "corpus": await replay(settings, calls, seed, templates=False),
        "corpus_with_templates": await replay(settings, calls, seed, templates=True),
    }
    await base.close()
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.calls, arguments.seed))
    print(json.dumps(found, indent=2))
    keep("phrase_cache", found)


if __name__ == "__main__":
    main()
