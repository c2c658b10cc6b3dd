"""The documents we answer Twilio's webhooks with.

Source: https://www.twilio.com/docs/voice/twiml/stream, .../dial, .../reject, .../conference, .../gather, .../play
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from xml.etree.ElementTree import Element

from bridge.carriers.addresses import media_address
from bridge.carriers.documents import KEY_S
from bridge.carriers.web import Document
from bridge.carriers.xml import element, response

_DIALLED: dict[str, Literal["answered", "busy", "no_answer"]] = {
    "completed": "answered",
    "answered": "answered",
    "busy": "busy",
    "no-answer": "no_answer",
}
_LONGEST_PARAMETER = 499
"""Name and value of a `<Parameter>` together stay under 500 characters."""


def connect_stream(
    stream_url: str,
    *,
    parameters: Mapping[str, str],
    status_callback: str,
    then: str,
    attributes: Mapping[str, str] | None = None,
) -> Document:
    """Open a two-way media stream; when it ends, ask `then` what to do. `attributes` are further ones of `<Stream>`.

    Raises ValueError for what the carrier would refuse: an insecure address, a query string, a parameter that is too
    long.
    """
    for name, value in parameters.items():
        if len(name) + len(value) > _LONGEST_PARAMETER:
            raise ValueError(f"stream parameter '{name}' is too long: {len(value)} characters")
    children = [element("Parameter", {"name": name, "value": value}) for name, value in parameters.items() if value]
    stream = element(
        "Stream",
        {
            "url": media_address(stream_url),
            **(attributes or {}),
            "statusCallback": status_callback,
            "statusCallbackMethod": "POST",
        },
        "",
        *children,
    )
    return response(element("Connect", None, "", stream), redirection(then))


def redirection(address: str) -> Element:
    """Go on with the document at this address."""
    return element("Redirect", {"method": "POST"}, address)


def dial(target: str, *, caller_id: str = "", timeout_s: int = 30, then: str = "", announce: str = "") -> Document:
    """Put the caller through to a number, a SIP address or a `client:` of the carrier's own.

    Afterwards the carrier asks `then` (posting DialCallStatus) or, without it, ends the call. Whoever answers hears the
    document at `announce` before they hear the caller, to whom it still rings.
    Source: https://www.twilio.com/docs/voice/twiml/number#attributes-url
    """
    whisper = {"url": announce, "method": "POST"} if announce else None
    kind, _, name = target.partition(":")
    if kind.lower() in ("sip", "sips"):
        party = element("Sip", whisper, target)
    elif kind.lower() == "client":
        party = element("Client", whisper, name)
    else:
        party = element("Number", whisper, target)
    after = {"action": then, "method": "POST"} if then else {}
    return response(element("Dial", {"callerId": caller_id, "timeout": str(timeout_s), **after}, "", party))


def dial_result(status: str) -> Literal["answered", "busy", "no_answer", "failed"]:
    """What the `DialCallStatus` of a finished `<Dial>` says; `failed` and `canceled` are failures.

    Source: https://www.twilio.com/docs/voice/twiml/dial
    """
    return _DIALLED.get(status, "failed")


def reject() -> Document:
    """Refuse a call that has not been answered, which costs nothing: the caller hears a busy tone.

    Only as the answer to the first webhook of a call.
    """
    return response(element("Reject", {"reason": "busy"}))


def hang_up() -> Document:
    """Write the document that ends the call."""
    return response(element("Hangup"))


def redirect(address: str) -> Document:
    """Ask this address what to do."""
    return response(redirection(address))


def say(words: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, and go on with what the call was at."""
    return response(*([_spoken(words, language)] if words else []))


def say_and_hang_up(words: str) -> Document:
    """Let the carrier's own voice speak, and end the call: for when ours is not to be had."""
    return response(_spoken(words), element("Hangup"))


def _spoken(words: str, language: str = "") -> Element:
    return element("Say", {"language": language}, words)


def hold(room: str, *, music: str, then: str) -> Document:
    """Wait in a room with the music of the document at `music`; `then` is asked when that is over.

    Source: https://www.twilio.com/docs/voice/twiml/conference
    """
    waiting = {"startConferenceOnEnter": "false", "waitUrl": music, "waitMethod": "GET"}
    return response(element("Dial", {"action": then, "method": "POST"}, "", _room(room, waiting)))


def join(room: str, words: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, then meet who waits in a room; whoever leaves it ends it."""
    spoken = [_spoken(words, language)] if words else []
    return response(*spoken, element("Dial", None, "", _room(room, {"startConferenceOnEnter": "true"})))


def _room(name: str, how: Mapping[str, str]) -> Element:
    alone = {"beep": "false", "endConferenceOnExit": "true", "maxParticipants": "2"}
    return element("Conference", {**how, **alone}, name)


def play_for_ever(url: str) -> Document:
    """Play a sound over and over."""
    return response(element("Play", {"loop": "0"}, url))


def ask_for_key(words: str, then: str, language: str = "") -> Document:
    """Let the carrier's own voice speak, twice, until a key is pressed: `then` is told which. Else hang up.

    Source: https://www.twilio.com/docs/voice/twiml/gather
    """
    gather = {"action": then, "method": "POST", "numDigits": "1", "timeout": str(KEY_S)}
    asked = [element("Gather", gather, "", _spoken(words, language)) for _ in range(2)]
    return response(*asked, element("Hangup"))


def call_result(status: str) -> Literal["answered", "busy", "no_answer", "failed"]:
    """What the `CallStatus` of a call that we have placed says when it is over."""
    return _DIALLED.get(status, "failed")
