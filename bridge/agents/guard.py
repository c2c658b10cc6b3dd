"""What an agent's service may do in one answer: every action is checked, what is too much ends the answer.

A service is somebody else's program, and a model follows whoever speaks to it: nothing they send may hold up the
process, cost the operator money, or leave the caller in silence.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from bridge.agents.base import AgentError, CallInfo, Failure, LikelyLine, Report
from bridge.agents.settings import AnswerLimits
from bridge.agents.transfers import TransferRefused, Transfers
from bridge.call.actions import (
    KEYS,
    RECORDING,
    SUPPLIED,
    Action,
    ChangeLanguage,
    Expect,
    HangUp,
    Prompt,
    Say,
    Spoken,
    Transfer,
    Wait,
    is_supplied,
)
from bridge.text.first_word import FirstWord
from bridge.text.spoken.languages import CODES, language
from bridge.text.unspoken import unspeakable
from bridge.understanding.understand import ANSWER, ANSWERS

_AT_ONCE = 500
"""Characters that are passed on before it is the others' turn: to clean and cut them takes a millisecond, or nearly."""
_LONGEST_REASON = 60
_LONGEST_VOICE = 100
_LONGEST_LANGUAGE = 20
_SHOWN = 60
_MOST_CHOICES, _LONGEST_CHOICE = 100, 80
_LONGEST_SUMMARY, _LONGEST_VALUE = 2000, 500
_KEYS = re.compile(r"[0-9*#A-D]{1,20}", re.ASCII)

Ask = Callable[[Prompt], AsyncGenerator[Action, None]]
"""Puts a prompt to a service, and streams its actions as they are read."""


def folded(text: str, longest: int = _LONGEST_REASON) -> str:
    """Somebody else's words as one short line for logs and records: no line ends, no controls, no digits.

    Digits are most of what is secret in a call, such as numbers of accounts, cards and telephones.
    """
    shown = "".join(" " if not c.isprintable() else "#" if c.isnumeric() else c for c in text[: 4 * longest])
    return " ".join(shown.split())[:longest].rstrip()


def speakable(text: str) -> bool:
    """Whether a voice has anything to say for this text: a letter or a digit of any script."""
    return any(c.isalnum() and not unspeakable(c) for c in text)


def checked_likely(lines: list[LikelyLine], limits: AnswerLimits) -> list[LikelyLine]:
    """Lines that may be said next. Raises AgentError for too many, too long ones, and for odd numbers."""
    if len(lines) > limits.likely_lines:
        raise AgentError(Failure.TOO_MUCH, f"{len(lines)} likely lines; at most {limits.likely_lines}")
    for line in lines:
        if len(line.text) > limits.likely_characters:
            most = limits.likely_characters
            raise AgentError(Failure.TOO_MUCH, f"a likely line of {len(line.text)} characters; at most {most}")
        if not 0 <= line.likelihood <= 1:
            raise AgentError(Failure.BAD_ACTION, f"a likelihood of {line.likelihood:g}; expected 0 to 1")
        _check_voice(line.voice)
    return lines


def _check_voice(voice: str | None) -> None:
    if voice is not None and not 0 < len(voice) <= _LONGEST_VOICE:
        raise AgentError(
            Failure.BAD_ACTION, f"a voice's name of {len(voice)} characters; expected 1 to {_LONGEST_VOICE}"
        )


def _check_language(code: str) -> None:
    try:
        language(code[:_LONGEST_LANGUAGE])
    except KeyError:
        known = ", ".join(CODES)
        raise AgentError(Failure.BAD_ACTION, f"no language that can be spoken; there are: {known}", code) from None


