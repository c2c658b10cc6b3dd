"""What the caller says: a turn from its first sound to the answer that it asks for.

Who has the floor is decided before that, in `bridge.call.caller_side`.
"""

from __future__ import annotations

from bridge.call.actions import TextAlternative
from bridge.call.backchannels import is_backchannel
from bridge.call.bot_side import BotSide
from bridge.call.commands import Command, Transcribe, decided
from bridge.call.endpointing import Endpointing, same_words
from bridge.call.events import Opinion, Recognised, TurnOpinion, VoiceActivity
from bridge.call.floor import Floor, is_mumble
from bridge.call.keypad import Keypad
from bridge.call.overheard import Overheard
from bridge.call.settings import CallSettings
from bridge.call.shadow import Shadow
from bridge.call.states import Bot, Caller, CallerMove, Decision, next_caller
from bridge.call.turn import CallerTurn

_SHORT_NOISE_S = 0.6
"""Activity this short in which nothing was recognised counts for nothing; longer may have been words."""
_WORDS_EXPECTED_S = 1.5
_MOST_REQUESTS = 2
"""To say it again: so often in a row."""
_WORDLESS_TURNS = 2
"""After so many longer ones in a row the agent is told that somebody spoke and was not understood."""


class CallerTurns:
    """The turns of the caller, who does what `state` says. Times are seconds on the call's clock.

    Every method that decides something returns the commands that carry it out, those of the bot's side among them.
    """

    def __init__(self, settings: CallSettings, bot: BotSide) -> None:
        self.state = Caller.SILENT
        self.floor = Floor(settings.floor)
        self.shadow = None if settings.shadow is None else Shadow(settings.shadow)
        self.keypad = Keypad(settings.inter_digit_s)
        self.turn: CallerTurn | None = None
        self.may_speculate = True
        """Answers may be begun before a turn is over, where the settings have them begun."""
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

    def _endpointing(self) -> Endpointing:
        expected = self._bot.expected
        language = expected.language or self._settings.language
        return Endpointing(self._settings.endpoint, self._bot.answer, language, self._cut_off)

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
                turn.heard(window, self._settings.endpoint)
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

    def _turn_recognised(self, heard: Recognised, now: float) -> list[Command]:
        """The recogniser's words for the turn so far: a chance to begin the answer early."""
        text = heard.text.strip()
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
        if self.state is not Caller.PAUSED or turn.guessed is not None:
            return []
        if not (self._settings.endpoint.speculate and self.may_speculate):
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
        else:
            self._bot.ledger.caller_said("")
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
        s = self._settings
        if not s.listens or not s.not_understood or turn.voice_ms < s.endpoint.voice_ms:
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
