"""What a script asks services over HTTP while the caller waits, and what it keeps of their answers.

A request that changes nothing is given up when the caller goes on, and made again; one that changes the world is made
once, when the caller's turn counts, and carried to its end whatever becomes of the call.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from bridge import variables
from bridge.agents.chat_tools import Background
from bridge.agents.script_memory import ScriptMemory
from bridge.agents.script_states import HttpStep, Script, ScriptLine, Step
from bridge.agents.tools.base import ToolFailed, as_text
from bridge.agents.tools.http import Request, fetched
from bridge.call.account import ToolUse
from bridge.errors import ConfigError
from bridge.http import HttpClient

_FILLER_S = 0.7
_NEXT_FILLER_S = 4.0
"""After words of this answer, before the caller is told that it still takes a moment."""
_LONGEST_VALUE = 500
_LONGEST_TOLD = 2000
_MOST_USES = 50


class ScriptServices:
    """The services that one script asks, for all its calls. Raises ConfigError for a secret that is not there."""

    def __init__(self, script: Script, http: HttpClient, environ: Mapping[str, str]) -> None:
        self.http = http
        self.background = Background()
        self._headers: dict[str, dict[str, str]] = {}
        for name, state in script.states.items():
            if isinstance(state.check, HttpStep):
                self._headers[name] = _secret(state.check.headers_env, environ, f"state {name!r}")

    async def close(self) -> None:
        """Let requests end that change the world, and close all connections."""
        if self.background.tasks:
            await asyncio.wait(self.background.tasks)
        await self.http.close()

    def request(self, state: str, check: HttpStep) -> Request:
        """The request of this state, with its secret headers."""
        made = check.request
        return Request(made.method, made.url, made.in_query, {**made.headers, **self._headers[state]})


class ScriptRequests:
    """The requests of one call's script: that of the moment, and what came of those before."""

    def __init__(self, services: ScriptServices | None) -> None:
        self._services = services
        self._running: asyncio.Future[None] | None = None
        """A request that changes the world."""
        self._answer: tuple[int, Any] | None = None
        self.counts = asyncio.Event()
        """Set once the caller's turn counts."""
        self.uses: list[ToolUse] = []

    async def followed(self, memory: ScriptMemory, check: HttpStep, *, said: bool) -> AsyncGenerator[ScriptLine, None]:
        """Make the request of the state that the script is in; give what is said meanwhile."""
        if memory.begun and self._running is None:
            return  # it was begun in another process, and nobody knows what came of it
        if check.changes and not self.counts.is_set():
            if not said:
                said = True
                yield check.filler  # the turn counts when this was heard
            await self.counts.wait()
        task = self._running
        if task is None:
            assert memory.state is not None
            self._answer = None
            work = self._ask(memory.state.name, check, dict(memory.slots))
            if check.changes and self._services is not None:
                memory.begun = True
                task = self._running = self._services.background.run(work)
            else:
                task = asyncio.ensure_future(work)
        try:
            _, late = await asyncio.wait({task}, timeout=_NEXT_FILLER_S if said else _FILLER_S)
            if late:
                yield check.filler
                await asyncio.wait({task})
        finally:
            if not check.changes:
                task.cancel()

    def step(self, memory: ScriptMemory, check: HttpStep) -> Step | None:
        """What follows from the answer, of which the slots are kept."""
        answer, self._answer, self._running, memory.begun = self._answer, None, None, False
        if answer is None:
            return check.on_failed
        status, value = answer
        if status in check.on_status:
            return check.on_status[status]
        if not 200 <= status < 300:
            return check.on_failed
        for slot, path in check.keep.items():
            memory.learn(slot, value_at(value, path))
        return check.on_result

    async def _ask(self, state: str, check: HttpStep, slots: Mapping[str, str]) -> None:
        fields = {name: ScriptLine(text).fill(slots) for name, text in check.fields.items()}
        started = asyncio.get_running_loop().time()
        status: int | None = None
        try:
            if self._services is None:
                raise ToolFailed("this script was given no way to ask services")
            async with asyncio.timeout(check.deadline_s):
                request = self._services.request(state, check)
                self._answer = await fetched(self._services.http, request, {**_named(request, slots), **fields})
            status, value = self._answer
            told = as_text(value, _LONGEST_TOLD)
        except TimeoutError:
            told = "no answer in time"
        except ToolFailed as error:
            told = str(error)
        seconds = round(asyncio.get_running_loop().time() - started, 3)
        failed = status is None or not 200 <= status < 300
        self.uses = self.uses[1 - _MOST_USES :]
        self.uses.append(ToolUse(state, json.dumps(fields, ensure_ascii=False), told, failed, seconds))


def value_at(value: Any, path: str) -> str:
    """The text at a place of a JSON answer, such as `items.0.name`; empty where there is nothing."""
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 6 and int(step) < len(value):
            value = value[int(step)]
        else:
            return ""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text[:_LONGEST_VALUE].split())


def _named(request: Request, slots: Mapping[str, str]) -> dict[str, Any]:
    """The slots that the address names."""
    return {name: slots.get(name, "") for name in request.slots}


def _secret(named: Mapping[str, str], environ: Mapping[str, str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, variable in named.items():
        found[name] = variables.header(variable, environ)
        if not found[name]:
            expected = "expected an environment variable that is set"
            raise ConfigError(f"{where}, http, headers_env, {name}: {variable!r}: {expected}")
    return found
