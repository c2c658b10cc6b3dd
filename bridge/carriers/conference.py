"""A transfer by conference: the caller waits in a room with music while somebody is called, told, and asked.

    HoldCall -> the caller waits in a room of their own      CallParty -> a second call, from us to somebody
    PartyRings: the name of the second call                  (some carriers tell it in their answer to CallParty)
    PartyAnswered -> AskParty: the summary, and a key        PartyChose -> JoinRoom, or EndCall
    PartyOver: the second call has ended                     HoldOver: the caller's wait has

`transfer` is the name of one such attempt and of its room: long and random, since whoever knows it is taken for the
party. Not every carrier can do this (`bridge.carriers.base.Carrier.call_party`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

ROOM_ROUTES = ("accept", "party-status", "after-hold")
"""What a carrier with rooms asks and reports, by `RoomWebhook`; who has answered is asked at `announce`."""
_RINGS = frozenset({"queued", "initiated", "ringing"})
PartyResult = Literal["answered", "busy", "no_answer", "failed"]


class HoldCall(msgspec.Struct, frozen=True, tag="hold_call"):
    """The caller waits in a room of their own, and hears music until somebody joins them; both leave together."""

    transfer: str


class HoldMusic(msgspec.Struct, frozen=True, tag="hold_music"):
    """What is heard in a room where nobody else is yet: this sound file, over and over."""

    url: str


class AskParty(msgspec.Struct, frozen=True, tag="ask_party"):
    """The carrier's own voice tells whoever has answered this text, and again, and waits for a key."""

    transfer: str
    text: str
    language: str = ""
    """As `de-DE`; empty: whatever the carrier's own voice speaks."""


class JoinRoom(msgspec.Struct, frozen=True, tag="join_room"):
    """Whoever has answered hears this text, if there is any, and then the caller, who waits."""

    transfer: str
    text: str = ""
    language: str = ""


class CallParty(msgspec.Struct, frozen=True):
    """Call somebody: a number, or a `sip:` address."""

    transfer: str
    target: str
    from_number: str
    """Ours, that the caller has dialled; carriers show no number that is not."""
    rings_s: int


class PartyRings(msgspec.Struct, frozen=True):
    """The call to somebody is under way, and nobody has answered yet."""

    call_id: str
    transfer: str


class PartyAnswered(msgspec.Struct, frozen=True):
    """Somebody has answered a forwarded call: what are they to be told? Answered with a document."""

    call_id: str
    """That of their own call; of ours, the announcement is all that we know it by."""
    announcement: str
    """Of a conference: the name of the transfer."""


class PartyChose(msgspec.Struct, frozen=True):
    """Whoever was asked has pressed keys. Answered with a document."""

    call_id: str
    transfer: str
    keys: str


class PartyOver(msgspec.Struct, frozen=True):
    """The call to somebody has ended, or has never come about."""

    call_id: str
    transfer: str
    result: PartyResult


class HoldOver(msgspec.Struct, frozen=True):
    """The caller waits, or talks, in the room no longer: what next? Answered with a document."""

    call_id: str
    transfer: str
    call_over: bool = False
    """The caller has gone."""


def party_report(call_id: str, transfer: str, status: str, ended: PartyResult | None) -> PartyRings | PartyOver | None:
    """What a report about the call to somebody says, in the words that carriers share; `ended`: how, if it has."""
    if ended is not None:
        return PartyOver(call_id, transfer, ended)
    return PartyRings(call_id, transfer) if status in _RINGS else None


RoomOutcome = HoldCall | HoldMusic | AskParty | JoinRoom
RoomWebhook = PartyRings | PartyAnswered | PartyChose | PartyOver | HoldOver
