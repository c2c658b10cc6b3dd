"""What the bot says: utterances from text to the caller's ear, kept in step with the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.audio.formats import AudioFormat
from bridge.call.actions import Interruption, Say, is_supplied
from bridge.call.commands import CancelSynthesis, Command, Synthesise
from bridge.call.events import MarkEchoed, MarkFate, SpeechArrived, Word
from bridge.call.ledger import Ledger, Utterance
from bridge.call.playout import Playout
from bridge.call.settings import PlayoutSettings
from bridge.call.state import TIMED_WORDS, UnheardRest
from bridge.call.track import Track
from bridge.carriers.base import Pacing

_LONGEST_WAIT_S = 30.0


class Utterances:
    """Says text, lowers its voice, falls silent, goes on. Every method returns the commands it needs."""

    def __init__(self, settings: PlayoutSettings, audio_format: AudioFormat, pacing: Pacing, ledger: Ledger) -> None:
        self.playout = Playout(settings, audio_format, pacing)
        self._ledger = ledger
        self._number = 0
        self._open: Utterance | None = None
        """The utterance whose text is still being written."""
        self.resumable: list[Utterance] = []
        """Utterances cut by the last `fall_silent`."""
        self._wanted: tuple[int, float] | None = None
        """The utterance whose next audio we wait for with empty hands, and since when."""

    # -- saying ----------------------------------------------------------------------------------

    def say(self, say: Say, now: float, *, by_bridge: bool = False) -> list[Command]:
        """Add text to the utterance that is being written, or begin one; `by_bridge`: not the agent's words."""
        before: list[Command] = []
        if self._open is not None and self._open.by != say.by:
            before = self.finish_text()  # another agent has taken over in the middle of it
        utterance = self._open
        if utterance is None:
            if not say.text.strip() and not (say.more and is_supplied(say.voice)):
                return before
            utterance = self._begin(say.interruption, by_bridge=by_bridge)
            utterance.voice, utterance.cacheable, utterance.by = say.voice, say.cacheable, say.by
            utterance.language = say.language
        utterance.write(say.text)
        self._open = utterance if say.more else None
        return [*before, Synthesise(utterance.number, say.text, not say.more, say.voice, say.cacheable, say.language)]

    def wait(self, seconds: float) -> list[Command]:
        """Queue silence of this length behind what is said."""
        commands = self.finish_text()
        utterance = self._begin("interruptible")
        wait_ms = int(min(max(seconds, 0.0), _LONGEST_WAIT_S) * 1000)
        self.playout.arrived(utterance.number, self.playout.audio_format.silence(wait_ms))
        self.playout.ended(utterance.number)
        utterance.finish(wait_ms)
        return commands

    def finish_text(self) -> list[Command]:
        """End the utterance that is being written, if one is."""
        if self._open is None:
            return []
        number, self._open = self._open.number, None
        return [Synthesise(number, "", True)]

    def _begin(self, interruption: Interruption, *, by_bridge: bool = False) -> Utterance:
        self._number += 1
        self.playout.open(self._number)
        return self._ledger.open(self._number, interruption, by_bridge=by_bridge)

    # -- what synthesis delivers -----------------------------------------------------------------

    def arrived(self, speech: SpeechArrived) -> None:
        """Queue audio; what was cancelled is not queued."""
        if self.playout.arrived(speech.utterance, speech.audio):
            self._ledger[speech.utterance].place(speech.words)

    def ended(self, utterance: int, *, partial: bool = False) -> None:
        """Note that an utterance is complete; `partial`: as far as its audio goes, not its text."""
        track = self.playout.ended(utterance)
        if track is None:
            return
        entry = self._ledger[utterance]
        if track.arrived_ms == 0 and (entry.text.strip() or is_supplied(entry.voice)):
            entry.mute, entry.text, entry.words = True, "", []  # nobody has heard a word of it
        if partial:
            entry.cut, entry.audio_ms = True, track.arrived_ms
        else:
            entry.finish(track.arrived_ms)

    def broke_off(self, utterance: int) -> bool:
        """Note that no more will come. False when nobody waits for it any more."""
        if self._open is not None and self._open.number == utterance:
            self._open = None
        track = self.playout.ended(utterance)
        if track is None:
            return False
        entry = self._ledger[utterance]
        if not entry.words and track.arrived_ms == 0:
            entry.text = ""
        entry.cut = True
        entry.audio_ms = track.arrived_ms
        return True

    def overdue(self, now: float, deadline_s: float) -> int | None:
        """The utterance that has waited too long for its next audio."""
        due = self.due_at(deadline_s)
        return self._wanted[0] if self._wanted and due is not None and now >= due else None

    def due_at(self, deadline_s: float) -> float | None:
        """When the next utterance will be overdue."""
        return self._wanted[1] + deadline_s if self._wanted else None

    # -- hearing ---------------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """True when everything queued was heard, and nothing is being written."""
        return self.playout.empty and self._open is None

    def pump(self, now: float) -> list[Command]:
        """Send and pull what is due."""
        commands = self.playout.pump(now)
        starving = self.playout.starving()
        if starving is None or (self._open is not None and self._open.number == starving):
            self._wanted = None  # or its text is still being written: no fault of synthesis
        elif self._wanted is None or self._wanted[0] != starving:
            self._wanted = (starving, now)
        return commands

    def listen(self, now: float) -> list[Utterance]:
        """Bring the ledger up to what was heard; the utterances that were heard to their end."""
        sounding_on = self.playout.sounding_on
        done = self.playout.listen(now)
        for track in done:
            self._heard(track, track.arrived_ms)
        for track in self.playout.tracks:
            self._heard(track, track.heard_ms)
        for track in sounding_on:
            self._heard(track, track.heard_ms)
        return [self._ledger[track.utterance] for track in done]

    def echoed(self, mark: MarkEchoed, now: float) -> None:
        """Take in what a mark's echo tells."""
        if mark.fate is MarkFate.CLEARED and self.playout.awaits(mark.name):
            self.emptied(now)
            return
        track = self.playout.echo(mark.name, now, mark.fate)
        if track is not None:
            self._heard(track, track.heard_ms)

    def emptied(self, now: float) -> None:
        """What the carrier had not played is gone, unasked: it is said again, from the broken word on."""
        self.playout.emptied(now)
        self._back_to_word()

    def _heard(self, track: Track, heard_ms: float) -> None:
        entry = self._ledger[track.utterance]
        entry.heard_ms = max(entry.heard_ms, heard_ms)

    def sounding(self, now: float) -> Utterance | None:
        """The utterance in the caller's ear."""
        number = self.playout.audible(now)
        return self._ledger[number] if number is not None else None

    def queued_letters(self) -> int:
        """Length of the texts in the queue: what was synthesised, or soon would be."""
        return sum(len(self._ledger[track.utterance].text) for track in self.playout.tracks)

    def next_up(self) -> Utterance | None:
        """The first utterance in the queue."""
        tracks = self.playout.tracks
        return self._ledger[tracks[0].utterance] if tracks else None

    # -- lowering the voice, falling silent --------------------------------------------------------

    def unheard(self, heard_ms: Mapping[int, float]) -> list[UnheardRest]:
        """What is queued, as words, when so much of each utterance is heard; silence is left out."""
        rests: list[UnheardRest] = []
        at_ms: float | None = 0.0
        for track in self.playout.tracks:
            entry, heard = self._ledger[track.utterance], heard_ms[track.utterance]
            text = entry.rest_text(heard)
            if text and self._ends_in_half_a_word(entry):
                text = text.rpartition(" ")[0]
            words = () if at_ms is None else _shifted(entry.words, heard, at_ms - heard)
            if text:
                rests.append(rest_of(entry, text, words, heard))
            at_ms = at_ms + entry.audio_ms - heard if at_ms is not None and entry.complete else None
        return rests

    def written(self, first: int, heard_ms: Mapping[int, float]) -> Iterator[Say]:
        """What the agent has said from this utterance on, as far as it is heard or among what is `unheard`."""
        for number in range(first, self._number + 1):
            if number not in self._ledger:
                continue
            entry, text = self._ledger[number], self._ledger[number].text
            if entry.by_bridge:
                continue
            if self._ends_in_half_a_word(entry) and entry.rest_text(heard_ms.get(number)):
                text = text.rpartition(" ")[0]
            if text.strip():
                more = entry is self._open
                yield Say(text, more, entry.interruption, entry.voice, entry.cacheable, entry.by, entry.language)

    def _ends_in_half_a_word(self, entry: Utterance) -> bool:
        """Whether the last word may be half written."""
        return entry is self._open and entry.text[-1:].isalnum()

    def broken_off(self) -> list[UnheardRest]:
        """What the caller broke off last, as words."""
        return [rest_of(entry, text) for entry in self.resumable if (text := entry.rest_text())]

    def resume(self, number: int, cut: Iterable[UnheardRest]) -> None:
        """Go on numbering after this utterance; `cut` is what the caller had broken off."""
        self._number = number
        for rest in cut:
            entry = Utterance(0, rest.interruption, by_bridge=rest.by_bridge)
            entry.text, entry.voice, entry.cacheable, entry.by = rest.text, rest.voice, rest.cacheable, rest.by
            self.resumable.append(entry)

    @property
    def number(self) -> int:
        """The number of the last utterance."""
        return self._number

    def duck(self, now: float, gain_db: float) -> list[Command]:
        """Lower the voice at once: unheard audio is taken back and sent again softer."""
        commands = self.playout.clear(now)
        self.playout.set_gain(gain_db)
        return commands + self.pump(now)

    def hold(self, now: float) -> list[Command]:
        """Fall silent at once, ready to go on."""
        commands = self.playout.clear(now)
        self.hold_back()
        return commands

    def hold_back(self) -> None:
        """Send nothing until told otherwise."""
        self.playout.held = True

    def let_out(self) -> None:
        """Send what was held back, in full voice."""
        self.playout.held = False
        self.full_voice()

    def full_voice(self) -> None:
        """Be as loud as ever in what is sent from now on."""
        self.playout.set_gain(0.0)

    def restore(self, now: float) -> list[Command]:
        """Go on in full voice: after `duck` without a break, after `hold` from the start of the broken word."""
        if self.playout.held:
            self.playout.held = False
            self._back_to_word()
        self.full_voice()
        return self.pump(now)

    def _back_to_word(self) -> None:
        """Begin the broken word anew."""
        for track in self.playout.tracks[:1]:
            self.playout.rewind(track.utterance, self._ledger[track.utterance].word_start_ms(track.sent_ms))

    def fall_silent(self, now: float) -> list[Command]:
        """Stop for good: all that is unheard is thrown away and cut from the ledger."""
        self.listen(now)
        self.resumable = []
        if self.silent:
            return []
        commands = self.playout.clear(now) if self.playout.in_flight else []
        for track in self.playout.tracks:
            self._heard(track, track.heard_ms)
        for track in self.playout.drop():
            entry = self._ledger[track.utterance]
            entry.cut = True
            self.resumable.append(entry)
            if not track.complete:
                commands.append(CancelSynthesis(track.utterance))
        self._open = None
        self._wanted = None
        self.let_out()
        return commands

    def go_on(self, now: float) -> list[Command]:
        """Say the rest of what `fall_silent` cut, from the first word that was not heard."""
        for track in self.playout.sounding_on:  # what the carrier cannot be made to forget is heard before the rest
            self._heard(track, track.sent_ms)
        cut, self.resumable = self.resumable, []
        commands: list[Command] = []
        for entry in cut:
            if rest := entry.rest_text():
                voice = entry.rest_voice()
                say = Say(rest, False, entry.interruption, voice, entry.cacheable, entry.by, entry.language)
                commands += self.say(say, now, by_bridge=entry.by_bridge)
        return commands


def rest_of(entry: Utterance, text: str, words: tuple[Word, ...] = (), heard_ms: float | None = None) -> UnheardRest:
    """What is unheard of an utterance, and how it is to be said."""
    voice = entry.rest_voice(heard_ms)
    return UnheardRest(
        text, entry.interruption, voice, entry.cacheable, entry.by_bridge, entry.language, words, entry.by
    )


def _shifted(words: Sequence[Word], heard_ms: float, shift_ms: float) -> tuple[Word, ...]:
    """The unheard of these words, so much later."""
    later = (Word(w.text, int(w.start_ms + shift_ms), int(w.end_ms + shift_ms)) for w in words if w.end_ms > heard_ms)
    return tuple(later)[:TIMED_WORDS]
