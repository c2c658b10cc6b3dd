"""Where audio lies in a recording, against a carrier whose playing is known to the sample."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.mulaw import RATE_HZ, SILENCE
from bridge.call.clock import PlayoutClock
from bridge.call.ear_track import CallerTrack, EarTrack

FRAME = 160
FRAME_S = 0.02


class Deck:
    """A carrier that plays what it is sent, at a pace of its own, and echoes a mark after every half second of it."""

    def __init__(self, pace: float = 1.0, jitter_s: float = 0.0, seed: int = 0) -> None:
        self.clock = PlayoutClock()
        self.track = EarTrack(self.clock)
        self.pace = pace
        self.jitter_s = jitter_s
        self.random = random.Random(seed)
        self.free_at = 0.0
        self.echoes: list[tuple[float, float, float]] = []
        self.heard = bytearray()
        """What was taken of the track, from the call's start."""

    def say(self, audio: bytes, now: float, way_s: float = 0.02) -> float:
        """Send audio in pieces of 100 ms, 200 ms ahead of the ear; when its first sample was heard."""
        begins = max(now + way_s, self.free_at)
        for start in range(0, len(audio), 800):
            piece = audio[start : start + 800]
            at = max(now, begins + start / RATE_HZ * self.pace - 0.2)
            self.take(at)
            self.clock.send(len(piece) / 8, at)
            self.track.sent(piece)
            heard_at = begins + (start + len(piece)) / RATE_HZ * self.pace
            if start % 4000 == 3200:
                late = self.random.random() * self.jitter_s
                self.echoes.append((heard_at + way_s + late, self.clock.sent_ms, at))
        self.free_at = begins + len(audio) / RATE_HZ * self.pace
        return begins

    def take(self, now: float) -> None:
        """Take what was heard until a little while ago, as taps do."""
        self.tell(now)
        self.track.settled()
        self.heard += self.track.take(round((now - 0.6) * RATE_HZ))

    def tell(self, now: float) -> None:
        """Deliver the echoes that have come by now."""
        while self.echoes and self.echoes[0][0] <= now:
            at, position_ms, sent_at = self.echoes.pop(0)
            self.track.settled()
            self.clock.echo(position_ms, sent_at, at)


def test_over_an_hour_nothing_lies_more_than_twenty_milliseconds_from_where_it_was_heard() -> None:
    for pace in (1.0, 1.0003, 0.9997):
        deck = Deck(pace=pace, jitter_s=0.02, seed=7)
        now, number, said = 1.0, 0, []
        while now < 3600:
            number += 1
            seconds = 6 if number % 20 else 100  # long enough for the clocks to part
            begins = deck.say(bytes([number % 200 + 1]) * (RATE_HZ * seconds), now, way_s=0.08)
            said.append((number % 200 + 1, begins, deck.free_at))
            now = deck.free_at + 1.5
        deck.take(now)
        off_ms, place = [], 0
        for code, begins, ends in said:
            place = deck.heard.index(code, place)
            off_ms.append((place / RATE_HZ - begins) * 1000)
            place = deck.heard.rindex(code, place, place + round((ends - begins + 1) * RATE_HZ)) + 1
            off_ms.append((place / RATE_HZ - ends) * 1000)
        assert max(map(abs, off_ms[2:])) <= 20
        assert max(map(abs, off_ms[:2])) <= 80, "before the first echo nobody knows how far away the carrier is"


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40), st.booleans()), min_size=1, max_size=20))
def test_what_was_sent_is_there_once_and_in_order_and_what_was_cleared_is_not(
    plan: list[tuple[int, int, bool]],
) -> None:
    """Utterances of so many frames with pauses of so many between them, some cleared half-way."""
    deck = Deck()
    now = 0.5
    heard_frames: list[float] = []
    for number, (frames, pause, cut) in enumerate(plan):
        code = number + 1
        begins = deck.say(bytes([code]) * (frames * FRAME), now)
        if cut:
            at = begins + frames * FRAME_S / 2
            deck.tell(at)
            deck.track.settled()
            deck.track.cleared(at)
            deck.clock.clear(at, at)
            deck.echoes.clear()
            deck.free_at = at
            heard_frames.append(frames / 2)
        else:
            heard_frames.append(frames)
        now = deck.free_at + 0.1 + pause * FRAME_S
    deck.take(now + 60)
    out = bytes(deck.heard)
    codes = [code for code in dict.fromkeys(out) if code != SILENCE]
    assert codes == list(range(1, len(plan) + 1))
    for code, expected in zip(codes, heard_frames, strict=True):
        assert abs(out.count(code) - expected * FRAME) <= FRAME, "one frame more or less, where the clock was put right"
        assert out.rindex(code) - out.index(code) < out.count(code) + FRAME, "without a hole"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_the_caller_lies_where_they_spoke_whatever_was_lost(fates: list[int], chance: random.Random) -> None:
    """A frame whose number is 0 is lost; the others are up to 60 ms late."""
    track = CallerTrack()
    arrived = 0.0
    for index, fate in enumerate(fates):
        arrived = max(arrived, (index + 1) * FRAME_S + chance.random() * 0.06)
        if fate:
            track.heard(bytes([index + 1]) * FRAME, arrived)
    for index in range(len(fates), len(fates) + 60):  # then a second of clean line
        arrived = max(arrived, (index + 1) * FRAME_S)
        track.heard(bytes([200]) * FRAME, arrived)
    out = track.take(round((len(fates) + 60) * FRAME))
    assert abs(out.rindex(200) + 1 - (len(fates) + 60) * FRAME) <= 80 + FRAME // 2


def test_frames_that_come_in_a_burst_are_not_torn_apart() -> None:
    track = CallerTrack()
    for index in range(100):
        held_up = 40 <= index < 70
        track.heard(bytes([index + 1]) * FRAME, 1.4 if held_up else (index + 1) * FRAME_S)
    out = track.take(100 * FRAME)
    assert out == b"".join(bytes([index + 1]) * FRAME for index in range(100))
