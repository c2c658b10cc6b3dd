"""When the caller has finished, when they say nothing, and their keypad."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bridge.call.caller_side import CallerSide
from bridge.call.endpointing import Endpointing, Patience
from bridge.call.events import DigitPressed, Event
from bridge.call.keypad import Keypad
from bridge.gateway.endpoint import MediaEndpoint
from bridge.gateway.media import MediaSocket
from bridge.session.session import CallSession
from tests.simulator.planted.catalogue import CALLS_LEFT, DIGITS, Memory, Patch, bug, telling

# -- turns ----------------------------------------------------------------------------------------------


@bug("story/teller", reported_as=("caller cut off",))
def turn_ends_in_mid_sentence(patch: Patch) -> None:
    """Any short pause of the caller ends the turn."""
    patch.setattr(Endpointing, "patience", lambda self, *, listens: Patience(100, "eager"))


@bug("story/teller", reported_as=("reply latency",))
def turn_ends_late(patch: Patch) -> None:
    """The silence that ends a turn is counted twice."""
    patch.setattr(Endpointing, "patience", lambda self, *, listens: Patience(2000, "slow"))


@bug("booth/nobody", reported_as=("caller followed the scenario", "hung up by"))
def silent_caller_is_never_asked(patch: Patch) -> None:
    """Without a sound from the caller no timer is set."""
    patch.setattr(CallerSide, "_no_input_due", lambda self: None)


@bug("booth/patient", reported_as=("first audio",))
def greeting_comes_late(patch: Patch) -> None:
    """Something slow is done first when a call begins."""
    start = CallSession.start

    def planted(self: CallSession) -> None:
        asyncio.get_running_loop().call_later(2.0, start, self)

    patch.setattr(CallSession, "start", planted)


@bug("booth/patient", reported_as=("hung up by", "call ends"))
def call_is_never_ended(patch: Patch) -> None:
    """The order to hang up is lost."""
    patch.setattr(CallSession, "_hang_up", lambda self, command: None)


@bug("booth/dead_line", reported_as=("call ends",))
def dead_line_is_never_noticed(patch: Patch) -> None:
    """A socket on which nothing arrives any more is waited on for ever."""
    watch_due = MediaSocket._watch_due
    patch.setattr(MediaSocket, "_watch_due", lambda self: watch_due(self) if self.session is None else None)


@bug("booth/patient", reported_as=(CALLS_LEFT,))
def ended_calls_are_kept(patch: Patch) -> None:
    """Nobody takes a call off the list when it is over."""
    patch.setattr(MediaEndpoint, "release", lambda self, key: None)


# -- the keypad ------------------------------------------------------------------------------------------


@bug("booth/patient", reported_as=(DIGITS,))
def key_is_lost(patch: Patch) -> None:
    """One of ten keys does not arrive."""

    def change(event: Event, own: Memory) -> Iterator[Event]:
        if isinstance(event, DigitPressed):
            own["keys"] = own.get("keys", 0) + 1
            if own["keys"] == 4:
                return
        yield event

    telling(patch, change)


@bug("booth/patient", reported_as=(DIGITS,))
def key_counts_twice(patch: Patch) -> None:
    """A key that is heard as a message and as a tone counts for two."""

    def change(event: Event, own: Memory) -> Iterator[Event]:
        yield event
        if isinstance(event, DigitPressed) and event.digit == "7":
            yield event

    telling(patch, change)


@bug("extension/slow", reported_as=(DIGITS,))
def pause_between_keys_is_not_waited_for(patch: Patch) -> None:
    """The number is over with its first key."""
    initialise = Keypad.__init__
    patch.setattr(Keypad, "__init__", lambda self, inter_digit_s: initialise(self, 0.5))
