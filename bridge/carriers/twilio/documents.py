"""The documents we answer Twilio's webhooks with.

Source: https://www.twilio.com/docs/voice/twiml/stream, .../dial, .../reject
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

_LONGEST_PARAMETER = 499
"""Name and value of a `<Parameter>` together stay under 500 characters."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an XML 1.0 document cannot hold in any way; the builder would let it through (error 12100)."""


def connect_stream(stream_url: str, *, parameters: Mapping[str, str], status_callback: str, then: str) -> str:
    """Open a two-way media stream; when it ends, ask `then` what to do.

    Raises ValueError for what the carrier would refuse: a scheme other than wss (ws only towards
    loopback, where no carrier is), a query string, a parameter that is too long.
    """
    parts = urlsplit(stream_url)
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        raise ValueError(f"a stream URL must be wss: {stream_url}")
    if parts.query:
        raise ValueError(f"a stream URL has no query string (error 31920): {stream_url}")
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=stream_url, status_callback=status_callback, status_callback_method="POST")
    for name, value in parameters.items():
        if len(name) + len(value) > _LONGEST_PARAMETER:
            raise ValueError(f"stream parameter '{name}' is too long: {len(value)} characters")
        stream.parameter(name=_text(name), value=_text(value))
    response.append(connect)
    response.redirect(then, method="POST")
    return str(response)


def dial(target: str, *, caller_id: str = "", timeout_s: int = 30, then: str = "") -> str:
    """Put the caller through to a number, a SIP address or a `client:` of Twilio's own.

    Afterwards Twilio asks `then` (posting DialCallStatus) or, without it, ends the call.
    """
    options: dict[str, str] = {}
    if caller_id:
        options["caller_id"] = caller_id
    if then:
        options |= {"action": then, "method": "POST"}
    target = _text(target)
    leg = Dial(timeout=timeout_s, **options)
    kind, _, name = target.partition(":")
    if kind.lower() in ("sip", "sips"):
        leg.sip(target)
    elif kind.lower() == "client":
        leg.client(name)
    else:
        leg.number(target)
    response = VoiceResponse()
    response.append(leg)
    return str(response)


def reject(reason: Literal["busy", "rejected"] = "busy") -> str:
    """Refuse a call that has not been answered, which costs nothing: the caller hears a busy tone or an announcement.

    Only as the answer to the first webhook of a call.
    """
    response = VoiceResponse()
    response.reject(reason=reason)
    return str(response)


def hang_up() -> str:
    """End the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def say_and_hang_up(text: str) -> str:
    """Let the carrier's own voice speak, and end the call: for when ours is not to be had."""
    response = VoiceResponse()
    response.say(_text(text))
    response.hangup()
    return str(response)


def _text(text: str) -> str:
    """Words from a caller's name or an agent, fit for a document: one control character would lose the call."""
    return _NOT_XML.sub("", text)
