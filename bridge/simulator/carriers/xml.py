"""The verbs that the carriers with XML documents share, read in order, unknown attributes ignored."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

from bridge.simulator.carriers.base import Carrier, CarrierError
from bridge.simulator.carriers.verbs import Dial, Gather, Pause, Play, Redirect, Room, Say

LONGEST_PAUSE_S = 24 * 3600.0


def children(carrier: Carrier, body: str) -> list[ElementTree.Element]:
    """The verbs of a document. Raises CarrierError when it is not well-formed or not `<Response>`."""
    if "<!DOCTYPE" in body or "<!ENTITY" in body:
        raise carrier.error("document", "a document type declaration is not accepted")
    try:
        root = ElementTree.fromstring(body.strip())
    except ElementTree.ParseError as error:
        raise carrier.error("document", f"{error}; it begins with {_beginning(body)}") from None
    if root.tag != "Response":
        raise carrier.error("document", f"root element is <{root.tag}>, expected <Response>")
    return list(root)


def _beginning(body: str) -> str:
    return repr(body.strip()[:40]) if body.strip() else "nothing"


def text_of(element: ElementTree.Element) -> str:
    """All text in an element, with single spaces."""
    return " ".join("".join(element.itertext()).split())


def method_of(element: ElementTree.Element, name: str = "method", default: str = "POST") -> str:
    """An attribute with an HTTP method."""
    return element.get(name, default).upper()


def seconds(carrier: Carrier, element: ElementTree.Element, default: str = "1") -> float:
    """The `length` of a pause. Raises CarrierError for one that is no number of seconds."""
    text = element.get("length", default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise carrier.error("document", f"<{element.tag} length={text!r}>: expected a number of seconds", number=0)
    return min(value, LONGEST_PAUSE_S)


def dial(carrier: Carrier, element: ElementTree.Element) -> Dial:
    """`<Dial>` with a number as its text, or with nouns in it; with neither it connects the caller with nobody."""
    text = (element.text or "").strip()
    targets = [text] if text else [text_of(child) for child in element]
    announce = next((child.get("url", "") for child in element if child.get("url")), element.get("confirmSound", ""))
    named = tuple(target for target in targets if target)
    return Dial(named, element.get("action", ""), method_of(element), announce)


def room(carrier: Carrier, element: ElementTree.Element, music: str, action: str) -> Room:
    """`<Conference>`; `music` is the attribute that names the music's document."""
    flags = {}
    for name, default in (("startConferenceOnEnter", "true"), ("endConferenceOnExit", "false")):
        value = element.get(name, default)
        if value not in ("true", "false"):
            raise carrier.error("document", f"{name}={value!r}: expected true or false")
        flags[name] = value == "true"
    if not text_of(element):
        raise carrier.error("document", "<Conference> without a name")
    starts, ends = flags["startConferenceOnEnter"], flags["endConferenceOnExit"]
    return Room(text_of(element), starts, ends, element.get(music, ""), action)


def gather(carrier: Carrier, element: ElementTree.Element, says: str, timeout: str) -> Gather:
    """Keys that are asked for; `says` is the verb that may be in it, `timeout` the attribute with its patience."""
    if any(child.tag != says for child in element):
        raise carrier.error("document", f"<{element.tag}> holds {[str(child.tag) for child in element]}")
    if not element.get("action"):
        raise carrier.error("document", f"<{element.tag}> without an action")
    return Gather(
        tuple(Say(text_of(child)) for child in element),
        element.get("action", ""),
        float(element.get(timeout, "5")),
    )


def common(carrier: Carrier, element: ElementTree.Element) -> Dial | Pause | Play | Redirect | Room | Say | None:
    """One of the verbs that all of them have, or None."""
    match element.tag:
        case "Dial" if (conference := element.find("Conference")) is not None:
            return room(carrier, conference, "waitUrl", element.get("action", ""))
        case "Dial":
            return dial(carrier, element)
        case "Redirect":
            return Redirect(text_of(element), method_of(element))
        case "Play":
            return Play(text_of(element))
        case "Say" | "Speak":
            return Say(text_of(element))
        case "Pause" | "Wait":
            return Pause(seconds(carrier, element))
        case _:
            return None


def unknown(carrier: Carrier, element: ElementTree.Element, number: int = 0) -> CarrierError:
    """A verb that this carrier does not have."""
    what = re.sub(r"[^\w:.-]", "", str(element.tag))
    return carrier.error("document", f"<{what}> is not a verb this carrier double knows", number=number)
