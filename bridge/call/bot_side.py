"""Our side of a call: the agent is asked, its words are said, failures are excused, the end is said goodbye to."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bridge.call.actions import Interruption
from bridge.call.answering import EMPTY, FINAL, LATE
from bridge.call.bot_words import BotWords
from bridge.call.commands import CancelAgent, CancelSynthesis, Command, Disconnect, Redirect, decided
from bridge.call.events import NO_SOUND
from bridge.call.ledger import Utterance
from bridge.call.state import BotState, UnfinishedAnswer, latest
from bridge.call.states import Bot, BotMove, Decision, EndReason

_ANSWERS = ("caller_said", "digits")
"""Prompts that answer a question."""
_BY_SPEECH = ("interruptible", "speech_only")
"""Utterances that speech may break off."""


class BotSide(BotWords):
    """What the bot does (`state`), says and has said. Times are seconds on the call's clock.

    Every method that changes something returns the commands that carry it out. Nobody else writes its attributes.
    """

    # -- written down and gone on with -------------------------------------------------------------

    def written(self, now: float, *, guessing: bool) -> BotState:
        """Write this side down as it will be if the stream ends now.

        `guessing`: the answer of the moment is to a turn that is not over; it is let go, and the turn is kept.
        """
        heard_ms = self.utterances.playout.heard_if_lost(now)
        history = self.ledger.history(heard_ms)
        rest, pending, unfinished = self.utterances.unheard(heard_ms), None, None
        if guessing:
            history, rest = history[:-1], []
        elif self.answering.busy and self.ending is None:
            so_far = (*self._before_move, *self.utterances.written(self._new_from, heard_ms))
            if so_far:
                before = self.ledger.history(heard_ms, end=self._answer_entry)
                answer = self.ledger.history(heard_ms, first=self._answer_entry)
                history = (*before, *answer)
                unfinished = UnfinishedAnswer(self.answering.prompt, so_far, len(answer))
            else:
                pending = self.answering.prompt
        return BotState(
            history=latest(history),
            rest=tuple(rest),
            cut=tuple(self.utterances.broken_off()),
            utterance=self.utterances.number,
            turn=self.answering.turn,
            pending=pending,
            unfinished=unfinished,
            replaces=self.answering.replaces or guessing,
            unconfirmed=self.answering.unconfirmed and not guessing,
            expected=self.expected,
            ending=self.ending,
            failures=self._failures,
            language="" if self.language == self._settings.language else self.language,
        )

    def _answer_noticed(self, heard_ms: Mapping[int, float] = {}) -> bool:
        """Whether a word of the answer that is being written was heard."""
        return any(said.heard_words(heard_ms.get(said.number)) for said in self._answer)

    def resume(self, state: BotState, now: float) -> list[Command]:
        """Go on where another process was: say what is unheard, and have an answer written that is not whole."""
        self.ledger.restore(state.history)
        self.utterances.resume(state.utterance, state.cut)
        self.answering.restore(state.turn, replaces=state.replaces, unconfirmed=state.unconfirmed)
        self._failures, self.idle_since = state.failures, now
        commands: list[Command] = []
        self.language = state.language or self.language
        if state.expected is not None:
            self.expected = state.expected
        unfinished = state.unfinished
        if unfinished is None:
            self._answer_begins(len(self.ledger))
        else:
            self._answer_begins(max(len(self.ledger) - unfinished.turns, 0), unfinished.so_far)
        for rest in state.rest:
            commands += self.say(rest.say(), now, by_bridge=rest.by_bridge)
        self._new_from = self.utterances.number + 1
        if state.ending is not None:
            return commands + self.close(state.ending)
        prompt = state.pending if unfinished is None else unfinished.prompt
        if prompt is not None:
            if self.state is Bot.IDLE:
                self._moves(BotMove.ASKED)
            self._asked_expecting, self._answered_it = self.expected, unfinished is None and prompt.kind in _ANSWERS
            history = self._history_for(prompt.kind, prompt.text)
            commands += self.answering.put_again(prompt, history, now, self._before_move)
        return commands

    def agent_done(self, now: float) -> list[Command]:
        """The answer is complete; one without words and actions is a failure."""
        if self.answering.empty and not self.answering.declared and self.ending is None:
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
        if not self.answering.empty or self.answering.declared:
            commands += self._end_question()
        for action in kept:
            commands += self._does(action, now)
        return commands

    def break_off(self, now: float, *, goes_on: bool = False) -> tuple[list[Command], bool]:
        """Fall silent and cancel the agent. True when the answer to the last turn is taken back.

        That is when nothing of it was heard, or so little that a caller who speaks `goes_on` with that turn.
        """
        commands = self.utterances.fall_silent(now)
        waiting = self.state in (Bot.THINKING, Bot.SPEAKING, Bot.DUCKED)
        history = self.ledger.history()
        taken_back = waiting and bool(history) and history[-1].speaker == "caller"
        taken_back |= waiting and goes_on and self.answering.unconfirmed and not self.answering.to_keys
        if taken_back:
            self.language = self._asked_in
        else:
            commands += self.answering.confirm()
        commands += self.cancel_agent(taken_back=taken_back)
        if waiting:
            self._moves(BotMove.INTERRUPTED)
        return commands, taken_back

    def take_back(self, now: float) -> list[Command]:
        """Throw away an answer that was begun too soon; none of it was sent."""
        commands = self.utterances.fall_silent(now)
        self.ledger.withdraw_caller()
        self.language = self._asked_in
        commands += self.cancel_agent(taken_back=True)
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

    def last_words(
        self, name: str, end: Disconnect | Redirect, now: float, *, interruption: Interruption = "protected"
    ) -> list[Command]:
        """Say this sentence of ours and leave the call."""
        say = msgspec.structs.replace(self.sentence(name), interruption=interruption)
        return [
            *self.cancel_agent(taken_back=False),
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
        return [*self.cancel_agent(taken_back=False), *unfinished]

    # -- failures --------------------------------------------------------------------------------

    def agent_failed(self, reason: str, now: float) -> list[Command]:
        """No answer will come, or no more of it: it is asked for once more, excused, or the end of the call."""
        why = decided(Decision.AGENT_FAILED, reason=reason)
        if self.ending is None and (again := self.answering.ask_again(reason, now)):
            self._moves(BotMove.ASKED)
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
        why = decided(Decision.SPEECH_FAILED, utterance=utterance, reason=reason)
        said = self.ledger[utterance]
        said.mute = reason == NO_SOUND and not said.audio_ms
        if said.mute and not any(other.audio_ms for other in self._answer):
            return [why]  # no fault of the voice's: if it stays at that, the answer is none
        return [why, *self._apologise(EndReason.SPEECH_FAILED, now)]

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
        """Bring all books up to what was heard, and see whether that makes the prompt count that is being answered."""
        done = self.utterances.listen(now)
        over = self.state in (Bot.SPEAKING, Bot.DUCKED) and self.utterances.silent and not self.answering.busy
        if over and self._was_mute():
            return self._say_otherwise(now)
        confirmed = self.answering.confirm() if self._has_effect(bool(done)) else []
        for utterance in done:
            if utterance.all_heard and not utterance.by_bridge and not utterance.mute:
                self._failures = 0
        if over:
            self._fell_silent(now)
        return confirmed

    def _fell_silent(self, now: float) -> None:
        self._moves(BotMove.ALL_HEARD)
        self.utterances.full_voice()
        self.idle_since = now

    def _was_mute(self) -> bool:
        """Whether the answer of the moment was to be heard, and not a sound came of it."""
        answer = self._answer
        return any(said.mute for said in answer) and not any(said.audio_ms for said in answer)

    def _say_otherwise(self, now: float) -> list[Command]:
        """Nothing of the answer could be said, as in a script that the voice does not know: it counts as none."""
        self._fell_silent(now)
        self._answer_begins(len(self.ledger))
        self.answering.came_to_nothing(now)
        return self.agent_failed(EMPTY, now)

    def _has_effect(self, all_heard: bool) -> bool:
        """Whether a prompt that may still be replaced has had an effect on the caller, or can have none any more."""
        if not self.answering.unconfirmed or self.answering.held:
            return False
        if self.ending is not None or (self.utterances.silent and (all_heard or not self.answering.busy)):
            return True
        heard_ms = sum(said.heard_ms for said in self._answer)
        return heard_ms >= self._settings.endpoint.second_thoughts_ms and self._answer_noticed()

    @property
    def _answer(self) -> list[Utterance]:
        """What was said so far of the answer of the moment."""
        numbers = range(self._answer_from, self.utterances.number + 1)
        return [self.ledger[number] for number in numbers if number in self.ledger]

    def audible(self, now: float) -> bool:
        """Whether the caller has our voice in the ear, however softly."""
        return self.state is Bot.DUCKED or self.utterances.sounding(now) is not None

    def may_be_interrupted(self, now: float) -> bool:
        """Whether speech counts at all: not against protected words, nor before the greeting was noticed."""
        if self.answering.turn == 1 and self.state is Bot.THINKING:
            return False
        utterance = self.utterances.sounding(now) or self.utterances.next_up()
        return utterance is None or (utterance.interruption in _BY_SPEECH and not self._unnoticed(utterance))

    def _unnoticed(self, utterance: Utterance) -> bool:
        return utterance.number == 1 and utterance.heard_ms < self._settings.floor.protect_start_ms
