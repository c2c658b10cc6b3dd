"""The caller's side of a call: is he speaking, has he finished, what did he say, and what does that ask of us?"""

from __future__ import annotations

from bridge.call.bot_side import BotSide
from bridge.call.commands import Transcribe
from bridge.call.endpointing import Endpointing
from bridge.call.events import VoiceActivity
from bridge.call.floor import Floor, Verdict, is_backchannel, is_mumble
from bridge.call.keypad import Keypad
from bridge.call.orders import Orders
from bridge.call.settings import CallSettings
from bridge.call.shadow import Shadow
from bridge.call.states import Bot, Caller, next_caller
from bridge.call.turn import PREROLL_S, CallerTurn, certain_at, silence_is_certain

_LONGEST_MERGE_S = 15.0
_SHORT_NOISE_S = 0.6
"""Activity this short in which nothing was recognised counts for nothing; longer may have been words."""
_WORDS_EXPECTED_S = 1.5
_WORDLESS_TURNS = 2
"""After so many longer ones in a row the agent is told that somebody spoke and was not understood."""


class CallerSide:
    """What the caller does (`state`), and what becomes of it. Times are seconds on the call's clock."""

    def __init__(self, settings: CallSettings, bot: BotSide, orders: Orders) -> None:
        self.state = Caller.SILENT
        self.floor = Floor(settings.floor)
        self.shadow = None if settings.shadow is None else Shadow(settings.shadow)
        self.keypad = Keypad(settings.inter_digit_s)
        self.turn: CallerTurn | None = None
        self.no_input_attempts = 0
        """How often in a row he was asked whether he is there."""
        self._settings = settings
        self._bot = bot
        self._orders = orders
        self._last_turn: CallerTurn | None = None
        self._revision = 0
        self._audio_until = 0.0
        self._wordless = 0
        """Long turns in a row in which nothing was recognised."""

    def _moves(self, happening: str) -> None:
        self.state = next_caller(self.state, happening)

    def leave(self) -> None:
        """Nothing he says counts any more."""
        self.floor.settle()
        self.turn = None
        self.state = Caller.SILENT

    # -- does he want the floor? -----------------------------------------------------------------

    def hear(self, window: VoiceActivity, now: float) -> bool:
        """Judge one window of his audio. True when anything changed."""
        self._audio_until = max(self._audio_until, window.at)
        if self._bot.state is Bot.CLOSING:
            return False
        match self.state:
            case Caller.SILENT | Caller.SUSPECTED:
                return self._hear_for_floor(window, now)
            case Caller.SPEAKING | Caller.PAUSED:
                return self._hear_turn(window, now)

    def _hear_for_floor(self, window: VoiceActivity, now: float) -> bool:
        if self.floor.is_quiet(window) and (self.shadow is None or self.shadow.is_quiet(window)):
            return False
        if not self._bot.may_be_interrupted(now):
            return False
        audible = self._bot.audible(now)
        verdict = self.floor.hear(window, bot_audible=audible)
        if self.shadow is not None:
            self._orders.add(self.shadow.hear(window, verdict, bot_audible=audible))
        if verdict is Verdict.NOTHING:
            return False
        if verdict is Verdict.FADED:
            self._false_alarm(now)
            return True
        if self.state is Caller.SILENT:
            self._suspect(window, now)
        if verdict is Verdict.CONFIRMED:
            self._speaks(window, now)
        return True

    def _suspect(self, window: VoiceActivity, now: float) -> None:
        self._moves("activity")
        if self._bot.state is Bot.SPEAKING and self._settings.floor.on_suspicion != "ignore":
            self._orders.decide("suspected", **self.floor.why(window))
            self._bot.lower_voice(now)

    def _false_alarm(self, now: float) -> None:
        if self._bot.state is Bot.DUCKED:
            self._orders.decide("false alarm", **self.floor.why(None))
            self._bot.restore_voice(now)
        self.floor.settle()
        self._moves("faded")
        self._bot.idle_since = now

    def _speaks(self, window: VoiceActivity, now: float) -> None:
        """He has the floor: whatever we were at is broken off."""
        why = self.floor.why(window)
        suspicion = self.floor.settle()
        since = (suspicion.since if suspicion else window.at) - PREROLL_S
        self._moves("confirmed")
        bot = self._bot
        interrupted = not bot.utterances.silent or bot.answering.busy
        if interrupted:
            self._orders.decide("interrupted", state=str(bot.state), **why)
        unheard = bot.break_off(now)
        merged = self._last_turn if unheard else None
        if merged is not None and now - merged.since < _LONGEST_MERGE_S:
            # He had only paused: his turn goes on, and will be recognised as a whole.
            bot.ledger.withdraw_caller()
            since = merged.since
        endpoint = Endpointing(self._settings.endpoint, bot.answer)
        self.turn = CallerTurn(max(since, 0.0), window.at, endpoint, interrupted and not unheard)

    # -- his turn --------------------------------------------------------------------------------

    @property
    def _turn_so_far(self) -> CallerTurn:
        assert self.turn is not None
        return self.turn

    def _hear_turn(self, window: VoiceActivity, now: float) -> bool:
        turn = self._turn_so_far
        is_speech = self.floor.is_caller(window, has_floor=True)
        if self.state is Caller.SPEAKING:
            if is_speech:
                turn.heard(window)
                self._check_for_words(turn)
                self.floor.learn(window)
                if self.shadow is not None:
                    self.shadow.learn(window)
                return False
            if (window.at - turn.last_speech_at) * 1000 < self._settings.endpoint.guess_ms:
                return False
            self._pause()
            return True
        if turn.resumes(is_speech, window.at, self._settings.floor.gap_ms):
            self._moves("activity")
            turn.last_speech_at, turn.revision, turn.lively_windows = window.at, 0, 0
            turn.endpoint.resumed()
            self._withdraw_guess(now)
            return True
        return now >= self._over_at()

    def _check_for_words(self, turn: CallerTurn) -> None:
        """Somebody talks over us without a pause: a television would keep us silent for ever, so ask for words."""
        if self._settings.listens and turn.interrupted and not turn.revision and turn.length_s >= _WORDS_EXPECTED_S:
            self._transcribe(turn)

    def _transcribe(self, turn: CallerTurn) -> None:
        self._revision += 1
        turn.revision = self._revision
        self._orders.add([Transcribe(self._revision, turn.since, self._bot.answer)])

    def _pause(self) -> None:
        self._moves("went quiet")
        turn = self._turn_so_far
        turn.lively_windows = 0
        if self._settings.listens:
            self._transcribe(turn)

    def awaits(self, revision: int) -> bool:
        """Whether the answer to this `Transcribe` still counts."""
        return self.turn is not None and 0 < revision == self.turn.revision

    def recognised(self, text: str, confidence: float, now: float) -> None:
        """The recogniser's words for the turn so far: a chance to begin the answer early."""
        turn = self._turn_so_far
        if turn.interrupted and is_mumble(text, confidence):
            text = ""
        turn.endpoint.text = text
        if self.state is Caller.SPEAKING:
            if not text:
                self._end_turn("no words for long", now)
            return
        if turn.interrupted and text and self._asks_for_nothing(text):
            self._end_turn("a listener's noise", now)
        elif text and self._settings.endpoint.speculate and turn.endpoint.sounds_finished:
            self._guess(text, now)

    def recogniser_failed(self, reason: str) -> None:
        """His words will stay unknown."""
        self._turn_so_far.endpoint.text = ""
        self._turn_so_far.unrecognised = True
        self._orders.decide("recogniser failed", reason=reason)

    def judged(self, probability: float) -> None:
        """The end-of-turn model says how finished he sounds."""
        self._turn_so_far.endpoint.probability = probability

    def _guess(self, text: str, now: float) -> None:
        """Begin the answer before the turn is over; `_end_turn` lets it out, or `_withdraw_guess` takes it back."""
        self._turn_so_far.guessed = text
        self._bot.ledger.caller_said(text)
        if self._bot.state is not Bot.IDLE:
            self._bot.break_off(now)
        self._bot.utterances.playout.held = True
        self._bot.ask("caller_said", text, now)

    def _withdraw_guess(self, now: float) -> None:
        turn = self._turn_so_far
        if turn.guessed is not None:
            turn.guessed = None
            self._orders.decide("speculation wasted", letters=self._bot.utterances.queued_letters())
            self._bot.take_back(now)

    def _over_at(self) -> float:
        turn = self._turn_so_far
        return turn.over_at(turn.endpoint.patience(listens=self._settings.listens))

    def _end_turn(self, because: str, now: float) -> None:
        turn = self._turn_so_far
        self._moves("turn over")
        text = turn.endpoint.text or ""
        self._orders.decide(
            "turn over",
            because=because,
            silence_ms=round((now - turn.last_speech_at) * 1000),
            length_ms=round((turn.last_speech_at - turn.since) * 1000),
            probability=-1.0 if turn.endpoint.probability is None else round(turn.endpoint.probability, 3),
            recognised=bool(text),
            speculated=turn.guessed is not None,
        )
        if turn.guessed is not None and turn.guessed != text:
            self._withdraw_guess(now)
        self.turn, self._last_turn = None, turn
        self._bot.idle_since = now
        if turn.guessed is not None:
            self.no_input_attempts = 0
            self._bot.utterances.playout.held = False  # the answer is under way: let it out
        elif not self._passes(turn, text, now):
            self._answer(text, now)

    def _passes(self, turn: CallerTurn, text: str, now: float) -> bool:
        """Whether the turn asked for nothing: a listener's noise, or the room, which has to be louder next time."""
        if not self._settings.listens or turn.endpoint.text is None or turn.unrecognised:
            return False
        if text:
            self._wordless = 0
            self.floor.room_level_db = None
        if not self._asks_for_nothing(text) or (text and not turn.interrupted):
            return False
        if not text:
            self.floor.room_level_db = turn.level_db
            self._wordless += turn.length_s >= _SHORT_NOISE_S
        if self._wordless >= _WORDLESS_TURNS:
            self._wordless = 0  # somebody is trying to tell us something
            return False
        if turn.interrupted:
            self._bot.go_on(now)
        return True

    def _asks_for_nothing(self, text: str) -> bool:
        """A cough or a listener's "mm-hm": not an answer, unless a yes or no was asked for."""
        return not text or (is_backchannel(text) and self._bot.answer != "yes_no")

    def _answer(self, text: str, now: float) -> None:
        self.no_input_attempts = 0
        if text:
            self._bot.ledger.caller_said(text)
        if self._bot.state is not Bot.IDLE:
            self._bot.break_off(now)  # an apology, say, that came up while he spoke
        self._bot.ask("caller_said", text, now)

    # -- the keypad ------------------------------------------------------------------------------

    def presses(self, digit: str, now: float) -> None:
        """One key: it takes the floor at once, except from protected words."""
        bot = self._bot
        self.keypad.press(digit, now)
        self.no_input_attempts = 0
        sounding = bot.utterances.sounding(now)
        if sounding is not None and sounding.interruption == "protected":
            return  # kept, and looked at when the protected words are heard
        if not bot.utterances.silent:
            self._orders.decide("interrupted", state=str(bot.state), by="digit")
        bot.break_off(now)
        if self.state is Caller.SUSPECTED:
            self.floor.settle()
            self._moves("faded")

    # -- what time brings ------------------------------------------------------------------------

    def due(self, now: float) -> None:
        """Settle what silence has decided: a suspicion, a pause, a turn, a number on the keypad, nobody there."""
        if self.state is Caller.SUSPECTED and silence_is_certain(self.floor.fades_at(), self._audio_until, now):
            self._false_alarm(now)
        if self.state is Caller.SPEAKING and now >= self._turn_so_far.quiet_at(self._settings.endpoint):
            self._pause()
        if self.state is Caller.PAUSED and silence_is_certain(self._over_at(), self._audio_until, now):
            self._end_turn(self._turn_so_far.endpoint.patience(listens=self._settings.listens).because, now)
        elif self.state is Caller.SPEAKING and now >= self._turn_so_far.since + self._settings.endpoint.longest_turn_s:
            self._end_turn("longest turn", now)
        due = self._digits_due()
        if due is not None and now >= due:
            digits = self.keypad.take()
            self._bot.ledger.caller_said(digits)
            self._bot.ask("digits", digits, now)
        due = self._no_input_due()
        if due is not None and now >= due:
            self._no_input(now)

    def wake_times(self, now: float) -> list[float | None]:
        """When `due` has something to do, as far as known now."""
        times = [self._digits_due(), self._no_input_due()]
        if self.state is Caller.SUSPECTED:
            times.append(certain_at(self.floor.fades_at(), self._audio_until, now))
        elif self.state is Caller.SPEAKING:
            times.append(self._turn_so_far.quiet_at(self._settings.endpoint))
        elif self.state is Caller.PAUSED:
            times.append(certain_at(self._over_at(), self._audio_until, now))
        return times

    def _digits_due(self) -> float | None:
        if self._bot.state is not Bot.IDLE or self.state in (Caller.SPEAKING, Caller.PAUSED):
            return None
        return self.keypad.complete_at(self._bot.answer)

    def _no_input_due(self) -> float | None:
        if self._bot.state is not Bot.IDLE or self.state is not Caller.SILENT or self.keypad.digits:
            return None
        return self._bot.idle_since + self._settings.no_input_s

    def _no_input(self, now: float) -> None:
        self.no_input_attempts += 1
        self._orders.decide("no input", attempt=self.no_input_attempts)
        if self.no_input_attempts > self._settings.no_input_limit:
            self._bot.last_words(self._settings.goodbye, "no input", now)
        else:
            self._bot.ask("no_input", "", now, self.no_input_attempts)
