"""The documents that a server answers a call with, read the way the carrier reads them.

https://www.twilio.com/docs/voice/twiml : verbs in order, unknown attributes ignored, unknown verbs refused.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from bridge.errors import BadMessage


@dataclass(frozen=True, slots=True)
class Stream:
    """`<Connect><Stream>`: the call blocks here while the media socket is open."""

    url: str
    name: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    status_callback: str = ""
    status_method: str = "POST"
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Fetch the next document from here."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller with somebody else: `targets` are numbers, SIP addresses, clients or queues."""

    targets: tuple[str, ...]
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Say:
    """The carrier speaks with its own voice."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """The carrier plays a file."""

    url: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing happens for this long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hangup:
    """The call ends here."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The call is not answered: `busy` or `rejected`."""

    reason: str


Verb = Stream | Redirect | Dial | Say | Play | Pause | Hangup | Reject

PARAMETER_LIMIT = 500
"""Name and value of a stream parameter together stay under this many characters."""


def read(text: str) -> list[Verb]:
    """Read a document. Raises BadMessage with the carrier's error number when it would refuse it."""
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError as error:
        raise BadMessage(f"12100 document parse failure: {error}") from None
    if root.tag != "Response":
        raise BadMessage(f"12100 document parse failure: root element is <{root.tag}>, expected <Response>")
    return [_verb(element) for element in root]


def _verb(element: ElementTree.Element) -> Verb:
    text = (element.text or "").strip()
    method = element.get("method", "POST").upper()
    match element.tag:
        case "Connect":
            return _stream(element)
        case "Redirect":
            return Redirect(text, method)
        case "Dial":
            targets = [text] if text else [(child.text or "").strip() for child in element]
            return Dial(tuple(targets), element.get("action", ""), method)
        case "Say":
            return Say(" ".join("".join(element.itertext()).split()))
        case "Play":
            return Play(text)
        case "Pause":
            return Pause(float(element.get("length", "1")))
        case "Hangup":
            return Hangup()
        case "Reject":
            return Reject(element.get("reason", "rejected"))
        case other:
            raise BadMessage(f"12200 schema warning: <{other}> is not a verb this carrier double knows")


def _stream(connect: ElementTree.Element) -> Stream:
    children = list(connect)
    if [child.tag for child in children] != ["Stream"]:
        raise BadMessage(
            f"12200 schema warning: <Connect> holds {[child.tag for child in children]}, expected <Stream>"
        )
    stream = children[0]
    if stream.get("track", "inbound_track") != "inbound_track":
        raise BadMessage(f"31941 invalid track {stream.get('track')!r}: <Connect> allows inbound_track only")
    parameters: dict[str, str] = {}
    for child in stream.findall("Parameter"):
        name, value = child.get("name", ""), child.get("value", "")
        if len(name) + len(value) >= PARAMETER_LIMIT:
            raise BadMessage(f"12200 parameter {name!r}: name and value must be under {PARAMETER_LIMIT} characters")
        parameters[name] = value
    url = stream.get("url", "")
    if "?" in url:
        raise BadMessage(f"31920 handshake error: a stream URL may not have a query string ({url})")
    return Stream(
        url=url,
        name=stream.get("name", ""),
        parameters=parameters,
        status_callback=stream.get("statusCallback", ""),
        status_method=stream.get("statusCallbackMethod", "POST").upper(),
        action=connect.get("action", ""),
        method=connect.get("method", "POST").upper(),
    )
