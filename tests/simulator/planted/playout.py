"""How far ahead of the ear audio is sent, and what counts as heard."""

from __future__ import annotations

from typing import Any

from bridge.call.clock import PlayoutClock
from bridge.call.commands import Command, SendAudio
from bridge.call.lead import Lead
from bridge.call.playout import Playout
from bridge.call.track import Track
from bridge.session.session import CallSession
from bridge.session.timers import TimerWheel
from tests.simulator.planted.catalogue import WORDS, Patch, bug, line_format


@bug("booth/patient", reported_as=("audio waiting",))
def lead_is_unbounded(patch: Patch) -> None:
    """Everything there is goes to the carrier at once."""
    lead(patch, 60_000.0)


@bug("booth/hurried", reported_as=("underruns", "longest gap"))
def nothing_is_kept_ahead(patch: Patch) -> None:
    """Each piece is sent when the one before it has just been played."""
    lead(patch, 80.0)


def lead(patch: Patch, lead_ms: float) -> None:
    initialise = Playout.__init__

    def planted(self: Playout, *arguments: Any) -> None:
        initialise(self, *arguments)
        self.lead.target_ms = lead_ms

    patch.setattr(Playout, "__init__", planted)
    patch.setattr(Lead, "follow", lambda self, jitter_ms, now: None)


@bug("booth/patient", reported_as=("audio waiting",))
def clock_runs_fast(patch: Patch) -> None:
    """Playout is counted by a clock of our own that gains 10 %, and marks do not set it right."""
    _free_clock(patch, 1.10)


@bug("booth/patient", reported_as=("underruns",))
def clock_runs_slow(patch: Patch) -> None:
    """The same, losing 10 %."""
    _free_clock(patch, 0.90)


def _free_clock(patch: Patch, rate: float) -> None:
    def ear_ms(self: PlayoutClock, at: float) -> float:
        played_ms = self._base_ms + max(at - self._anchor_s, 0.0) * 1000 * rate
        return min(played_ms, self.sent_ms)

    def echo(self: PlayoutClock, position_ms: float, sent_at: float, now: float) -> None:
        self.marks_work, self.last_echo_at = True, now
        self.acked_ms = max(self.acked_ms, position_ms)

    def heard_by(self: PlayoutClock, position_ms: float) -> float:
        return self._anchor_s + (position_ms - self._base_ms) / 1000 / rate

    for planted in (ear_ms, echo, heard_by):
        patch.setattr(PlayoutClock, planted.__name__, planted)


@bug("booth/hurried", reported_as=("underruns",))
def timers_wake_late(patch: Patch) -> None:
    """Every wake-up comes a quarter of a second late. On a good line the marks that come back wake us in time."""
    set_timer = TimerWheel.set

    def planted(self: TimerWheel, timer: Any, at: float | None) -> None:
        set_timer(self, timer, None if at is None else at + 0.25)

    patch.setattr(TimerWheel, "set", planted)


@bug("booth/patient", reported_as=("marks",))
def mark_follows_every_frame(patch: Patch) -> None:
    """One mark for each 20 ms."""
    send = CallSession._send_audio

    def planted(self: CallSession, command: SendAudio) -> None:
        send(self, command)
        for index in range(len(command.audio) // line_format(self).frame_bytes):
            self._line.send_mark(f"frame {index}")

    patch.setattr(CallSession, "_send_audio", planted)


@bug("booth/hiccup", "months/interrupter", reported_as=(WORDS,))
def marks_that_a_clear_threw_out_count_as_heard(patch: Patch) -> None:
    """Whatever echoes a mark has played it; a clear makes the carrier echo them all."""
    clear = Playout.clear

    def planted(self: Playout, now: float) -> list[Command]:
        sent = [(track, track.sent_ms) for track in self.tracks]
        commands = clear(self, now)
        for track, sent_ms in sent:
            track.sent_ms = track.heard_ms = sent_ms
        return commands

    patch.setattr(Playout, "clear", planted)


@bug("booth/patient", reported_as=("last words heard",))
def call_ends_when_the_last_word_is_made(patch: Patch) -> None:
    """Synthesis has finished, so everything was said: hang up."""

    def listen(self: Playout, now: float) -> list[Track]:
        self._spans.clear()
        done = []
        while self._tracks and self._tracks[0].complete:
            done.append(self._tracks.popleft())
        return done

    patch.setattr(Playout, "listen", listen)


@bug("booth/patient", reported_as=("last words heard",))
def goodbye_is_cut(patch: Patch) -> None:
    """What was sent counts as heard, and the line goes dead in the last word."""
    patch.setattr(Playout, "empty", property(lambda self: all(track.all_sent for track in self._tracks)))
