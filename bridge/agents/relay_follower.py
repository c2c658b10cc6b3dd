"""What a relayed application has asked to be told of while it happens."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.agents.settings import ConversationRelaySettings
from bridge.call.machine import Call
from bridge.call.states import Caller
from bridge.carriers.conversation_relay import RelaySession


class RelayFollower:
    """Tells an application of a call while it happens: first words, speakers, heard words."""

    def __init__(self, settings: ConversationRelaySettings, session: RelaySession, tell: Callable[[str], None]) -> None:
        self._partial = settings.partial_prompts
        self._speakers = "speaker-events" in settings.events
        self._tokens = "tokens-played" in settings.events
        self._session = session
        self._tell = tell
        self._words = ""
        self._agent_speaks = self._caller_speaks = False
        self._utterance = 0
        self._played = 0

    def saw(self, call: Call, language: str) -> None:
        """Compare the call with how it was a moment ago."""
        if self._partial:
            self._tell_words(call.caller_words, language)
        if self._speakers:
            self._tell_speakers(call)
        if self._tokens:
            self._tell_played(call)

    def _tell_words(self, words: str, language: str) -> None:
        if words and words != self._words:
            self._tell(self._session.prompt(words, language, last=False))
        self._words = words

    def _tell_speakers(self, call: Call) -> None:
        speaks = not call.utterances.silent and call.utterances.playout.in_flight
        if speaks != self._agent_speaks:
            self._agent_speaks = speaks
            self._tell(self._session.speaker("agentSpeaking", speaks, _epoch_ms()))
        speaks = call.caller in (Caller.SPEAKING, Caller.PAUSED)
        if speaks != self._caller_speaks:
            self._caller_speaks = speaks
            self._tell(self._session.speaker("clientSpeaking", speaks, _epoch_ms()))

    def _tell_played(self, call: Call) -> None:
        """Words of the utterance that is being heard, or was heard last."""
        utterance = call.utterances.next_up()
        number = call.utterances.number if utterance is None else utterance.number
        for each in range(self._utterance, number + 1):
            if each not in call.ledger:
                continue
            if each != self._utterance:
                self._utterance, self._played = each, 0
            words = call.ledger[each].heard_words()
            if len(words) > self._played:
                self._tell(self._session.tokens_played(" ".join(word.text for word in words[self._played :])))
                self._played = len(words)


def _epoch_ms() -> int:
    return round(time.time() * 1000)
