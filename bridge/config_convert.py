"""Plain data -> typed settings, with a sentence for each mistake: where it is, what stands there, what was expected."""

from __future__ import annotations

import difflib
import functools
import operator
import re
from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as shape

from bridge import yaml_text
from bridge.config_ranges import out_of_range
from bridge.config_source import Keys
from bridge.variables import SECRET_NAME

T = TypeVar("T")
Told = Callable[[Keys, str], None]
"""Told of each mistake: its path and what is wrong."""

_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_MISSING = re.compile(r"missing required field (\w+)")
_MOST_MISTAKES = 20


def convert(raw: Any, kind: type[T], told: Told, hidden: frozenset[tuple[str, str]] = frozenset()) -> T | None:
    """Return `raw` as a `kind`; mistakes are told and taken out of `raw`, so that one call finds all of them.

    `hidden` are fields, by class and name, that no file can set. None when there were too many mistakes.
    """
    expected = shape.type_info(kind)
    unknown = list(_unknown_keys(raw, expected, (), hidden))
    for path, what in unknown:
        told(path, what)
        drop(raw, path)
    for path, what in list(_out_of_range(raw, expected, ())):
        told(path, what)
        drop(raw, path)
    wrong: set[Keys] = set()
    for _ in range(_MOST_MISTAKES):
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            path, what = _explain(error, raw, expected)
            missing = _MISSING.match(what)
            if missing is None or (*path, missing[1]) not in wrong:  # else it is missing because it was taken out
                told(path, what)
            wrong.add(path)
            # Without its tag the rest of a section says nothing: it goes as a whole.
            path = path[:-1] if _is_tag(path, expected, raw) else path
            while not drop(raw, path):
                if not path:
                    return None
                path = path[:-1]
    return None


def _unknown_keys(
    value: Any, expected: shape.Type, path: Keys, hidden: frozenset[tuple[str, str]]
) -> Iterator[tuple[Keys, str]]:
    """Keys that no section has, each with a guess at what was meant. Empty sections count as absent."""
    match _pick(expected, value):
        case shape.StructType(cls=cls, fields=fields, tag_field=tag_field) if isinstance(value, dict):
            known = {field.encode_name: field.type for field in fields if (cls.__name__, field.name) not in hidden}
            for key in list(value):
                if key == tag_field:
                    continue
                if key not in known:
                    yield (*path, key), _not_a_key(str(key), sorted(known))
                elif value[key] is None and isinstance(known[key], shape.StructType | shape.VarTupleType):
                    del value[key]  # `call:` with nothing below it
                else:
                    yield from _unknown_keys(value[key], known[key], (*path, key), hidden)
        case shape.DictType(value_type=inner) if isinstance(value, dict):
            for key, item in value.items():
                yield from _unknown_keys(item, inner, (*path, key), hidden)
        case shape.ListType(item_type=inner) | shape.VarTupleType(item_type=inner) if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _unknown_keys(item, inner, (*path, index), hidden)


def _out_of_range(value: Any, expected: shape.Type, path: Keys, name: str = "") -> Iterator[tuple[Keys, str]]:
    """Numbers of the right kind that make no sense for the setting of this name."""
    match _pick(expected, value):
        case shape.StructType(fields=fields) if isinstance(value, dict):
            for field in fields:
                if field.encode_name in value:
                    inner = value[field.encode_name]
                    yield from _out_of_range(inner, field.type, (*path, field.encode_name), field.name)
        case shape.DictType(value_type=inner) if isinstance(value, dict):
            for key, item in value.items():
                yield from _out_of_range(item, inner, (*path, key), str(path[-1]))
        case shape.ListType(item_type=inner) | shape.VarTupleType(item_type=inner) if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _out_of_range(item, inner, (*path, index), name)
        case other if what := out_of_range(value, name, other):
            yield path, what


def _pick(expected: shape.Type, value: Any) -> shape.Type:
    """Of several possible sections the one that the value's tag names."""
    if isinstance(expected, shape.UnionType):
        structs = [one for one in expected.types if isinstance(one, shape.StructType)]
        if len(structs) == 1:
            return structs[0]
        for struct in structs:
            if struct.tag_field and isinstance(value, dict) and value.get(struct.tag_field) == struct.tag:
                return struct
    return expected


def _not_a_key(key: str, known: list[str]) -> str:
    if f"{key}_env" in known:
        return f"no file may hold this secret: put it into an environment variable, and name that in {key}_env"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key, expected one of {', '.join(known)}"


