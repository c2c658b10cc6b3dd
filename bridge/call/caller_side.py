"""The caller's side of a call: who has the floor, is the turn over, what was said, and what does that ask of us?"""

from __future__ import annotations

from bridge.call.actions import Interruption
from bridge.call.caller_turns import CallerTurns
from bridge.call.commands import Command, Disconnect, Transcribe, decided
from bridge.call.endpointing import same_words
from bridge.call.events import Recognised, VoiceActivity, WordsHeard
from bridge.call.floor import WINDOW_MS, Verdict, is_mumble
from bridge.call.overheard import heard_on
from bridge.call.state import CallerState, TurnState
from bridge.call.states import Bot, Caller, CallerMove, Decision, EndReason
from bridge.call.turn import PREROLL_S, CallerTurn, certain_at, silence_is_certain

_LONGEST_MERGE_S = 15.0


class CallerSide(CallerTurns):
    """What the caller does (`state`), and what becomes of it. Times are seconds on the call's clock.

    Every method that decides something returns the commands that carry it out, those of the bot's side among them.
    """

    def leave(self) -> None:
        """Nothing the caller says counts any more."""
        self.floor.settle()
        self.turn = self._overheard = None
        self.state = Caller.SILENT

    # -- written down and gone on with -------------------------------------------------------------

    @property
    def guessing(self) -> bool:
        """Whether an answer was begun before the caller's turn is over."""
        return self.turn is not None and self.turn.guessed is not None

    @property
    def leaves_floor(self) -> bool:
        """Whether the caller neither speaks, as far as we know, nor has pressed keys that are not answered."""
        return self.state is Caller.SILENT and not self.keypad.digits and self._overheard is None

    @property
    def words_so_far(self) -> str:
        """What was recognised of the turn that is not over."""
        return "" if self.turn is None else self.turn.words_so_far

    def written(self) -> CallerState:
        """Write this side down as it is at this moment."""
        turn = self.turn
        return CallerState(
            keys=self.keypad.digits,
            keys_ended=self.keypad.ended,
            turn=None if turn is None else TurnState(turn.words_so_far, turn.interrupted),
            no_input_attempts=self.no_input_attempts,
            wordless=self._wordless,
            caller_level_db=self.floor.caller_level_db,
            room_level_db=self.floor.room_level_db,
        )

    def resume(self, state: CallerState, now: float) -> None:
        """Go on where another process was. A turn that was not over is a pause now, its words known or not."""
        self.keypad.restore(state.keys, state.keys_ended, now)
        self.no_input_attempts, self._wordless = state.no_input_attempts, state.wordless
        self.floor.caller_level_db, self.floor.room_level_db = state.caller_level_db, state.room_level_db
        self._audio_until = now
        if state.turn is None or self._bot.ending is not None:
            return
        self.state = Caller.PAUSED
        endpoint = self._endpointing()
        turn = self.turn = CallerTurn(now, now, endpoint, state.turn.interrupted, carried=state.turn.text)
        if self._settings.listens:
            turn.recognised("")
            turn.unrecognised = not state.turn.text

    # -- does the caller want the floor? --------------------------------------------------------------

    def hear(self, window: VoiceActivity, now: float) -> list[Command] | None:
        """Judge one window of the caller's audio. None when it changed nothing, as most windows do."""
        if window.at > self._audio_until:
            self._audio_until = window.at
        if self._bot.state is Bot.CLOSING and not self._bot.can_be_held:
            return None
        match self.state:
            case Caller.SILENT | Caller.SUSPECTED:
                return self._hear_for_floor(window, now)
            case Caller.SPEAKING | Caller.PAUSED:
                return self._hear_turn(window, now)

    def _hear_for_floor(self, window: VoiceActivity, now: float) -> list[Command] | None:
        if self.floor.is_quiet(window) and (self.shadow is None or self.shadow.is_quiet(window)):
            return None
        if not self._bot.may_be_interrupted(now):
            if self._bot.protects(now) and self._bot.ending is None and self.floor.is_caller(window):
                self._overheard = heard_on(self._overheard, window.at, WINDOW_MS)
            return None
        audible = self._bot.audible(now)
        verdict = self.floor.hear(window, bot_audible=audible)
        commands: list[Command] = []
        if self.shadow is not None:
            commands += self.shadow.hear(window, verdict, bot_audible=audible)
        if verdict is Verdict.NOTHING:
            commands += self._ask_what_was_said(window.at, audible=audible)
            return commands or None
        if verdict is Verdict.FADED:
            return commands + self._false_alarm(now)
        if self.state is Caller.SILENT:
            commands += self._suspect(window, now)
        if verdict is Verdict.CONFIRMED:
            commands += self._speaks(window.at, now, **self.floor.why(window))
        return commands

    def _suspect(self, window: VoiceActivity, now: float) -> list[Command]:
        self._moves(CallerMove.ACTIVITY)
        if self._bot.state is not Bot.SPEAKING or self._settings.floor.on_suspicion == "ignore":
            return []
        return [decided(Decision.SUSPECTED, **self.floor.why(window)), *self._bot.lower_voice(now)]

    def _ask_what_was_said(self, at: float, *, audible: bool) -> list[Command]:
        """Have a short sound over our voice recognised: a "no" is too short to be confirmed by the voice alone."""
        if (
            not audible
            or not self._settings.listens
            or not self.floor.wants_words(at, self._settings.endpoint.guess_ms)
        ):
            return []
        suspicion = self.floor.suspicion
        assert suspicion is not None
        self._revision += 1
        suspicion.words_asked = self._revision
        return [Transcribe(self._revision, max(suspicion.since - PREROLL_S, 0.0))]

    def recognised(self, heard: Recognised, now: float) -> list[Command]:
        """The recogniser's words: for the turn so far, or for a short sound over our voice."""
        if self.turn is None:
            return self._was_said(heard.text.strip(), heard.confidence, now)
        return self._turn_recognised(heard, now)

    def _was_said(self, text: str, confidence: float, now: float) -> list[Command]:
        """The recogniser's answer about a short sound over our voice: words that are no backchannel take the floor."""
        suspicion = self.floor.suspicion
        assert suspicion is not None
        suspicion.words_known = True
        if is_mumble(text, confidence) or not self._bot.may_be_interrupted(now):
            return []
        if self.floor.hear_words(text, self._bot.expected.language) is not Verdict.CONFIRMED:
            return []
        revision = suspicion.words_asked
        commands = self._speaks(suspicion.last_speech_at, now, by="words", **self.floor.why(None))
        turn = self._turn_so_far
        self._moves(CallerMove.WENT_QUIET)
        turn.revision = revision  # the end-of-turn model's answer to the same question is still to come
        turn.recognised(text)
        return commands + self._begin_early(now)

    def _false_alarm(self, now: float) -> list[Command]:
        commands: list[Command] = []
        if self._bot.state is Bot.DUCKED:
            commands.append(decided(Decision.FALSE_ALARM, **self.floor.why(None)))
            commands += self._bot.restore_voice(now)
        self.floor.settle()
        self._moves(CallerMove.FADED)
        self._bot.await_caller(now)
        return commands

    def _speaks(self, at: float, now: float, **why: float | int | str | bool) -> list[Command]:
        """The caller has the floor, having spoken until `at`: whatever we were at is broken off."""
        suspicion = self.floor.settle()
        since = (suspicion.since if suspicion else at) - PREROLL_S
        self._moves(CallerMove.CONFIRMED)
        bot = self._bot
        overheard, self._overheard = self._overheard, None
        if overheard is not None and overheard.reaches(since + PREROLL_S):
            since = overheard.since - PREROLL_S
        if bot.state is Bot.CLOSING:
            bot.stay()
        commands: list[Command] = []
        interrupted = not bot.utterances.silent or bot.answering.busy
        if interrupted:
            commands.append(decided(Decision.INTERRUPTED, state=str(bot.state), **why))
        last = self._last_turn
        if last is not None and now - last.since >= _LONGEST_MERGE_S:
            last = None
        broken_off, taken_back = bot.break_off(now, goes_on=last is not None)
        commands += broken_off
        if taken_back and last is not None:
            # That was only a pause: the turn goes on, and will be recognised as a whole.
            bot.ledger.withdraw_caller()
            commands += bot.expect_as_before()
            since = last.since
            self._cut_off += 1
        endpoint = self._endpointing()
        self.turn = CallerTurn(max(since, 0.0), at, endpoint, interrupted and not taken_back)
        return commands

    def _listen_to_overheard(self, now: float) -> list[Command]:
        """The protected words are over: what was said over them is a turn, and goes on if it is still being said."""
        overheard, self._overheard = self._overheard, None
        s = self._settings
        assert overheard is not None
        if not (overheard.enough() if s.listens else overheard.enough(s.floor.confirm_ms)):
            return []
        self._moves(CallerMove.ACTIVITY)
        self._moves(CallerMove.CONFIRMED)
        # Whatever was said long ago: the recogniser is given its time from now on.
        last_speech_at = max(overheard.last_speech_at, now - s.endpoint.guess_ms / 1000)
        endpoint = self._endpointing()
        self.turn = CallerTurn(max(overheard.since - PREROLL_S, 0.0), last_speech_at, endpoint, overheard=True)
        return [] if last_speech_at == overheard.last_speech_at else self._pause()

    def words_heard(self, words: WordsHeard, now: float) -> list[Command]:
        """A live recogniser has heard words: over our voice they confirm, in a turn they say how finished it is."""
        if self.state is Caller.SUSPECTED:
            return self._words_for_floor(words, now)
        turn = self.turn
        text = "" if turn is None else words.since(turn.since)
        if turn is not None and text and turn.carried:
            text = f"{turn.carried} {text}"
        if turn is None or not text or (turn.over_our_voice and is_mumble(text, words.confidence)):
            return []
        turn.endpoint.partial = text
        answered = turn.endpoint.text
        if self.state is Caller.SPEAKING or answered is None or same_words(text, answered):
            return self._begin_early(now)
        turn.endpoint.text = text  # what came late is better than what was taken for the last word
        return [*self._withdraw_guess(now), *self._begin_early(now)]

    def _words_for_floor(self, words: WordsHeard, now: float) -> list[Command]:
        suspicion = self.floor.suspicion
        if suspicion is None or not self._bot.audible(now) or not self._bot.may_be_interrupted(now):
            return []
        text = words.since(suspicion.since)
        if is_mumble(text, words.confidence):
            return []
        if self.floor.hear_words(text, self._bot.expected.language) is not Verdict.CONFIRMED:
            return []
        return self._speaks(suspicion.last_speech_at, now, by="words", **self.floor.why(None))

    # -- the keypad ------------------------------------------------------------------------------

    def presses(self, digit: str, now: float) -> list[Command]:
        """One key: it takes the floor at once, except from protected words."""
        bot = self._bot
        self._overheard = None
        self.no_input_attempts = 0
        if not self.keypad.press(digit, now, bot.expected.keys):
            return []
        sounding = bot.utterances.sounding(now)
        if sounding is not None and sounding.interruption in ("protected", "speech_only"):
            return []  # kept, and looked at when these words are heard
        commands: list[Command] = []
        if not bot.utterances.silent:
            commands.append(decided(Decision.INTERRUPTED, state=str(bot.state), by="digit"))
        commands += bot.break_off(now)[0]
        if self.state is Caller.SUSPECTED:
            self.floor.settle()
            self._moves(CallerMove.FADED)
        return commands

    # -- what time brings ------------------------------------------------------------------------

    def due(self, now: float) -> list[Command]:
        """Settle what silence has decided: a suspicion, a pause, a turn, a number on the keypad, nobody there."""
        commands: list[Command] = []
        if self._overheard_due():
            commands += self._listen_to_overheard(now)
        if self.state is Caller.SUSPECTED and silence_is_certain(self.floor.fades_at(), self._audio_until, now):
            commands += self._false_alarm(now)
        if self.state is Caller.SPEAKING and now >= self._turn_so_far.quiet_at(self._settings.endpoint):
            commands += self._pause()
        if self.state is Caller.PAUSED and silence_is_certain(self._over_at(), self._audio_until, now):
            because = self._turn_so_far.endpoint.patience(listens=self._settings.listens).because
            commands += self._end_turn(because, now)
        elif self.state is Caller.SPEAKING and now >= self._turn_so_far.since + self._settings.endpoint.longest_turn_s:
            commands += self._end_turn("longest turn", now)
        due = self._digits_due()
        if due is not None and now >= due:
            digits = self.keypad.take()
            self._bot.ledger.caller_said(digits)
            commands += self._bot.ask("digits", digits, now)
        due = self._no_input_due()
        if due is not None and now >= due:
            commands += self._no_input(now)
        return commands

    def wake_times(self, now: float) -> list[float | None]:
        """When `due` has something to do, as far as known now."""
        times = [self._digits_due(), self._no_input_due(), now if self._overheard_due() else None]
        if self.state is Caller.SUSPECTED:
            times.append(certain_at(self.floor.fades_at(), self._audio_until, now))
        elif self.state is Caller.SPEAKING:
            times.append(self._turn_so_far.quiet_at(self._settings.endpoint))
        elif self.state is Caller.PAUSED:
            times.append(certain_at(self._over_at(), self._audio_until, now))
        return times

    def _overheard_due(self) -> bool:
        return self._overheard is not None and self._bot.state is Bot.IDLE and self.state is Caller.SILENT

    def _digits_due(self) -> float | None:
        if self._bot.state is not Bot.IDLE or self.state in (Caller.SPEAKING, Caller.PAUSED):
            return None
        return self.keypad.complete_at(self._bot.answer, self._bot.expected.keys)

    def _no_input_due(self) -> float | None:
        if self._bot.state is not Bot.IDLE or self.state is not Caller.SILENT or self.keypad.digits:
            return None
        return self._bot.idle_since + self._settings.no_input_s if self._settings.no_input_s > 0 else None

    def _no_input(self, now: float) -> list[Command]:
        self.no_input_attempts += 1
        why = decided(Decision.NO_INPUT, attempt=self.no_input_attempts)
        if self.no_input_attempts > self._settings.no_input_limit:
            manners: Interruption = "interruptible" if self._settings.interruptible_goodbye else "protected"
            return [
                why,
                *self._bot.last_words("goodbye", Disconnect(EndReason.NO_INPUT), now, interruption=manners),
            ]
        return [why, *self._bot.ask("no_input", "", now, self.no_input_attempts)]
