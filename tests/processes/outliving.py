"""A service of several processes, a voice whose every word is a tone of its own, and callers who know what they heard.

The tones survive every carrier's codec, so that the ear can tell from the sound alone which words were heard, how much
of each, and when.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import aiohttp
import numpy as np
import numpy.typing as npt

from bridge.audio import mulaw
from bridge.simulator.call_facts import CallFacts
from bridge.simulator.caller import Caller, CallerAction
from bridge.simulator.carriers.telnyx import public_key
from bridge.simulator.phone_call import PhoneCall
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.sound import RATE_HZ, Sound
from bridge.simulator.trunk import Trunk, new_call
from bridge.system import sockets
from tests.processes.answering import NUMBERS, THANKS, told_to_listen
from tests.processes.running import SERVE
from tests.speaking.doubles import WORD_MS, FakeWorker

GREETING, GOODBYE = ([word.strip(".") for word in text.split()] for text in (NUMBERS, THANKS))
VOCABULARY = [*GREETING, *GOODBYE]
SCRIPT = f"""
start: number
states:
  number:
    say: {NUMBERS}
    expect: digits:4
    on_answer: thanks
  thanks:
    say: {THANKS}
    hang_up: done
"""
CONFIG = """
gateway: {{host: 127.0.0.1, max_loop_lag_ms: 10000, drain_deadline_s: 2.0, start_deadline_s: 60.0}}
listening: {{recogniser: {{kind: none}}, turn: {{kind: none}}}}
speaking: {{workers: ["{worker}"]}}
call: {{inter_digit_s: 30.0, no_input_s: 60.0}}
agent: {agent}
telemetry: {{recording: {{directory: recordings}}}}
"""
SCRIPTED = "{kind: script, file: script.yaml}"
SECRET = "a-secret"
ENVIRONMENT = {
    "PUBLIC_URL": "https://bridge.example.com",
    "TWILIO_AUTH_TOKEN": SECRET,
    "PLIVO_AUTH_TOKEN": SECRET,
    "VONAGE_SIGNATURE_SECRET": SECRET,
    "TELNYX_PUBLIC_KEY": public_key(SECRET),
}
ROUTES = {"twilio": "voice", "telnyx": "voice", "plivo": "voice", "vonage": "answer"}
STEPS = """
name: four keys, two before and two after
steps: [{{wait_for_silence: {{ms: {patience_ms}, timeout_s: 90}}}}, {{digits: "51"}}, {{silence: 800}},
  {{digits: "24"}}, {{wait_for_hang_up: 60}}]
carrier: {{round_trip_ms: {round_trip_ms}}}
longest_s: 240
"""
PATIENCE_MS = 4000
"""Of callers, once nothing more is said."""
_KEYS_APART_S = 0.22
_KEY_WAY_S = 0.05
"""A key is on its way to the process for so long at most."""
_TONE_MS = 180
_LOWEST_HZ, _STEP_HZ = 400.0, 55.0
_STEP = RATE_HZ // 100
_TOGETHER = 256
"""Frames that are looked at in one go."""
_AUDIBLE = 0.01
_GRID_MS = 20.0
"""The ear places the end of a word that is cut off up to ten milliseconds late."""
_KNOWN_WITHIN_MS = 1500.0
"""A process tells ten times a second that it is alive, and later where its machine is busy."""


def _tone(word: str, rate_hz: int) -> npt.NDArray[np.int16]:
    plain = word.strip(".").lower()
    hz = _LOWEST_HZ + _STEP_HZ * (VOCABULARY.index(plain) if plain in VOCABULARY else -2)
    times = np.arange(_TONE_MS * rate_hz // 1000) / rate_hz
    silence = np.zeros((WORD_MS - _TONE_MS) * rate_hz // 1000)
    samples: npt.NDArray[np.int16] = np.concatenate([np.sin(2 * math.pi * hz * times) * 6000, silence]).astype(np.int16)
    return samples


TONES: dict[str, Callable[[str], bytes]] = {
    "mulaw_8000": cache(lambda word: bytes(mulaw.encode(_tone(word, 8000)))),
    "pcm_16000": cache(lambda word: _tone(word, 16000).tobytes()),
}
"""How each word of the vocabulary sounds, by format."""


class HeardWord(NamedTuple):
    """A word in the caller's ear, from where to where."""

    word: str
    start_ms: int
    end_ms: int

    @property
    def share(self) -> float:
        """How much of it was heard."""
        return (self.end_ms - self.start_ms) / _TONE_MS


