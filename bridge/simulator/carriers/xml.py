"""The verbs that the carriers with XML documents share, read in order, unknown attributes ignored."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

from bridge.simulator.carriers.base import Carrier, CarrierError
from bridge.simulator.carriers.verbs import Dial, Pause, Play, Redirect, Say

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


def common(carrier: Carrier, element: ElementTree.Element) -> Dial | Pause | Play | Redirect | Say | None:
    """One of the verbs that all of them have, or None."""
    match element.tag:
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
