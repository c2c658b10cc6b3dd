"""A caller whose telephone gives our own voice back, on a noisy line: made by code, in virtual time, with real parts.

The echo is that of what is really played: when we duck, it ducks with us.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from bridge.audio import mulaw
from bridge.call.actions import Action, Prompt, Say
from bridge.call.commands import Decided, Transcribe
from bridge.call.settings import CallSettings
from bridge.listening.sound import Floats
from tests.bench.turn_taking import BOT_TEXT, CLIPS, FRAME_S, WAYS_S, Engines, Listener, read_ulaw

_FRAME = round(FRAME_S * 8000)
_BOT = read_ulaw(CLIPS / "bot.wav")


def level_db(ulaw: bytes) -> float:
    """Level of the parts that are not silent, in dBFS."""
    samples = mulaw.decode_float(ulaw)
    power = np.square(samples[: len(samples) // _FRAME * _FRAME]).reshape(-1, _FRAME).mean(axis=1)
    return float(10.0 * np.log10(power[power > 1e-5].mean()))


BOT_DB = level_db(_BOT)


@dataclasses.dataclass(frozen=True)
class EchoPath:
    """How our voice comes back; levels are against our own voice."""

    echo_db: float
    delay_s: float
    """From the caller's ear back to the caller's line."""
    noise_db: float


@dataclasses.dataclass(frozen=True)
class Story:
    """What came of it. Times are seconds from the caller's first sound, or from the start of the clip without one."""

    ducked_at: tuple[float, ...]
    stopped_at: float | None
    turns: int
    """Answers that the agent was asked for."""
    transcriptions: int


class EchoingPhone(Listener):
    """A listener's phone that mixes echo and noise into every frame."""

    def __init__(self, engines: Engines, clip: bytes, path: EchoPath, seed: int = 0) -> None:
        super().__init__(engines, clip, _script, CallSettings(no_input_s=60), WAYS_S[-1], _BOT)
        self._path = path
        self._gain = 10.0 ** (path.echo_db / 20.0)
        self._noise = 10.0 ** ((BOT_DB + path.noise_db) / 20.0)
        self._rng = np.random.default_rng(seed)

    def _frame(self, spoken: bytes) -> bytes:
        samples = mulaw.decode_float(spoken) + self._gain * self._returned(self.now - self._way_s - FRAME_S)
        samples += self._rng.normal(0.0, self._noise, _FRAME)
        return mulaw.encode(np.clip(samples * 32768, -32768, 32767).astype(np.int16))

    def _returned(self, start: float) -> Floats:
        """What the ear heard one echo path before the frame that began here."""
        heard = np.zeros(_FRAME, np.float32)
        for piece in reversed(self.line.played):
            if piece.end < start - self._path.delay_s - FRAME_S:
                break
            first = round((start - self._path.delay_s - piece.start) * 8000)
            low, high = max(first, 0), min(first + _FRAME, round((piece.end - piece.start) * 8000), len(piece.audio))
            if high > low:
                heard[low - first : high - first] = mulaw.decode_float(piece.audio[low:high])
        return heard


def _script(prompt: Prompt) -> Sequence[Action]:
    if prompt.kind == "call_started":
        return [Say(BOT_TEXT)]
    return [Say("I see.")] if prompt.kind == "caller_said" else []


def story(
    engines: Engines,
    path: EchoPath,
    *,
    caller_level_db: float | None,
    clip: bytes = b"",
    onset_s: float = 0.0,
    at_s: float = 1.2,
) -> Story:
    """The bot says its sentence; the caller, if there is one, speaks `at_s` into it.

    `caller_level_db` is what is known of the caller's loudness: nothing, in a greeting.
    """
    phone = EchoingPhone(engines, clip, path)
    phone.call.floor.caller_level_db = caller_level_db
    phone.answers()
    while not phone.line.played:
        phone.wait(FRAME_S)
    phone.wait(max(phone.line.played[0].start - phone.now + at_s, 0.0))
    phone.plays_clip()
    zero = phone.now + onset_s
    phone.wait(len(_BOT) / 8000 + 4.0)
    decided = [(at - zero, command.what) for at, command in phone.commands if isinstance(command, Decided)]
    return Story(
        tuple(at for at, what in decided if what == "suspected"),
        next((at for at, what in decided if what == "interrupted"), None),
        sum(prompt.kind == "caller_said" for prompt in phone.prompts),
        len(phone.ordered(Transcribe)),
    )
