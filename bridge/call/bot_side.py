"""Our side of a call: the agent is asked, its words are said, failures are excused, the end is said goodbye to."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.call import actions
from bridge.call.actions import Action, Interruption, PromptKind, Say, Spoken, TextAlternative
from bridge.call.answering import EMPTY, FINAL, LATE, Answering
from bridge.call.commands import CancelAgent, CancelSynthesis, Command, Disconnect, ExpectSpeech, Redirect, decided
from bridge.call.ledger import Ledger, Utterance
from bridge.call.settings import CallSettings
from bridge.call.state import BotState, latest
from bridge.call.states import Bot, BotMove, Decision, EndReason, next_bot
from bridge.call.utterances import Utterances
from bridge.carriers.base import Pacing
from bridge.text.sentences import sentences

_ANSWERS = ("caller_said", "digits")
"""Prompts that answer a question."""
_BY_SPEECH = ("interruptible", "speech_only")
"""Utterances that speech may break off."""
_MOST_KEYS = 200
_MOST_HINTS, _LONGEST_HINT = 100, 80
"""What of an agent's hints reaches the recogniser."""


class BotSide:
    """What the bot does (`state`), says and has said. Times are seconds on the call's clock.

    Every method that changes something returns the commands that carry it out. Nobody else writes its attributes.
    """

    def __init__(self, settings: CallSettings, audio_format: AudioFormat, pacing: Pacing) -> None:
        self.state = Bot.IDLE
        self.ledger = Ledger()
        self.utterances = Utterances(settings.playout, audio_format, pacing, self.ledger)
        self.answering = Answering(settings.agent_deadline_s)
        self.expected = ExpectSpeech("open", settings.hints, settings.language)
        """What the caller is about to say, as far as the agent knows."""
        self.language = settings.language
        """In which the call goes on."""
        self._asked_in = self.language
        """The same when the last prompt was put."""
        self.idle_since = 0.0
        """Since when it is the caller's turn."""
        self.ending: Disconnect | Redirect | None = None
        """How the call ends once the last word was heard."""
        self.end_reason: EndReason | None = None
        self._settings = settings
        self.floor_wanted = False
        """The agent has something to say that nobody asked it for."""
        self._failures = 0
        self._kept: list[Action] = []
        """What the answer to a guess wants besides words, until the guess counts."""
        self._asked_expecting = self.expected
        """What the caller was to say when the last prompt was put."""
        self._answered_it = False
        """The last prompt is an answer to that: the next words of the agent are about something else."""
        self._answer_from = 1
        """The first utterance of the answer of the moment."""

    # -- written down and gone on with -------------------------------------------------------------

    def written(self, now: float, *, guessing: bool) -> BotState:
        """Write this side down as it will be if the stream ends now.

        `guessing`: the answer of the moment is to a turn that is not over; it is let go, and the turn is kept.
        """
        heard_ms = self.utterances.playout.heard_if_lost(now)
        history = self.ledger.history(heard_ms)
        rest, pending = self.utterances.unheard(heard_ms), None
        if guessing:
            history, rest = history[:-1], []
        elif self.answering.busy and self.ending is None and not self._answer_noticed(heard_ms):
            rest, pending = [], self.answering.prompt
        return BotState(
            history=latest(history),
            rest=tuple(rest),
            cut=tuple(self.utterances.broken_off()),
            utterance=self.utterances.number,
            turn=self.answering.turn,
            pending=pending,
            replaces=self.answering.replaces or guessing,
            unconfirmed=self.answering.unconfirmed and not guessing,
            expected=self.expected,
            ending=self.ending,
            failures=self._failures,
            language="" if self.language == self._settings.language else self.language,
        )

    def _answer_noticed(self, heard_ms: Mapping[int, float]) -> bool:
        """Whether a word of the answer that is being written was heard."""
        numbers = range(self._answer_from, self.utterances.number + 1)
        return any(self.ledger[n].heard_words(heard_ms.get(n)) for n in numbers if n in self.ledger)

    def resume(self, state: BotState, now: float) -> list[Command]:
        """Go on where another process was: say what is unheard, and put a prompt again that has no answer."""
        self.ledger.restore(state.history)
        self.utterances.resume(state.utterance, state.cut)
        self.answering.restore(state.turn, replaces=state.replaces, unconfirmed=state.unconfirmed)
        self._failures, self.idle_since = state.failures, now
        commands: list[Command] = []
        self.language = state.language or self.language
        if state.expected is not None:
            self.expected = state.expected
        for rest in state.rest:
            commands += self.say(rest.say(), now, by_bridge=rest.by_bridge)
        if state.ending is not None:
            return commands + self.close(state.ending)
        if state.pending is not None:
            self._moves(BotMove.ASKED)
            self._asked_expecting, self._answered_it = self.expected, state.pending.kind in _ANSWERS
            history = self._history_for(state.pending.kind, state.pending.text)
            commands += self.answering.put_again(state.pending, history, now)
        return commands

    def _moves(self, move: BotMove) -> None:
        """Change state as the table says. Raises UnexpectedEvent for a move that is not in it."""
        self.state = next_bot(self.state, move)

    # -- asking the agent ------------------------------------------------------------------------

    def ask(
        self,
        kind: PromptKind,
        text: str,
        now: float,
        attempt: int = 0,
        *,
        held: bool = False,
        readings: tuple[TextAlternative, ...] = (),
    ) -> list[Command]:
        """Have the agent answer; `held`: the caller's turn may not be over yet."""
        self._moves(BotMove.ASKED)
        self.floor_wanted = False
        self._answer_from = self.utterances.number + 1
        self._asked_in = self.language
        self._asked_expecting, self._answered_it = self.expected, kind in _ANSWERS
        expected = self.expected if self._answered_it else None
        history = self._history_for(kind, text)
        return self.answering.ask(kind, text, history, now, attempt, held=held, expected=expected, readings=readings)

    def wants_floor(self, now: float, *, cut: bool) -> list[Command]:
        """Take note that the agent wants to speak unasked; `cut`: in place of what it is saying."""
        if self.ending is not None:
            return []
        self.floor_wanted = True
        if not cut or self.state not in (Bot.SPEAKING, Bot.DUCKED) or self.protects(now):
            return []
        commands = [*self.utterances.fall_silent(now), *self.answering.confirm(), *self.cancel_agent(unheard=False)]
        self._moves(BotMove.INTERRUPTED)
        self.idle_since = now
        return commands

    def _history_for(self, kind: PromptKind, text: str) -> tuple[Spoken, ...]:
        """What was said before a prompt; what the caller says now is the prompt's text."""
        history = self.ledger.history()
        return history[:-1] if kind in _ANSWERS and text else history

    def cancel_agent(self, *, unheard: bool) -> list[Command]:
        """Let the answer go that is being written."""
        self._kept.clear()
        return self.answering.cancel(unheard=unheard)

    def acts(self, action: Action, now: float) -> list[Command]:
        """Carry out what the agent wants."""
        self.answering.acted()
        if self.ending is not None or (self._kept and isinstance(self._kept[-1], actions.HangUp | actions.Transfer)):
            return []
        if isinstance(action, actions.ChangeLanguage):
            self.language = action.language  # of words that are made ahead, too
        if self.answering.held and not isinstance(action, Say | actions.Wait):
            self._kept.append(action)
            return []
        return self._does(action, now)

    def _does(self, action: Action, now: float) -> list[Command]:
        match action:
            case Say():
                return [*self._end_question(), *self.say(action, now)]
            case actions.ChangeLanguage():
                self._asked_in = self.language
                return self._now_expect(msgspec.structs.replace(self.expected, language=self.language))
            case actions.Expect():
                return self._expect(action)
            case actions.Wait(seconds):
                return self.utterances.wait(seconds)
            case actions.HangUp(reason):
                return self.close(Disconnect(EndReason.AGENT, reason))
            case actions.Transfer(target, summary):
                return self.close(Redirect(target, summary))

    @property
    def answer(self) -> str:
        """The answer that the agent expects."""
        return self.expected.answer

    def _expect(self, expect: actions.Expect) -> list[Command]:
        hints = tuple(hint[:_LONGEST_HINT] for hint in expect.hints[:_MOST_HINTS])
        self._answered_it = False
        expected = ExpectSpeech(
            expect.answer,
            (*hints, *self._settings.hints),
            expect.language or self.language,
            expect.choices,
            expect.keys[:_MOST_KEYS],
        )
        return self._now_expect(expected)

    def _now_expect(self, expected: ExpectSpeech) -> list[Command]:
        before, self.expected = self.expected, expected
        return [expected] if expected != before else []

    def _end_question(self) -> list[Command]:
        """The agent replies to an answer: what was declared for it ends, unless the agent declares something new."""
        if not self._answered_it or self.answering.held or not self._settings.answer_ends_with_question:
            return []
        return self._expect(actions.Expect())

    def expect_as_before(self) -> list[Command]:
        """Nothing of the reply was heard and the caller goes on: it is still the answer to the question before."""
        return self._now_expect(self._asked_expecting)

    def say(self, say: Say, now: float, *, by_bridge: bool = False) -> list[Command]:
        """Queue words; `by_bridge`: not the agent's."""
        commands = self.utterances.say(self._in_language(say), now, by_bridge=by_bridge)
        if self.state in (Bot.IDLE, Bot.THINKING) and not self.utterances.silent:
            self._moves(BotMove.HAS_WORDS)
        return commands

    def _in_language(self, say: Say) -> Say:
        """What is to be said with its language, where that is another than the one that the call began in."""
        language = say.language or self.language
        return msgspec.structs.replace(say, language="" if language == self._settings.language else language)

    def sentence(self, name: str) -> Say:
        """A sentence of our own in the call's language; one that the operator has written stays as it is."""
        settings = self._settings
        text: str = settings.fallback.text if name == "fallback" else getattr(settings, name)
        if self.language != settings.language and text == sentences(settings.language)[name]:
            return Say(sentences(self.language)[name], cacheable=True)
        return Say(text, cacheable=True, language=settings.language)

    def agent_done(self, now: float) -> list[Command]:
        """The answer is complete; one without words and actions is a failure."""
        if self.answering.empty and self.ending is None:
            return self.agent_failed(EMPTY, now)
        return self._answered(now)

    def _answered(self, now: float) -> list[Command]:
        self.answering.done()
        commands = self.utterances.finish_text()
        if self.state is Bot.THINKING:
            self._moves(BotMove.NOTHING_TO_SAY)
            self.idle_since = now
        return commands

    # -- giving way and going on -----------------------------------------------------------------

    def await_caller(self, now: float) -> None:
        """Count from now on how long the caller, whose turn it is, says nothing."""
        self.idle_since = now

    def hold_back(self) -> None:
        """Send nothing of what is said next until `let_out`: the caller's turn may not be over."""
        self.utterances.hold_back()

    def turn_over(self, now: float) -> list[Command]:
        """The caller's turn is over: send and do what was held back."""
        self.utterances.let_out()
        self.answering.held = False
        commands: list[Command] = []
        kept, self._kept = self._kept, []
        if not self.answering.empty:
            commands += self._end_question()
        for action in kept:
            commands += self._does(action, now)
        return commands

    def break_off(self, now: float) -> tuple[list[Command], bool]:
        """Fall silent and cancel the agent. True when nothing of the answer to the last turn was heard."""
        commands = self.utterances.fall_silent(now)
        waiting = self.state in (Bot.THINKING, Bot.SPEAKING, Bot.DUCKED)
        history = self.ledger.history()
        unheard = waiting and bool(history) and history[-1].speaker == "caller"
        if unheard:
            self.language = self._asked_in
        else:
            commands += self.answering.confirm()
        commands += self.cancel_agent(unheard=unheard)
        if waiting:
            self._moves(BotMove.INTERRUPTED)
        return commands, unheard

    def take_back(self, now: float) -> list[Command]:
        """Throw away an answer that was begun too soon; none of it was sent."""
        commands = self.utterances.fall_silent(now)
        self.ledger.withdraw_caller()
        self.language = self._asked_in
        commands += self.cancel_agent(unheard=True)
        if self.state is not Bot.IDLE:
            self._moves(BotMove.INTERRUPTED)
        return commands

    def lower_voice(self, now: float) -> list[Command]:
        """The caller may want to speak: be softer, or silent, until that is known."""
        self._moves(BotMove.SUSPICION)
        floor = self._settings.floor
        return self.utterances.hold(now) if floor.on_suspicion == "hold" else self.utterances.duck(now, floor.duck_db)

    def restore_voice(self, now: float) -> list[Command]:
        """Raise the lowered voice again after a false alarm."""
        self._moves(BotMove.FALSE_ALARM)
        return self.utterances.restore(now)

    def go_on(self, now: float) -> list[Command]:
        """Say the rest after what was no interruption, from the first word that the caller did not hear."""
        why = decided(Decision.WENT_ON, utterances=len(self.utterances.resumable))
        commands = [why, *self.utterances.go_on(now)]
        if not self.utterances.silent and self.state is Bot.IDLE:
            self._moves(BotMove.HAS_WORDS)
        return commands

    # -- the end ---------------------------------------------------------------------------------

    def close(self, end: Disconnect | Redirect) -> list[Command]:
        """End the call once the last word was heard. Nothing the caller says counts any more."""
        finished = self.utterances.finish_text()
        if self.ending is None:
            self.ending = end
            self._moves(BotMove.LAST_WORDS)
            self.utterances.let_out()
        return finished

    def last_words(
        self, name: str, end: Disconnect | Redirect, now: float, *, interruption: Interruption = "protected"
    ) -> list[Command]:
        """Say this sentence of ours and leave the call."""
        say = msgspec.structs.replace(self.sentence(name), interruption=interruption)
        return [
            *self.cancel_agent(unheard=False),
            *self.utterances.finish_text(),
            *self.utterances.say(self._in_language(say), now, by_bridge=True),
            *self.close(end),
        ]

    @property
    def can_be_held(self) -> bool:
        """Whether a caller who speaks over the goodbye holds the line."""
        goodbye = isinstance(self.ending, Disconnect) and self.ending.reason in (EndReason.AGENT, EndReason.NO_INPUT)
        return goodbye and self._settings.interruptible_goodbye

    def stay(self) -> None:
        """The caller holds the line: the call does not end after all."""
        self.ending = None
        self._moves(BotMove.HELD)

    def end_if_heard(self) -> list[Command]:
        """Leave the call when the last word was heard."""
        if self.ending is None or not self.utterances.silent:
            return []
        self.end_reason = self.ending.reason if isinstance(self.ending, Disconnect) else EndReason.TRANSFER
        self._moves(BotMove.GONE)
        return [self.ending]

    def gone(self, reason: EndReason) -> list[Command]:
        """Take note that the carrier has left the call."""
        unfinished = [CancelSynthesis(t.utterance) for t in self.utterances.playout.tracks if not t.complete]
        self.end_reason = self.end_reason or reason
        self._moves(BotMove.GONE)
        return [*self.cancel_agent(unheard=False), *unfinished]

    # -- failures --------------------------------------------------------------------------------

    def agent_failed(self, reason: str, now: float) -> list[Command]:
        """No answer will come, or no more of it: it is asked for once more, excused, or the end of the call."""
        why = decided(Decision.AGENT_FAILED, reason=reason)
        if self.ending is None and (again := self.answering.ask_again(reason, now)):
            return [why, *again]
        at_start, empty = self.answering.at_start, self.answering.empty
        if empty:
            self.answering.unconfirmed = False  # nothing came of it
        commands = [why, *self._answered(now)]
        if reason in FINAL:
            return commands + self._give_up(EndReason.AGENT_FAILED, now) if self.ending is None else commands
        if not at_start:
            return commands + self._apologise(EndReason.AGENT_FAILED, now)
        self._failures += 1
        if empty and self.ending is None:  # callers who have said nothing can say nothing again
            commands += self._give_up(EndReason.AGENT_FAILED, now)
        return commands

    def speech_failed(self, utterance: int, reason: str, now: float) -> list[Command]:
        """No more audio of this utterance will come."""
        if not self.utterances.broke_off(utterance):
            return []
        return [
            decided(Decision.SPEECH_FAILED, utterance=utterance, reason=reason),
            *self._apologise(EndReason.SPEECH_FAILED, now),
        ]

    def _apologise(self, reason: EndReason, now: float) -> list[Command]:
        self._failures += 1
        if self.ending is not None:
            return []
        if self._failures >= self._settings.failure_limit:
            return self._give_up(reason, now)
        return self.say(self.sentence("apology"), now, by_bridge=True)

    def _give_up(self, reason: EndReason, now: float) -> list[Command]:
        """Leave the caller to somebody else, where that is set, or with an apology."""
        fallback = self._settings.fallback
        if fallback.transfer:
            return self.last_words("fallback", Redirect(fallback.transfer), now)
        return self.last_words("last_apology", Disconnect(reason), now)

    # -- what time brings ------------------------------------------------------------------------

    def due(self, now: float) -> list[Command]:
        """Give up a voice and an agent that have had their time."""
        commands: list[Command] = []
        overdue = self.utterances.overdue(now, self._settings.speech_deadline_s)
        if overdue is not None:
            commands.append(CancelSynthesis(overdue))
            commands += self.speech_failed(overdue, "no audio in time", now)
        if self.answering.due is not None and now >= self.answering.due:
            commands.append(CancelAgent(self.answering.turn))
            commands += self.agent_failed(LATE, now)
        return commands

    def listen(self, now: float) -> list[Command]:
        """Bring all books up to what was heard; the first word of an answer makes its prompt count."""
        done = self.utterances.listen(now)
        confirmed = self.answering.confirm() if self._has_effect(bool(done)) else []
        for utterance in done:
            if utterance.all_heard and not utterance.by_bridge:
                self._failures = 0
        if self.state in (Bot.SPEAKING, Bot.DUCKED) and self.utterances.silent and not self.answering.busy:
            self._moves(BotMove.ALL_HEARD)
            self.utterances.full_voice()
            self.idle_since = now
        return confirmed

    def _has_effect(self, all_heard: bool) -> bool:
        """Whether a prompt that may still be replaced has had an effect on the caller, or can have none any more."""
        if not self.answering.unconfirmed or self.answering.held:
            return False
        if all_heard or self.ending is not None or (self.utterances.silent and not self.answering.busy):
            return True
        first = self.utterances.next_up()
        return first is not None and bool(first.heard_words())

    def audible(self, now: float) -> bool:
        """Whether the caller has our voice in the ear, however softly."""
        return self.state is Bot.DUCKED or self.utterances.sounding(now) is not None

    def may_be_interrupted(self, now: float) -> bool:
        """Whether speech counts at all: not against protected words, nor before the greeting was noticed."""
        if self.answering.turn == 1 and self.state is Bot.THINKING:
            return False
        utterance = self.utterances.sounding(now) or self.utterances.next_up()
        return utterance is None or (utterance.interruption in _BY_SPEECH and not self._unnoticed(utterance))

    def protects(self, now: float) -> bool:
        """Whether what is in the caller's ear, or comes next, is protected against being broken off."""
        utterance = self.utterances.sounding(now) or self.utterances.next_up()
        return utterance is not None and utterance.interruption == "protected"

    def _unnoticed(self, utterance: Utterance) -> bool:
        return utterance.number == 1 and utterance.heard_ms < self._settings.floor.protect_start_ms
