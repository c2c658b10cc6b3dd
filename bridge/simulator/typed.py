"""A mapping from a YAML file as a typed struct, with errors that name place, value and what was expected."""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from bridge import yaml_text
from bridge.errors import ConfigError

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN = re.compile(r"unknown field `(.*)`")


def convert(body: Any, kind: type[T], where: str) -> T:
    """`body` as `kind`. Raises ConfigError; `where` is the file, and the place in it, that was read."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        at = _AT.search(message)
        path = at.group(1) if at else ""
        what = _AT.sub("", message)
        unknown = _UNKNOWN.search(what)
        spot = where + (("." if ": " in where else ": ") if path else "") + path
        if unknown:
            known = _fields_at(kind, path)
            raise ConfigError(
                f"{spot}: unknown key {unknown.group(1)!r}{near(unknown.group(1), known)}, "
                f"expected one of {', '.join(known)}"
            ) from None
        if "missing required" in what:
            missing = what.replace("`", "").removeprefix("Object ")
            raise ConfigError(f"{spot}: {missing[0].lower() + missing[1:]}") from None
        found = _value_at(body, path)
        wanted = what.split(", got ")[0].removeprefix("Expected ")
        if what.startswith("Invalid enum value"):
            told, instead = "one of " + ", ".join(map(repr, _choices_at(kind, path))), ""
        elif what.startswith("Expected "):
            told, instead = yaml_text.in_words(wanted), yaml_text.remedy(found, wanted)
        else:
            raise ConfigError(f"{spot}: {what}") from None  # a section's own check
        remedy = f": {instead}" if instead else ""
        raise ConfigError(f"{spot}: got {yaml_text.shown(found)}, expected {told}{remedy}") from None


def near(wrong: str, known: Any) -> str:
    """What was probably meant, in brackets; "" when nothing is similar."""
    close = difflib.get_close_matches(wrong, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[.\[\]]+", path) if part]


def _value_at(body: Any, path: str) -> Any:
    for part in _parts(path):
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
    return body


def _fields_at(kind: Any, path: str) -> list[str]:
    """The keys of the struct at this path of a type."""
    struct = _type_at(kind, path)
    return [field.name for field in msgspec.structs.fields(struct) if field.name != "folder"]


def _choices_at(kind: Any, path: str) -> list[str]:
    """The values that the `Literal` at this path of a type allows."""
    parent, _, key = path.rpartition(".")
    fields = {field.name: field.type for field in msgspec.structs.fields(_type_at(kind, parent))}
    return [choice for one in _alternatives(fields[key]) if get_origin(one) is Literal for choice in get_args(one)]


def _type_at(kind: Any, path: str) -> Any:
    for part in _parts(path):
        if not part.isdigit() and part != "...":
            fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
            kind = next((one for one in _alternatives(fields.get(part)) if _is_struct(one)), kind)
    return kind


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return (hint,) if get_origin(hint) is Literal else (hint, *get_args(hint))


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)
