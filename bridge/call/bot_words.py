"""What the agent is asked, and what is said for it: prompts, actions, words, the question that is open.

How the bot gives way, fails and leaves is decided in `bridge.call.bot_side`.
"""

from __future__ import annotations

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.call import actions
from bridge.call.actions import Action, PromptKind, Say, Spoken, TextAlternative
from bridge.call.answering import Answering
from bridge.call.commands import Command, Disconnect, ExpectSpeech, Redirect
from bridge.call.ledger import Ledger
from bridge.call.settings import CallSettings
from bridge.call.states import Bot, BotMove, EndReason, next_bot
from bridge.call.utterances import Utterances
from bridge.carriers.base import Pacing
from bridge.text.sentences import sentences

_ANSWERS = ("caller_said", "digits")
"""Prompts that answer a question."""
_MOST_KEYS = 200
_MOST_HINTS, _LONGEST_HINT = 100, 80
"""What of an agent's hints reaches the recogniser."""


class BotWords:
    """What the bot (`state`) is about to say and has said. Times are seconds on the call's clock.

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
        self._answer_entry = 0
        """Its place in the ledger."""
        self._before_move: tuple[Say, ...] = ()
        """The words that had come of it in the process that the call was in before."""
        self._new_from = 1
        """The first utterance of it that came here."""

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
        self._answer_begins(len(self.ledger))
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
        commands = [*self.utterances.fall_silent(now), *self.answering.confirm(), *self.cancel_agent(taken_back=False)]
        self._moves(BotMove.INTERRUPTED)
        self.idle_since = now
        return commands

    def _answer_begins(self, entry: int, before_move: tuple[Say, ...] = ()) -> None:
        """Take note that what is said from now on is an answer, whose place in the ledger this is."""
        self._answer_from = self._new_from = self.utterances.number + 1
        self._answer_entry, self._before_move = entry, before_move

    def _history_for(self, kind: PromptKind, text: str) -> tuple[Spoken, ...]:
        """What was said before the answer to a prompt; what the caller says now is the prompt's text."""
        history = self.ledger.history(end=self._answer_entry)
        return history[:-1] if kind in _ANSWERS and text else history

    def cancel_agent(self, *, taken_back: bool) -> list[Command]:
        """Let the answer go that is being written."""
        self._kept.clear()
        return self.answering.cancel(taken_back=taken_back)

    def acts(self, action: Action, now: float) -> list[Command]:
        """Carry out what the agent wants."""
        if isinstance(action, actions.Expect | actions.ChangeLanguage):
            self.answering.declared = True  # whoever waits for the agent still waits
        else:
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
                return self.close(Redirect(target, summary, self.language if summary else ""))

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
        """The reply is taken back and the caller goes on: it is still the answer to the question before."""
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

    def close(self, end: Disconnect | Redirect) -> list[Command]:
        """End the call once the last word was heard. Nothing the caller says counts any more."""
        finished = self.utterances.finish_text()
        if self.ending is None:
            self.ending = end
            self._moves(BotMove.LAST_WORDS)
            self.utterances.let_out()
        return finished

    def protects(self, now: float) -> bool:
        """Whether what is in the caller's ear, or comes next, is protected against being broken off."""
        utterance = self.utterances.sounding(now) or self.utterances.next_up()
        return utterance is not None and utterance.interruption == "protected"
