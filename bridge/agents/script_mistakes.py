"""What is wrong with a script, each mistake with its file and line: places have the names that mistakes give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import NamedTuple

import yaml

from bridge.yaml_text import shown

_ENTRIES = {"states": "state", "intents": "intent", "hours": "hours"}
"""Keys whose entries are places of their own, and what these are called."""
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\w+)")
_MOST_PLACES = 50_000
"""No more are learned of files in which names (&) are used without measure."""


class _KnownPlace(NamedTuple):
    file: str
    line: int
    value: yaml.Node


class ScriptLines:
    """The lines of a script and of all files that it includes; the script itself is the file without a name."""

    def __init__(self) -> None:
        self._places: dict[str, _KnownPlace] = {}

    def read(self, root: yaml.Node | None, file: str = "") -> None:
        """Learn the places of one file. What is there already keeps its line, as it keeps what it says."""
        if not isinstance(root, yaml.MappingNode):
            return
        if not file:
            self._places["the file"] = _KnownPlace("", 1, root)
        for key, value in root.value:
            noun = _ENTRIES.get(str(key.value))
            self._learn(f"include {file!r}, {key.value}" if file else str(key.value), file, key, value)
            for entry, inner in value.value if noun and isinstance(value, yaml.MappingNode) else ():
                self._learn(f"{noun} {str(entry.value)!r}", file, entry, inner)

    def of(self, mistake: str) -> tuple[str, int] | None:
        """The file and the line that a mistake is about; None where that cannot be told."""
        known = [place for place in self._places if mistake.startswith((f"{place}:", f"{place},"))]
        if not known:
            return None
        name = max(known, key=len)
        place = self._places[name]
        for found in _TEXT.finditer(mistake, len(name)):
            text = next(part for part in found.groups() if part is not None)
            line = next((node.start_mark.line + 1 for node in _scalars(place.value) if node.value == text), None)
            if line is not None:
                return place.file, line
        return place.file, place.line

    def _learn(self, name: str, file: str, key: yaml.Node, value: yaml.Node) -> None:
        if name in self._places or len(self._places) > _MOST_PLACES:
            return
        self._places[name] = _KnownPlace(file, key.start_mark.line + 1, value)
        if isinstance(value, yaml.MappingNode):
            for inner, below in value.value:
                self._learn(f"{name}, {inner.value}", file, inner, below)
        elif isinstance(value, yaml.SequenceNode):
            for index, below in enumerate(value.value):
                self._learn(f"{name}, line {index + 1}", file, below, below)


class Mistakes(list[str]):
    """Everything found wrong in one script, so that its author sees all of it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = ScriptLines()
        self._at: dict[str, tuple[str, int]] = {}

    def note(self, where: str, value: object, expected: str) -> None:
        """Add one mistake: the place, what stands there, and what was expected."""
        self.append(f"{where}: {shown(value)}: {expected}")

    def unreadable(self, file: str, line: int | None, what: str) -> None:
        """Add that a file is no YAML, as it is in this line."""
        mistake = f"{file and f'include {file!r}: '}not readable as YAML: {what}"
        self.append(mistake)
        if line is not None:
            self._at[mistake] = file, line

    def placed(self, source: str, mistakes: Iterable[str]) -> list[str]:
        """Put before each mistake its file and line; `source` is the script's own file."""
        return [f"{self._place(source, mistake)}: {mistake}" for mistake in mistakes]

    def _place(self, source: str, mistake: str) -> str:
        found = self._at.get(mistake) or self.lines.of(mistake)
        if found is None:
            return source
        file, line = found
        return f"{PurePath(source).parent / file if file else source}:{line}"


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Keys and values that are text, one after the other as they are written; what has several names once."""
    waiting, seen = [node], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, yaml.ScalarNode):
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            inner = [part for entry in one.value for part in (entry if isinstance(entry, tuple) else (entry,))]
            waiting += reversed(inner)
