"""The documents we answer Plivo's webhooks with: XML with elements of its own.

Source: https://www.plivo.com/docs/voice/xml/audiostream , .../redirect , .../hangup
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from bridge.carriers.addresses import media_address
from bridge.carriers.plivo import headers
from bridge.carriers.web import Document
from bridge.carriers.xml import element, response

_LONGEST_STREAM_S = 86_400
_DIAL_TIMEOUT_S = 30


def connect_stream(stream_url: str, *, parameters: Mapping[str, str], status_callback: str, then: str) -> Document:
    """Open a two-way media stream; when it ends, ask `then` what to do.

    Raises ValueError for what the carrier would refuse: an insecure address, a query string, headers that are too long.
    """
    attributes = {
        "bidirectional": "true",
        # Without it the document would go on while the stream runs.
        "keepCallAlive": "true",
        "contentType": "audio/x-mulaw;rate=8000",
        "streamTimeout": str(_LONGEST_STREAM_S),
        "statusCallbackUrl": status_callback,
        "statusCallbackMethod": "POST",
        "extraHeaders": headers.write(parameters),
    }
    return response(element("Stream", attributes, media_address(stream_url)), _redirection(then))


def redirect(address: str) -> Document:
    """Ask this address what to do."""
    return response(_redirection(address))


def dial(target: str, *, caller_id: str = "", then: str = "", announce: str = "") -> Document:
    """Put the caller through to a number or a SIP address; afterwards the carrier asks `then` (posting DialStatus).

    Whoever answers hears the document at `announce` (confirmSound) before they hear the caller, to whom it still rings.
    Source: https://www.plivo.com/docs/voice/xml/dial
    """
    sip = target.lower().startswith(("sip:", "sips:"))
    party = element("User" if sip else "Number", None, target)
    after = {"action": then, "method": "POST", "redirect": "true"} if then else {}
    whisper = {"confirmSound": announce} if announce else {}
    attributes = {"callerId": caller_id, "timeout": str(_DIAL_TIMEOUT_S), **after, **whisper}
    return response(element("Dial", attributes, "", party))


def hang_up() -> Document:
    """Write the document that ends the call."""
    return response(element("Hangup"))


def reject() -> Document:
    """Refuse a call that has not been answered: the caller hears a busy tone."""
    return response(element("Hangup", {"reason": "busy"}))


def say(words: str) -> Document:
    """Let the carrier's own voice speak, and go on with what the call was at."""
    return response(*([element("Speak", None, words)] if words else []))


def say_and_hang_up(words: str) -> Document:
    """Let the carrier's own voice speak, and end the call."""
    return response(element("Speak", None, words), element("Hangup"))


def _redirection(address: str) -> Element:
    return element("Redirect", {"method": "POST"}, address)
