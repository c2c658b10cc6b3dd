"""The caller's side of a call: who has the floor, is the turn over, what was said, and what does that ask of us?"""

from __future__ import annotations

from bridge.call.actions import Interruption, TextAlternative
from bridge.call.backchannels import is_backchannel
from bridge.call.bot_side import BotSide
from bridge.call.commands import Command, Disconnect, Transcribe, decided
from bridge.call.endpointing import Endpointing, same_words
from bridge.call.events import Opinion, Recognised, TurnOpinion, VoiceActivity, WordsHeard
from bridge.call.floor import WINDOW_MS, Floor, Verdict, is_mumble
from bridge.call.keypad import Keypad
from bridge.call.overheard import Overheard, heard_on
from bridge.call.settings import CallSettings
from bridge.call.shadow import Shadow
from bridge.call.state import CallerState, TurnState
from bridge.call.states import Bot, Caller, CallerMove, Decision, EndReason, next_caller
from bridge.call.turn import PREROLL_S, CallerTurn, certain_at, silence_is_certain

_LONGEST_MERGE_S = 15.0
_SHORT_NOISE_S = 0.6
"""Activity this short in which nothing was recognised counts for nothing; longer may have been words."""
_WORDS_EXPECTED_S = 1.5
_SURE_MS = 190.0
"""So much of a turn must surely have been a voice before we say that we did not understand it."""
_MOST_REQUESTS = 2
"""To say it again: so often in a row."""
_WORDLESS_TURNS = 2
"""After so many longer ones in a row the agent is told that somebody spoke and was not understood."""


