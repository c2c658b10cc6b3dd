"""Our side of a call: the agent is asked, its words are said, failures are excused, the end is said goodbye to."""

from __future__ import annotations

from collections.abc import Callable

from bridge.call import actions, commands
from bridge.call.actions import Action, Say
from bridge.call.answering import Answering, PromptKind
from bridge.call.commands import CancelAgent, CancelSynthesis
from bridge.call.ledger import Ledger, Utterance
from bridge.call.orders import Orders
from bridge.call.settings import CallSettings
from bridge.call.states import Bot, next_bot
from bridge.call.utterances import Utterances


class BotSide:
    """What the bot does (`state`), says and has said. Times are seconds on the call's clock."""

    def __init__(self, settings: CallSettings, orders: Orders) -> None:
        self.state = Bot.IDLE
        self.ledger = Ledger()
        self.utterances = Utterances(settings.playout, self.ledger)
        self.answering = Answering(settings.agent_deadline_s)
        self.answer = "open"
        """The answer that the agent expects."""
        self.idle_since = 0.0
        """Since when it is the caller's turn."""
        self.ending: commands.HangUp | commands.Transfer | None = None
        """How the call ends once the last word was heard."""
        self.end_reason: str | None = None
        self.on_closing: Callable[[], None] = lambda: None
        """Told when the last words begin."""
        self._settings = settings
        self._orders = orders
        self._failures = 0
        self._apologies: set[str] = {settings.apology, settings.last_apology}

    def moves(self, happening: str) -> None:
        """Change state as the table says. Raises UnexpectedEvent for a move that is not in it."""
        self.state = next_bot(self.state, happening)

    # -- asking the agent ------------------------------------------------------------------------

    def ask(self, kind: PromptKind, text: str, now: float, attempt: int = 0) -> None:
        """Have the agent answer."""
        history = self.ledger.history()
        if kind in ("caller_said", "digits") and text:
            history = history[:-1]  # what he says now is the prompt's text
        self.moves("asked")
        self._orders.add(self.answering.ask(kind, text, history, now, attempt))

    def cancel_agent(self, *, unheard: bool) -> None:
        """Let the answer go that is being written."""
        self._orders.add(self.answering.cancel(unheard=unheard))

    def acts(self, action: Action, now: float) -> None:
        """The agent wants something."""
        self.answering.acted()
        if self.ending is not None:
            return
        match action:
            case Say():
                self.say(action, now)
            case actions.Expect(answer):
                self.answer = answer
            case actions.Wait(seconds):
                self._orders.add(self.utterances.wait(seconds))
            case actions.HangUp(reason):
                self.close(commands.HangUp(reason))
            case actions.Transfer(target):
                self.close(commands.Transfer(target))

    def say(self, say: Say, now: float) -> None:
        """Queue words."""
        self._orders.add(self.utterances.say(say, now))
        if self.state in (Bot.IDLE, Bot.THINKING) and not self.utterances.silent:
            self.moves("has words")

    def agent_done(self, now: float) -> None:
        """The answer is complete."""
        self.answering.done()
        self._orders.add(self.utterances.finish_text())
        if self.state is Bot.THINKING:
            self.moves("nothing to say")
            self.idle_since = now

    # -- giving way and going on -----------------------------------------------------------------

    def fall_silent(self, now: float) -> None:
        """Throw away all that is unheard."""
        self._orders.add(self.utterances.fall_silent(now))

    def break_off(self, now: float) -> bool:
        """Fall silent and cancel the agent. True when nothing of the answer to the last turn was heard."""
        self.fall_silent(now)
        waiting = self.state in (Bot.THINKING, Bot.SPEAKING, Bot.DUCKED)
        history = self.ledger.history()
        unheard = waiting and bool(history) and history[-1].speaker == "caller"
        self.cancel_agent(unheard=unheard)
        if waiting:
            self.moves("interrupted")
        return unheard

    def take_back(self, now: float) -> None:
        """Throw away an answer that was begun too soon; none of it was sent."""
        self.fall_silent(now)
        self.ledger.withdraw_caller()
        self.cancel_agent(unheard=True)
        if self.state is not Bot.IDLE:
            self.moves("interrupted")

    def lower_voice(self, now: float) -> None:
        """The caller may want to speak: be softer, or silent, until that is known."""
        self.moves("suspicion")
        floor = self._settings.floor
        self._orders.add(
            self.utterances.hold(now) if floor.on_suspicion == "hold" else self.utterances.duck(now, floor.duck_db)
        )

    def restore_voice(self, now: float) -> None:
        """He did not."""
        self.moves("false alarm")
        self._orders.add(self.utterances.restore(now))

    def go_on(self, now: float) -> None:
        """It was no interruption after all: say the rest, from the first word he did not hear."""
        self._orders.decide("went on", utterances=len(self.utterances.resumable))
        self._orders.add(self.utterances.go_on(now))
        if not self.utterances.silent and self.state is Bot.IDLE:
            self.moves("has words")

    # -- the end ---------------------------------------------------------------------------------

    def close(self, end: commands.HangUp | commands.Transfer) -> None:
        """End the call once the last word was heard. Nothing the caller says counts any more."""
        self._orders.add(self.utterances.finish_text())
        if self.ending is None:
            self.ending = end
            self.moves("last words")
            self.utterances.playout.held = False
            self.utterances.playout.set_gain(0.0)
            self.on_closing()

    def last_words(self, text: str, reason: str, now: float) -> None:
        """Say this and hang up."""
        self.cancel_agent(unheard=False)
        self._orders.add(self.utterances.finish_text())
        self._orders.add(self.utterances.say(Say(text, interruption="protected"), now))
        self.close(commands.HangUp(reason))

    def end_if_heard(self) -> None:
        """Leave the call when the last word was heard."""
        if self.ending is not None and self.utterances.silent:
            self._orders.add([self.ending])
            self.end_reason = self.ending.reason if isinstance(self.ending, commands.HangUp) else "transfer"
            self.moves("gone")

    def gone(self, reason: str) -> None:
        """The carrier has left."""
        self.cancel_agent(unheard=False)
        self._orders.add([CancelSynthesis(t.utterance) for t in self.utterances.playout.tracks if not t.complete])
        self.end_reason = self.end_reason or reason
        self.moves("gone")

    # -- failures --------------------------------------------------------------------------------

    def agent_failed(self, reason: str, now: float) -> None:
        """No answer will come."""
        self._orders.decide("agent failed", reason=reason)
        self.agent_done(now)
        self._apologise("agent failed", now)

    def speech_failed(self, utterance: int, reason: str, now: float) -> None:
        """No more audio of this utterance will come."""
        if not self.utterances.broke_off(utterance):
            return
        self._orders.decide("speech failed", utterance=utterance, reason=reason)
        self.cancel_agent(unheard=False)
        if self.ledger[utterance].text in self._apologies or self.ending is not None:
            self._failures += 1  # no voice at all: a second apology would fail like the first
            if self._failures >= self._settings.failure_limit and self.ending is None:
                self.close(commands.HangUp("speech failed"))
            return
        self._apologise("speech failed", now)

    def _apologise(self, reason: str, now: float) -> None:
        self._failures += 1
        if self.ending is not None:
            return
        if self._failures >= self._settings.failure_limit:
            self.last_words(self._settings.last_apology, reason, now)
        else:
            self.say(Say(self._settings.apology), now)

    # -- what time brings ------------------------------------------------------------------------

    def due(self, now: float) -> None:
        """Give up a voice and an agent that have had their time."""
        overdue = self.utterances.overdue(now, self._settings.speech_deadline_s)
        if overdue is not None:
            self._orders.add([CancelSynthesis(overdue)])
            self.speech_failed(overdue, "no audio in time", now)
        if self.answering.due is not None and now >= self.answering.due:
            self._orders.add([CancelAgent(self.answering.turn)])
            self.agent_failed("no answer in time", now)

    def listen(self, now: float) -> None:
        """Bring all books up to what was heard."""
        for utterance in self.utterances.listen(now):
            if utterance.all_heard and utterance.text not in self._apologies:
                self._failures = 0
        if self.state in (Bot.SPEAKING, Bot.DUCKED) and self.utterances.silent and not self.answering.busy:
            self.moves("all heard")
            self.utterances.playout.set_gain(0.0)
            self.idle_since = now

    def audible(self, now: float) -> bool:
        """Whether the caller has our voice in his ear, however softly."""
        return self.state is Bot.DUCKED or self.utterances.sounding(now) is not None

    def may_be_interrupted(self, now: float) -> bool:
        """Whether speech counts at all: not against protected words, nor before the greeting was noticed."""
        if self.answering.turn == 1 and self.state is Bot.THINKING:
            return False
        utterance = self.utterances.sounding(now) or self.utterances.next_up()
        return utterance is None or (utterance.interruption == "interruptible" and not self._unnoticed(utterance))

    def _unnoticed(self, utterance: Utterance) -> bool:
        return utterance.number == 1 and utterance.heard_ms < self._settings.floor.protect_start_ms
