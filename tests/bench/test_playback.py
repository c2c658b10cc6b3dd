"""Listeners whose time is passed in: what a worker does is noticed, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.bench.measures import Level
from bridge.bench.playback import CREDIT_MS, PLAYS_AFTER_S, Listeners, Playback, first_audible
from bridge.worker import protocol
from bridge.worker.protocol import Audio, Cancelled, Done, Error

LOUD, QUIET = b"\x10", b"\xff"


def sound(ms: int, offset_ms: int = 0, of: bytes = LOUD) -> Audio:
    return Audio(1, offset_ms * 8, of * 8 * ms)


def sent(ms: int, offset_ms: int = 0, stream: int = 1) -> bytes:
    return protocol.encode_audio(stream, offset_ms * 8, LOUD * 8 * ms)


def told(messages: list[str]) -> list[dict[str, object]]:
    return [json.loads(message) for message in messages]


class Listening:
    """One listener who asked at 100 s."""

    def __init__(self, cancels: bool = False) -> None:
        self.level = Level(streams=1)
        self.listeners = Listeners(self.level)
        self.asked = told(self.listeners.begin("Hello there.", cancels, 100.0))


def test_a_text_is_asked_for_with_credit_for_its_beginning() -> None:
    assert [message["type"] for message in Listening().asked] == ["open", "playout", "text", "end"]
    assert Listening().asked[1] == {"type": "playout", "stream": 1, "lead_ms": 0, "upto_ms": 800}


def test_first_sound_is_the_first_that_can_be_heard() -> None:
    assert first_audible(QUIET * 160) is None
    assert first_audible(QUIET * 40 + b"\x7e" * 40 + LOUD) == 80
    listening = Listening()
    listening.listeners.receive(protocol.encode_audio(1, 0, QUIET * 800), 100.050)
    assert listening.level.ttfa_ms == []
    # It comes at once, but is heard only after the 100 ms of nothing before it, and 10 ms of nothing in itself.
    listening.listeners.receive(protocol.encode_audio(1, 800, QUIET * 80 + LOUD * 80), 100.052)
    listening.listeners.receive(sent(100, 120), 100.060)
    assert listening.level.ttfa_ms == [pytest.approx(50 + 100 + 10)]


def test_first_sound_that_comes_late_is_heard_when_it_comes() -> None:
    playback = Playback(10.0)
    playback.receive(sound(100, of=QUIET), 10.05)
    playback.receive(sound(100, 100), 10.4)
    assert playback.first.ttfa_ms == pytest.approx(400)


def test_playing_begins_after_60_ms_and_reports_every_200() -> None:
    listening = Listening()
    listening.listeners.receive(sent(800), 100.0)
    assert listening.listeners.tick(100.0 + PLAYS_AFTER_S + 0.199) == []
    report = {"type": "playout", "stream": 1, "lead_ms": 599, "upto_ms": 1000}
    assert told(listening.listeners.tick(100.0 + PLAYS_AFTER_S + 0.201)) == [report]
    assert listening.listeners.tick(100.0 + PLAYS_AFTER_S + 0.390) == []
    listening.listeners.receive(sent(200, 800), 100.300)
    assert listening.level.jitter_ms == [pytest.approx(300 - 201 - 60)]


def test_a_report_that_allows_nothing_new_yet_starts_no_wait() -> None:
    """The worker still owes audio that an earlier report allowed: that is no jitter of this one."""
    listening = Listening()
    listening.listeners.receive(sent(400), 100.0)
    assert len(listening.listeners.tick(100.3)) == 1
    listening.listeners.receive(sent(400, 400), 100.35)
    assert listening.level.jitter_ms == []


def test_a_gap_is_noticed_and_measured_once() -> None:
    listening = Listening()
    listening.listeners.receive(sent(100), 100.0)
    listening.listeners.receive(sent(100, 100), 100.5)
    listening.listeners.receive(sent(100, 200), 100.5)
    assert listening.level.gaps_ms == [pytest.approx(500 - 60 - 100)]
    assert not listening.level.sound


def test_the_end_is_no_gap() -> None:
    listening = Listening()
    listening.listeners.receive(sent(100), 100.0)
    listening.listeners.receive(protocol.encode(Done(1, 100)), 109.0)
    assert (listening.level.underruns, listening.level.finished, listening.listeners.active) == (0, 1, {})
    assert listening.level.sound


def test_who_has_all_of_it_still_listens() -> None:
    listening = Listening()
    listening.listeners.receive(sent(500), 100.0)
    listening.listeners.receive(protocol.encode(Done(1, 500)), 100.0)
    assert listening.listeners.active == {}
    assert listening.listeners.listening(100.0 + PLAYS_AFTER_S + 0.499) == 1
    assert listening.listeners.listening(100.0 + PLAYS_AFTER_S + 0.501) == 0


def test_a_cancel_is_timed_to_its_answer_and_what_follows_is_a_fault() -> None:
    listening = Listening(cancels=True)
    listening.listeners.receive(sent(2000), 100.0)
    assert [message["type"] for message in told(listening.listeners.tick(100.7))] == ["playout"]
    assert told(listening.listeners.tick(100.8)) == [{"type": "cancel", "stream": 1}]
    assert listening.listeners.tick(100.9) == []
    listening.listeners.receive(sent(100, 2000), 100.81)  # was on its way
    listening.listeners.receive(protocol.encode(Cancelled(1, 2100)), 100.825)
    assert listening.level.cancel_ms == [pytest.approx(25)]
    assert (listening.level.finished, listening.level.sound_after_cancel) == (1, 0)
    listening.listeners.receive(sent(100, 2100), 100.9)
    listening.listeners.receive(sent(100, 2200), 100.9)
    assert listening.level.sound_after_cancel == 1


def test_refusals_failures_and_a_lost_socket_are_no_answers() -> None:
    level = Level(streams=4)
    listeners = Listeners(level, "heart")
    for _ in range(4):
        listeners.begin("Hello.", False, 1.0)
    listeners.receive(protocol.encode(Error("busy", "full", 1, 100)), 1.0)
    listeners.receive(protocol.encode(Error("draining", "soon gone", 2)), 1.0)
    listeners.receive(protocol.encode(Error("engine_failed", "no", 3)), 1.0)
    assert (level.refused, level.failed, level.finished) == (2, 1, 0)
    listeners.hang_up()
    assert (level.failed, listeners.active) == (2, {})
    assert not level.sound


MESSAGES = st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50).map(lambda frames: 20 * frames)), min_size=1)


@given(MESSAGES)
def test_what_is_heard_is_what_came_and_the_gaps_are_all_the_silence(messages: list[tuple[float, int]]) -> None:
    playback, now, received_ms, gaps_ms, heard_ms = Playback(0.0), 0.0, 0, 0.0, 0.0
    for waits_s, ms in messages:
        now += waits_s
        assert heard_ms - 1e-6 <= playback.heard_ms(now) <= received_ms
        heard_ms = playback.heard_ms(now)
        gaps_ms += playback.receive(sound(ms, received_ms), now)
        received_ms += ms
        assert playback.heard_ms(now) == pytest.approx(heard_ms, abs=1e-6)  # receiving plays nothing
    began = messages[0][0] + PLAYS_AFTER_S
    ends = began + (received_ms + gaps_ms) / 1000
    assert playback.heard_ms(ends - 0.01) == pytest.approx(received_ms - 10, abs=1e-3)
    assert playback.heard_ms(ends + 9) == received_ms


@given(MESSAGES)
def test_credit_never_goes_beyond_what_was_heard_by_more_than_agreed(messages: list[tuple[float, int]]) -> None:
    playback, now, received_ms, upto_ms = Playback(0.0), 0.0, 0, CREDIT_MS
    for waits_s, ms in messages:
        now += waits_s
        report = playback.report(1, now)
        if report is not None:
            assert report.upto_ms is not None
            assert upto_ms < report.upto_ms <= playback.heard_ms(now) + CREDIT_MS
            assert report.lead_ms == int(playback.received_ms - playback.heard_ms(now))
            upto_ms = report.upto_ms
        playback.receive(sound(ms, received_ms), now)
        received_ms += ms
