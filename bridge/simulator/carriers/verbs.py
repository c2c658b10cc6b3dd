"""What a document tells a carrier to do with a call, whichever carrier's document it was."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.simulator.carriers.audio import AudioFormat

PCMU = AudioFormat("PCMU")


@dataclass(frozen=True, slots=True)
class Stream:
    """Open a media socket; the call blocks here while it is open."""

    url: str
    name: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    status_callback: str = ""
    status_method: str = "POST"
    action: str = ""
    """Where the next document is once the stream is over; empty: the verbs go on."""
    method: str = "POST"
    action_may_be_empty: bool = False
    """The answer of `action` need not hold a document: then the verbs go on."""
    inward: AudioFormat = PCMU
    """Of the caller's voice on its way to the server."""
    outward: AudioFormat = PCMU
    """Of the server's audio."""
    plays_raw_audio: bool = True
    """False: the document asked for a mode in which raw audio is not played."""
    blocks: bool = True
    """False: the next verb runs while the stream is open, and the call ends after the last."""
    reconnects: bool = False
    """The carrier opens a socket anew when it breaks."""
    authorization: str = ""
    """The header of the socket's upgrade that the document asks for; `sign` is one that the carrier signs."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Fetch the next document from here."""

    url: str
    method: str = "POST"
    payload: str = ""
    """JSON that goes along, where the document gave some."""
    may_be_empty: bool = False
    """The answer need not hold a document: then the verbs go on."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller with somebody else: `targets` are numbers, SIP addresses, clients or queues."""

    targets: tuple[str, ...]
    action: str = ""
    method: str = "POST"
    announce: str = ""
    """Where the document is that whoever answers hears first; empty: they are connected at once."""


@dataclass(frozen=True, slots=True)
class Say:
    """The carrier speaks with its own voice."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """The carrier plays a file."""

    url: str


@dataclass(frozen=True, slots=True)
class Gather:
    """The carrier says something and waits for keys; without any the verbs go on."""

    says: tuple[Say, ...]
    action: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Room:
    """Meet others in a room; until it has started, hear its music."""

    name: str
    starts: bool = True
    """It starts when this one comes in and somebody is there."""
    ends: bool = False
    """It is over for all when this one leaves."""
    music: str = ""
    """Where the document about the music is."""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """The carrier waits, with nothing to be heard, before its next verb."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call at this point of the document."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The call is not answered: `busy` or `rejected`."""

    reason: str


Verb = Stream | Redirect | Dial | Say | Play | Gather | Room | Pause | Hangup | Reject