def words_in(sound: Sound) -> list[HeardWord]:
    """The words in a recording; a word whose tone stops and begins again is there twice."""
    found: list[HeardWord] = []
    for at, word in _tones_in(sound):
        start_ms = at * 1000 // RATE_HZ + 5
        if found and found[-1].word == word and start_ms - found[-1].end_ms <= 5:
            found[-1] = found[-1]._replace(end_ms=start_ms + 10)
        else:
            found.append(HeardWord(word, start_ms, start_ms + 10))
    return [one for one in found if one.end_ms - one.start_ms > 20]


def _tones_in(sound: Sound) -> Iterator[tuple[int, str]]:
    """Where a tone is heard, every ten milliseconds, and which word's it is."""
    if len(sound) < 2 * _STEP:
        return
    frames = np.lib.stride_tricks.sliding_window_view(sound, 2 * _STEP)[:-1:_STEP]
    window = np.hanning(2 * _STEP)
    for first in range(0, len(frames), _TOGETHER):
        some = frames[first : first + _TOGETHER]
        loud = np.sqrt(np.mean(some[:, _STEP // 2 : -_STEP // 2] ** 2, axis=1)) >= _AUDIBLE
        peaks = np.abs(np.fft.rfft(some * window, 2048, axis=1)).argmax(axis=1)
        numbers = np.rint((peaks * RATE_HZ / 2048 - _LOWEST_HZ) / _STEP_HZ).astype(int)
        for place in np.flatnonzero(loud):
            number = numbers[place]
            yield (first + int(place)) * _STEP, VOCABULARY[number] if 0 <= number < len(VOCABULARY) else "?"


@dataclass
class Account:
    """What a caller makes of a call."""

    carrier: str
    ended: str
    lost: list[str]
    twice: list[str]
    streams: int
    again: list[str] = field(default_factory=list)
    """Words after which a stream broke off soon, said anew: nobody could know that they had just been heard."""
    gaps_ms: list[float] = field(default_factory=list)
    """At the seams in the middle of speech: silence, less the carrier's own round trips."""
    call: str = ""
    """The carrier's name of the call, as the service logs it."""
    dialled_at: float = 0.0
    """Unix time."""
    heard: list[HeardWord] = field(default_factory=list, repr=False)
    keys_at: list[float] = field(default_factory=list, repr=False)
    """When each key was pressed, in Unix time."""
    facts: CallFacts | None = field(default=None, repr=False)

    @property
    def fine(self) -> bool:
        """Whether the call was heard whole, and ended as it should."""
        return not self.lost and not self.twice and self.ended in ("hung up", "no verb was left")

    @property
    def zero_at(self) -> float:
        """The Unix time at which the clock of the call's line began."""
        assert self.facts is not None
        return self.dialled_at - self.facts.happenings[0].at_ms / 1000

    def pressed_into_nothing(self, killed_at: Sequence[float]) -> bool:
        """Whether a key went to a process that was dead or stopped already: its carrier told nobody else of it.

        `killed_at` is when processes of the service were.
        """
        assert self.facts is not None
        for stream in self.facts.streams[:-1]:
            end = self.zero_at + stream.opened_at + len(stream.heard) / RATE_HZ
            at = max((one for one in killed_at if one <= end), default=end)
            if any(at - _KEY_WAY_S <= key <= end for key in self.keys_at):
                return True
        return False


def account(carrier: str, facts: CallFacts, round_trip_ms: float) -> Account:
    """Listen to a call that is over: every word once, but for the one in which a stream broke off."""
    heard = words_in(facts.recording.bot.sound)
    most = dict.fromkeys(VOCABULARY, 0.0)
    for word, parts in itertools.groupby(heard, key=lambda one: one.word):  # of which an underrun may make several
        if word in most:
            most[word] = max(most[word], sum(one.share for one in parts))
    whole = [one.word for one in heard if one.share > 0.9]
    streams = facts.streams
    told = Account(
        carrier,
        facts.ended,
        [word for word in VOCABULARY if most[word] < 0.6],
        [word for word in VOCABULARY if whole.count(word) > 1],
        len(streams),
        heard=heard,
        facts=facts,
    )
    for before in streams[:-1]:
        ended_ms = (before.opened_at + len(before.heard) / RATE_HZ) * 1000
        for one in heard:
            if one.word in told.twice and ended_ms - _KNOWN_WITHIN_MS < one.end_ms <= ended_ms + _GRID_MS:
                told.twice.remove(one.word)
                told.again.append(one.word)
    for before, after in itertools.pairwise(streams):
        ended_ms = (before.opened_at + len(before.heard) / RATE_HZ) * 1000
        silent_ms = max((one.end_ms for one in heard if one.start_ms < ended_ms), default=-1000)
        first_ms = min((one.start_ms for one in heard if one.start_ms >= after.opened_at * 1000), default=None)
        if first_ms is not None and ended_ms - silent_ms < WORD_MS:
            trips = 3.5 if after.verb.reconnects else 4.5  # see `bridge.simulator.scenario.Carrier.round_trip_ms`
            told.gaps_ms.append(first_ms - silent_ms - (WORD_MS - _TONE_MS) - trips * round_trip_ms)
    return told


def scenario(round_trip_ms: float, patience_ms: int = PATIENCE_MS) -> Scenario:
    """Every caller's story."""
    return parse(STEPS.format(round_trip_ms=round_trip_ms, patience_ms=patience_ms))


class EndedCall(NamedTuple):
    """A call that is over, to be listened to once nothing hangs on the processor any more."""

    carrier: str
    call: str
    dialled_at: float
    pressed: list[CallerAction]
    facts: CallFacts
    round_trip_ms: float

    def account(self) -> Account:
        """What its caller makes of it."""
        told = account(self.carrier, self.facts, self.round_trip_ms)
        told = replace(told, call=self.call, dialled_at=self.dialled_at)
        keys = [did.start_ms / 1000 + n * _KEYS_APART_S for did in self.pressed for n in range(len(did.text))]
        return replace(told, keys_at=[told.zero_at + key for key in keys])


async def dial(
    port: int,
    carrier: str,
    number: int,
    round_trip_ms: float,
    begun: Callable[[CallFacts], None] = lambda _: None,
    patience_ms: int = PATIENCE_MS,
) -> EndedCall:
    """One call from the beginning to the end; `begun` is given its facts, to follow it meanwhile."""
    trunk = Trunk(
        url=f"https://bridge.example.com/{carrier}/{ROUTES[carrier]}",
        auth_token=SECRET,
        carrier=carrier,
        connect_to=f"http://127.0.0.1:{port}",
    )
    story = scenario(round_trip_ms, patience_ms)
    caller = await asyncio.to_thread(Caller, story)
    call = new_call(f"+1500555{number % 10_000:04}", story.caller.called, f"{carrier}/{number}", carrier)
    dialled_at = time.time()
    async with aiohttp.ClientSession() as session:
        phone_call = PhoneCall(trunk, call, story, caller, session)
        begun(phone_call.facts)
        facts = await phone_call.run()
    pressed = [did for did in caller.done if did.kind == "digits"]
    return EndedCall(carrier, call.call_sid, dialled_at, pressed, facts, round_trip_ms)


async def ring(
    port: int, carrier: str, number: int, round_trip_ms: float, begun: Callable[[CallFacts], None] = lambda _: None
) -> Account:
    """One call from the beginning to the end, and what its caller makes of it."""
    ended = await dial(port, carrier, number, round_trip_ms, begun)
    return await asyncio.to_thread(ended.account)


def command(folder: Path, worker: str, port: int, processes: int, more: str = "", agent: str = SCRIPTED) -> list[str]:
    """How the service is started, with its files written to this folder."""
    (folder / "script.yaml").write_text(SCRIPT)
    (folder / "bridge.yaml").write_text(CONFIG.format(worker=worker, agent=agent) + more)
    return [*SERVE, "-c", str(folder / "bridge.yaml"), "--port", str(port), "--processes", str(processes)]


def busiest(port: int) -> int:
    """The process with most calls of all that listen on a port."""
    return max(sockets.listeners(port), key=calls_of)


def calls_of(pid: int) -> int:
    """How many calls a process has: each has its recording open."""
    return sum(target.endswith(".wav") for target in _open_files(pid))


def _open_files(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            yield os.readlink(entry)


def on_the_line_s(facts: CallFacts) -> float:
    """How long a call's stream is open already."""
    return len(facts.streams[-1].heard) / RATE_HZ if facts.streams else 0.0


def summary(accounts: Sequence[Account]) -> str:
    """What is wrong, a line each; for a test's message."""
    return "\n".join(str(one) for one in accounts if not one.fine) or "all fine"


async def _speak(port: int) -> None:
    """Be the worker until killed."""
    await told_to_listen()
    async with FakeWorker(sounds=TONES, port=port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_speak(int(sys.argv[1])))
