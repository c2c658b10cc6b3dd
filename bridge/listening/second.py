"""A second recogniser on a call, under test beside the first: where it understands something else, that is told.

It hears the caller's audio, the prompts and the pauses as the first one does, over connections and a breaker of its
own. Nothing that it says, and nothing that goes wrong with it, reaches the call but `HeardOtherwise`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from bridge.call.events import Event, HeardOtherwise, Recognised
from bridge.listening.recognisers.base import ExpectedSpeech
from bridge.listening.recognisers.chain import RecogniserChain
from bridge.listening.recognition import CallRecognition
from bridge.listening.requests import RecognitionCounters
from bridge.listening.settings import ListeningSettings
from bridge.listening.sound import AudioMemory

log = logging.getLogger(__name__)

_MOST_WAITING = 8
"""Turns for whose other half is waited."""


class SecondCounters(msgspec.Struct):
    """What second recognisers have done since the process started."""

    compared: int = 0
    """Answers to the same request, empty ones included."""
    differed: int = 0
    failures: int = 0
    """Calls that lost their second recogniser to a fault of ours."""


class SecondEar:
    """One call's second recogniser; its methods never raise. `deliver` is told of differences."""

    def __init__(
        self,
        chain: RecogniserChain,
        memory: AudioMemory,
        settings: ListeningSettings,
        counters: SecondCounters,
        deliver: Callable[[Event], None],
    ) -> None:
        self._name = chain.ranked[0].recogniser.name
        self._counters = counters
        self._deliver = deliver
        self._firsts: dict[int, str] = {}
        self._seconds: dict[int, str] = {}
        """Answers whose other half has not come, by the number of the request."""
        self._recognition: CallRecognition | None = CallRecognition(
            chain, memory, settings, RecognitionCounters(), self._told
        )

    def expect(self, expected: ExpectedSpeech) -> None:
        """Take note of what the caller will say."""
        self._do(lambda recognition: recognition.expect(expected))

    def feed(self, ulaw: bytes, at: float) -> None:
        """Hear the caller's audio as it comes."""
        recognition = self._recognition
        if recognition is not None and recognition.wants_audio:
            self._do(lambda recognition: recognition.feed(ulaw, at))

    def request(self, revision: int, since: float) -> None:
        """Recognise what was said since then, as the first one is asked to."""
        self._do(lambda recognition: recognition.request(revision, since, so_far=False))

    def first_said(self, answer: Recognised) -> None:
        """Take note of what the first recogniser has answered."""
        self._do(lambda _: self._match(answer.revision, answer.text, self._firsts, self._seconds))

    @property
    def heard_s(self) -> Mapping[str, float]:
        """Audio that it was given on this call."""
        return {} if self._recognition is None else self._recognition.heard_s

    def close(self) -> None:
        """Stop listening, because the call is over."""
        self._do(lambda recognition: recognition.close())

    def _told(self, event: Event) -> None:
        """Its own answers, from the event loop."""
        if isinstance(event, Recognised):
            self._do(lambda _: self._match(event.revision, event.text, self._seconds, self._firsts))

    def _match(self, revision: int, text: str, own: dict[int, str], others: dict[int, str]) -> None:
        if revision not in others:
            own[revision] = text
            while len(own) > _MOST_WAITING:
                del own[min(own)]
            return
        other = others.pop(revision)
        first, second = (text, other) if own is self._firsts else (other, text)
        self._counters.compared += 1
        if plain(first) != plain(second):
            self._counters.differed += 1
            self._deliver(HeardOtherwise(revision, self._name, second, first))

    def _do(self, step: Callable[[CallRecognition], None]) -> None:
        """Take one step; a fault in it costs the call its second recogniser."""
        recognition = self._recognition
        if recognition is None:
            return
        try:
            step(recognition)
        except Exception:
            self._recognition = None
            self._counters.failures += 1
            log.exception("a second recogniser (%s) was given up", self._name)


def plain(text: str) -> list[str]:
    """The words of a text for comparing: without case and marks."""
    kept = "".join(letter for letter in text.casefold() if letter.isalnum() or letter.isspace())
    return kept.split()
