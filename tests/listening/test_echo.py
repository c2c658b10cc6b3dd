"""Our voice comes back over simulated lines and rooms; a caller speaks over it or alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.mulaw import decode_float, encode_float
from bridge.listening.echo import EchoGate, correlate
from bridge.listening.settings import EchoSettings
from tests.listening.sounds import Samples, noise, say

BOT = say("I have an opening on Tuesday at three, or on Thursday at half past nine. Which would you prefer?", -22.0)
CALLER = say("No wait, I would rather come on Friday, is that possible?", -26.0, speed=1.15)
LEAD_BYTES = 1280
"""We send 160 ms ahead."""


def through(path: Samples, delay_ms: int, gain_db: float, sound: Samples = BOT) -> Samples:
    """What comes back over an echo path (impulse response), this much later and softer."""
    bent = np.convolve(sound, path / np.sqrt((path**2).sum()))[: len(sound)] * 10 ** (gain_db / 20)
    return np.concatenate([np.zeros(delay_ms * 8), bent]).astype(np.float32)


LINE = np.array([0.0, 0.3, 1.0, 0.4, -0.2, -0.1, 0.05], np.float32)


def room(reverberation_s: float = 0.25) -> Samples:
    """A loudspeaker telephone in a small room: direct sound, and as much again from the walls."""
    length = 2000
    tail = np.random.default_rng(5).normal(0, 1, length) * 10 ** (-3 * np.arange(length) / 8000 / reverberation_s)
    tail[0] = 1.4 * np.sqrt((tail[1:] ** 2).sum())
    return tail.astype(np.float32)


def mixed(*sounds: Samples, seconds: float = 6.0, noise_db: float = -62.0) -> Samples:
    whole = noise(seconds, noise_db, seed=3)
    for sound in sounds:
        part = sound[: len(whole)]
        whole[: len(part)] += part
    return whole


class Heard:
    """Scores of the windows of a call in which the bot speaks from the start."""

    def __init__(self, inbound: Samples, gate: EchoGate | None = None, *, noise_db: float = -96.0) -> None:
        self.gate = gate or EchoGate()
        quiet_db = max(noise_db + 4.0, -50.0)
        out, back = encode_float(BOT), encode_float(inbound)
        self.scores: list[tuple[float, float]] = []
        sent = 0
        for end in range(160, len(back), 160):
            now = end / 8000
            while sent < min(len(out), end + LEAD_BYTES):
                self.gate.sent(out[sent : sent + 480], now - 0.02)
                sent += 480
            loud = np.sqrt(np.mean(inbound[max(0, end - 256) : end] ** 2)) > 10 ** (quiet_db / 20)
            if end % 320 == 0 and loud and self.gate.is_possible(now):
                self.scores.append((now, self.gate.judge(back[max(0, end - 1664) : end], now, noise_db)))

    def between(self, start: float, end: float) -> list[float]:
        return [score for at, score in self.scores if start <= at < end]

    def share(self, start: float = 0.0, end: float = 99.0, *, above: float = 0.6) -> float:
        found = self.between(start, end)
        assert len(found) > 3
        return sum(score >= above for score in found) / len(found)


@pytest.mark.parametrize("gain_db", [-12.0, -20.0])
@pytest.mark.parametrize("delay_ms", [20, 120, 400])
def test_a_line_echo_is_known_from_its_first_window_on(delay_ms: int, gain_db: float) -> None:
    heard = Heard(mixed(through(LINE, delay_ms, gain_db)))
    assert all(score >= 0.6 for _, score in heard.scores[1:4])  # the first has less than two windows
    assert heard.share() > 0.97


def test_a_faint_line_echo_is_known_too() -> None:
    assert Heard(mixed(through(LINE, 200, -28.0))).share() > 0.95


@pytest.mark.parametrize("delay_ms", [60, 250])
def test_the_loudspeaker_of_a_telephone_in_a_room_is_echo(delay_ms: int) -> None:
    assert Heard(mixed(through(room(), delay_ms, -15.0))).share() > 0.93


def test_a_caller_over_the_bot_on_a_clean_line_is_no_echo() -> None:
    late = np.concatenate([np.zeros(8000, np.float32), CALLER])
    assert Heard(mixed(late)).share() < 0.03


def test_a_bent_echo_is_known_once_its_round_trip_is() -> None:
    """A loudspeaker that distorts, in a hard room: the first windows pass for a caller, not the rest."""
    distorted = (np.tanh(BOT * 4) / 4).astype(np.float32)
    heard = Heard(mixed(through(room(0.4), 120, -15.0, distorted)))
    assert heard.share(0.8) > 0.9


def test_a_caller_over_his_own_echo_is_heard() -> None:
    for gain_db, refused in ((-20.0, 0.1), (-12.0, 0.12)):
        echo = through(LINE, 150, gain_db)
        late = np.concatenate([np.zeros(20000, np.float32), CALLER * np.float32(1.6)])
        heard = Heard(mixed(echo, late))
        assert heard.share(0.2, 2.5) > 0.97  # before the caller speaks
        assert heard.share(2.7, 4.5) <= refused  # while both are there


@settings(max_examples=15)
@given(st.sampled_from([20, 100, 240, 400, 520, 640]), st.floats(-20.0, -8.0), st.floats(-62.0, -42.0))
def test_an_echo_in_noise_is_known_where_it_stands_out(delay_ms: int, gain_db: float, noise_db: float) -> None:
    """The noise's energy is not the echo's: what is like our voice may still be half of what came in.

    Least of 200 examples: 0.893, where echo and noise are equally loud.
    """
    heard = Heard(mixed(through(LINE, delay_ms, gain_db), noise_db=noise_db), noise_db=noise_db)
    assert heard.share(0.6, 6.0) > 0.85


@pytest.mark.parametrize("noise_db", [-50.0, -42.0])
def test_a_caller_on_a_noisy_line_is_no_echo(noise_db: float) -> None:
    late = np.concatenate([np.zeros(8000, np.float32), CALLER])
    assert Heard(mixed(late, noise_db=noise_db), noise_db=noise_db).share() < 0.1


def test_the_round_trip_is_learnt() -> None:
    gate = Heard(mixed(through(LINE, 260, -18.0))).gate
    assert gate.round_trip_s == pytest.approx(0.26, abs=0.03)


def test_audio_that_was_cleared_was_never_played() -> None:
    """The carrier threw the sentence away: the same words coming in are not our echo."""
    for clears in (True, False):
        gate = EchoGate()
        gate.sent(encode_float(BOT[:4000]), 0.0)
        if clears:
            gate.cleared(0.1)
        score = gate.judge(encode_float(BOT[2000:3600]), 0.5)
        assert score < 0.3 if clears else score > 0.9


def test_speech_sent_ahead_is_laid_out_as_it_is_played() -> None:
    """Three seconds given at once are still heard one after another."""
    gate = EchoGate()
    gate.sent(encode_float(BOT[:24000]), 0.0)
    for second in (1.0, 1.8, 2.6):
        end = round((second - 0.1) * 8000)
        assert gate.judge(encode_float(BOT[end - 1280 : end]), second) > 0.9


def test_nothing_sent_means_no_echo() -> None:
    gate = EchoGate()
    assert not gate.is_possible(1.0)
    assert gate.judge(encode_float(CALLER[:1280]), 1.0) == 0.0


def test_long_after_the_last_word_no_echo_is_possible() -> None:
    gate = EchoGate()
    gate.sent(encode_float(BOT[:8000]), 0.0)
    assert gate.is_possible(1.3)
    assert not gate.is_possible(2.0)
    assert not EchoGate(EchoSettings(enabled=False)).is_possible(0.5)


@pytest.mark.parametrize("we_go_on", [True, False])
def test_a_stranger_is_looked_at_less_and_less_and_not_at_all_once_we_are_silent(
    we_go_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[float] = []
    now = 0.0

    def counted(incoming: Samples, outgoing: Samples, noise: float) -> tuple[float, int, float]:
        compared.append(now)
        return correlate(incoming, outgoing, noise)

    monkeypatch.setattr("bridge.listening.echo.correlate", counted)
    gate, stranger = EchoGate(), encode_float(np.tile(CALLER, 3))
    gate.sent(encode_float(BOT[: 24000 if we_go_on else 4000]), 0.0)
    for window in range(1, 37):
        now = window * 0.032
        assert gate.judge(stranger[max(0, window * 256 - 1664) : window * 256], now) < 0.4
    assert len([at for at in compared if at < 0.3]) < 8, "some of the first nine"
    later = [at for at in compared if at > 0.52]
    assert 2 <= len(later) <= 5 if we_go_on else not later


def test_the_reference_stays_small_on_a_long_call() -> None:
    gate = EchoGate()
    for frame in range(50 * 120):
        gate.sent(b"\x42" * 160, frame * 0.02)
    assert len(gate._reference) <= 2 * 24_000 + 160


@settings(max_examples=40)
@given(st.integers(0, 2200), st.floats(-30.0, 6.0), st.integers(2000, 12000))
def test_the_lag_and_gain_of_a_copy_are_found(half_lag: int, gain_db: float, start: int) -> None:
    outgoing = decode_float(encode_float(noise(0.75, -20.0, seed=start)))
    length = 1280
    lag = 2 * half_lag
    end = len(outgoing) - lag
    incoming = outgoing[end - length : end] * np.float32(10 ** (gain_db / 20))
    likeness, found, gain = correlate(incoming, outgoing)
    assert likeness > 0.6
    assert abs(found - lag) <= 2
    assert gain == pytest.approx(gain_db, abs=1.5)
