"""Tools that are requests over HTTP: one address with a schema, or the operations of an OpenAPI file."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from bridge import yaml_text
from bridge.addresses import is_address
from bridge.agents.tools.base import NAME, Arguments, Tool, ToolFailed
from bridge.agents.tools.settings import HttpToolSettings, OpenApiSettings
from bridge.errors import ConfigError
from bridge.http import HttpClient

_LARGEST_ANSWER = 256 * 1024
_SAFE = frozenset({"GET", "HEAD", "QUERY"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""
_METHODS = ("get", "post", "put", "patch", "delete")
_SLOT = re.compile(r"\{(\w+)\}")
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Request:
    """How a tool's arguments become a request: those in the path, those in the query, all others in a JSON body."""

    method: str
    url: str
    in_query: frozenset[str]
    headers: Mapping[str, str]

    @property
    def slots(self) -> list[str]:
        """Names in the address that arguments are put in place of."""
        return _SLOT.findall(self.url)

    def made(self, arguments: Arguments) -> tuple[str, dict[str, str], bytes | None]:
        """The address, the query and the body. Raises ToolFailed for an argument that the path lacks."""
        left = dict(arguments)

        def fill(slot: re.Match[str]) -> str:
            value = _plain(left.pop(slot[1], None))
            if value in ("", ".", ".."):
                raise ToolFailed(f"wrong arguments: {slot[1]} is missing")
            return quote(value, safe="")

        url = _SLOT.sub(fill, self.url)
        bodiless = self.method in ("GET", "DELETE")
        query = {name: _plain(left.pop(name)) for name in list(left) if name in self.in_query or bodiless}
        return url, query, None if bodiless else json.dumps(left).encode()


class HttpTools:
    """Tools over one client, which follows no redirect: nobody but the operator says where requests go."""

    def __init__(self, tools: list[tuple[Tool, Request]], http: HttpClient) -> None:
        self._http = http
        self.tools = [self._callable(tool, request) for tool, request in tools]

    async def start(self) -> None:
        """Start nothing: connections are made for requests."""

    async def trouble(self) -> str:
        """Return why there are no tools; no service is asked, since a request may change something."""
        return "" if self.tools else "no operation is described"

    async def close(self) -> None:
        """Close the connections to the services."""
        await self._http.close()

    def _callable(self, tool: Tool, request: Request) -> Tool:
        async def call(arguments: Arguments) -> Any:
            return await self._call(request, arguments)

        return Tool(tool.name, tool.description, tool.parameters, call, tool.changes, tool.filler, tool.deadline_s)

    async def _call(self, request: Request, arguments: Arguments) -> Any:
        status, answer = await fetched(self._http, request, arguments)
        if not 200 <= status < 300:
            told = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
            raise ToolFailed(f"the service answered {status}: {' '.join(told[:500].split())}")
        return answer


async def fetched(http: HttpClient, request: Request, arguments: Arguments) -> tuple[int, Any]:
    """Send a request; its status, and the JSON of its answer, or the text that is none. Raises ToolFailed."""
    url, query, body = request.made(arguments)
    headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if body else {})}
    try:
        response = await http.request(
            request.method,
            url,
            data=body,
            params=query or None,
            headers={**headers, **request.headers},
            allow_redirects=False,
        )
    except TimeoutError:
        raise ToolFailed("the service cannot be reached in time") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ToolFailed(f"the service cannot be reached: {type(error).__name__}") from None
    try:
        raw = await _capped(response)
    except (aiohttp.ClientError, OSError) as error:
        raise ToolFailed(f"the service broke off: {type(error).__name__}") from None
    finally:
        response.close() if not response.content.at_eof() else response.release()
    text = raw.decode("utf-8", "replace")
    try:
        return response.status, json.loads(text)
    except (ValueError, RecursionError):
        return response.status, text


