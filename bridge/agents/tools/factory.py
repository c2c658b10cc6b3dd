"""Builds the tools that settings ask for, and puts those of all sources together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge import variables
from bridge.agents.tools.base import Tool, ToolSource
from bridge.agents.tools.settings import (
    McpSettings,
    OpenApiSettings,
    PythonToolsSettings,
    ToolSettings,
)
from bridge.errors import ConfigError
from bridge.http import HttpClient


class Toolbox:
    """All tools of one agent, by name."""

    def __init__(self, sources: list[ToolSource], taken: frozenset[str]) -> None:
        self._sources = sources
        self._taken = taken

    def tools(self) -> dict[str, Tool]:
        """The tools that can be called now; where two have one name, the first source wins, and our own always."""
        found: dict[str, Tool] = {}
        for source in self._sources:
            for tool in source.tools:
                if tool.name not in self._taken:
                    found.setdefault(tool.name, tool)
        return found

    async def troubles(self) -> dict[int, str]:
        """Try once to reach the servers of tools; why there are none, by the places of their sources."""
        found = await asyncio.gather(*(source.trouble() for source in self._sources))
        return {place: why for place, why in enumerate(found) if why}

    async def start(self) -> None:
        """Connect to the servers of tools."""
        await asyncio.gather(*(source.start() for source in self._sources))

    async def close(self) -> None:
        """Let go of all servers of tools."""
        for source in self._sources:
            await source.close()


def build_tools(
    settings: list[ToolSettings],
    taken: frozenset[str],
    directory: Path,
    environ: Mapping[str, str],
    open_client: Callable[[], HttpClient],
) -> Toolbox:
    """Return the tools of these sources; `taken` are names that they may not have. Raises ConfigError."""
    sources = [
        _source(each, f"agent.functions[{n}]", directory, environ, open_client) for n, each in enumerate(settings)
    ]
    names: set[str] = set(taken)
    for place, source in enumerate(sources):
        for tool in source.tools:
            if tool.name in names:
                raise ConfigError(f"agent.functions[{place}]: {tool.name!r}: there is a tool of this name already")
            names.add(tool.name)
    return Toolbox(sources, taken)


def _source(
    settings: ToolSettings,
    where: str,
    directory: Path,
    environ: Mapping[str, str],
    open_client: Callable[[], HttpClient],
) -> ToolSource:
    if isinstance(settings, PythonToolsSettings):
        from bridge.agents.tools.functions import FunctionTools

        return FunctionTools(settings, directory, where)
    headers = {**settings.headers, **_secret(settings.headers_env, environ, where)}
    if isinstance(settings, McpSettings):
        from bridge.agents.tools.mcp import McpTools

        return McpTools(settings, directory, headers, where, open_client())
    from bridge.agents.tools.http import HttpTools, http_tool, openapi_tools

    if isinstance(settings, OpenApiSettings):
        return HttpTools(openapi_tools(settings, directory, headers, where), open_client())
    return HttpTools([http_tool(settings, headers, where)], open_client())


def _secret(named: Mapping[str, str], environ: Mapping[str, str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, variable in named.items():
        found[name] = variables.header(variable, environ)
        if not found[name]:
            raise ConfigError(f"{where}.headers_env.{name}: {variable!r}: expected an environment variable that is set")
    return found
