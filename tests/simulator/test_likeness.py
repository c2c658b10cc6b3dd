"""Was a recording heard as it is? Whatever a bridge can do to it on the way is named; a sound way changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.simulator.carriers.audio import AudioFormat, FromPhone, ToPhone, on_the_phone
from bridge.simulator.likeness import differences
from bridge.simulator.sound import RATE_HZ, Sound, from_ulaw, read_wav, silence, to_ulaw

RECORDING = read_wav(Path(__file__).parents[2] / "fixtures" / "callers" / "opening_hours.wav")
AT = int(np.argmax(np.abs(RECORDING[2000:8000]))) + 2000
"""A sample in the middle of a word."""


def call(sound: Sound) -> Sound:
    """A call in which this was heard, among other things."""
    other = read_wav(Path(__file__).parents[2] / "fixtures" / "callers" / "yes_please.wav")
    return from_ulaw(to_ulaw(np.concatenate([silence(700), other, silence(333), sound, silence(500), other])))


@pytest.mark.parametrize("gain_db", [0.0, -3.0, 4.0, -18.0])
def test_a_recording_that_was_heard_whole_is_not_objected_to(gain_db: float) -> None:
    assert differences(call(RECORDING * np.float32(10 ** (gain_db / 20))), RECORDING) == ""


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (np.delete(RECORDING, slice(AT, AT + 320)), "40 ms left out after"),
        (np.insert(RECORDING, AT, RECORDING[AT - 640 : AT]), "80 ms put in after"),
        (np.insert(RECORDING, AT, np.zeros(16, np.float32)), "2 ms put in after"),
        (RECORDING[:-1600], "spoilt or missing"),
        (np.concatenate([RECORDING[:AT], np.zeros(40, np.float32), RECORDING[AT + 40 :]]), "1 of "),
        (np.concatenate([RECORDING[4000:8000], RECORDING[:4000], RECORDING[8000:]]), "left out after"),
        (-RECORDING[::-1], "not heard"),
        (silence(100), "not heard"),
    ],
    ids=["hole", "twice", "gap", "tail", "dropout", "order", "backwards", "nothing"],
)
def test_what_became_of_it_is_told(heard: Sound, told: str) -> None:
    assert told in differences(call(heard), RECORDING)


def test_a_resampler_that_begins_anew_spoils_it_without_moving_anything() -> None:
    torn = RECORDING.copy()
    torn[2::160] *= np.float32(0.5)
    torn[3::160] *= np.float32(0.5)
    told = differences(call(torn), RECORDING)
    assert "spoilt" in told
    assert "left out" not in told
    assert "put in" not in told


def test_nothing_is_missed_of_a_silent_recording_or_in_a_call_without_sound() -> None:
    assert differences(call(RECORDING), silence(500)) == ""
    assert differences(silence(0), silence(500)) == ""
    assert differences(silence(0), RECORDING) == "not heard"


@pytest.mark.parametrize("factor", [2, 3])
def test_a_delay_on_a_wider_line_is_no_difference_and_a_tear_there_is_one(factor: int) -> None:
    """A sample of the line is a half or a third of one that is heard."""
    line = AudioFormat("L16", factor * RATE_HZ)
    wide = FromPhone(line).feed(to_ulaw(call(RECORDING)))
    heard = from_ulaw(ToPhone(line).feed(b"\0\0" + wide + b"\0\0" * (2 * factor - 1)))
    expected = on_the_phone(RECORDING, RATE_HZ, line)
    assert differences(heard, expected) != ""
    assert differences(heard, expected, factor=factor) == ""
    heard[len(heard) // 2 : len(heard) // 2 + 80] = 0.0
    assert "spoilt" in differences(heard, expected, factor=factor)
