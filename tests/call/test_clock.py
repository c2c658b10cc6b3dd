"""The playout clock against the carrier's true playout."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.actions import Say
from bridge.call.clock import PlayoutClock
from bridge.call.drift import Drift
from bridge.call.settings import CallSettings, PlayoutSettings
from tests.call.phone import Line, Phone

LONG = " ".join(f"word{i}" for i in range(60))


def true_offset_ms(phone: Phone) -> float | None:
    for piece in phone.line.played:
        if piece.start <= phone.now < piece.end:
            return piece.offset_ms + (phone.now - piece.start) * 1000
    return None


def true_drifting_offset_ms(phone: Phone) -> float | None:
    for piece in phone.line.played:
        if piece.start <= phone.now < piece.end:
            return piece.offset_ms + (phone.now - piece.start) * 1000 / (1 + phone.line.drift)
    return None


def believed_offset_ms(phone: Phone) -> float:
    playout = phone.call.utterances.playout
    ear_ms = playout.clock.ear_ms(phone.now)
    for span in playout._spans:
        if span.start_ms <= ear_ms < span.end_ms:
            return span.offset_ms + ear_ms - span.start_ms
    return playout.tracks[0].sent_ms


@pytest.mark.parametrize("way_ms", [0, 50, 200])
@pytest.mark.parametrize("jitter_ms", [0, 20])
def test_between_marks_the_clock_is_within_20_ms_of_the_ear(way_ms: int, jitter_ms: int) -> None:
    phone = Phone(lambda prompt: [Say(LONG)], way_s=way_ms / 1000, jitter_s=jitter_ms / 1000, seed=way_ms + jitter_ms)
    phone.answers()
    phone.wait(2.5)
    errors = []
    for _ in range(400):
        phone.wait(0.037)
        truth = true_offset_ms(phone)
        if truth is not None:
            errors.append(abs(believed_offset_ms(phone) - truth))
    assert len(errors) > 300
    assert max(errors) <= 20


@pytest.mark.parametrize("way_ms", [0, 50, 200])
def test_calm_weather_has_no_underrun_and_a_lead_within_its_bound(way_ms: int) -> None:
    phone = Phone(lambda prompt: [Say(LONG)], way_s=way_ms / 1000)
    phone.answers()
    phone.wait(2.0)
    leads = []
    for _ in range(300):
        phone.wait(0.041)
        leads.append(phone.line.buffered_s(phone.now) * 1000)
    assert phone.call.utterances.playout.underruns == 0
    assert min(leads) >= 100
    assert max(leads) <= 200 + 1


def test_jitter_widens_the_lead_until_nothing_runs_dry() -> None:
    phone = Phone(lambda prompt: [Say(LONG)], way_s=0.03, jitter_s=0.15, seed=3)
    phone.answers()
    phone.wait(17)
    gaps = [b.start - a.end for a, b in zip(phone.line.played, phone.line.played[1:], strict=False) if b.start > 3.0]
    assert phone.call.utterances.playout.lead.target_ms > 250
    assert sum(gap > 0.001 for gap in gaps) == 0


def test_marks_thrown_out_by_a_clear_are_not_heard() -> None:
    phone = Phone(lambda prompt: [Say(LONG)], way_s=0.05)
    phone.answers()
    phone.wait(2.0)
    phone.presses("5", 0.0)
    cleared_at_ms = max(p.offset_ms + (min(p.end, phone.now + 0.05) - p.start) * 1000 for p in phone.line.played)
    phone.wait(1.0)
    assert phone.call.ledger[1].heard_ms <= cleared_at_ms + 5


def test_a_carrier_that_echoes_marks_at_once_is_not_believed_but_played_to_the_end() -> None:
    phone = Phone(lambda prompt: [Say(LONG)], way_s=0.03)
    phone.line.at_once = True
    phone.answers()
    errors = []
    for _ in range(400):
        phone.wait(0.037)
        truth = true_offset_ms(phone)
        if truth is not None:
            errors.append(abs(believed_offset_ms(phone) - truth))
        reached_ms = max((end for _, _, end in phone.heard()), default=0.0)
        assert phone.call.ledger[1].heard_ms <= reached_ms + 2 * 30 + 5
    assert max(errors) <= 20
    phone.wait(6.0)
    assert " ".join(phone.heard_words()) == LONG
    assert phone.call.utterances.playout.underruns == 0


def test_the_clock_is_unsure_without_echoes_and_sure_with_them() -> None:
    silent = Phone(lambda prompt: [Say(LONG)], line=Line(echoes=False))
    silent.answers()
    silent.wait(3)
    assert silent.call.utterances.playout.clock.unsure(silent.now)
    phone = Phone(lambda prompt: [Say(LONG)])
    phone.answers()
    phone.wait(3)
    assert not phone.call.utterances.playout.clock.unsure(phone.now)
    phone.line.echoes = False
    phone.wait(3)
    assert phone.call.utterances.playout.clock.unsure(phone.now)


@pytest.mark.parametrize("drift", [-0.002, -0.0005, 0.0005, 0.002])
@pytest.mark.parametrize("jitter_ms", [0, 20])
def test_a_carrier_whose_clock_drifts_is_followed_when_it_falls_silent(drift: float, jitter_ms: int) -> None:
    """Echoes stop after 40 s; a carrier that is off by 2 in 1000 would be 20 ms away after the next ten."""
    monologue = [Say(" ".join(f"word{i}" for i in range(200)))]
    settings = CallSettings(playout=PlayoutSettings(unanswered_ms=30_000))
    phone = Phone(lambda prompt: monologue, settings, jitter_s=jitter_ms / 1000, seed=7)
    phone.line.drift = drift
    phone.answers()
    phone.wait(40)
    clock = phone.call.utterances.playout.clock
    assert clock.drift.rate == pytest.approx(drift, abs=0.0003)
    phone.line.echoes = False
    errors = []
    for _ in range(260):
        phone.wait(0.037)
        truth = true_drifting_offset_ms(phone)
        if truth is not None:
            errors.append(abs(believed_offset_ms(phone) - truth))
    assert len(errors) > 200
    assert max(errors) <= 20


def test_jitter_is_no_drift() -> None:
    phone = Phone(lambda prompt: [Say(LONG)], jitter_s=0.06, seed=11)
    phone.answers()
    phone.wait(15)
    assert abs(phone.call.utterances.playout.clock.drift.rate) < 0.0006


@given(
    rate=st.floats(-0.003, 0.003),
    runs=st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(20.0, 60.0)), min_size=3, max_size=8),
    seed=st.integers(0, 1000),
)
def test_one_rate_is_found_in_runs_that_begin_when_they_like(
    rate: float, runs: list[tuple[float, float]], seed: int
) -> None:
    drift, random = Drift(), Random(seed)
    for offset_s, length_s in runs:
        drift.new_run()
        for mark in range(int(length_s / 0.24)):
            played_s = mark * 0.24
            drift.echoed(played_s, offset_s + rate * played_s + random.uniform(0, 0.002))
    assert drift.rate == pytest.approx(rate, abs=0.0002 + abs(rate) * 0.5)


def test_a_slip_of_the_carrier_is_followed() -> None:
    clock = PlayoutClock()
    clock.echo(0.0, 0.0, 0.1)
    random = Random(1)
    slip_s, now = 0.0, 0.2
    clock.send(200, now)
    for i in range(40):
        if i == 20:
            slip_s = 0.08  # the carrier's own buffer ran dry for 80 ms
        position_ms = 160.0 * (i + 1)
        clock.send(160, now)
        now = 0.2 + 0.05 + position_ms / 1000 + slip_s + 0.05 + random.uniform(0, 0.005)
        clock.echo(position_ms, now, now)
    assert clock.ear_ms(now) == pytest.approx(position_ms + 50, abs=10)
