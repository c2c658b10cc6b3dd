"""What calls are held with, by the number that was dialled: a `CallProfile` for each number, and one for all others."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bridge.call.settings import CallSettings
from bridge.dialled import normalised
from bridge.session.ports import CallServices


class CallProfile(msgspec.Struct, frozen=True):
    """What a call is held with: its settings, and who serves it.

    The services are the process's own, opened with its agent, voice and recogniser; language and hints are
    among the settings of the call.
    """

    call: CallSettings
    services: CallServices
    agent: str = ""
    """What kind of agent it is, for records and pages."""


class CallProfiles:
    """The profiles of a process.

    call     settings for what is said to calls that have no profile
    default  for numbers that are not in `numbers`; None: their calls are refused
    numbers  by the dialled number as `bridge.dialled.normalised` writes it
    """

    def __init__(
        self, call: CallSettings, default: CallProfile | None, numbers: Mapping[str, CallProfile] | None = None
    ) -> None:
        self._call = call
        self._default = default
        self._numbers = dict(numbers or {})

    @classmethod
    def for_all(cls, call: CallSettings, services: CallServices) -> CallProfiles:
        """Return profiles in which every number has these settings."""
        return cls(call, CallProfile(call, services))

    def find(self, dialled: str) -> CallProfile | None:
        """The profile of calls to this number, in the carrier's spelling; None when they are not to be answered."""
        if not self._numbers:
            return self._default
        return self._numbers.get(normalised(dialled) or "", self._default)

    def last_apology(self, dialled: str) -> str:
        """What callers of this number hear when something went wrong and nobody else can speak to them."""
        profile = self.find(dialled)
        return (self._call if profile is None else profile.call).last_apology
