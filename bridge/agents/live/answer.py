"""One answer of a speaking model: its events in, actions of an agent out, its audio in the call's own format."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from bridge.agents.base import AgentError, Failure
from bridge.agents.live.session import LiveSession
from bridge.agents.live.wire import AnswerOver, LiveEvent, SpeechOver, SpeechPart, TextPart, ToolCalled, Trouble
from bridge.agents.settings import LiveSettings
from bridge.agents.streaming import AnswerTimeouts, within
from bridge.audio.encoder import Encoder, LinearDecoder
from bridge.audio.formats import AudioFormat
from bridge.call.actions import SUPPLIED, Say
from bridge.call.supplied import MS_PER_LETTER, SuppliedSpeech

_MOST_CALLS = 32
_LONGEST_ARGUMENTS = 64 * 1024
_MOST_ITEMS = 32
"""Utterances that one answer may be made of."""


@dataclass(slots=True)
class SpokenItem:
    """One utterance of the model: what the service calls it, and its sound here."""

    item: str
    session: LiveSession
    voice: str
    speech: SuppliedSpeech
    encoder: Encoder | None = None
    decoder: LinearDecoder = field(default_factory=LinearDecoder)

    def add(self, audio: bytes, rate_hz: int) -> None:
        """More of its sound has come."""
        if rate_hz:
            if self.encoder is None:
                self.encoder = Encoder(rate_hz, self.speech.audio_format, 1.0)
            audio = self.encoder.feed(self.decoder.feed(audio))
        self.speech.add(audio)

    def end(self, *, whole: bool) -> None:
        """No more of it will come; `whole`: because this is all of it."""
        if self.encoder is not None and not self.speech.over:
            self.speech.add(self.encoder.finish())
        self.speech.end(whole=whole)


class Voice:
    """What the model says on one call, by the names under which the call plays it."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._pace = MS_PER_LETTER
        self._number = 0
        self._name = f"{SUPPLIED}{secrets.token_hex(4)}"
        """Of this call in this process alone: a call that goes on elsewhere must not take one speech for another."""
        self._items: list[SpokenItem] = []

    def open(self, item: str, session: LiveSession) -> SpokenItem:
        """Begin an utterance of the model's."""
        self._number += 1
        speech = SuppliedSpeech(self._format, self._pace)
        self._items.append(SpokenItem(item, session, f"{self._name}.{self._number}", speech))
        return self._items[-1]

    def speech(self, voice: str) -> SuppliedSpeech | None:
        """Return the speech of this name; None when it is kept no longer."""
        return next((one.speech for one in self._items if one.voice == voice), None)

    def settle(self) -> list[SpokenItem]:
        """Return all that was said since this was asked last, of which nothing more will be heard, and forget it."""
        items, self._items = self._items, []
        for one in items:
            self._pace = one.speech.ms_per_letter
        return items


class LiveAnswer:
    """What comes of one question. `happened` is told of the session's events while this is what is waited for."""

    def __init__(self, session: LiveSession, voice: Voice, settings: LiveSettings) -> None:
        self.session = session
        self.over: AnswerOver | None = None
        self.calls: list[ToolCalled] = []
        self.spoke = False
        self._voice = voice
        self._settings = settings
        self._items: dict[str, SpokenItem] = {}
        self._open: dict[str, SpokenItem] = {}
        self._said: deque[Say] = deque()
        self._news = asyncio.Event()
        self._heard = False
        self._lively = False
        """Sound, words or a call of a tool came lately: the model is at work."""
        self._characters = 0
        self._failure: AgentError | None = None

    def happened(self, event: LiveEvent) -> None:
        """Take in one event of the session; an answer that was too much takes in no more."""
        if self._failure is None:
            self._take(event)
        self._news.set()

    def _take(self, event: LiveEvent) -> None:
        match event:
            case SpeechPart(item, audio, rate_hz):
                self._heard = True
                self._lively = self._lively or bool(audio)
                if (spoken := self._item(item)) is not None:
                    self._sounds(spoken, audio, rate_hz)
            case TextPart(item, text):
                self._lively = self._lively or bool(text.strip())
                self._characters += max(len(text), 1)
                if self._characters > self._settings.limits.answer_characters:
                    self._too_much(f"says more than {self._settings.limits.answer_characters} characters")
                elif (spoken := self._item(item)) is not None:
                    spoken.speech.say(text)
                    self._say(spoken, text)
            case SpeechOver(item):
                self._end(item, whole=True)
            case ToolCalled(arguments=arguments):
                self._lively = True
                if len(self.calls) >= _MOST_CALLS or len(arguments) > _LONGEST_ARGUMENTS:
                    self._too_much("calls too many tools, or with too much")
                else:
                    self.calls.append(event)
            case AnswerOver():
                self._finish(event)
            case Trouble():
                self._finish(AnswerOver(event))

    def _too_much(self, what: str) -> None:
        self._failure = AgentError(Failure.TOO_MUCH, f"{self._name} {what}")

    async def actions(self) -> AsyncGenerator[Say, None]:
        """What is to be said, as it comes, until the answer is over. Raises AgentError when that takes too long."""
        settings = self._settings
        patience = AnswerTimeouts(settings.first_audio_deadline_s, settings.audio_deadline_s, settings.limits.answer_s)
        while True:
            while self._said:
                yield self._said.popleft()
            if self._failure is not None:
                raise self._failure
            if self.over is not None:
                return
            self._news.clear()
            try:
                await within(patience, self._news.wait())
            except TimeoutError:
                what = f"{self._name}: {'no more' if self._heard else 'no'} audio in time"
                raise AgentError(Failure.TIMEOUT, what) from None
            if self._lively:
                self._lively = False
                patience.lively()

    def close(self) -> None:
        """Nothing more of it is wanted: what has come is all there is."""
        for item in list(self._open):
            self._end(item, whole=False)

    @property
    def _name(self) -> str:
        return self.session.wire.name

    def _item(self, name: str) -> SpokenItem | None:
        """The utterance of this name, begun where it is new; None where they are too many."""
        if name not in self._items:
            if len(self._items) >= _MOST_ITEMS:
                self._too_much(f"speaks in more than {_MOST_ITEMS} pieces")
                return None
            self._items[name] = self._open[name] = self._voice.open(name, self.session)
            self._say(self._items[name], "")
        return self._items[name]

    def _sounds(self, spoken: SpokenItem, audio: bytes, rate_hz: int) -> None:
        self.spoke = True
        if spoken.speech.audio_ms > self._settings.longest_answer_s * 1000:
            longest_s = self._settings.longest_answer_s
            self._too_much(f"speaks for more than {longest_s:g} s")
            return
        if spoken.item in self._open:
            spoken.add(audio, rate_hz)

    def _say(self, spoken: SpokenItem, text: str) -> None:
        self._said.append(Say(text, more=True, voice=spoken.voice, cacheable=False))

    def _end(self, item: str, *, whole: bool) -> None:
        spoken = self._open.pop(item, None)
        if spoken is not None:
            spoken.end(whole=whole)
            self._said.append(Say("", voice=spoken.voice, cacheable=False))

    def _finish(self, over: AnswerOver) -> None:
        self.close()
        self.over = self.over or over
