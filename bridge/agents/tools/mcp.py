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
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bridge.agents.tools.base import Arguments, Tool, ToolFailed
from bridge.agents.tools.settings import McpSettings
from bridge.errors import ConfigError
from bridge.http import HttpClient

logger = logging.getLogger(__name__)

_START_S = 10.0
_AGAIN_S = (0.5, 2.0, 10.0, 30.0)
_CANCEL_AGAIN_S = 0.2
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
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Connect and list the tools; a server that is not there in time goes on being looked for."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._stay_connected())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                await self._listed.wait()

    async def close(self) -> None:
        """Disconnect, and end the program that was started."""
        self._closed = True
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
                    self._listed.set()
                    await self._lost.wait()
            except Exception as error:  # whatever a server does, it is only away
                logger.warning("the MCP server %s is away: %s", self._name, _told(error))
            finally:
                self._client = None
            await asyncio.sleep(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
            tries += 1

    @contextlib.asynccontextmanager
    async def _opened(self) -> Any:
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
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


def _told(error: BaseException) -> str:
    """What went wrong, of however many things that went wrong at once."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]
