"""An agent that is your own web service: each prompt is posted as JSON, the answer is actions as JSON lines.

The dialect is described in `bridge/agents/README.md`; the fields are those of `bridge.call.actions`. When the caller
interrupts, the connection is closed in the middle of the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType

from bridge.agents.answers import understood
from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.chat_endings import reports_error, shown
from bridge.agents.guard import Guard, checked_likely, speakable
from bridge.agents.lines import error_event, readable, without_frame
from bridge.agents.outages import ServiceAway
from bridge.agents.rest_of_answer import RestOfAnswer, may_go_on
from bridge.agents.settings import WebSettings
from bridge.agents.streaming import AnswerTimeouts, LineClient
from bridge.agents.transfers import Transfers
from bridge.call.actions import Action, Prompt, Say
from bridge.errors import BadMessage
from bridge.http import HttpClient
from bridge.understanding.results import Understood

_SHOWN = 100
_TAKEN = range(200, 300)
"""Of a notice, to which there is no answer."""


class _Likely(msgspec.Struct, frozen=True, tag="likely"):
    lines: list[LikelyLine]


class _Error(msgspec.Struct, frozen=True, tag="error"):
    message: str = ""


class _Rest(msgspec.Struct, frozen=True, tag="rest"):
    """What follows is only what is missing of an answer that broke off."""


_Line = Action | _Likely | _Error | _Rest
_decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class _Request(msgspec.Struct, frozen=True):
    call: CallInfo
    prompt: Prompt
    understood: Understood | None = None
    so_far: list[Action] | UnsetType = UNSET
    """What has come of an answer that broke off: it is carried out, and the rest is wanted."""


class _Confirmed(msgspec.Struct, frozen=True):
    turn: int
    kind: str = "confirmed"


class _Notice(msgspec.Struct, frozen=True):
    call: CallInfo
    prompt: _Confirmed


class WebAgent:
    """One call's line to the web service; what it remembers is the service's own business."""

    def __init__(self, factory: WebFactory, info: CallInfo) -> None:
        self._factory = factory
        self._settings = factory.settings
        self._info = info
        self._likely: list[LikelyLine] = []
        self._turn = 0
        """The last prompt that was put to the service."""

    def state(self) -> bytes:
        """The number of the last prompt; all else is remembered by the service."""
        return msgspec.msgpack.encode(self._turn)

    def resume(self, state: bytes) -> None:
        """Know which prompt was put last. Raises BadMessage for what is no number."""
        try:
            self._turn = msgspec.msgpack.decode(state, type=int)
        except msgspec.DecodeError as error:
            raise BadMessage(f"not the state of a web agent: {error}") from None

    def likely(self) -> list[LikelyLine]:
        """What the service named in its last answer."""
        return self._likely

    def confirmed(self, turn: int) -> None:
        """Tell the service that this prompt counts."""
        self._factory.notify(self._info, turn)

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the service's actions as they arrive. Raises AgentError."""
        self._likely = []
        if 0 < prompt.turn == self._turn and not prompt.so_far:
            # put before the call was moved here, and nothing of the answer has come
            prompt = msgspec.structs.replace(prompt, again=True)
        self._turn = prompt.turn
        async with aclosing(self._factory.guard.answer(self._info, prompt, self._ask)) as actions:
            async for action in actions:
                yield action

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """The actions of the answer; where it breaks off in the middle, its rest is asked for once."""
        so_far: list[Action] = list(prompt.so_far or ())  # which came before the call was moved here
        moved = bool(so_far)
        prompt = msgspec.structs.replace(prompt, so_far=UNSET)
        request = _Request(self._info, prompt, understood(prompt), so_far or UNSET)
        try:
            async with aclosing(self._post(request, RestOfAnswer(so_far, words_alone=True))) as actions:
                async for action in actions:
                    so_far.append(action)
                    yield action
            return
        except ServiceAway as error:
            if not (self._settings.retry_s and may_go_on(error, so_far)):
                raise
            self._factory.report(self._info, error)
        request = msgspec.structs.replace(request, so_far=so_far)
        async with aclosing(self._post(request, RestOfAnswer(so_far, words_alone=moved))) as actions:
            async for action in actions:
                yield action

    async def _post(self, request: _Request, rest: RestOfAnswer) -> AsyncGenerator[Action, None]:
        """One request, and what is new in its answer."""
        settings, factory = self._settings, self._factory
        patience = AnswerTimeouts(
            settings.first_action_deadline_s, settings.action_deadline_s, settings.limits.answer_s
        )
        body = msgspec.json.encode(request)
        async with aclosing(factory.client.post(settings.url, body, factory.headers, patience)) as lines:
            async for line in lines:
                if not (line := without_frame(line)):
                    continue
                said = self._decode(line)
                if _keeps_alive(said):
                    patience.lively()
                if isinstance(said, _Likely):
                    self._likely = checked_likely(said.lines, settings.limits)
                elif isinstance(said, _Error):
                    raise AgentError(
                        Failure.SERVICE_ERROR, f"{factory.client.name} reported an error", said.message[:_SHOWN]
                    )
                elif isinstance(said, _Rest):
                    rest.only()
                elif (action := rest.new(said)) is not None:
                    yield action

    def _decode(self, line: bytes) -> _Line:
        try:
            return _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self._read_oddly(line, error)

    def _read_oddly(self, line: bytes, error: Exception) -> _Line:
        """What an odd line means: `null` is a field's default, and an object that reports an error is one."""
        known, value = readable(line)
        if _reports_error(value):
            return _Error(shown(line.decode("utf-8", "replace")))
        try:
            given = (
                {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value
            )
            if not known or (isinstance(error, msgspec.ValidationError) and given == value):
                raise error
            said: _Line = msgspec.convert(given, _Line)
            return said
        except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
            kind = Failure.BAD_ACTION if isinstance(wrong, msgspec.ValidationError) else Failure.UNREADABLE_EVENT
            what = f"{self._factory.client.name} sent what is no action: {_plain(wrong)}"
            raise AgentError(kind, what, line[:_SHOWN].decode("utf-8", "replace")) from None


class WebFactory:
    """Opens one agent per call over shared connections."""

    def __init__(
        self,
        settings: WebSettings,
        secret: str = "",
        *,
        http: HttpClient | None = None,
        secret_headers: Mapping[str, str] | None = None,
        report: Report = no_report,
    ) -> None:
        self.settings = settings
        self.report = report
        self.client = LineClient(
            f"the agent at {settings.url}",
            http or HttpClient(connect_deadline_s=settings.connect_deadline_s),
            settings.limits,
            retry_s=settings.retry_s,
        )
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)
        self.headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson", **settings.headers}
        self.headers.update(secret_headers or {})
        if secret:
            self.headers["Authorization"] = f"Bearer {secret}"
        self._notices: set[asyncio.Task[None]] = set()

    def open_call(self, info: CallInfo) -> WebAgent:
        """Open an agent; nothing is sent yet."""
        return WebAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """The lines that the settings name."""
        return [FixedLine(text) for text in self.settings.phrases]

    def notify(self, info: CallInfo, turn: int) -> None:
        """Tell the service that a guess counts. It is sent in the background, and goes on when the call ends."""
        task = asyncio.get_running_loop().create_task(self._send(info, turn))
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def close(self) -> None:
        """Let notices arrive, and close the connections."""
        if self._notices:
            await asyncio.wait(self._notices, timeout=self.settings.first_action_deadline_s)
        await self.client.close()

    async def _send(self, info: CallInfo, turn: int) -> None:
        body = msgspec.json.encode(_Notice(info, _Confirmed(turn)))
        deadline_s = self.settings.first_action_deadline_s
        patience = AnswerTimeouts(deadline_s, deadline_s, deadline_s)
        lines = self.client.post(self.settings.url, body, self.headers, patience, accepted=_TAKEN)
        try:
            async with aclosing(lines):
                async for _ in lines:
                    pass  # there is nothing to answer
        except AgentError as error:
            self.report(info, error)


def _keeps_alive(said: _Line) -> bool:
    """Whether a service that sends this is at work on its answer: texts without a word and likely lines are no sign."""
    if isinstance(said, Say):
        return bool(said.voice) or speakable(said.text)
    return not isinstance(said, _Likely | _Rest)


def _reports_error(value: object) -> bool:
    """Whether a line is an error, in one of the shapes that services have for it, and no action."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    return (not isinstance(kind, str) or error_event(kind)) and reports_error(value)


_KIND = re.compile(r"`(\w+)`")
_IN_JSON = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}


def _plain(error: Exception) -> str:
    """What is wrong, without the values that msgspec quotes."""
    if not isinstance(error, msgspec.ValidationError):
        return "it is no JSON"
    said = str(error).split(" '")[0].removeprefix("Object ")
    return _KIND.sub(lambda kind: _IN_JSON.get(kind[1], kind[1]), said) if said.startswith("Expected ") else said
