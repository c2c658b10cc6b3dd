"""The default voice: what it says, when each word is said, and how it sounds at the edges."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.engines.base import Step
from bridge.worker.engines.hibari import HibariEngine


def say(engine: HibariEngine, text: str, speed: float = 1.0) -> Step:
    return engine.run([engine.begin(text, text.split(), "heart", speed)])[0]


def words(engine: HibariEngine, text: str) -> dict[str, tuple[float, float]]:
    step = say(engine, text)
    assert step.words is not None
    return dict(zip(text.split(), step.words, strict=True))


def level_db(audio: Samples) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(audio))) + 1e-9))


def test_speech_begins_at_once_and_ends_soon_after_the_last_sound(hibari: HibariEngine) -> None:
    audio = say(hibari, "I have an opening on Tuesday.").audio
    windows = audio[: len(audio) // 120 * 120].reshape(-1, 120)  # 5 ms
    levels = np.array([level_db(window) for window in windows])
    audible = np.flatnonzero(levels > levels.max() - 35)

    assert audible[0] * 5 < 40
    assert (len(levels) - audible[-1]) * 5 < 120
    assert levels[0] < levels.max() - 35
    assert levels[-1] < levels.max() - 35


def test_the_same_text_always_sounds_the_same(hibari: HibariEngine) -> None:
    first, second = say(hibari, "Your code is 4 2 7."), say(hibari, "Your code is 4 2 7.")
    assert np.array_equal(first.audio, second.audio)
    assert first.words == second.words


def test_active_speech_is_about_20_db_below_full_scale_and_never_clips(hibari: HibariEngine) -> None:
    gain = 10 ** (hibari.gain_db("heart") / 20)
    for text in ("Thank you for calling Northside Dental, how can I help you today?", "Your total is $9.99, okay?"):
        audio = say(hibari, text).audio * gain
        windows = audio[: len(audio) // 480 * 480].reshape(-1, 480)
        energy = np.mean(np.square(windows), axis=1)
        active = energy[energy > energy.max() * 10**-3.5]
        assert -22 < 10 * np.log10(active.mean()) < -18
        assert np.abs(audio).max() < 0.99


@pytest.mark.parametrize(
    "text",
    [
        "I have an opening on Tuesday.",
        "Dr. Patel costs $9.99, or 3.5 percent, at 9:30 a.m. on 3/4/2025.",
        "Call 555-0123 or (212) 555-0199 — ask for St. John's | room #4 & that's it...",
        "naïve zorblatt @ example.com, 50% off, 5 km away, 1st of May, Chapter IV",
        "\"Yes,\" she said. 'No?' - - -",
        "[link](/həlˈO/) and [two words](/ðˈɛɹ/) here",
    ],
)
def test_every_token_has_its_time_in_order(hibari: HibariEngine, text: str) -> None:
    step = say(hibari, text)
    assert step.words is not None
    assert len(step.words) == len(text.split())
    edges = [edge for word in step.words for edge in word]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(step.audio) / hibari.rate_hz


def test_words_lie_where_the_sound_is(hibari: HibariEngine) -> None:
    """A pause between two words is silent, and the words beside it are not."""
    text = "Wait... please come in."
    audio, times = say(hibari, text).audio, words(hibari, text)
    rate = hibari.rate_hz
    pause = audio[int(times["Wait..."][1] * rate) : int((times["please"][0] - 0.01) * rate)]
    assert len(pause) > 0.02 * rate
    for word in ("Wait...", "please", "come", "in."):
        start_s, end_s = times[word]
        assert level_db(audio[int(start_s * rate) : int(end_s * rate)]) > level_db(pause) + 25


def test_a_number_takes_as_long_as_its_many_words(hibari: HibariEngine) -> None:
    times = words(hibari, "It costs $199.99 now")
    duration = {word: end - start for word, (start, end) in times.items()}
    assert duration["$199.99"] > 3 * duration["costs"] > 0
    assert duration["now"] < 0.8


@pytest.mark.parametrize("text", ["Come at 9:30 a.m. sharp", "Born 3/4/2025 in Leeds", "St. John's is 5 km away"])
def test_words_after_a_rewritten_one_keep_their_place(hibari: HibariEngine, text: str) -> None:
    step = say(hibari, text)
    assert step.words is not None
    length_s = len(step.audio) / hibari.rate_hz
    start_s, end_s = step.words[-1]
    assert length_s - 0.15 < end_s <= length_s
    assert length_s - start_s < 0.9


def test_speed(hibari: HibariEngine) -> None:
    slow, fast = (len(say(hibari, "I have an opening on Tuesday.", speed).audio) for speed in (0.8, 1.25))
    assert 1.25 < slow / fast < 1.9


@pytest.mark.parametrize(
    "text", ["—", "...", "|", "\x00", "👍", "你好", "-" * 200, "1" * 900, "1,234,567,890,123,456,789,012"]
)
def test_text_that_is_no_language_is_no_error(hibari: HibariEngine, text: str) -> None:
    step = say(hibari, text)
    assert step.words is not None
    assert len(step.words) == len(text.split())
    assert np.isfinite(step.audio).all()


def test_a_word_that_is_no_word_is_cut_off(hibari: HibariEngine) -> None:
    assert len(say(hibari, "1234567890" * 200).audio) < 180 * hibari.rate_hz


def test_a_voice_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="hart"):
        HibariEngine(["hart"])


NEEDS = """
from pathlib import Path
from bridge.system.memory import give_back
from bridge.worker.engines.hibari import HibariEngine

def say(text):
    engine.run([engine.begin(text, text.split(), "heart", 1.0)])
    give_back()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20

engine = HibariEngine()
engine.warm()
before = say("Good morning and thank you for calling.")
print(say("one two three four five six seven " * 11) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_long_piece_needed_is_not_kept() -> None:
    """77 MiB would be; what stays is a few."""
    told = subprocess.run([sys.executable, "-c", NEEDS], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 40
