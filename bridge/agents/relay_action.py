"""What becomes of a call when its relayed session is over: the application says so at an address of its own.

The address, the form and the answer are those of the `action` of `<Connect>` (`bridge/carriers/relay_action.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp

from bridge.agents.base import AgentError, Failure
from bridge.call.actions import Action
from bridge.carriers.relay_action import action_headers, obeyed
from bridge.errors import BadMessage
from bridge.http import HttpClient, why_unreachable

_LARGEST_ANSWER = 64 * 1024


class SessionAction:
    """The address that is asked when a session is over; `url` is empty where nobody is."""

    def __init__(self, url: str, auth_token: str, http: HttpClient, deadline_s: float) -> None:
        self.url = url
        self._auth_token = auth_token
        self._http = http
        self._deadline_s = deadline_s

    async def ask(self, fields: Mapping[str, str]) -> list[Action]:
        """Tell of the session that is over; what is to be done with the call. Raises AgentError."""
        name = f"the application's action at {self.url}"
        headers = action_headers(self._auth_token, self.url, fields)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(fields).encode()
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._http.request("POST", self.url, data=body, headers=headers, allow_redirects=False)
                try:
                    text = await _text(response)
                finally:
                    response.close()
        except TimeoutError:
            raise AgentError(Failure.TIMEOUT, f"{name}: no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AgentError(Failure.UNREACHABLE, f"{name}: {why_unreachable(error)}") from None
        if not 200 <= response.status < 300:
            raise AgentError(Failure.HTTP_STATUS, f"{name} answered {response.status}")
        try:
            return obeyed(text)
        except BadMessage as error:
            raise AgentError(Failure.BAD_ACTION, f"{name}: {error}") from None


async def _text(response: aiohttp.ClientResponse) -> str:
    """The answer, up to one character more than is read."""
    raw = bytearray()
    while len(raw) <= _LARGEST_ANSWER and (piece := await response.content.readany()):
        raw += piece
    return bytes(raw[: _LARGEST_ANSWER + 1]).decode("utf-8", "replace")
