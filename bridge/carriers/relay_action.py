"""What follows a ConversationRelay session: the request to the `action` address of `<Connect>`, and the TwiML answer.

Twilio asks there when the session is over, and does what the answer says with the call. We obey what can be done with
any carrier's call: `<Say>`, `<Pause>`, `<Dial>` of one number or SIP address, `<Hangup>`. Everything else is refused by
its name. No socket, no clock.

Sources: https://www.twilio.com/docs/voice/twiml/connect/conversationrelay (`action`, `handoffData`, errors 64105 and
following); the names of the fields as public applications read them (`SessionId`, `SessionStatus`, `SessionDuration`,
`HandoffData`, `ErrorCode`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal
from xml.etree import ElementTree

from bridge.call.actions import Action, HangUp, Say, Transfer, Wait
from bridge.carriers.twilio.signatures import SIGNATURE, sign
from bridge.errors import BadMessage

BROKEN_OFF = "64105"
"""Twilio's error for a socket that was closed without the session's end."""
_LARGEST = 64 * 1024
_MOST_VERBS = 32
_LONGEST_PAUSE_S = 30.0
_HANG_UP = HangUp("the application has ended the call")

SessionStatus = Literal["ended", "failed"]


def action_fields(
    *,
    account_id: str,
    call_id: str,
    from_number: str,
    to_number: str,
    session_id: str,
    seconds: float,
    handoff: str = "",
    broken_off: str = "",
) -> dict[str, str]:
    """What the application is told of the session that is over; `broken_off` is why, where it did not end it."""
    status: SessionStatus = "failed" if broken_off else "ended"
    fields = {
        "AccountSid": account_id,
        "CallSid": call_id,
        "CallStatus": "in-progress",
        "From": from_number,
        "To": to_number,
        "Direction": "inbound",
        "SessionId": session_id,
        "SessionStatus": status,
        "SessionDuration": str(math.floor(seconds)),
    }
    fields |= {"HandoffData": handoff} if handoff else {}
    return fields | ({"ErrorCode": BROKEN_OFF, "ErrorMessage": broken_off} if broken_off else {})


def action_headers(auth_token: str, url: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The signature of a form that is posted to this address; nothing without a token."""
    return {SIGNATURE: sign(auth_token, url, fields.items())} if auth_token else {}


def obeyed(document: str) -> list[Action]:
    """The actions that a TwiML document stands for; the last one ends the call. Raises BadMessage."""
    if not document.strip():
        return [_HANG_UP]
    actions: list[Action] = []
    verbs = _verbs(document)
    for place, verb in enumerate(verbs):
        match verb.tag:
            case "Say":
                text = " ".join("".join(verb.itertext()).split())
                actions += [Say(text, cacheable=False)] if text else []
            case "Pause":
                actions.append(Wait(_seconds(verb)))
            case "Dial":
                if place + 1 < len(verbs) and verbs[place + 1].tag != "Hangup":
                    raise BadMessage(f"<{verbs[place + 1].tag}> after <Dial>: nothing can follow a transfer")
                return [*actions, Transfer(_dialled(verb))]
            case "Hangup":
                return [*actions, _HANG_UP]
            case tag:
                raise BadMessage(f"<{tag[:40]}>: only Say, Pause, Dial and Hangup can be obeyed here")
    return [*actions, _HANG_UP]


def _verbs(document: str) -> list[ElementTree.Element]:
    if len(document) > _LARGEST:
        raise BadMessage(f"a document of {len(document)} characters; at most {_LARGEST}")
    if "<!" in document.replace("<!--", "").replace("<![CDATA[", ""):
        raise BadMessage("a document with declarations")
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise BadMessage(f"not TwiML: {error}") from None
    if root.tag != "Response":
        raise BadMessage(f"<{root.tag[:40]}>: expected <Response>")
    verbs = list(root)
    if len(verbs) > _MOST_VERBS:
        raise BadMessage(f"{len(verbs)} verbs; at most {_MOST_VERBS}")
    return verbs


def _seconds(pause: ElementTree.Element) -> float:
    length = pause.get("length", "1")
    if not (length.isascii() and length.isdecimal() and len(length) < 6):
        raise BadMessage(f"<Pause length={length[:40]!r}>: expected seconds")
    return min(float(length), _LONGEST_PAUSE_S)


def _dialled(dial: ElementTree.Element) -> str:
    nouns = list(dial)
    if not nouns:
        target = (dial.text or "").strip()
    elif len(nouns) == 1 and nouns[0].tag in ("Number", "Sip"):
        target = (nouns[0].text or "").strip()
    else:
        what = ", ".join(noun.tag[:20] for noun in nouns[:3])
        raise BadMessage(f"<Dial> of {what}: expected one number, or one <Number> or <Sip>")
    if not target:
        raise BadMessage("<Dial>: expected somebody to dial")
    return target