async def _capped(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to a limit; what is beyond it is not read."""
    raw = bytearray()
    while len(raw) < _LARGEST_ANSWER:
        piece = await response.content.readany()
        if not piece:
            break
        raw += piece
        await asyncio.sleep(0)
    return bytes(raw[:_LARGEST_ANSWER])


def _plain(value: Any) -> str:
    """An argument as it stands in an address."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def http_tool(settings: HttpToolSettings, headers: Mapping[str, str], where: str) -> tuple[Tool, Request]:
    """One address with a schema. Raises ConfigError."""
    if not NAME.fullmatch(settings.name):
        raise ConfigError(f"{where}.name: {settings.name!r}: expected up to 64 letters, digits, - and _")
    if not is_address(settings.url):
        raise ConfigError(f"{where}.url: {settings.url!r}: expected an address that starts with http:// or https://")
    slots = _SLOT.findall(settings.url)
    properties = {slot: {"type": "string"} for slot in slots} | dict(settings.parameters)
    schema = {"type": "object", "properties": properties, "required": [*dict.fromkeys((*slots, *settings.required))]}
    changes = settings.method not in _SAFE if settings.changes is None else settings.changes
    tool = Tool(settings.name, settings.description, schema, _never, changes, settings.filler, settings.deadline_s)
    return tool, Request(settings.method, settings.url, frozenset(), headers)


def openapi_tools(
    settings: OpenApiSettings, directory: Path, headers: Mapping[str, str], where: str
) -> list[tuple[Tool, Request]]:
    """The operations of an OpenAPI 3 file, all or those that are named. Raises ConfigError."""
    file = directory / settings.file
    try:
        document = yaml_text.load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{where}.file: {settings.file!r}: cannot be read: {_why_unread(error)}") from None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise ConfigError(f"{where}.file: {settings.file!r}: expected an OpenAPI document with paths")
    url = settings.url or _server(document)
    if not is_address(url):
        raise ConfigError(f"{where}.url: {url!r}: expected an address, as the file's servers name none")
    found: dict[str, tuple[Tool, Request]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                continue
            name = re.sub(r"\W+", "_", str(operation.get("operationId") or f"{method}_{path}")).strip("_")[:64]
            if settings.operations and name not in settings.operations:
                continue
            shared = item.get("parameters") or []
            whole = f"{url.rstrip('/')}{path}"
            try:
                found[name] = _operation(document, name, method.upper(), whole, operation, shared)
            except (TypeError, AttributeError, ValueError):
                what = "expected parameters and a body as OpenAPI 3 describes them"
                raise ConfigError(f"{where}.file: {settings.file!r}: {method} {path}: {what}") from None
    if missing := [name for name in settings.operations if name not in found]:
        raise ConfigError(f"{where}.operations: {missing[0]!r}: expected an operationId of {settings.file}")
    return [
        (
            Tool(
                f"{settings.prefix}{tool.name}"[:64],
                tool.description,
                tool.parameters,
                _never,
                tool.name in settings.changes if settings.changes is not None else tool.changes,
                settings.fillers.get(tool.name, ""),
                settings.deadline_s,
            ),
            Request(request.method, request.url, request.in_query, headers),
        )
        for tool, request in found.values()
    ]


def _why_unread(error: Exception) -> str:
    if isinstance(error, yaml.YAMLError):
        line, what = yaml_text.problem(error)
        return what if line is None else f"line {line}: {what}"
    return "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", "") or ""


def _server(document: dict[str, Any]) -> str:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    return str(first.get("url", "")) if isinstance(first, dict) else ""


def _operation(
    document: dict[str, Any], name: str, method: str, url: str, operation: dict[str, Any], shared: list[Any]
) -> tuple[Tool, Request]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    in_query: set[str] = set()
    for each in [*shared, *(operation.get("parameters") or [])]:
        parameter = _resolved(each, document)
        place, key = parameter.get("in"), str(parameter.get("name", ""))
        if place not in ("path", "query") or not key:
            continue
        properties[key] = {**_resolved(parameter.get("schema") or {"type": "string"}, document)}
        if "description" in parameter:
            properties[key].setdefault("description", parameter["description"])
        if parameter.get("required") or place == "path":
            required.append(key)
        if place == "query":
            in_query.add(key)
    content = _resolved(operation.get("requestBody") or {}, document).get("content") or {}
    body = _resolved((content.get("application/json") or {}).get("schema") or {}, document)
    properties |= body.get("properties") or {}
    required += [key for key in body.get("required") or [] if key not in required]
    schema = {"type": "object", "properties": properties, "required": required}
    description = str(operation.get("description") or operation.get("summary") or name)
    return Tool(name, description, schema, _never, method not in _SAFE), Request(method, url, frozenset(in_query), {})


def _resolved(value: Any, document: dict[str, Any], depth: int = 0) -> Any:
    """A part of the document with its references put in; one that goes round in a circle becomes anything."""
    if depth > _DEEPEST:
        return {}
    if isinstance(value, list):
        return [_resolved(each, document, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    target = value.get("$ref")
    if isinstance(target, str):
        found: Any = document
        for part in target.removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, dict) else {}
        return _resolved(found, document, depth + 1)
    return {key: _resolved(each, document, depth + 1) for key, each in value.items()}


async def _never(_arguments: Arguments) -> Any:
    raise ToolFailed("cannot be called")
