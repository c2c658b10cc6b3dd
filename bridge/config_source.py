"""A configuration file's text -> plain data, with the line of every key, for mistakes that name their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from bridge import yaml_text
from bridge.errors import ConfigError

Keys = tuple[str | int, ...]
"""Where a value stands: the keys, and places in lists, that lead to it."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


class Source:
    """Where values come from: a file's lines, or environment variables."""

    def __init__(self, file: str, lines: dict[Keys, int]) -> None:
        self.file = file
        self.lines = lines
        self.variables: dict[Keys, str] = {}

    def mistake(self, path: Keys, what: str) -> str:
        """`what` with the place it is about before it."""
        variable = next((name for key, name in self.variables.items() if path[: len(key)] == key), None)
        if variable is not None:
            return f"environment variable {variable}: {what}"
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        place = self.file if line is None else f"{self.file}:{line}"
        return f"{place}: {dotted(path)}: {what}" if path else f"{place}: {what}"


def read_yaml(text: str, source: str) -> tuple[dict[str, Any], dict[Keys, int], list[str]]:
    """The data, the line of each key, and what is wrong with the text as such."""
    try:
        node = yaml_text.compose(text)
        raw = yaml_text.construct(node)
    except yaml.YAMLError as error:
        line, what = yaml_text.problem(error)
        raise ConfigError(f"{source if line is None else f'{source}:{line}'}: not YAML: {what}") from None
    if raw is None:
        return {}, {}, []
    if not isinstance(raw, dict):
        return {}, {}, [f"{source}: is {yaml_text.shown(raw)}, expected sections such as `gateway:`"]
    lines: dict[Keys, int] = {}
    mistakes: list[str] = []
    for path, line in _keys(node, ()):
        if path in lines:
            mistakes.append(f"{source}:{line}: {dotted(path)}: is set twice, first in line {lines[path]}")
        lines.setdefault(path, line)
    return raw, lines, mistakes


def _keys(node: yaml.Node | None, path: Keys) -> Iterator[tuple[Keys, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1
            yield from _keys(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _keys(value, (*path, index))


def dotted(path: Keys) -> str:
    """A path as messages name it: `numbers."+15550100".call.no_input_s`."""
    return "".join(map(_step, path)).lstrip(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f'."{step}"'
