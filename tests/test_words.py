"""The words of the code: a class name means one thing, and what an editor shows of a docstring is clear alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "bridge").rglob("*.py"))

WORLDS_OF_THEIR_OWN = ("bridge/worker/engines/", "bridge/simulator/")
"""Engines name the layers of published networks, and the simulator is the other company."""

FANCIFUL = frozenset(
    "Mouth Orders Shelf Afterwards Making Maker Rooms House Sheet Taker Held Ear Made Place Did Facts Tally".split()
)
"""Names that once stood here and told nobody anything."""


def test_no_public_class_name_means_two_things() -> None:
    places = defaultdict(list)
    for path, node in _public_classes():
        if not path.startswith(WORLDS_OF_THEIR_OWN):
            places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_class_has_a_fanciful_name() -> None:
    assert [f"{path}:{node.lineno} {node.name}" for path, node in _public_classes() if node.name in FANCIFUL] == []


def _public_classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield path.relative_to(ROOT).as_posix(), node
