"""Where a chat model's tools come from. Secrets come from the environment, never from the file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bridge.variables import Variable


class PythonToolsSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="python"
):
    """Functions in Python, in this process (`bridge.agents.tools.functions`)."""

    functions: list[str]
    """`package.module:function`; the configuration file's folder is looked in first."""
    fillers: dict[str, str] = {}
    """What is said while a function takes long, by its name."""
    deadline_s: float = 5.0


class HttpToolSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="http"
):
    """One address: `{names}` in it are filled with arguments, the others go into the query (GET) or a JSON body."""

    name: str
    description: str
    """What it does, for the model."""
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parameters: dict[str, dict[str, Any]] = {}
    """JSON schemas of the arguments, by name."""
    required: list[str] = []
    changes: bool | None = None
    """Whether it changes the world; left out: every method but GET does."""
    filler: str = ""
    deadline_s: float = 5.0
    headers: dict[str, str] = {}
    headers_env: dict[str, Variable] = {}
    """Headers whose values are secret: the header's name, and the environment variable with its value."""


class OpenApiSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="openapi"
):
    """The operations of an OpenAPI 3 file."""

    file: str
    """Relative to the configuration file."""
    url: str = ""
    """The service's address; empty: the first of the file's servers."""
    operations: list[str] = []
    """Names (`operationId`) of those that are offered; empty: all."""
    changes: list[str] | None = None
    """Those that change the world; left out: every method but GET does."""
    prefix: str = ""
    fillers: dict[str, str] = {}
    deadline_s: float = 5.0
    headers: dict[str, str] = {}
    headers_env: dict[str, Variable] = {}


class McpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="mcp"):
    """An MCP server: a program that is started, or an address (streamable HTTP)."""

    command: list[str] = []
    """The program and its arguments, run in the configuration file's folder."""
    pass_env: list[Variable] = []
    """Environment variables that the program gets besides the usual few, such as those of its secrets."""
    url: str = ""
    tools: list[str] = []
    """Those that are offered, by the server's names; empty: all."""
    prefix: str = ""
    """Stands before each name, where several servers have tools of one name."""
    fillers: dict[str, str] = {}
    deadline_s: float = 5.0
    headers: dict[str, str] = {}
    headers_env: dict[str, Variable] = {}


ToolSettings = PythonToolsSettings | HttpToolSettings | OpenApiSettings | McpSettings
"""`kind: python`, `http`, `openapi` or `mcp`."""