def _explain(error: msgspec.ValidationError, raw: Any, expected: shape.Type) -> tuple[Keys, str]:
    """Where a value is wrong, and a sentence with the value and what was expected."""
    parts = _MESSAGE.match(str(error))
    assert parts is not None
    path, open_end = _path(parts["where"] or "")
    what = parts["what"]
    found = look_up(raw, path)
    if open_end and isinstance(found, dict):
        item_type = _item_type(_at(expected, path, raw))
        for key, item in found.items() if item_type is not None else ():
            try:
                msgspec.convert(item, item_type)
            except msgspec.ValidationError as inner:
                inner_path, what = _explain(inner, item, shape.type_info(item_type))
                return (*path, str(key), *inner_path), what
    secret = any(isinstance(step, str) and SECRET_NAME.search(step) for step in path)
    shown = "<hidden>" if secret else yaml_text.shown(found)
    if what.startswith("Expected"):
        wanted = what.split(", got ")[0].removeprefix("Expected ")
        instead = yaml_text.remedy(found, wanted)
        return path, f"is {shown}, expected {yaml_text.in_words(wanted)}" + (f": {instead}" if instead else "")
    if what.startswith("Object missing required field"):
        name = what.split("`")[1]
        return path, f"{what.removeprefix('Object ').replace('`', '')}{_allowed((*path, name), expected)}"
    if what.startswith(("Invalid enum value", "Invalid value")):
        return path, f"is {shown}, which is none of the allowed values{_allowed(path, expected)}"
    key, _, rest = what.partition(" ")
    if isinstance(found, dict) and key in found:
        return (*path, key), rest  # a section's own check, which begins with the key it is about
    return path, what.replace("`", "")


def _is_tag(path: Keys, expected: shape.Type, raw: Any) -> bool:
    """Whether this is the key that says of which kind a section is."""
    inside = _at(expected, path[:-1], raw)
    types = inside.types if isinstance(inside, shape.UnionType) else (inside,)
    return bool(path) and any(isinstance(one, shape.StructType) and one.tag_field == path[-1] for one in types)


def _allowed(path: Keys, expected: shape.Type) -> str:
    """The values a literal setting may have, or which tags there are, for a message."""
    expected = _at(expected, path[:-1], None)
    types = expected.types if isinstance(expected, shape.UnionType) else (expected,)
    structs = [one for one in types if isinstance(one, shape.StructType)]
    tags = [str(one.tag) for one in structs if one.tag_field == path[-1:][0]] if path else []
    if tags:
        return f": {', '.join(tags)}"
    for struct in structs:
        for field in struct.fields:
            if path and field.encode_name == path[-1] and isinstance(field.type, shape.LiteralType):
                return f": {', '.join(map(str, field.type.values))}"
    return ""


def _at(expected: shape.Type, path: Keys, raw: Any) -> shape.Type:
    """What is expected at this path of data such as `raw`, whose tags choose among several kinds of section."""
    for step in path:
        picked = _pick(expected, raw)
        raw = look_up(raw, (step,))
        types = picked.types if isinstance(picked, shape.UnionType) else (picked,)
        expected = next((found for one in types if (found := _inside(one, step)) is not None), picked)
    return expected


def _inside(expected: shape.Type, step: str | int) -> shape.Type | None:
    match expected:
        case shape.VarTupleType(item_type=inner) | shape.ListType(item_type=inner) | shape.DictType(value_type=inner):
            return inner
        case shape.StructType(fields=fields):
            return next((field.type for field in fields if field.encode_name == step), None)
    return None


def _item_type(expected: shape.Type) -> Any:
    """The type, as Python writes it, of a mapping's values; None when a mistake in them cannot be looked for."""
    return _python(expected.value_type) if isinstance(expected, shape.DictType) else None


def _python(expected: shape.Type) -> Any:
    match expected:
        case shape.StructType(cls=cls):
            return cls
        case shape.UnionType(types=types):
            return functools.reduce(operator.or_, map(_python, types))
        case shape.VarTupleType(item_type=inner):
            return GenericAlias(tuple, (_python(inner), ...))
        case shape.StrType():
            return str
    return None


def _path(where: str) -> tuple[Keys, bool]:
    """msgspec's `.worker.voices[...].gain_db` as keys; `[...]`, any key of a mapping, ends what is known: then True."""
    path: list[str | int] = []
    for step in _STEP.finditer(where):
        if step[3]:
            return tuple(path), True
        path.append(step[1] if step[1] is not None else int(step[2]))
    return tuple(path), False


def look_up(raw: Any, path: Keys) -> Any:
    """The value at this path; None when there is none."""
    for step in path:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def put(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value, and make the sections that lead to it."""
    *sections, key = path
    for section in sections:
        inner = raw.get(section)
        if inner is None:
            inner = raw[section] = {}
        if not isinstance(inner, dict):
            return  # the section itself is wrong, which will be said
        raw = inner
    raw[key] = value


def drop(raw: Any, path: Keys) -> bool:
    """Take a value out; False when it is not there."""
    if not path:
        return False
    *sections, key = path
    section = look_up(raw, tuple(sections))
    if isinstance(section, dict) and key in section:
        del section[key]
        return True
    return False