class _Budget:
    """One answer so far, against its limits."""

    def __init__(self, limits: AnswerLimits) -> None:
        self._limits = limits
        self._characters = 0
        self._actions = 0
        self._wait_ms = 0.0

    def check(self, action: Action) -> Action:
        """The action as it may be carried out. Raises AgentError naming what is wrong or too much."""
        if not isinstance(action, Say):
            self._actions += 1
            self._within("actions", self._actions, self._limits.actions)
        match action:
            case Say():
                self._check_words(action)
            case ChangeLanguage(code):
                _check_language(code)
            case Wait(seconds):
                if not (math.isfinite(seconds) and seconds >= 0):
                    raise AgentError(Failure.BAD_ACTION, f"a wait of {seconds:g} seconds; expected 0 or more")
                self._wait_ms += seconds * 1000
                self._within("milliseconds of waiting", self._wait_ms, self._limits.wait_ms)
            case Expect(answer):
                if not ANSWER.fullmatch(answer):
                    raise AgentError(
                        Failure.BAD_ACTION, f"expects what cannot be expected; there is {ANSWERS}", answer[:_SHOWN]
                    )
                self._check_expected(action)
            case HangUp(reason):
                return HangUp(folded(reason) or "agent")
            case Transfer(_, summary, values):  # whom to dial is checked by `Transfers`
                self._within("characters in a summary", len(summary), _LONGEST_SUMMARY)
                self._within("values handed over", len(values), _MOST_CHOICES)
                longest = max((len(text) for pair in values.items() for text in pair), default=0)
                self._within("characters in a value handed over", longest, _LONGEST_VALUE)
        return action

    def _check_expected(self, expect: Expect) -> None:
        if expect.answer == "choice" and not expect.choices:
            raise AgentError(Failure.BAD_ACTION, "expects a choice without choices")
        words = [word for name, others in expect.choices.items() for word in (name, *others)]
        self._within("words for choices", len(words), _MOST_CHOICES)
        self._within("characters in a choice", max(map(len, words), default=0), _LONGEST_CHOICE)
        self._within("sequences of keys", len(expect.keys), _MOST_CHOICES)
        wrong = [keys for keys in expect.keys if not _KEYS.fullmatch(keys)]
        if wrong:
            raise AgentError(Failure.BAD_ACTION, "expects keys that no telephone has", wrong[0][:_SHOWN])

    def _check_words(self, say: Say) -> None:
        self._characters += max(len(say.text), 1)  # no words cost something, too
        self._within("characters in one text", len(say.text), self._limits.say_characters)
        self._within("characters in one answer", self._characters, self._limits.answer_characters)
        _check_voice(say.voice)
        if say.language:
            _check_language(say.language)

    def _within(self, what: str, value: float, most: float) -> None:
        if value > most:
            raise AgentError(Failure.TOO_MUCH, f"{value:.0f} {what}; at most {most:.0f}")


class _Unspoken:
    """Holds text back until there is a word in it that a voice says: "...", a thought or a tag opens no utterance."""

    def __init__(self) -> None:
        self._held: list[Say] = []
        self._word = FirstWord()
        self._open = False
        self.spoke = False
        self.written = False
        """There was text, whether anything of it is said or not."""

    def passes(self, say: Say) -> list[Say]:
        """What may be said now."""
        self.written = self.written or bool(say.text.strip())
        if self._open:
            self._open = say.more
            return [say]
        self._held.append(say)
        if self._speaks(say):
            said, self._held = self._held, []
            self.spoke, self._open, self._word = True, say.more, FirstWord()
            return said
        if not say.more:
            self._held, self._word = [], FirstWord()
        return []

    def ends(self) -> list[Say]:
        """What may be said now that the answer is over: its last text may have been said to go on, and did not."""
        held, self._held = self._held, []
        self.spoke = self.spoke or (bool(held) and self._word.finish())
        return held if self._word.came else []

    def _speaks(self, say: Say) -> bool:
        if _is_played(say):
            return speakable(say.text) or (say.more and is_supplied(say.voice))
        return self._word.feed(say.text) or (not say.more and self._word.finish())


