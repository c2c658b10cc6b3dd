"""One phone call: events and time in, commands out. No task, socket, lock, clock or random number.

`Call.receive` is the only way in. The states and their moves are the tables of `states`; this module
says which event makes which move, and what is ordered on the way. What is sent and heard is kept by
`mouth`, the words by `ledger`, who has the floor by `floor`, the end of a turn by `endpointing`.
"""

from __future__ import annotations

from bridge.call import actions, commands
from bridge.call.actions import Action, Say, Spoken
from bridge.call.answering import Answering, PromptKind
from bridge.call.commands import CancelAgent, CancelSynthesis, Command, Decided, Transcribe
from bridge.call.endpointing import Endpointing
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    AgentFinished,
    CallStarted,
    DigitPressed,
    EndRequested,
    Event,
    MarkEchoed,
    Recognised,
    RecogniserFailed,
    SpeechArrived,
    SpeechEnded,
    SpeechFailed,
    StreamClosed,
    TurnJudged,
    VoiceActivity,
)
from bridge.call.floor import Floor, Verdict, is_backchannel
from bridge.call.keypad import Keypad
from bridge.call.ledger import Ledger
from bridge.call.mouth import Mouth
from bridge.call.settings import CallSettings
from bridge.call.shadow import Shadow
from bridge.call.states import Bot, Caller, next_bot, next_caller
from bridge.call.turn import PREROLL_S, CallerTurn, silence_is_certain

_LONGEST_MERGE_S = 15.0
_SHORT_NOISE_S = 0.6
"""Activity this short in which nothing was recognised counts for nothing; longer may have been words."""
_MUMBLE, _LONG_MUMBLE, _LONG_LETTERS = 0.38, 0.25, 5
"""Confidence of the recogniser below which a single word is a listener's noise: a recogniser makes "No." of any "mm-hm",
but hardly "Agent." or "Operator."."""
_WORDS_EXPECTED_S = 1.5
_WORDLESS_TURNS = 2
"""After so many longer ones in a row the agent is told that somebody spoke and was not understood."""
_DIGITS = frozenset("0123456789*#ABCD")


def _is_mumble(text: str, confidence: float) -> bool:
    """Whether what was recognised over our own voice is one doubtful word, which is most likely none."""
    words = text.split()
    if len(words) != 1:
        return False
    return confidence < (_MUMBLE if sum(map(str.isalpha, words[0])) < _LONG_LETTERS else _LONG_MUMBLE)


