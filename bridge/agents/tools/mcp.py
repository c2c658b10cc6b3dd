"""Tools of MCP servers: programs that are started (stdio), or addresses (streamable HTTP). Needs the package `mcp`.

A server's connection lives in one task of its own, which opens it again when it is lost. What a server says is data:
it is read by the model, and ends no call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bridge.agents.tools.base import Arguments, Tool, ToolFailed
from bridge.agents.tools.settings import McpSettings
from bridge.errors import ConfigError
from bridge.http import HttpClient, why_unreachable

logger = logging.getLogger(__name__)

_START_S = 10.0
_AGAIN_S = (0.5, 2.0, 10.0, 30.0)
_CANCEL_AGAIN_S = 5.0
"""The package needs up to 4 s to end a program that does not end by itself, and must not be interrupted in that."""
_CLOSED, _ENDED = -32000, "Session terminated"
"""How the package says that a connection is closed, and that a server over HTTP has forgotten us."""
_MOST_TOOLS = 64
_MOST_PAGES = 20


class McpTools:
    """The tools of one server, as far as it is there. Raises ConfigError without the package."""

    def __init__(
        self, settings: McpSettings, directory: Path, headers: Mapping[str, str], where: str, http: HttpClient
    ) -> None:
        try:
            import mcp
        except ImportError:
            raise ConfigError(f"{where}: MCP servers need a package: pip install 'bridge[mcp]'") from None
        if bool(settings.command) == bool(settings.url):
            raise ConfigError(f"{where}: expected either command or url")
        self.tools: list[Tool] = []
        self._mcp = mcp
        self._settings = settings
        self._directory = directory
        self._headers = headers
        self._http = http
        self._client: Any = None
        self._lost = asyncio.Event()
        self._listed = asyncio.Event()
        self._tried = asyncio.Event()
        self._trouble = ""
        self._status = 0
        self._task: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Begin to connect, and wait for nothing: the tools are there when the server is, which may be never."""
        self._begin()

    def _begin(self) -> None:
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._stay_connected())
            self._patience = loop.call_later(_START_S, self._name_missing)

    def _name_missing(self) -> None:
        """A server that refuses is logged as it does; one that is silent is, too."""
        if not self._tried.is_set():
            logger.warning("the MCP server %s has not answered in %g s: its tools are missing", self._name, _START_S)

    async def trouble(self) -> str:
        """Try once to connect and to list the tools; in words why that failed, or nothing."""
        self._begin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                await self._tried.wait()
        if self.tools or self._trouble:
            return self._trouble
        return "it has none of these tools" if self._listed.is_set() else f"no answer in {_START_S:g} s"

    async def close(self) -> None:
        """Disconnect, and end the program that was started."""
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
        while self._task is not None and not self._task.done():
            self._task.cancel()  # whoever connects may take one for a failure of their own
            await asyncio.wait({self._task}, timeout=_CANCEL_AGAIN_S)

    async def _stay_connected(self) -> None:
        tries = 0
        while not self._closed:
            try:
                async with self._opened() as client:
                    self._client, tries = client, 0
                    self._lost.clear()
                    self.tools = await self._list(client)
                    self._trouble = ""
                    self._listed.set()
                    self._tried.set()
                    await self._lost.wait()
            except Exception as error:  # whatever a server does, it is only away
                self._trouble = self._told(error)
                logger.warning("the MCP server %s is away: %s", self._name, self._trouble)
            finally:
                self._client = None
            self._tried.set()
            if not self._closed:
                await asyncio.sleep(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
            tries += 1

    @contextlib.asynccontextmanager
    async def _opened(self) -> Any:
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            self._status = 0
            if settings.url:
                import httpx2
                from mcp.client.streamable_http import streamable_http_client

                from bridge.agents.tools.mcp_transport import OnceMore

                patience = httpx2.Timeout(_START_S, read=300.0)  # a server may hold a stream of events open
                way = OnceMore(self._http.proxy_for(settings.url), self._http.trust)
                http = await stack.enter_async_context(
                    httpx2.AsyncClient(
                        headers=self._headers,
                        timeout=patience,
                        transport=way,
                        trust_env=False,  # `http:` says whether the environment counts, and has read it
                        event_hooks={"response": [self._answered]},
                    )
                )
                server: Any = streamable_http_client(settings.url, http_client=http)
            else:
                environment = {name: os.environ[name] for name in settings.pass_env if name in os.environ}
                server = self._mcp.StdioServerParameters(
                    command=settings.command[0], args=settings.command[1:], env=environment, cwd=self._directory
                )
            yield await stack.enter_async_context(self._mcp.Client(server))

    async def _list(self, client: Any) -> list[Tool]:
        found: list[Tool] = []
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            found += [self._tool(each) for each in page.tools if self._wanted(each.name)]
            cursor = page.next_cursor
            if not cursor or len(found) >= _MOST_TOOLS:
                break
        return found[:_MOST_TOOLS]

    def _wanted(self, name: str) -> bool:
        return not self._settings.tools or name in self._settings.tools

    def _tool(self, listed: Any) -> Tool:
        settings, hints = self._settings, listed.annotations
        safe = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
        name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{settings.prefix}{listed.name}")[:64]
        return Tool(
            name,
            str(listed.description or listed.title or listed.name),
            listed.input_schema,
            partial(self._call, listed.name),
            not safe,
            settings.fillers.get(listed.name, ""),
            settings.deadline_s,
        )

    async def _call(self, name: str, arguments: Arguments) -> Any:
        client = self._client
        if client is None:
            raise ToolFailed("the server of this tool is away")
        try:
            result = await client.call_tool(name, arguments)
        except self._mcp.MCPError as error:
            if error.code == _CLOSED or _ENDED in str(error):
                self._lost.set()
                raise ToolFailed("the server of this tool is away") from None
            raise ToolFailed(f"the server refused the call: {error}"[:500]) from None
        except Exception as error:
            self._lost.set()
            raise ToolFailed(f"the server of this tool is away: {type(error).__name__}") from None
        texts = [block.text for block in result.content if getattr(block, "type", "") == "text"]
        if result.is_error:
            raise ToolFailed(" ".join(texts)[:2000] or "the tool failed")
        return result.structured_content if result.structured_content is not None else "\n".join(texts)

    @property
    def _name(self) -> str:
        return self._settings.url or self._settings.command[0]

    async def _answered(self, response: Any) -> None:
        """Keep how the server answered, which the package does not tell."""
        self._status = response.status_code

    def _told(self, error: BaseException) -> str:
        """In words what went wrong, of however many things that did at once."""
        import httpx2

        first, *_ = causes = list(_causes(error))
        system = [one for one in causes if isinstance(one, OSError)]
        if system and self._settings.url:
            return why_unreachable(system[-1])
        if system:
            return f"the program cannot be started: {(system[-1].strerror or 'it cannot be found').lower()}"
        if self._settings.url and self._status >= 300:
            return f"it answered {self._status}"
        match first:
            case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
                return "that is no address of a web server"
            case TimeoutError() | httpx2.TimeoutException():
                return "no answer in time"
            case httpx2.RemoteProtocolError() if "disconnected" in str(first):
                return "it closed the connection without an answer"
            case httpx2.RemoteProtocolError() if "incomplete" in str(first):
                return "its answer broke off"
            case httpx2.RemoteProtocolError():
                return "what answers there does not speak HTTP"
            case self._mcp.MCPError() if first.error.code == _CLOSED:
                return "it closed the connection" if self._settings.url else "the program ended, or closed its output"
        return "what answers there does not speak MCP"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What went wrong, and what that came from; of several at once the first."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
            continue
        yield seen
        seen = seen.__cause__ or seen.__context__