class CallerSide:
    """What the caller does (`state`), and what becomes of it. Times are seconds on the call's clock.

    Every method that decides something returns the commands that carry it out, those of the bot's side among them.
    """

    def __init__(self, settings: CallSettings, bot: BotSide) -> None:
        self.state = Caller.SILENT
        self.floor = Floor(settings.floor)
        self.shadow = None if settings.shadow is None else Shadow(settings.shadow)
        self.keypad = Keypad(settings.inter_digit_s)
        self.turn: CallerTurn | None = None
        self.no_input_attempts = 0
        """How often in a row the caller was asked whether anybody is there."""
        self._settings = settings
        self._bot = bot
        self._last_turn: CallerTurn | None = None
        self._revision = 0
        self._audio_until = 0.0
        self._overheard: Overheard | None = None
        """What was said over protected words, and is to be listened to after them."""
        self._wordless = 0
        """Long turns in a row in which nothing was recognised."""
        self._asked_again = 0
        """How often in a row the caller was asked to say it again."""
        self._cut_off = 0
        """How often in this call the caller went on after we had taken a pause for the end."""

    def _moves(self, move: CallerMove) -> None:
        self.state = next_caller(self.state, move)

    def leave(self) -> None:
        """Nothing the caller says counts any more."""
        self.floor.settle()
        self.turn = self._overheard = None
        self.state = Caller.SILENT

    def _endpointing(self) -> Endpointing:
        expected = self._bot.expected
        language = expected.language or self._settings.language
        return Endpointing(self._settings.endpoint, self._bot.answer, language, self._cut_off)

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
        broken_off, unheard = bot.break_off(now)
        commands += broken_off
        merged = self._last_turn if unheard else None
        if merged is not None and now - merged.since < _LONGEST_MERGE_S:
            # That was only a pause: the turn goes on, and will be recognised as a whole.
            bot.ledger.withdraw_caller()
            commands += bot.expect_as_before()
            since = merged.since
            self._cut_off += 1
        endpoint = self._endpointing()
        self.turn = CallerTurn(max(since, 0.0), at, endpoint, interrupted and not unheard)
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

    # -- the caller's turn --------------------------------------------------------------------------------

    @property
    def _turn_so_far(self) -> CallerTurn:
        assert self.turn is not None
        return self.turn

    def _hear_turn(self, window: VoiceActivity, now: float) -> list[Command] | None:
        turn = self._turn_so_far
        is_speech = self.floor.is_caller(window, has_floor=True)
        if self.state is Caller.SPEAKING:
            if is_speech:
                turn.heard(window)
                self.floor.learn(window)
                if self.shadow is not None:
                    self.shadow.learn(window)
                return self._check_for_words(turn)
            if (window.at - turn.last_speech_at) * 1000 < self._settings.endpoint.guess_ms:
                return None
            return self._pause()
        if turn.resumes(is_speech, window.at, self._settings.floor.gap_ms):
            self._moves(CallerMove.ACTIVITY)
            turn.last_speech_at, turn.revision, turn.lively_windows = window.at, 0, 0
            turn.endpoint.resumed()
            return self._withdraw_guess(now)
        return [] if now >= self._over_at() else None

    def _check_for_words(self, turn: CallerTurn) -> list[Command] | None:
        """Ask for the words of somebody who speaks without a pause, as far as they go.

        Over our voice soon, since a television would keep us silent for ever; else now and then, so that a long turn is
        recognised in pieces.
        """
        if not self._settings.listens:
            return None
        soon = turn.interrupted and not turn.revision and turn.length_s >= _WORDS_EXPECTED_S
        if soon or turn.last_speech_at - max(turn.since, turn.asked_at) >= self._settings.endpoint.words_every_s:
            return self._transcribe(turn, so_far=True)
        return None

    def _transcribe(self, turn: CallerTurn, *, so_far: bool = False) -> list[Command]:
        self._revision += 1
        turn.revision = self._revision
        turn.asked_at = turn.last_speech_at
        return [Transcribe(self._revision, turn.since, so_far)]

    def _pause(self) -> list[Command]:
        self._moves(CallerMove.WENT_QUIET)
        turn = self._turn_so_far
        turn.lively_windows = 0
        turn.endpoint.text = None  # what was known in the midst of it
        return self._transcribe(turn) if self._settings.listens else []

    def awaits(self, revision: int) -> bool:
        """Whether the answer to this `Transcribe` still counts."""
        expected = self.turn.revision if self.turn is not None else self._words_asked
        return 0 < revision == expected

    @property
    def _words_asked(self) -> int:
        suspicion = self.floor.suspicion
        return 0 if suspicion is None else suspicion.words_asked

    def recognised(self, heard: Recognised, now: float) -> list[Command]:
        """The recogniser's words for the turn so far: a chance to begin the answer early."""
        text = heard.text.strip()
        if self.turn is None:
            return self._was_said(text, heard.confidence, now)
        turn = self._turn_so_far
        if turn.over_our_voice and is_mumble(text, heard.confidence):
            text = ""
        readings = (TextAlternative(text, heard.confidence), *heard.alternatives)
        turn.recognised(text, readings if text else ())
        text = turn.endpoint.text or ""
        if self.state is Caller.SPEAKING:
            return [] if text or turn.known else self._end_turn("no words for long", now)
        if turn.over_our_voice and text and self._asks_for_nothing(text):
            return self._end_turn("a listener's noise", now)
        return self._begin_early(now)

    def engine_thinks(self, said: TurnOpinion, now: float) -> list[Command]:
        """The recogniser has an opinion about the turn: it counts where that is set, and if it is sure enough."""
        s, turn = self._settings.endpoint, self.turn
        if turn is None or s.decided_by == "ours" or said.strength < s.engine_strength or said.at < turn.since:
            return []
        if said.opinion is Opinion.RESUMED:
            turn.endpoint.engine = None
            return self._withdraw_guess(now)
        if said.opinion not in (Opinion.OVER, Opinion.OVER_EARLY):
            return []
        turn.endpoint.engine = said.opinion
        if said.opinion is Opinion.OVER and s.decided_by == "engine" and self.state is Caller.SPEAKING:
            return self._end_turn("the recogniser says so", now)
        return self._begin_early(now)

    def _begin_early(self, now: float) -> list[Command]:
        """Begin the answer in a pause, as soon as the words are known and sound finished."""
        turn = self._turn_so_far
        text = turn.endpoint.words
        if self.state is not Caller.PAUSED or turn.guessed is not None or not self._settings.endpoint.speculate:
            return []
        return self._guess(text, now) if text and turn.endpoint.sounds_finished else []

    def recogniser_failed(self, reason: str) -> list[Command]:
        """The words of this turn will stay unknown."""
        if self.turn is None:
            if self.floor.suspicion is not None:
                self.floor.suspicion.words_known = True
            return [decided(Decision.RECOGNISER_FAILED, reason=reason)]
        self._turn_so_far.recognised("")
        self._turn_so_far.unrecognised = self._turn_so_far.endpoint.failed = True
        return [decided(Decision.RECOGNISER_FAILED, reason=reason)]

    def judged(self, probability: float) -> None:
        """The end-of-turn model says how finished the caller sounds."""
        if self.turn is not None:
            self._turn_so_far.endpoint.probability = probability

    def _guess(self, text: str, now: float) -> list[Command]:
        """Begin the answer before the turn is over; `_end_turn` lets it out, or `_withdraw_guess` takes it back."""
        self._turn_so_far.guessed = text
        commands = self._ask(text, now, self._turn_so_far.readings_of(text), held=True)
        self._bot.hold_back()
        return commands

    def _withdraw_guess(self, now: float) -> list[Command]:
        turn = self._turn_so_far
        if turn.guessed is None:
            return []
        turn.guessed = None
        why = decided(Decision.SPECULATION_WASTED, letters=self._bot.utterances.queued_letters())
        return [why, *self._bot.take_back(now)]

    def _over_at(self) -> float:
        turn = self._turn_so_far
        return turn.over_at(turn.endpoint.patience(listens=self._settings.listens))

    def _end_turn(self, because: str, now: float) -> list[Command]:
        turn = self._turn_so_far
        self._moves(CallerMove.TURN_OVER)
        text = turn.endpoint.words or turn.known  # a recogniser may lose what it had already understood
        why = decided(
            Decision.TURN_OVER,
            because=because,
            silence_ms=round((now - turn.last_speech_at) * 1000),
            length_ms=round((turn.last_speech_at - turn.since) * 1000),
            probability=-1.0 if turn.endpoint.probability is None else round(turn.endpoint.probability, 3),
            recognised=bool(text),
            speculated=turn.guessed is not None,
        )
        commands: list[Command] = [why]
        if turn.guessed is not None and not same_words(turn.guessed, text):
            commands += self._withdraw_guess(now)
        if text:
            self._wordless = self._asked_again = 0
            self.floor.room_level_db = None
        self.turn, self._last_turn = None, turn
        self._bot.await_caller(now)
        if turn.guessed is not None:
            self.no_input_attempts = 0
            commands += self._bot.turn_over(now)
        elif self._is_to_be_asked_again(turn, text):
            commands += self._ask_again(now)
        elif self._asked_for_nothing(turn, text):
            commands += self._bot.go_on(now) if turn.interrupted else []
        else:
            self.no_input_attempts = 0
            commands += self._ask(text, now, turn.readings_of(text))
        return commands

    def _is_to_be_asked_again(self, turn: CallerTurn, text: str) -> bool:
        """Whether somebody surely spoke to us and was not understood; noises and the room are not that sure."""
        if text or turn.over_our_voice or turn.unrecognised or turn.endpoint.text is None:
            return False
        if not self._settings.listens or not self._settings.not_understood or turn.sure_ms < _SURE_MS:
            return False
        return self._bot.state is Bot.IDLE and self._asked_again < _MOST_REQUESTS

    def _ask_again(self, now: float) -> list[Command]:
        self._asked_again += 1
        self.no_input_attempts = 0
        why = decided(Decision.NOT_UNDERSTOOD, times=self._asked_again)
        return [why, *self._bot.say(self._bot.sentence("not_understood"), now, by_bridge=True)]

    def _asked_for_nothing(self, turn: CallerTurn, text: str) -> bool:
        """Whether a turn was a listener's noise, or the room, which has to be louder next time."""
        if not self._settings.listens or turn.endpoint.words is None or turn.unrecognised:
            return False
        if not self._asks_for_nothing(text) or (text and not turn.over_our_voice):
            return False
        if not text:
            self.floor.room_level_db = turn.level_db
            self._wordless += turn.length_s >= _SHORT_NOISE_S
        if self._wordless >= _WORDLESS_TURNS:
            self._wordless = 0  # somebody is trying to tell us something
            return False
        return True

    def _asks_for_nothing(self, text: str) -> bool:
        """A cough or a listener's "mm-hm": not an answer, unless a yes or no was asked for."""
        return not text or (is_backchannel(text, self._bot.expected.language) and self._bot.answer != "yes_no")

    def _ask(
        self, text: str, now: float, readings: tuple[TextAlternative, ...], *, held: bool = False
    ) -> list[Command]:
        """Have the agent answer what the caller said."""
        commands: list[Command] = []
        if text:
            self._bot.ledger.caller_said(text)
        if self._bot.state is not Bot.IDLE:
            commands += self._bot.break_off(now)[0]  # an apology, say, that came up while the caller spoke
        return commands + self._bot.ask("caller_said", text, now, held=held, readings=readings)

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
