"""Seams between messages: not heard in speech, however it is cut, and heard where the cutting was done badly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.audio.resample import Resampler
from bridge.simulator.seams import seams
from bridge.simulator.sound import Sound, from_ulaw, read_wav, to_ulaw

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
MESSAGE = 640
"""80 ms."""


def on_the_line(sound: Sound) -> Sound:
    return from_ulaw(to_ulaw(sound))


@pytest.fixture(scope="module")
def speech() -> Sound:
    """Some 40 s, of several voices."""
    return np.concatenate([read_wav(path) for path in sorted(CALLERS.glob("*.wav"))])


@pytest.mark.parametrize("grid", [160, 480, MESSAGE, 800])
@pytest.mark.parametrize("offset", [0, 37, 91])
def test_speech_has_none_however_it_is_cut(speech: Sound, grid: int, offset: int) -> None:
    assert seams(on_the_line(speech), range(offset, len(speech), grid)) == []


def test_a_resampler_that_begins_anew_with_every_message_leaves_them(speech: Sound) -> None:
    stream = Resampler(16_000, 8_000)
    wide = Resampler(8_000, 16_000).feed(speech)
    pieces = [wide[first : first + 2 * MESSAGE] for first in range(0, len(wide), 2 * MESSAGE)]
    whole = np.concatenate([*(stream.feed(piece) for piece in pieces), stream.flush()])
    assert seams(on_the_line(whole), range(0, len(whole), MESSAGE)) == []
    anew = np.concatenate([part for piece in pieces for part in (stream.feed(piece), stream.flush())])
    [fault] = seams(on_the_line(anew), range(0, len(anew), MESSAGE))
    assert fault.kind == "seam"
    assert "joints of messages" in fault.text


@pytest.mark.parametrize("missing", [160, 320])
def test_pieces_that_do_not_belong_together_are_heard(speech: Sound, missing: int) -> None:
    pieces = [speech[first : first + MESSAGE] for first in range(0, len(speech), MESSAGE + missing)]
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    sound = on_the_line(np.concatenate(pieces))
    [fault] = seams(sound, ends)
    assert fault.at_ms * 8 in range(min(ends) - 8, max(ends))
    assert seams(sound, [end + 200 for end in ends]) == []  # the same sound: there, nobody put anything together


def test_silence_and_short_calls_are_not_judged() -> None:
    assert seams(np.zeros(8000, np.float32), range(0, 8000, 160)) == []
    assert seams(np.zeros(100, np.float32), [50]) == []
    assert seams(np.zeros(0, np.float32), []) == []
