"""A second set of floor settings, judged on the same live call without acting: safe tuning in production.

Its differences from what really happened go into the record as why records named `shadow`.
"""

from __future__ import annotations

from bridge.call.commands import Decided, decided
from bridge.call.events import VoiceActivity
from bridge.call.floor import Floor, Verdict
from bridge.call.settings import FloorSettings
from bridge.call.states import Decision


class Shadow:
    """Hears what the floor hears and says where it would have decided otherwise."""

    def __init__(self, settings: FloorSettings) -> None:
        self._floor = Floor(settings)
        self._interrupted = False
        """It would already have stopped the bot in this suspicion."""

    def is_quiet(self, window: VoiceActivity) -> bool:
        """Whether a window can mean nothing to this floor either."""
        return self._floor.is_quiet(window)

    def hear(self, window: VoiceActivity, live: Verdict, *, bot_audible: bool) -> list[Decided]:
        """Judge one window beside the live verdict; what differs."""
        if live is Verdict.SUSPECTED:
            self._interrupted = False  # a new story; the last one may have ended in silence
        verdict = Verdict.NOTHING if self._interrupted else self._floor.hear(window, bot_audible=bot_audible)
        why = self._floor.why(window)
        if verdict is Verdict.CONFIRMED:
            self._interrupted = True
        if verdict is Verdict.FADED:
            self._floor.settle()
        if live is Verdict.CONFIRMED:
            differs = not self._interrupted
            self._floor.settle()
            self._interrupted = False
        elif live is Verdict.FADED:
            differs = self._interrupted
            self._floor.settle()
            self._interrupted = False
        else:
            differs = verdict is not live
        if not differs:
            return []
        return [decided(Decision.SHADOW, **why, would=str(verdict), did=str(live))]

    def learn(self, window: VoiceActivity) -> None:
        """Take a window of the caller's own turn into its idea of the caller's level."""
        self._floor.learn(window)
