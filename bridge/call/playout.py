"""The way of our audio to the caller's ear: what waits, what was sent, what was heard, how far ahead.

Nothing is sent further ahead of the ear than the lead, nothing more is pulled from synthesis than
the lead and a reserve, and nothing is sent at all while the carrier does not answer our marks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bridge.audio.mulaw import gain_table, ramp
from bridge.call.clock import PlayoutClock
from bridge.call.commands import ClearPlayout, Command, PullSpeech, SendAudio, SendMark, decided
from bridge.call.settings import PlayoutSettings
from bridge.call.states import Decision

BYTES_PER_MS = 8
_KEEP_BEHIND_MS = 2000
"""Heard audio kept for going back to the start of a word."""
_PULL_STEP_MS = 400
_RAMP_MS = 10
_WIDEN_MS = 60.0
_NARROW_MS = 20.0
_CALM_S = 5.0
_SURELY_MS = 50.0
_SMALLEST_MESSAGE_MS = 20


@dataclass(slots=True)
class Track:
    """The audio of one utterance on its way; offsets are milliseconds from its start."""

    utterance: int
    audio: bytearray = field(default_factory=bytearray)
    arrived_ms: float = 0.0
    """Length of the audio that has arrived."""
    dropped_ms: float = 0.0
    """Audio before this offset is no longer kept."""
    sent_ms: float = 0.0
    heard_ms: float = 0.0
    pulled_ms: float = 0.0
    complete: bool = False
    end_marked: bool = False

    def add(self, ulaw: bytes) -> None:
        """More of it has arrived."""
        self.audio += ulaw
        self.arrived_ms += len(ulaw) / BYTES_PER_MS

    @property
    def waiting_ms(self) -> float:
        """Audio that has arrived and is not sent."""
        return self.arrived_ms - self.sent_ms

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left to send, now or later."""
        return self.complete and self.waiting_ms <= 0

    def cut(self, start_ms: float, length_ms: float) -> bytes:
        """A piece of the kept audio."""
        start = int((start_ms - self.dropped_ms) * BYTES_PER_MS)
        return bytes(self.audio[start : start + int(length_ms * BYTES_PER_MS)])

    def forget(self) -> None:
        """Drop audio that nobody will go back to."""
        spare = int(self.heard_ms - _KEEP_BEHIND_MS - self.dropped_ms)
        if spare > _KEEP_BEHIND_MS:
            del self.audio[: spare * BYTES_PER_MS]
            self.dropped_ms += spare


@dataclass(slots=True)
class _Span:
    """Sent audio on the clock's axis."""

    start_ms: float
    end_ms: float
    track: Track
    offset_ms: float


@dataclass(slots=True)
class _Mark:
    position_ms: float
    sent_at: float


