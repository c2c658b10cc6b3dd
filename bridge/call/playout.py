"""The way of our audio to the caller's ear: what waits, what was sent, what was heard, how far ahead.

Nothing is sent further ahead of the ear than the lead, nothing more is pulled from synthesis than
the lead and a reserve, and nothing is sent at all while the carrier does not answer our marks.
"""

from __future__ import annotations

from collections import deque

from bridge.audio.formats import AudioFormat
from bridge.call.clock import PlayoutClock
from bridge.call.commands import ClearPlayout, Command, PullSpeech, SendAudio, SendMark, decided
from bridge.call.events import MarkFate
from bridge.call.gain import Gain
from bridge.call.lead import Lead
from bridge.call.settings import PlayoutSettings
from bridge.call.states import Decision
from bridge.call.track import SentMark, Span, Track
from bridge.carriers.base import Pacing

_PULL_STEP_MS = 400
_SURELY_MS = 50.0
_SMALLEST_MESSAGE_MS = 20
_CLEARED_MARKS = 32
"""Cleared marks whose echoes may still say that they were played."""


class Playout:
    """Sends queued utterances in order and knows what of them was heard."""

    def __init__(self, settings: PlayoutSettings, audio_format: AudioFormat, pacing: Pacing) -> None:
        self._settings = settings
        self._pacing = pacing
        self.audio_format = audio_format
        self.clock = PlayoutClock()
        self.lead = Lead(settings, pacing)
        self.held = False
        """Nothing is sent while held: a turn that is not over yet, or a caller we wait for."""
        self.underruns = 0
        self._tracks: deque[Track] = deque()
        self._spans: deque[Span] = deque()
        self._marks: dict[str, SentMark] = {}
        self._cleared_marks: dict[str, SentMark] = {}
        """Marks that a clear has met on their way; some may have been played before it came."""
        self._epoch = 0
        self._mark_number = 0
        self._marked_ms = 0.0
        self._cleared_at = 0.0
        self._last_cleared_mark = ""
        self._restarts = False
        """The next audio goes out after a clear, so that an empty buffer is no underrun."""
        self._sent: tuple[Track | None, float] = (None, 0.0)
        """The track of which something was sent last, and up to where."""
        self._broken_off = False
        """Something that left the queue may still lie at the carrier."""
        self._gain = Gain(audio_format)

    # -- filling ---------------------------------------------------------------------------------

    def open(self, utterance: int) -> None:
        """Append an utterance to the queue."""
        self._tracks.append(Track(utterance, self.audio_format))

    def arrived(self, utterance: int, audio: bytes) -> bool:
        """Add audio. False when the utterance is not queued any more."""
        track = self._track(utterance)
        if track is not None:
            track.add(audio)
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
    def queued(self) -> int:
        """How many utterances are in the queue."""
        return len(self._tracks)

    @property
    def sounding_on(self) -> list[Track]:
        """Tracks that have left the queue but not the carrier's buffer, which could not be cleared."""
        return [span.track for span in self._spans if span.track not in self._tracks] if self._broken_off else []

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
        message_ms = self._pacing.message_ms
        piece_ms = self._piece_ms(track)
        room_ms = self.lead.target_ms - piece_ms
        if track.complete or piece_ms == message_ms:
            return room_ms
        # Less than a whole message waits for the rest while there is time.
        return min(room_ms, message_ms) if piece_ms >= _SMALLEST_MESSAGE_MS else None

    def _piece_ms(self, track: Track) -> float:
        """Length of a track's next message: whole frames, but for the end of the utterance."""
        piece_ms = min(self._pacing.message_ms, track.waiting_ms)
        return piece_ms if track.complete else piece_ms - piece_ms % self._pacing.frame_ms

    def _deadline(self, span: Span) -> float:
        """When a span counts as heard without an echo: late, or, with nothing but the clock, as late as it may err."""
        grace_ms = self._settings.mark_deadline_ms if self.clock.marks_work else self.clock.error_ms
        return self.clock.heard_by(span.end_ms) + grace_ms / 1000

    def _unanswered(self) -> bool:
        """Whether the carrier owes us so many echoes that it must have stalled."""
        if not self.clock.marks_work:
            return False
        window_ms = self.lead.target_ms + self.clock.round_trip_s * 1000 + self._settings.unanswered_ms
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
        return self._mark(now)

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
            self._send(track, self._piece_ms(track), commands, now)
        for track in self._tracks:
            if not track.all_sent:
                break
            if not track.end_marked:
                track.end_marked = True
                commands += self._mark(now)

    def _send(self, track: Track, piece_ms: float, commands: list[Command], now: float) -> None:
        start_ms = self.clock.sent_ms
        filling_ms = int(-piece_ms % self._pacing.frame_ms)
        ran_dry = self.clock.send(piece_ms + filling_ms, now)
        if ran_dry and track.sent_ms > 0 and not self._restarts:
            self._underran(track, commands, now)
        self._restarts = False
        self._spans.append(Span(start_ms, start_ms + piece_ms, track, track.sent_ms))
        audio = self._gain.shape(track.cut(track.sent_ms, piece_ms))
        if filling_ms:
            audio += self.audio_format.silence(filling_ms)
        commands.append(SendAudio(track.utterance, int(track.sent_ms), audio))
        track.sent_ms += piece_ms
        self._sent = (track, track.sent_ms)
        if self.clock.sent_ms - self._marked_ms >= self._settings.mark_ms and not track.all_sent:
            commands += self._mark(now)

    def _underran(self, track: Track, commands: list[Command], now: float) -> None:
        self.underruns += 1
        self.lead.ran_dry(now)
        commands.append(decided(Decision.UNDERRUN, utterance=track.utterance, offset_ms=track.sent_ms))

    def _mark(self, now: float) -> list[Command]:
        self._marked_ms = self.clock.sent_ms
        if self._pacing.marks == "none":
            return []
        self._mark_number += 1
        name = f"{self._epoch}.{self._mark_number}"
        self._marks[name] = SentMark(self.clock.sent_ms, now, *self._sent)
        return [SendMark(name)]

    def _pull_due(self, commands: list[Command], now: float) -> None:
        ahead_ms = self.lead.target_ms + self._settings.reserve_ms
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

    def echo(self, name: str, now: float, fate: MarkFate = MarkFate.UNKNOWN) -> Track | None:
        """A mark came back. The track of which more turns out to have been heard than a clear left, if any.

        Echoes of unknown marks say nothing, nor do those that come before the mark can have been reached: some
        carriers echo at once what should be echoed when it is heard.
        """
        mark = self._marks.get(name)
        if mark is None:
            return self._late_echo(name, fate, now)
        if not self.clock.too_early(mark.position_ms, now):
            del self._marks[name]
            self.clock.echo(mark.position_ms, mark.sent_at, now)
            self.lead.follow(self.clock.jitter_ms, now)
        return None

    def awaits(self, name: str) -> bool:
        """Whether a mark of this name is on its way, and nothing was cleared since it was sent."""
        return name in self._marks

    def emptied(self, now: float) -> None:
        """The carrier threw out unasked what it had not played; that counts as unsent again."""
        self._last_cleared_mark = ""
        self._take_back(self.clock.clear(now, now - self.clock.way_s), now)

    def _late_echo(self, name: str, fate: MarkFate, now: float) -> Track | None:
        """An echo after a clear. It proves nothing, unless the carrier says that the mark was played before that."""
        mark = self._cleared_marks.pop(name, None)
        if fate is not MarkFate.PLAYED:
            if name == self._last_cleared_mark:
                self._last_cleared_mark = ""
                self.clock.clear_echo(self._cleared_at, now)
            return None
        if mark is None or mark.track is None or mark.offset_ms <= mark.track.heard_ms:
            return None
        mark.track.heard_ms = mark.offset_ms
        if self._restarts:  # nothing was sent since, so what was heard need not be sent again
            mark.track.sent_ms = max(mark.track.sent_ms, mark.offset_ms)
        return mark.track

    def listen(self, now: float) -> list[Track]:
        """Bring every track's `heard_ms` up to now; the tracks that are heard to their end leave the queue."""
        if not self._spans and not self._tracks:
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
        while self._tracks and (first := self._tracks[0]).all_sent and all(s.track is not first for s in self._spans):
            done.append(self._tracks.popleft())
        self._broken_off = self._broken_off and bool(self._spans)
        return done

    def heard_if_lost(self, now: float) -> dict[int, float]:
        """How much of each queued utterance will surely have been heard if the stream ends now, in milliseconds."""
        sure_ms = self.clock.surely_played_ms(now + self.clock.way_s)
        heard = {track.utterance: track.heard_ms for track in self._tracks}
        for span in self._spans:
            number = span.track.utterance
            if number in heard and sure_ms > span.start_ms:
                heard[number] = max(heard[number], span.offset_ms + min(sure_ms, span.end_ms) - span.start_ms)
        return heard

    # -- taking back -----------------------------------------------------------------------------

    def clear(self, now: float) -> list[Command]:
        """Take back all audio that will not have been heard when a clear arrives; it counts as unsent again.

        Where the carrier cannot clear, what was sent will be heard, and nothing is taken back.
        """
        if not self._pacing.can_clear:
            self._restarts = True
            return []
        self.listen(now)
        reached_ms = self.clock.clear(now, now + self.clock.way_s)
        self._last_cleared_mark = self._surely_unplayed_mark(reached_ms)
        self._take_back(reached_ms, now)
        return [ClearPlayout()]

    def _take_back(self, reached_ms: float, now: float) -> None:
        """The carrier forgot what lay behind this position on the clock's axis."""
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
        self._cleared_marks |= self._marks
        while len(self._cleared_marks) > _CLEARED_MARKS:
            del self._cleared_marks[next(iter(self._cleared_marks))]
        self._marks.clear()
        self._epoch += 1
        self._marked_ms = self.clock.sent_ms
        self._cleared_at = now
        self._restarts = True

    def _surely_unplayed_mark(self, reached_ms: float) -> str:
        """The last mark on its way, whose echo the clear itself will cause; "" when it may have been played already."""
        name = next(reversed(self._marks), "")
        surely = bool(name) and self._marks[name].position_ms > reached_ms + _SURELY_MS
        return name if surely else ""

    def set_gain(self, gain_db: float) -> None:
        """The gain of what is sent from now on; the change is ramped."""
        self._gain.db = gain_db

    def rewind(self, utterance: int, offset_ms: float) -> None:
        """Go back within what is kept, to say a word again from its start."""
        track = self._track(utterance)
        if track is not None:
            track.sent_ms = max(min(track.sent_ms, offset_ms), track.dropped_ms)

    def drop(self) -> list[Track]:
        """Forget the whole queue; the tracks that were in it. What lies at a carrier that cannot clear sounds on."""
        dropped = list(self._tracks)
        self._tracks.clear()
        if self._pacing.can_clear:
            self._spans.clear()
        self._broken_off = bool(self._spans)
        return dropped
