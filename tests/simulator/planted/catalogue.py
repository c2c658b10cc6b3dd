"""What people who build a phone bridge get wrong, planted one at a time into the code that runs.

Each bug replaces something of the real service by what a plausible mistake would have made of it, and names the
scenarios that meet it, as `service/scenario`, and the verdicts that must fail.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.audio.formats import FORMATS, AudioFormat
from bridge.call.commands import SendAudio
from bridge.call.events import Event
from bridge.carriers.catalogue import KINDS, kind_of
from bridge.session.session import CallSession
from bridge.simulator.carriers import CARRIERS

Patch = pytest.MonkeyPatch
Send = Callable[[bytes], None]

WORDS = "says"
"""A phrase that was not heard, or not in its place."""
DIGITS = "digits read back"
SOUND = "sounds like"
"""A sentence that was not heard as it was recorded."""
CALLS_LEFT = "calls left"
"""Not of a call, but of the service: it has forgotten nothing when all have hung up."""


SERVED = tuple(name for name in CARRIERS if name in {kind_of(kind()) for kind in KINDS})
"""The carriers whose calls the service takes."""

LINES = {"vonage": FORMATS["pcm_16000"]}
"""What the service speaks on each carrier's lines, where it is not mu-law at 8 kHz."""

NOT_ON: dict[str, tuple[str, ...]] = {
    "booth/stranger": ("telnyx", "plivo"),  # they sign no socket
    "booth/robbed": ("vonage",),  # its sockets name no call
    "booth/stray": ("vonage",),  # its messages name no stream
}
"""Scenarios that make no sense on some carriers."""


def exists(scenario: str, carrier: str) -> bool:
    """Whether the carrier can do what this caller needs."""
    return carrier not in NOT_ON.get(scenario, ())


@dataclass(frozen=True)
class Bug:
    """One mistake: how to make it, who meets it, and what is reported."""

    plant: Callable[[Patch], None]
    scenarios: tuple[str, ...]
    reported_as: tuple[str, ...]
    """Beginnings of verdicts, each of which must be reported."""
    in_the_voice: bool = False
    """It is made where speech is made, so that nothing said before may be used again."""
    carriers: tuple[str, ...] = tuple(CARRIERS)
    """Where it can be made at all."""

    @property
    def in_words(self) -> bool:
        """Whether what was said must be recognised to notice it, which takes most of a call's time."""
        return any(told.startswith((WORDS, DIGITS)) for told in self.reported_as)

    @property
    def story(self) -> str:
        """What is wrong, in a sentence."""
        return " ".join((self.plant.__doc__ or "").split())


BUGS: dict[str, Bug] = {}


def bug(
    *scenarios: str,
    reported_as: tuple[str, ...],
    in_the_voice: bool = False,
    carriers: tuple[str, ...] = tuple(CARRIERS),
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Add a bug to the table."""

    def add(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        BUGS[plant.__name__] = Bug(plant, scenarios, reported_as, in_the_voice, carriers)
        return plant

    return add


class Memory(dict[str, Any]):
    """What a planted bug keeps about one call."""


def per_call() -> Callable[[object], Memory]:
    kept: weakref.WeakKeyDictionary[Any, Memory] = weakref.WeakKeyDictionary()
    return lambda call: kept.setdefault(call, Memory())


def sending(patch: Patch, send: Callable[[SendAudio, Send, Memory], None]) -> None:
    """Replace what a session does with a piece of audio.

    The memory has the line's format as "format", and counts the pieces before this one as "count".
    """
    memory = per_call()

    def planted(self: CallSession, command: SendAudio) -> None:
        own = memory(self)
        own.setdefault("count", 0)
        own["format"] = line_format(self)
        send(command, lambda audio: to_line(self, audio), own)
        own["count"] += 1

    patch.setattr(CallSession, "_send_audio", planted)


def line_format(call: CallSession) -> AudioFormat:
    """What our side of the call's line carries."""
    return call._our_format


def to_line(call: CallSession, audio: bytes) -> None:
    """What a session does with audio of ours, which is in the line's format."""
    call._line.send_audio(audio)


def telling(patch: Patch, change: Callable[[Event, Memory], Iterator[Event]]) -> None:
    """Replace an event that a session is told by none, or several."""
    memory = per_call()
    tell = CallSession.tell

    def planted(self: CallSession, event: Event) -> None:
        for one in change(event, memory(self)):
            tell(self, one)

    patch.setattr(CallSession, "tell", planted)