class Playout:
    """Sends queued utterances in order and knows what of them was heard."""

    def __init__(self, settings: PlayoutSettings) -> None:
        self._settings = settings
        self.clock = PlayoutClock()
        self.lead_target_ms = float(settings.lead_ms)
        self.held = False
        """Nothing is sent while held: a turn that is not over yet, or a caller we wait for."""
        self.underruns = 0
        self._tracks: deque[Track] = deque()
        self._spans: deque[_Span] = deque()
        self._marks: dict[str, _Mark] = {}
        self._epoch = 0
        self._mark_number = 0
        self._marked_ms = 0.0
        self._cleared_at = 0.0
        self._last_cleared_mark = ""
        self._restarts = False
        """The next audio goes out after a clear, so that an empty buffer is no underrun."""
        self._gain_db = 0.0
        self._sounding_db = 0.0
        self._calm_since = 0.0

    # -- filling ---------------------------------------------------------------------------------

    def open(self, utterance: int) -> None:
        """Append an utterance to the queue."""
        self._tracks.append(Track(utterance))

    def arrived(self, utterance: int, ulaw: bytes) -> bool:
        """Add audio. False when the utterance is not queued any more."""
        track = self._track(utterance)
        if track is not None:
            track.add(ulaw)
        return track is not None

    def ended(self, utterance: int) -> Track | None:
        """Note that all audio has arrived."""
        track = self._track(utterance)
        if track is not None:
            track.complete = True
        return track

    def _track(self, utterance: int) -> Track | None:
        return next((t for t in self._tracks if t.utterance == utterance), None)

    # -- asking ----------------------------------------------------------------------------------

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The queue, first the one that sounds or will sound next."""
        return tuple(self._tracks)

    @property
    def in_flight(self) -> bool:
        """Whether anything sent may still be unheard."""
        return bool(self._spans)

    @property
    def empty(self) -> bool:
        """True when every queued utterance was heard."""
        return not self._tracks

    @property
    def amid(self) -> bool:
        """Whether the utterance that sounds goes on: then a mark's echo corrects the clock, and ends nothing."""
        return bool(self._tracks) and not self._tracks[0].all_sent

    def audible(self, now: float) -> int | None:
        """The utterance that sounds in the caller's ear, if any."""
        ear = self.clock.ear_ms(now)
        for span in self._spans:
            if span.start_ms <= ear < span.end_ms:
                return span.track.utterance
        return None

    def lead_ms(self, now: float) -> float:
        """Audio that lies unplayed at the carrier."""
        return self.clock.lead_ms(now)

    def wake_at(self, now: float) -> float | None:
        """When to call `pump` again, as far as only time can bring it about."""
        times = []
        if not self.held and (due := self._next_send(now)):
            times.append(now + due[1] / 1000)
        if self._spans:
            times.append(self._deadline(self._spans[0]))
        if self.clock.last_echo_at is not None and self._unanswered():
            times.append(self.clock.last_echo_at + self._settings.stalled_s + 0.001)
        return min(times, default=None)

    def _next_send(self, now: float) -> tuple[Track, float] | None:
        """What is to be sent next, and in how many milliseconds from now; None while time alone brings nothing."""
        track = self._next_unsent()
        if track is None or self._unanswered():
            return None
        room_ms = self._send_below_ms(track)
        return None if room_ms is None else (track, self.clock.lead_ms(now) - room_ms)

    def _next_unsent(self) -> Track | None:
        for track in self._tracks:
            if track.waiting_ms > 0:
                return track
            if not track.complete:
                return None  # its audio is still to come, and the next utterance must wait for it
        return None

    def _send_below_ms(self, track: Track) -> float | None:
        """The lead at or below which the next piece of a track is sent; None: wait for more of its audio."""
        message_ms = self._settings.message_ms
        piece_ms = min(message_ms, track.waiting_ms)
        room_ms = self.lead_target_ms - piece_ms
        if track.complete or piece_ms == message_ms:
            return room_ms
        # Less than a whole message waits for the rest while there is time.
        return min(room_ms, message_ms) if piece_ms >= _SMALLEST_MESSAGE_MS else None

    def _deadline(self, span: _Span) -> float:
        """When a span counts as heard without an echo."""
        grace_s = self._settings.mark_deadline_ms / 1000 if self.clock.marks_work else 0.0
        return self.clock.heard_by(span.end_ms) + grace_s

    def _unanswered(self) -> bool:
        """Whether the carrier owes us so many echoes that it must have stalled."""
        if not self.clock.marks_work:
            return False
        window_ms = self.lead_target_ms + self.clock.round_trip_s * 1000 + self._settings.unanswered_ms
        return self.clock.sent_ms - self.clock.acked_ms > window_ms

    def stalled(self, now: float) -> bool:
        """Whether the carrier has answered nothing for so long that the call is lost."""
        last = self.clock.last_echo_at
        return last is not None and self._unanswered() and now - last > self._settings.stalled_s

    def starving(self) -> int | None:
        """The utterance that could be sent now if more of its audio were here."""
        for track in self._tracks:
            if not track.complete:
                return track.utterance if track.waiting_ms <= 0 and track.pulled_ms > 0 else None
            if track.waiting_ms > 0:
                return None
        return None

    # -- sending ---------------------------------------------------------------------------------

    def probe(self, now: float) -> list[Command]:
        """A mark into an empty buffer, which comes back at once and tells the round trip."""
        return [self._mark(now)]

    def pump(self, now: float) -> list[Command]:
        """Send and pull what is due."""
        commands: list[Command] = []
        if not self.held:
            self._send_due(commands, now)
        self._pull_due(commands, now)
        return commands

    def _send_due(self, commands: list[Command], now: float) -> None:
        while (due := self._next_send(now)) and due[1] <= 0:
            track = due[0]
            self._send(track, min(self._settings.message_ms, track.waiting_ms), commands, now)
        for track in self._tracks:
            if not track.all_sent:
                break
            if not track.end_marked:
                track.end_marked = True
                commands.append(self._mark(now))

    def _send(self, track: Track, piece_ms: float, commands: list[Command], now: float) -> None:
        ran_dry = self.clock.send(piece_ms, now)
        if ran_dry and track.sent_ms > 0 and not self._restarts:
            self._underran(track, commands, now)
        self._restarts = False
        end_ms = self.clock.sent_ms
        self._spans.append(_Span(end_ms - piece_ms, end_ms, track, track.sent_ms))
        piece = track.cut(track.sent_ms, piece_ms)
        commands.append(SendAudio(track.utterance, int(track.sent_ms), self._shaped(piece)))
        track.sent_ms += piece_ms
        if end_ms - self._marked_ms >= self._settings.mark_ms and not track.all_sent:
            commands.append(self._mark(now))

    def _underran(self, track: Track, commands: list[Command], now: float) -> None:
        self.underruns += 1
        self.lead_target_ms = min(self.lead_target_ms + _WIDEN_MS, float(self._settings.lead_max_ms))
        self._calm_since = now
        commands.append(decided(Decision.UNDERRUN, utterance=track.utterance, offset_ms=track.sent_ms))

    def _shaped(self, ulaw: bytes) -> bytes:
        """The audio at the gain of the moment, with a short ramp where the gain changes."""
        if self._gain_db == self._sounding_db == 0.0:
            return ulaw
        cut = _RAMP_MS * BYTES_PER_MS if self._gain_db != self._sounding_db else 0
        head = ramp(ulaw[:cut], self._sounding_db, self._gain_db) if cut else b""
        self._sounding_db = self._gain_db
        tail = ulaw[cut:] if self._gain_db == 0.0 else ulaw[cut:].translate(gain_table(self._gain_db))
        return head + tail

    def _mark(self, now: float) -> SendMark:
        self._mark_number += 1
        name = f"{self._epoch}.{self._mark_number}"
        self._marked_ms = self.clock.sent_ms
        self._marks[name] = _Mark(self.clock.sent_ms, now)
        return SendMark(name)

    def _pull_due(self, commands: list[Command], now: float) -> None:
        ahead_ms = self.lead_target_ms + self._settings.reserve_ms
        lead_ms = max(self.clock.lead_ms(now), 0.0)
        for track in self._tracks:
            if not track.complete:
                upto_ms = track.sent_ms + ahead_ms
                # Asked for in steps, so that one utterance costs a handful of pulls, not one per message.
                if upto_ms >= track.pulled_ms + _PULL_STEP_MS:
                    track.pulled_ms = upto_ms
                    commands.append(PullSpeech(track.utterance, int(upto_ms), int(lead_ms + track.waiting_ms)))
                return
            ahead_ms -= track.waiting_ms
            lead_ms += track.waiting_ms
            if ahead_ms <= 0:
                return

    # -- hearing ---------------------------------------------------------------------------------

    def echo(self, name: str, now: float) -> bool:
        """A mark came back. False for one that is unknown, that a clear threw out, or that was not yet to be played.

        Some carriers echo at once what should be echoed when it is heard. Such echoes say nothing.
        """
        if name == self._last_cleared_mark:
            self._last_cleared_mark = ""
            self.clock.clear_echo(self._cleared_at, now)
        mark = self._marks.get(name)
        if mark is None or self.clock.too_early(mark.position_ms, now):
            return False
        del self._marks[name]
        self.clock.echo(mark.position_ms, mark.sent_at, now)
        self._adapt(now)
        return True

    def _adapt(self, now: float) -> None:
        """Widen the lead at once when marks jitter, narrow it slowly when they are calm."""
        wanted = min(self._settings.lead_ms + 1.5 * self.clock.jitter_ms, float(self._settings.lead_max_ms))
        if wanted > self.lead_target_ms:
            self.lead_target_ms, self._calm_since = wanted, now
        elif now - self._calm_since > _CALM_S:
            self.lead_target_ms, self._calm_since = max(wanted, self.lead_target_ms - _NARROW_MS), now

    def listen(self, now: float) -> list[Track]:
        """Bring every track's `heard_ms` up to now; the tracks that are heard to their end leave the queue."""
        if not self._tracks:
            return []
        # What the ear reached for certain; between marks the clock's error is left out.
        sure_ms = max(self.clock.acked_ms, self.clock.ear_ms(now) - self.clock.error_ms)
        while self._spans:
            span = self._spans[0]
            overdue = span.end_ms > sure_ms and now >= self._deadline(span)
            if span.start_ms >= sure_ms and not overdue:
                break
            reached_ms = span.end_ms if overdue else min(sure_ms, span.end_ms)
            span.track.heard_ms = max(span.track.heard_ms, span.offset_ms + reached_ms - span.start_ms)
            if reached_ms < span.end_ms:
                break
            span.track.forget()
            self._spans.popleft()
        done = []
        # Spans are in the order of the tracks, so the first track is in flight if the first span is.
        while (
            self._tracks and self._tracks[0].all_sent and not (self._spans and self._spans[0].track is self._tracks[0])
        ):
            done.append(self._tracks.popleft())
        return done

    # -- taking back -----------------------------------------------------------------------------

    def clear(self, now: float) -> list[Command]:
        """Take back all audio that will not have been heard when a clear arrives; it counts as unsent again."""
        self.listen(now)
        reached_ms = self.clock.clear(now)
        sure_ms = reached_ms - self.clock.error_ms
        for span in reversed(self._spans):
            track = span.track
            if span.end_ms > reached_ms:
                # Whole milliseconds, so that offsets stay whole samples.
                resume_ms = float(int(span.offset_ms + max(reached_ms - span.start_ms, 0.0)))
                track.sent_ms = min(track.sent_ms, resume_ms)
                track.end_marked = False
            if sure_ms > span.start_ms:
                track.heard_ms = max(track.heard_ms, span.offset_ms + min(sure_ms, span.end_ms) - span.start_ms)
        self._spans.clear()
        self._last_cleared_mark = self._surely_unplayed_mark(reached_ms)
        self._marks.clear()
        self._epoch += 1
        self._marked_ms = self.clock.sent_ms
        self._cleared_at = now
        self._restarts = True
        return [ClearPlayout()]

    def _surely_unplayed_mark(self, reached_ms: float) -> str:
        """The last mark on its way, whose echo the clear itself will cause; "" when it may have been played already."""
        name = next(reversed(self._marks), "")
        surely = bool(name) and self._marks[name].position_ms > reached_ms + _SURELY_MS
        return name if surely else ""

    def set_gain(self, gain_db: float) -> None:
        """The gain of what is sent from now on; the change is ramped."""
        self._gain_db = gain_db

    def rewind(self, utterance: int, offset_ms: float) -> None:
        """Go back within what is kept, to say a word again from its start."""
        track = self._track(utterance)
        if track is not None:
            track.sent_ms = max(min(track.sent_ms, offset_ms), track.dropped_ms)

    def drop(self) -> list[Track]:
        """Forget the whole queue; the tracks that were in it."""
        dropped = list(self._tracks)
        self._tracks.clear()
        self._spans.clear()
        return dropped
