"""The document for each outcome, for carriers that are told verbs in XML one after the other, as most are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Announce,
    Apologise,
    ComeBack,
    EndCall,
    ForwardCall,
    LineBusy,
    OpenStream,
    Outcome,
)
from bridge.carriers.conference import AskParty, HoldCall, HoldMusic, JoinRoom
from bridge.carriers.web import Document

KEY_S = 8
"""So long somebody may think about it after each time that they were told of a caller."""


class ConnectStream(Protocol):
    """Writes the document that opens a media stream."""

    def __call__(self, stream_url: str, *, parameters: Mapping[str, str], status_callback: str, then: str) -> Document:
        """Open a two-way media stream; when it ends, ask `then` what to do. Raises ValueError."""
        ...


class Verbs(Protocol):
    """One carrier's verbs, each a document: a module with these functions."""

    def redirect(self, address: str) -> Document:
        """Ask this address what to do."""
        ...

    def hang_up(self) -> Document:
        """Write the document that ends the call."""
        ...

    def dial(self, target: str, *, caller_id: str = "", then: str = "", announce: str = "") -> Document:
        """Put the caller through; whoever answers hears the document at `announce` first, and `then` is asked after."""
        ...

    def say(self, words: str, language: str = "") -> Document:
        """Let the carrier's own voice speak, in a language such as `de-DE`, and go on with what the call was at."""
        ...

    def say_and_hang_up(self, words: str) -> Document:
        """Let the carrier's own voice speak, and end the call."""
        ...

    def reject(self) -> Document:
        """Refuse a call that has not been answered: the caller hears a busy tone."""
        ...

    def hold(self, room: str, *, music: str, then: str) -> Document:
        """Wait in a room with the music of the document at `music`; `then` is asked when that is over."""
        ...

    def join(self, room: str, words: str, language: str = "") -> Document:
        """Let the carrier's own voice speak, then meet who waits in a room; whoever leaves it ends it."""
        ...

    def play_for_ever(self, url: str) -> Document:
        """Play a sound over and over."""
        ...

    def ask_for_key(self, words: str, then: str, language: str = "") -> Document:
        """Let the carrier's own voice speak, twice, until a key is pressed: `then` is told which. Else hang up."""
        ...


def document_of(
    outcome: Outcome, addresses: Addresses, verbs: Verbs, connect_stream: ConnectStream, caller_id: str
) -> Document:
    """Write the document for an outcome. Raises ValueError for what the carrier would refuse."""
    match outcome:
        case OpenStream(_, parameters):
            return connect_stream(
                addresses.media,
                parameters=parameters,
                status_callback=addresses.webhook("stream-status"),
                then=addresses.webhook("after-stream"),
            )
        case ComeBack():
            return verbs.redirect(addresses.webhook("after-stream"))
        case EndCall():
            return verbs.hang_up()
        case ForwardCall(target, come_back=come_back, announcement=announcement):
            then = addresses.webhook("after-dial") if come_back else ""
            announce = addresses.announcement(announcement)
            return verbs.dial(target, caller_id=caller_id, then=then, announce=announce)
        case Announce(text, language):
            return verbs.say(text, language)
        case Apologise(text):
            return verbs.say_and_hang_up(text)
        case HoldCall(name):
            return verbs.hold(name, music=addresses.hold_music, then=addresses.transfer("after-hold", name))
        case HoldMusic(url):
            return verbs.play_for_ever(url)
        case AskParty(name, text, language):
            return verbs.ask_for_key(text, addresses.transfer("accept", name), language)
        case JoinRoom(name, text, language):
            return verbs.join(name, text, language)
        case LineBusy(text):
            return verbs.say_and_hang_up(text) if text else verbs.reject()
