"""An agent that is your own web service: each prompt is posted as JSON, the answer is actions as JSON lines.

Request:

    POST <url>    Content-Type: application/json    Authorization: Bearer <secret, if one is set>
    {"call": {"call_id": "CA...", "from_number": "+15550100", "to_number": "+15550199", "parameters": {}},
     "prompt": {"kind": "caller_said", "text": "Tuesday, please.", "attempt": 0,
                "history": [{"speaker": "bot", "text": "Which day?", "interrupted": false}]}}

Answer (`application/x-ndjson`), each line spoken or done as it arrives; the fields are those of
`bridge.call.actions`, and what is left out has its default there:

    {"type": "say", "text": "I have an opening", "more": true}
    {"type": "say", "text": "at half past nine. Shall I book it?"}
    {"type": "expect", "answer": "yes_no"}
    {"type": "transfer", "target": "+15550123"}
    {"type": "hang_up", "reason": "done"}
    {"type": "wait", "seconds": 0.5}
    {"type": "likely", "lines": [{"text": "You are booked.", "likelihood": 0.7}]}

The last one says nothing: it names lines that the next answer may hold, which are made ahead in idle time.
When the caller interrupts, the connection is closed in the middle of the answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from bridge.agents.base import AgentError, CallInfo, FixedLine, Likely
from bridge.agents.settings import WebSettings
from bridge.agents.streaming import LineClient
from bridge.call.actions import Action, Prompt


class _Likely(msgspec.Struct, frozen=True, tag="likely"):
    lines: list[Likely]


_decoder: msgspec.json.Decoder[Action | _Likely] = msgspec.json.Decoder(Action | _Likely)


class _Request(msgspec.Struct, frozen=True):
    call: CallInfo
    prompt: Prompt


class WebAgent:
    """One call's line to the web service; what it remembers is the service's own business."""

    def __init__(self, settings: WebSettings, secret: str, client: LineClient, info: CallInfo) -> None:
        self._settings = settings
        self._client = client
        self._info = info
        self._likely: list[Likely] = []
        self._headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"

    def likely(self) -> list[Likely]:
        """What the service named in its last answer."""
        return self._likely

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the service's actions as they arrive. Raises AgentError."""
        self._likely = []
        lines = self._client.post(
            self._settings.url,
            msgspec.json.encode(_Request(self._info, prompt)),
            self._headers,
            self._settings.first_action_deadline_s,
            self._settings.action_deadline_s,
        )
        async with aclosing(lines):
            async for line in lines:
                said = _decode(line)
                if isinstance(said, _Likely):
                    self._likely = said.lines
                else:
                    yield said


class WebFactory:
    """Opens one agent per call over a shared HTTP session."""

    def __init__(self, settings: WebSettings, secret: str = "") -> None:
        self._settings = settings
        self._secret = secret
        self._client = LineClient(f"the agent at {settings.url}", settings.connect_deadline_s)

    def open_call(self, info: CallInfo) -> WebAgent:
        """Open an agent; nothing is sent yet."""
        return WebAgent(self._settings, self._secret, self._client, info)

    def phrases(self) -> list[FixedLine]:
        """The lines that the settings name."""
        return [FixedLine(text) for text in self._settings.phrases]

    async def close(self) -> None:
        """Close the HTTP session."""
        await self._client.close()


def _decode(line: bytes) -> Action | _Likely:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise AgentError(f"the agent sent {line[:100]!r}: {error}") from None
