"""The speech of one call: its commands carried out, utterance by utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bridge.call.actions import is_supplied
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.supplied import FindSpeech
from bridge.speaking.filler import CallFiller
from bridge.speaking.phrases.beginnings import Foresight
from bridge.speaking.phrases.phrase import PhraseKey
from bridge.speaking.phrases.prefetch import ExpectedLine, ExpectedPhrase, Prefetcher
from bridge.speaking.pieces import UtteranceContext
from bridge.speaking.supplied import SuppliedUtterance
from bridge.speaking.utterance import UtteranceStream


class CallSpeech:
    """Carries out one call's speech commands. `deliver` may be called from within any of these methods."""

    def __init__(
        self,
        context: UtteranceContext,
        prefetcher: Prefetcher,
        closed: Callable[[CallSpeech], None],
        filler: str = "",
    ) -> None:
        self._context = context
        self._prefetcher = prefetcher
        self._filler = CallFiller(context.source, filler, context.language, context.tenant, context.audio_format)
        self._on_closed = closed
        self._closed = False
        self._utterances: dict[int, UtteranceStream | SuppliedUtterance] = {}
        self._newest = 0
        self._find: FindSpeech = _none_supplied

    def synthesise(self, command: Synthesise) -> None:
        """Add text to an utterance, the first of which begins it. Text for one that is over is ignored."""
        utterance = self._utterances.get(command.utterance)
        if utterance is None:
            if self._closed or command.utterance <= self._newest:
                return
            self._newest = command.utterance
            utterance = self._utterances[command.utterance] = self._open(command)
        voice = None if is_supplied(command.voice) else command.voice
        utterance.add(command.text, command.final, voice, command.cacheable, command.language)

    def _open(self, command: Synthesise) -> UtteranceStream | SuppliedUtterance:
        context = self._context
        supplied = self._find(command.voice or "") if is_supplied(command.voice) else None
        if supplied is not None:
            return SuppliedUtterance(command.utterance, supplied, context.audio_format, context.deliver, self._forget)
        foresight = Foresight(self._foresee, self._prefetcher.came_out)
        return UtteranceStream(command.utterance, context, foresight, self._forget, self._filler)

    def supply(self, find: FindSpeech) -> None:
        """Play what the agent makes itself, which `find` gives by the name of its voice; else its words are spoken."""
        self._find = find

    def pull(self, command: PullSpeech) -> None:
        """Deliver audio up to `upto_ms`; pulls for an utterance that is over are ignored."""
        utterance = self._utterances.get(command.utterance)
        if utterance is not None:
            utterance.pull(command.upto_ms, command.lead_ms)

    def cancel(self, utterance: int) -> None:
        """Nothing more of this utterance is wanted; nothing of it will be delivered after this."""
        self._newest = max(self._newest, utterance)
        under_way = self._utterances.get(utterance)
        if under_way is not None:
            under_way.cancel()

    def expect(self, lines: Iterable[ExpectedLine]) -> None:
        """What the call will probably say next, in place of all that was expected before: made ahead in idle time."""
        if not self._closed:
            context = self._context
            spoken = [
                ExpectedPhrase(
                    line.text, line.likelihood, line.voice or context.voice, line.language or context.language
                )
                for line in lines
            ]
            self._prefetcher.offer(self, spoken, context.tenant, context.audio_format)

    def savings(self) -> dict[str, float]:
        """What the cache has done for this call so far: see `bridge.speaking.phrases.savings.Savings.report`."""
        return self._context.savings.report()

    def close(self) -> None:
        """Stop speaking, because the call is over."""
        self._closed = True
        self._prefetcher.withdraw(self)
        for utterance in list(self._utterances.values()):
            utterance.cancel()
        self._on_closed(self)

    def _foresee(self, begun: str, voice: str | None) -> PhraseKey | None:
        return self._prefetcher.foresee(
            begun, voice, self._context.tenant, self._context.audio_format, self._context.language
        )

    def _forget(self, number: int) -> None:
        self._utterances.pop(number, None)


def _none_supplied(_voice: str) -> None:
    """Stands in for an agent that makes no speech itself."""
