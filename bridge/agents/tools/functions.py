"""Tools that are functions in Python: the signature's types give the schema, the docstring says what they do.

@reads
async def find_order(number: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]) -> Order:
    "What is known of an order."
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bridge.agents.tools.base import NAME, Arguments, Tool, ToolFailed
from bridge.agents.tools.settings import PythonToolsSettings
from bridge.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

_READS = "_bridge_reads"


def reads(function: F) -> F:
    """Mark a function that changes nothing: a model may call it at once, and a caller who goes on gives it up."""
    setattr(function, _READS, True)
    return function


class FunctionTools:
    """The functions that settings name, `package.module:function`. Raises ConfigError for one that cannot be used."""

    def __init__(self, settings: PythonToolsSettings, directory: Path, where: str) -> None:
        place = str(directory.resolve())
        if place not in sys.path:
            sys.path.insert(0, place)
        self.tools = [_tool(_found(name, where), settings, f"{where}: {name!r}") for name in settings.functions]

    async def start(self) -> None:
        """Start nothing: functions are there."""

    async def trouble(self) -> str:
        """Return why there are no tools: functions are never away, but there may be none."""
        return "" if self.tools else "no function is named"

    async def close(self) -> None:
        """Close without effect: functions hold nothing of ours."""


def _found(name: str, where: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function, None) if function.isidentifier() else None
    except ModuleNotFoundError as error:
        raise ConfigError(f"{where}: {name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: {name!r}: {type(error).__name__} while loading: {error}") from error
    if not callable(found):
        raise ConfigError(f"{where}: {name!r}: expected a module and a function in it, such as orders:find_order")
    kind: Callable[..., Any] = found
    return kind


def _tool(function: Callable[..., Any], settings: PythonToolsSettings, where: str) -> Tool:
    name = function.__name__
    if not NAME.fullmatch(name):
        raise ConfigError(f"{where}: expected a name of up to 64 letters, digits, - and _")
    taken = _arguments(function, where)
    schema = _schema(taken, where)
    documented = inspect.getdoc(function) or ""
    if not documented.strip():
        raise ConfigError(f"{where}: expected a docstring, which tells the model what it does")

    async def call(arguments: Arguments) -> Any:
        try:
            given = msgspec.convert(arguments, taken, strict=False)
        except msgspec.ValidationError as error:
            raise ToolFailed(f"wrong arguments: {error}") from None
        named = {field: value for field in taken.__struct_fields__ if (value := getattr(given, field)) is not _LEFT_OUT}
        if inspect.iscoroutinefunction(function):
            return await function(**named)
        return await asyncio.to_thread(function, **named)

    filler = settings.fillers.get(name, "")
    return Tool(name, documented, schema, call, not getattr(function, _READS, False), filler, settings.deadline_s)


_LEFT_OUT: Any = msgspec.UNSET


def _arguments(function: Callable[..., Any], where: str) -> type[msgspec.Struct]:
    """A struct whose fields are the function's parameters."""
    try:
        types = typing.get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters
    except (NameError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: its types cannot be read: {error}") from None
    fields: list[Any] = []
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(f"{where}: expected parameters that have names, not {parameter}")
        if name not in types:
            raise ConfigError(f"{where}: expected a type for {name!r}, such as {name}: str")
        optional = parameter.default is not parameter.empty
        kind = typing.Union[types[name], msgspec.UnsetType] if optional else types[name]  # noqa: UP007 (at run time)
        fields.append((name, kind, _LEFT_OUT) if optional else (name, kind))
    return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)


def _schema(taken: type[msgspec.Struct], where: str) -> dict[str, Any]:
    try:
        (schema,), parts = msgspec.json.schema_components([taken], ref_template="#/$defs/{name}")
    except TypeError as error:
        raise ConfigError(f"{where}: its types have no JSON schema: {error}") from None
    own = dict(parts.pop("Arguments"))
    del schema
    own.pop("title", None)
    own.setdefault("required", [])
    return own | ({"$defs": parts} if parts else {})
