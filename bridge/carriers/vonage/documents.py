"""The documents we answer Vonage's webhooks with: NCCOs, lists of actions in JSON.

Source: https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridge.carriers.addresses import media_address
from bridge.carriers.web import JSON, Document

LONGEST_HEADERS = 512
"""Bytes of all custom headers of a WebSocket endpoint together."""
_LONGEST_TEXT = 1500
_DIAL_TIMEOUT_S = 30

Action = dict[str, Any]


def connect_socket(
    stream_url: str, *, rate_hz: int, headers: Mapping[str, str], authorization: str, event_url: str, caller_id: str
) -> list[Action]:
    """Open a two-way media socket; its events, which may be answered with other actions, go to `event_url`.

    Raises ValueError for what the carrier would refuse: an insecure address, a query string, headers that are too long.
    """
    size = len(json.dumps(headers, separators=(",", ":")).encode())
    if size > LONGEST_HEADERS:
        raise ValueError(f"the headers of a WebSocket endpoint have at most {LONGEST_HEADERS} bytes, not {size}")
    endpoint: Action = {
        "type": "websocket",
        "uri": media_address(stream_url),
        "content-type": f"audio/l16;rate={rate_hz}",
        "headers": dict(headers),
    }
    if authorization:
        endpoint["authorization"] = {"type": "custom", "value": authorization}
    action: Action = {"action": "connect", "eventType": "synchronous", "eventUrl": [event_url], "eventMethod": "POST"}
    return [action | ({"from": caller_id} if caller_id else {}) | {"endpoint": [endpoint]}]


def dial(target: str, *, caller_id: str = "", event_url: str = "") -> list[Action]:
    """Put the caller through to a number or a SIP address.

    With `event_url` what becomes of that party's leg is told there, and may be answered with other actions.
    """
    target = _text(target)
    if target.lower().startswith(("sip:", "sips:")):
        endpoint = {"type": "sip", "uri": target}
    else:
        endpoint = {"type": "phone", "number": target.removeprefix("+")}
    action: Action = {"action": "connect", "timeout": _DIAL_TIMEOUT_S, "endpoint": [endpoint]}
    if event_url:
        action |= {"eventType": "synchronous", "eventUrl": [event_url], "eventMethod": "POST"}
    return [action | ({"from": caller_id.removeprefix("+")} if caller_id else {})]


def talk(words: str) -> list[Action]:
    """Let the carrier's own voice speak; the call is over when no action is left."""
    return [{"action": "talk", "text": _text(words)[:_LONGEST_TEXT]}]


def ask(url: str, call_id: str) -> list[Action]:
    """Ask this address what to do: the answer to a notification replaces the actions that are left."""
    return [{"action": "notify", "payload": {"call_id": call_id}, "eventUrl": [url], "eventMethod": "POST"}]


def document(actions: list[Action]) -> Document:
    """The actions as the answer to a webhook; with none of them the call is over."""
    return Document(json.dumps(actions), JSON)


def _text(text: str) -> str:
    """Words from an agent without halves of characters, which are no Unicode text."""
    return text.encode("utf-8", "replace").decode()