def _is_played(say: Say) -> bool:
    return say.voice is not None and say.voice.startswith((RECORDING, KEYS, SUPPLIED))


def _portions(say: Say) -> list[Say]:
    """A long text as so many texts that belong together, as if the service had written it in deltas."""
    if len(say.text) <= _AT_ONCE or _is_played(say):
        return [say]
    starts = range(0, len(say.text), _AT_ONCE)
    return [
        msgspec.structs.replace(say, text=say.text[start : start + _AT_ONCE], more=say.more or start < starts[-1])
        for start in starts
    ]


class Guard:
    """The checks of one service, for all its calls."""

    def __init__(self, limits: AnswerLimits, transfers: Transfers, report: Report) -> None:
        self.limits = limits
        self.transfers = transfers
        self._report = report

    async def answer(self, info: CallInfo, prompt: Prompt, ask: Ask) -> AsyncGenerator[Action, None]:
        """Put a prompt to a service, and pass on what may be carried out.

        A transfer that is refused is told to the service (`transfer_refused`), whose next words follow in the same
        answer; an answer without words and actions is asked for once more. What the caller is to say, and in which
        language, is an answer by itself, but excuses no text of which nothing can be said. Raises AgentError.
        """
        budget, refused, empty = _Budget(self.limits), False, False
        words = [say.text for say in prompt.so_far or ()]
        begun = bool(words)
        while True:
            refusal: TransferRefused | None = None
            unspoken, acted, declared = _Unspoken(), False, False
            async with aclosing(ask(prompt)) as actions:
                async for action in actions:
                    checked = budget.check(action)
                    if isinstance(checked, Say):
                        for portion in _portions(checked):
                            if portion is not checked:
                                await asyncio.sleep(0)
                            for place, say in enumerate(unspoken.passes(portion)):
                                if place:
                                    await asyncio.sleep(0)
                                words.append(say.text)
                                yield say
                        continue
                    declared = True
                    acted = acted or not isinstance(checked, Expect | ChangeLanguage)
                    if isinstance(checked, Transfer):
                        try:
                            checked = msgspec.structs.replace(
                                checked, target=self._dialled(checked.target, info, prompt)
                            )
                        except TransferRefused as error:
                            refusal = error
                            break
                    yield checked
            for say in unspoken.ends():
                words.append(say.text)
                yield say
            if refusal is not None:
                if refused:
                    raise AgentError(Failure.TRANSFER_REFUSED, f"a second transfer refused: {refusal}", refusal.target)
                refused = True
                self._report(info, AgentError(Failure.TRANSFER_REFUSED, str(refusal), refusal.target))
                prompt = refusal_prompt(prompt, refusal, "".join(words))
            elif begun or acted or unspoken.spoke or (declared and not unspoken.written):
                return
            elif empty:
                raise AgentError(Failure.NOTHING_SAID, "neither a word nor an action, twice")
            else:
                empty = True
                prompt = msgspec.structs.replace(prompt, again=True)

    def _dialled(self, target: str, info: CallInfo, prompt: Prompt) -> str:
        """Whom to dial, by what this caller has said, too. Raises TransferRefused."""
        said = [one.text for one in prompt.history if one.speaker == "caller"]
        if prompt.kind in ("caller_said", "digits"):
            said.append(prompt.text)
        return self.transfers.dialled(
            target, self.transfers.origin(target, info.from_number, said, prompt.language or "en-US")
        )


def refusal_prompt(prompt: Prompt, refusal: TransferRefused, said: str) -> Prompt:
    """What an agent is told of a transfer that was refused; `said` is what its answer held so far."""
    history = prompt.history
    if prompt.kind in ("caller_said", "digits") and prompt.text:
        history += (Spoken("caller", prompt.text),)
    if said.strip():
        history += (Spoken("bot", " ".join(said.split())),)
    return Prompt("transfer_refused", str(refusal.why), history, guess=prompt.guess, turn=prompt.turn)
