"""Twilio's REST requests about a call in progress, as data; whoever has a connection sends them.

Source: https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

LONGEST_DOCUMENT = 4000


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A form to be sent to the API's base URL, with the account's credentials."""

    method: str
    path: str
    form: dict[str, str]


def hang_up(account_sid: str, call_sid: str) -> RestRequest:
    """End a call. 404 (code 20404) in answer means that it has ended already."""
    return RestRequest("POST", _call(account_sid, call_sid), {"Status": "completed"})


def replace_document(account_sid: str, call_sid: str, document: str) -> RestRequest:
    """Let a call go on with another document at once; its media stream ends. Raises ValueError when too long."""
    if len(document) > LONGEST_DOCUMENT:
        raise ValueError(f"a document sent by REST has at most {LONGEST_DOCUMENT} characters, not {len(document)}")
    return RestRequest("POST", _call(account_sid, call_sid), {"Twiml": document})


def _call(account_sid: str, call_sid: str) -> str:
    return f"/2010-04-01/Accounts/{quote(account_sid, safe='')}/Calls/{quote(call_sid, safe='')}.json"
