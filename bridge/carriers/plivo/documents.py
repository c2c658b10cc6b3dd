"""The documents we answer Plivo's webhooks with: XML with elements of its own.

Source: https://www.plivo.com/docs/voice/xml/audiostream , .../redirect , .../hangup ,
.../conference , .../getinput
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from bridge.carriers.addresses import media_address
from bridge.carriers.documents import KEY_S
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


def say(words: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, and go on with what the call was at."""
    return response(*([_spoken(words, language)] if words else []))


def say_and_hang_up(words: str) -> Document:
    """Let the carrier's own voice speak, and end the call."""
    return response(_spoken(words), element("Hangup"))


def _spoken(words: str, language: str = "") -> Element:
    return element("Speak", {"language": language}, words)


def hold(room: str, *, music: str, then: str) -> Document:
    """Wait in a room with the music of the document at `music`; `then` is asked when that is over."""
    waiting = {"startConferenceOnEnter": "false", "waitSound": music, "action": then, "method": "POST"}
    return response(_room(room, waiting))


def join(room: str, words: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, then meet who waits in a room; whoever leaves it ends it."""
    spoken = [_spoken(words, language)] if words else []
    return response(*spoken, _room(room, {"startConferenceOnEnter": "true"}))


def _room(name: str, how: Mapping[str, str]) -> Element:
    return element("Conference", {**how, "endConferenceOnExit": "true", "maxMembers": "2"}, name)


def play_for_ever(url: str) -> Document:
    """Play a sound over and over."""
    return response(element("Play", {"loop": "0"}, url))


def ask_for_key(words: str, then: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, twice, until a key is pressed: `then` is told which. Else hang up."""
    wanted = {"action": then, "method": "POST", "inputType": "dtmf", "numDigits": "1", "executionTimeout": str(KEY_S)}
    asked = [element("GetInput", wanted, "", _spoken(words, language)) for _ in range(2)]
    return response(*asked, element("Hangup"))


def _redirection(address: str) -> Element:
    return element("Redirect", {"method": "POST"}, address)