class Call:
    """The machine of one call. Times are seconds on any monotonic clock."""

    def __init__(self, settings: CallSettings) -> None:
        self.settings = settings
        self.caller = Caller.SILENT
        self.bot = Bot.IDLE
        self.wake_at: float | None = None
        self.ledger = Ledger()
        self.mouth = Mouth(settings.playout, self.ledger)
        self.floor = Floor(settings.floor)
        self.shadow = None if settings.shadow is None else Shadow(settings.shadow)
        self.keypad = Keypad(settings.inter_digit_s)
        self.answer = "open"
        """The answer that the agent expects."""
        self.end_reason: str | None = None
        self._started_at: float | None = None
        self._out: list[Command] = []
        self.answering = Answering(settings.agent_deadline_s)
        self._turn: CallerTurn | None = None
        self._last_turn: CallerTurn | None = None
        self._revision = 0
        self._audio_until = 0.0
        self._idle_since = 0.0
        self._no_input_attempts = 0
        self._wordless = 0
        """Long turns in a row in which nothing was recognised."""
        self._failures = 0
        self._apologies: set[str] = {settings.apology, settings.last_apology}
        self._ending: commands.HangUp | commands.Transfer | None = None

    @property
    def ended(self) -> bool:
        """True once the call is over for us; events are then ignored."""
        return self.bot is Bot.GONE

    def transcript(self) -> tuple[Spoken, ...]:
        """What both sides really heard."""
        return self.ledger.history()

    def receive(self, event: Event, now: float) -> list[Command]:
        """Advance the call and say what to do about it, in order.

        Late and foreign events (an old mark, audio of a cancelled utterance, anything before
        `CallStarted`) are normal and change nothing.
        """
        if self.ended:
            return []
        self._out = []
        if isinstance(event, VoiceActivity) and self._started_at is not None:
            if not self._hear(event, now) and (self.wake_at is None or now < self.wake_at):
                return self._out
        else:
            self._happened(event, now)
        self._settle(now)
        return self._out

    # -- events ----------------------------------------------------------------------------------

    def _happened(self, event: Event, now: float) -> None:
        match event:
            case CallStarted():
                self._start(now)
            case StreamClosed(reason):
                self._gone(reason)
            case MarkEchoed(name):
                self.mouth.playout.echo(name, now)
            case SpeechArrived(utterance, ulaw, words):
                self.mouth.arrived(utterance, ulaw, words)
            case SpeechEnded(utterance):
                self.mouth.ended(utterance)
            case SpeechFailed(utterance, reason):
                self._speech_failed(utterance, reason, now)
            case AgentActed(turn, action) if self.answering.counts(turn):
                self._act(action, now)
            case AgentFinished(turn) if self.answering.counts(turn):
                self._agent_done(now)
            case AgentFailed(turn, reason) if self.answering.counts(turn):
                self._agent_failed(reason, now)
            case Recognised(revision, text, confidence) if revision == self._awaited_revision:
                self._recognised(text.strip(), confidence, now)
            case RecogniserFailed(revision, reason) if revision == self._awaited_revision:
                self._turn_so_far.endpoint.text = ""
                self._turn_so_far.unrecognised = True
                self._decide("recogniser failed", reason=reason)
            case TurnJudged(revision, probability) if revision == self._awaited_revision:
                self._turn_so_far.endpoint.probability = probability
            case DigitPressed(digit):
                self._digit(digit, now)
            case EndRequested(reason):
                self._cancel_agent(unheard=False)
                self._close(commands.HangUp(reason))
            case _:
                pass  # TimePassed, and what belongs to something already cancelled

    def _start(self, now: float) -> None:
        if self._started_at is not None:
            return
        self._started_at = self._idle_since = now
        self._out += self.mouth.playout.probe(now)
        self._ask("call_started", "", now)

    def _gone(self, reason: str) -> None:
        self._cancel_agent(unheard=False)
        self._out += [CancelSynthesis(t.utterance) for t in self.mouth.playout.tracks if not t.complete]
        self.end_reason = self.end_reason or reason
        self.bot = next_bot(self.bot, "gone")

    # -- the caller's voice ----------------------------------------------------------------------

    def _hear(self, window: VoiceActivity, now: float) -> bool:
        """Judge one window of the caller. True when anything changed."""
        self._audio_until = max(self._audio_until, window.at)
        if self.bot is Bot.CLOSING:
            return False
        match self.caller:
            case Caller.SILENT | Caller.SUSPECTED:
                return self._hear_for_floor(window, now)
            case Caller.SPEAKING | Caller.PAUSED:
                return self._hear_turn(window, now)

    def _hear_for_floor(self, window: VoiceActivity, now: float) -> bool:
        if self.floor.is_quiet(window) and (self.shadow is None or self.shadow.is_quiet(window)):
            return False
        if not self._may_interrupt(now):
            return False
        audible = self.bot is Bot.DUCKED or self.mouth.sounding(now) is not None
        verdict = self.floor.hear(window, bot_audible=audible)
        if self.shadow is not None:
            self._out += self.shadow.hear(window, verdict, bot_audible=audible)
        if verdict is Verdict.NOTHING:
            return False
        if verdict is Verdict.FADED:
            self._false_alarm(now)
            return True
        if self.caller is Caller.SILENT:
            self._suspect(window, now)
        if verdict is Verdict.CONFIRMED:
            self._caller_speaks(window, now)
        return True

    def _may_interrupt(self, now: float) -> bool:
        """Whether speech counts at all: not against protected words, nor before the greeting was noticed."""
        if self.answering.turn == 1 and self.bot is Bot.THINKING:
            return False
        utterance = self.mouth.sounding(now) or self.mouth.next_up()
        if utterance is None:
            return True
        unnoticed = utterance.number == 1 and utterance.heard_ms < self.settings.floor.protect_start_ms
        return utterance.interruption == "interruptible" and not unnoticed

    def _suspect(self, window: VoiceActivity, now: float) -> None:
        self.caller = next_caller(self.caller, "activity")
        if self.bot is not Bot.SPEAKING or self.settings.floor.on_suspicion == "ignore":
            return
        self._decide("suspected", **self.floor.why(window))
        self.bot = next_bot(self.bot, "suspicion")
        if self.settings.floor.on_suspicion == "hold":
            self._out += self.mouth.hold(now)
        else:
            self._out += self.mouth.duck(now, self.settings.floor.duck_db)

    def _false_alarm(self, now: float) -> None:
        if self.bot is Bot.DUCKED:
            self._decide("false alarm", **self.floor.why(None))
            self.bot = next_bot(self.bot, "false alarm")
            self._out += self.mouth.restore(now)
        self.floor.settle()
        self.caller = next_caller(self.caller, "faded")
        self._idle_since = now

    def _caller_speaks(self, window: VoiceActivity, now: float) -> None:
        """The caller has the floor: whatever we were at is broken off."""
        why = self.floor.why(window)
        suspicion = self.floor.settle()
        since = (suspicion.since if suspicion else window.at) - PREROLL_S
        self.caller = next_caller(self.caller, "confirmed")
        spoke = not self.mouth.silent or self.answering.busy
        if spoke:
            self._decide("interrupted", state=str(self.bot), **why)
        unheard = self._break_off(now)
        merged = self._last_turn if unheard else None
        if merged is not None and now - merged.since < _LONGEST_MERGE_S:
            # He had only paused: his turn goes on, and will be recognised as a whole.
            self.ledger.withdraw_caller()
            since = merged.since
        self._turn = CallerTurn(
            max(since, 0.0), window.at, Endpointing(self.settings.endpoint, self.answer), spoke and not unheard
        )

    def _break_off(self, now: float) -> bool:
        """Fall silent and cancel the agent. True when nothing of the answer to the last turn was heard."""
        self._out += self.mouth.fall_silent(now)
        waiting = self.bot in (Bot.THINKING, Bot.SPEAKING, Bot.DUCKED)
        history = self.ledger.history()
        unheard = waiting and bool(history) and history[-1].speaker == "caller"
        self._cancel_agent(unheard=unheard)
        if waiting:
            self.bot = next_bot(self.bot, "interrupted")
        return unheard

    def _hear_turn(self, window: VoiceActivity, now: float) -> bool:
        turn = self._turn_so_far
        is_speech = self.floor.is_caller(window, bot_audible=False, has_floor=True)
        if self.caller is Caller.SPEAKING:
            if is_speech:
                turn.heard(window)
                self._check_for_words(turn)
                self.floor.learn(window)
                if self.shadow is not None:
                    self.shadow.learn(window)
                return False
            if (window.at - turn.last_speech_at) * 1000 < self.settings.endpoint.guess_ms:
                return False
            self._pause(now)
            return True
        if turn.resumes(is_speech, window.at, self.settings.floor.gap_ms):
            self.caller = next_caller(self.caller, "activity")
            turn.last_speech_at, turn.revision, turn.lively_windows = window.at, 0, 0
            turn.endpoint.resumed()
            self._withdraw_guess(now)
            return True
        return now >= self._turn_over_at()

    def _check_for_words(self, turn: CallerTurn) -> None:
        """Somebody talks over us without a pause: a television would keep us silent for ever, so ask for words."""
        if self.settings.listens and turn.interrupted and not turn.revision and turn.length_s >= _WORDS_EXPECTED_S:
            self._transcribe(turn)

    def _transcribe(self, turn: CallerTurn) -> None:
        self._revision += 1
        turn.revision = self._revision
        self._out.append(Transcribe(self._revision, turn.since, self.answer))

    def _pause(self, now: float) -> None:
        self.caller = next_caller(self.caller, "went quiet")
        turn = self._turn_so_far
        turn.lively_windows = 0
        if self.settings.listens:
            self._transcribe(turn)

    @property
    def _turn_so_far(self) -> CallerTurn:
        assert self._turn is not None
        return self._turn

    @property
    def _awaited_revision(self) -> int:
        """The `Transcribe` whose answer counts; -1 when none does."""
        if self._turn is None:
            return -1
        return self._turn.revision or -1

    def _recognised(self, text: str, confidence: float, now: float) -> None:
        """The recogniser's words for the turn so far: a chance to begin the answer early."""
        turn = self._turn_so_far
        if turn.interrupted and _is_mumble(text, confidence):
            text = ""
        turn.endpoint.text = text
        if self.caller is Caller.SPEAKING:
            if not text:
                self._end_turn("no words for long", now)
            return
        if turn.interrupted and text and self._asks_for_nothing(text):
            self._end_turn("a listener's noise", now)
        elif text and self.settings.endpoint.speculate and turn.endpoint.sounds_finished:
            self._guess(text, now)

    def _guess(self, text: str, now: float) -> None:
        """Begin the answer before the turn is over; `_end_turn` lets it out, or `_withdraw_guess` takes it back."""
        self._turn_so_far.guessed = text
        self.ledger.caller_said(text)
        if self.bot is not Bot.IDLE:
            self._break_off(now)
        self.mouth.playout.held = True
        self._ask("caller_said", text, now)

    def _asks_for_nothing(self, text: str) -> bool:
        """A cough or a listener's "mm-hm": not an answer, unless a yes or no was asked for."""
        return not text or (is_backchannel(text) and self.answer != "yes_no")

    def _withdraw_guess(self, now: float) -> None:
        """Throw away an answer that was begun before the caller had finished; none of it was sent."""
        turn = self._turn_so_far
        if turn.guessed is None:
            return
        turn.guessed = None
        self._decide("speculation wasted", letters=self.mouth.queued_letters())
        self._out += self.mouth.fall_silent(now)
        self.ledger.withdraw_caller()
        self._cancel_agent(unheard=True)
        if self.bot is not Bot.IDLE:
            self.bot = next_bot(self.bot, "interrupted")

    def _end_turn(self, because: str, now: float) -> None:
        turn = self._turn_so_far
        self.caller = next_caller(self.caller, "turn over")
        text = turn.endpoint.text or ""
        self._decide(
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
        self._turn, self._last_turn = None, turn
        self._idle_since = now
        if turn.guessed is not None:
            self._no_input_attempts = 0
            self.mouth.playout.held = False  # the answer is under way: let it out
            return
        if self.settings.listens and turn.endpoint.text is not None and not turn.unrecognised:
            if text:
                self._wordless = 0
                self.floor.room_level_db = None
            if self._asks_for_nothing(text) and (turn.interrupted or not text):
                self._let_pass(turn, text, now)
                if self._wordless < _WORDLESS_TURNS:
                    return
                self._wordless = 0  # somebody is trying to tell us something
        self._no_input_attempts = 0
        if text:
            self.ledger.caller_said(text)
        if self.bot is not Bot.IDLE:
            self._break_off(now)  # an apology, say, that came up while he spoke
        self._ask("caller_said", text, now)

    def _let_pass(self, turn: CallerTurn, text: str, now: float) -> None:
        """It asked for nothing: a listener's noise, or the room. The room will have to be louder next time."""
        if not text:
            self.floor.room_level_db = turn.level_db
            self._wordless += turn.length_s >= _SHORT_NOISE_S
        if turn.interrupted and self._wordless < _WORDLESS_TURNS:
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        """It was no interruption after all: say the rest, from the first word he did not hear."""
        self._decide("went on", utterances=len(self.mouth.resumable))
        self._out += self.mouth.go_on(now)
        if not self.mouth.silent and self.bot is Bot.IDLE:
            self.bot = next_bot(self.bot, "has words")

    # -- the keypad ------------------------------------------------------------------------------

    def _digit(self, digit: str, now: float) -> None:
        if digit not in _DIGITS or self.bot is Bot.CLOSING:
            return
        self.keypad.press(digit, now)
        self._no_input_attempts = 0
        sounding = self.mouth.sounding(now)
        if sounding is not None and sounding.interruption == "protected":
            return  # kept, and looked at when the protected words are heard
        if not self.mouth.silent:
            self._decide("interrupted", state=str(self.bot), by="digit")
        self._break_off(now)
        if self.caller is Caller.SUSPECTED:
            self.floor.settle()
            self.caller = next_caller(self.caller, "faded")

    def _digits_due(self) -> float | None:
        if self.bot is not Bot.IDLE or self.caller in (Caller.SPEAKING, Caller.PAUSED):
            return None
        return self.keypad.complete_at(self.answer)

    # -- the agent -------------------------------------------------------------------------------

    def _ask(self, kind: PromptKind, text: str, now: float, attempt: int = 0) -> None:
        history = self.ledger.history()
        if kind in ("caller_said", "digits") and text:
            history = history[:-1]  # what he says now is the prompt's text
        self.bot = next_bot(self.bot, "asked")
        self._out += self.answering.ask(kind, text, history, now, attempt)

    def _cancel_agent(self, *, unheard: bool) -> None:
        self._out += self.answering.cancel(unheard=unheard)

    def _act(self, action: Action, now: float) -> None:
        self.answering.acted()
        if self._ending is not None:
            return
        match action:
            case Say():
                self._say(action, now)
            case actions.Expect(answer):
                self.answer = answer
            case actions.Wait(seconds):
                self._out += self.mouth.wait(seconds)
            case actions.HangUp(reason):
                self._close(commands.HangUp(reason))
            case actions.Transfer(target):
                self._close(commands.Transfer(target))

    def _say(self, say: Say, now: float) -> None:
        self._out += self.mouth.say(say, now)
        if self.bot in (Bot.IDLE, Bot.THINKING) and not self.mouth.silent:
            self.bot = next_bot(self.bot, "has words")

    def _agent_done(self, now: float) -> None:
        self.answering.done()
        self._out += self.mouth.finish_text()
        if self.bot is Bot.THINKING:
            self.bot = next_bot(self.bot, "nothing to say")
            self._idle_since = now

    # -- ends and failures -----------------------------------------------------------------------

    def _close(self, end: commands.HangUp | commands.Transfer) -> None:
        """End the call once the last word was heard."""
        self._out += self.mouth.finish_text()
        if self._ending is None:
            self._ending = end
            self.bot = next_bot(self.bot, "last words")
            self._leave_caller()

    def _leave_caller(self) -> None:
        """Nothing the caller says counts any more."""
        self.floor.settle()
        self._turn = None
        self.caller = Caller.SILENT
        self.mouth.playout.held = False
        self.mouth.playout.set_gain(0.0)

    def _last_words(self, text: str, reason: str, now: float) -> None:
        self._cancel_agent(unheard=False)
        self._out += self.mouth.finish_text()
        self._out += self.mouth.say(Say(text, interruption="protected"), now)
        self._close(commands.HangUp(reason))

    def _agent_failed(self, reason: str, now: float) -> None:
        self._decide("agent failed", reason=reason)
        self._agent_done(now)
        self._apologise("agent failed", now)

    def _speech_failed(self, utterance: int, reason: str, now: float) -> None:
        if not self.mouth.broke_off(utterance):
            return
        self._decide("speech failed", utterance=utterance, reason=reason)
        self._cancel_agent(unheard=False)
        if self.ledger[utterance].text in self._apologies or self._ending is not None:
            self._failures += 1  # no voice at all: a second apology would fail like the first
            if self._failures >= self.settings.failure_limit and self._ending is None:
                self._close(commands.HangUp("speech failed"))
            return
        self._apologise("speech failed", now)

    def _apologise(self, reason: str, now: float) -> None:
        self._failures += 1
        if self._ending is not None:
            return
        if self._failures >= self.settings.failure_limit:
            self._last_words(self.settings.last_apology, reason, now)
        else:
            self._say(Say(self.settings.apology), now)

    # -- after every event -----------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Do what time and the event have made due, then say when to be woken."""
        if self.ended or self._started_at is None:
            return
        self._due(now)
        self._listen(now)
        self._out += self.mouth.pump(now)
        if self._ending is not None and self.mouth.silent:
            self._out.append(self._ending)
            self.end_reason = self._ending.reason if isinstance(self._ending, commands.HangUp) else "transfer"
            self.bot = next_bot(self.bot, "gone")
        self.wake_at = None if self.ended else self._next_wake(now)

    def _listen(self, now: float) -> None:
        for utterance in self.mouth.listen(now):
            if utterance.all_heard and utterance.text not in self._apologies:
                self._failures = 0
        if self.bot in (Bot.SPEAKING, Bot.DUCKED) and self.mouth.silent and not self.answering.busy:
            self.bot = next_bot(self.bot, "all heard")
            self.mouth.playout.set_gain(0.0)
            self._idle_since = now

    def _due(self, now: float) -> None:
        if self.mouth.playout.stalled(now):
            self._out.append(commands.HangUp("carrier stalled"))
            self._gone("carrier stalled")
            return
        overdue = self.mouth.overdue(now, self.settings.speech_deadline_s)
        if overdue is not None:
            self._out.append(CancelSynthesis(overdue))
            self._speech_failed(overdue, "no audio in time", now)
        if self.answering.due is not None and now >= self.answering.due:
            self._out.append(CancelAgent(self.answering.turn))
            self._agent_failed("no answer in time", now)
        if self._ending is None:
            self._caller_due(now)

    def _caller_due(self, now: float) -> None:
        assert self._started_at is not None
        if now >= self._started_at + self.settings.longest_call_s:
            self._break_off(now)
            self._last_words(self.settings.time_is_up, "longest call", now)
            return
        if self.caller is Caller.SUSPECTED and self.floor.silence(now) is Verdict.FADED:
            self._false_alarm(now)
        if self.caller is Caller.SPEAKING and now >= self._turn_so_far.quiet_at(self.settings.endpoint):
            self._pause(now)
        if self.caller is Caller.PAUSED and now >= (over := self._turn_over_at()):
            if silence_is_certain(over, self._audio_until, now):
                self._end_turn(self._turn_so_far.endpoint.patience(listens=self.settings.listens).because, now)
        elif self.caller is Caller.SPEAKING and now >= self._turn_so_far.since + self.settings.endpoint.longest_turn_s:
            self._end_turn("longest turn", now)
        due = self._digits_due()
        if due is not None and now >= due:
            digits = self.keypad.take()
            self.ledger.caller_said(digits)
            self._ask("digits", digits, now)
        due = self._no_input_due()
        if due is not None and now >= due:
            self._no_input(now)

    def _turn_over_at(self) -> float:
        turn = self._turn_so_far
        return turn.over_at(turn.endpoint.patience(listens=self.settings.listens))

    def _no_input_due(self) -> float | None:
        if self.bot is not Bot.IDLE or self.caller is not Caller.SILENT or self.keypad.digits:
            return None
        return self._idle_since + self.settings.no_input_s

    def _no_input(self, now: float) -> None:
        self._no_input_attempts += 1
        self._decide("no input", attempt=self._no_input_attempts)
        if self._no_input_attempts > self.settings.no_input_limit:
            self._last_words(self.settings.goodbye, "no input", now)
        else:
            self._ask("no_input", "", now, self._no_input_attempts)

    def _next_wake(self, now: float) -> float:
        assert self._started_at is not None
        times = [
            self._started_at + self.settings.longest_call_s if self._ending is None else None,
            self.mouth.playout.wake_at(now),
            self.mouth.due_at(self.settings.speech_deadline_s),
            self.answering.due,
            self._digits_due(),
            self._no_input_due(),
        ]
        if self.caller is Caller.SUSPECTED:
            times.append(self.floor.fades_at())
        elif self.caller is Caller.SPEAKING:
            times.append(self._turn_so_far.quiet_at(self.settings.endpoint))
        elif self.caller is Caller.PAUSED:
            over = self._turn_over_at()
            certain = silence_is_certain(over, self._audio_until, max(now, over))
            times.append(over if certain or now < over else over + 0.3)
        return max(min(t for t in times if t is not None), now + 0.001)

    def _decide(self, what: str, **why: float | int | str | bool) -> None:
        self._out.append(Decided(what, why))
