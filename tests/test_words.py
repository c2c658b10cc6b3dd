"""The words of the code: a class name means one thing, and what an editor shows of a docstring is clear alone."""

from __future__ import annotations

import ast
import itertools
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "bridge").rglob("*.py"))
PAGES = [path for folder in ("bridge", "fixtures", "tests") for path in sorted((ROOT / folder).rglob("*.md"))]
PAGES += sorted(ROOT.glob("*.md"))

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
    assert [f"{path}:{node.lineno}" for path, node in _classes() if node.name.lstrip("_") in FANCIFUL] == []


MOST_LINES = 420
"""About 400, and a little room for what is mended before the module is divided."""


def test_no_module_is_long() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8").count("\n") for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def _classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield path.relative_to(ROOT).as_posix(), node


def _public_classes() -> Iterator[tuple[str, ast.ClassDef]]:
    yield from ((path, node) for path, node in _classes() if not node.name.startswith("_"))


WORD = re.compile(r"[\w`'-]+")
SHORTEST = 5
"""Words of a docstring's first paragraph: fewer are a label that needs the name to its left."""

DANGLING = re.compile(
    r"(The same|As|Of|That|This|See|And|Or|But|For|From|With|Without|Also|Likewise|It|Its|His|Her|Those|These)\b"
)
"""How docstrings begin that go on from something which an editor's pop-up does not show."""

HE = re.compile(r"\b(he|him|his|himself)\b", re.IGNORECASE)
QUOTED = re.compile(r"""`[^`]*`|"[^"]*"|'[^'\n]{2,}'""")


def wrong_with(docstring: str) -> str:
    """What keeps a docstring from being clear alone; empty when nothing does."""
    first = docstring.split("\n\n")[0].strip()
    if len(WORD.findall(first)) < SHORTEST:
        return f"fewer than {SHORTEST} words"
    if len(re.findall(r"[A-Za-z]+", re.sub(r"`[^`]*`", "", first))) < 3:
        return "examples alone"
    if not first.endswith((".", "!", "?", ":")):
        return "no whole sentence"
    return "begins in the middle" if DANGLING.match(first) else ""


def test_every_public_docstring_is_clear_alone() -> None:
    found = []
    for path in SOURCES:
        for name, line, docstring in _public_docstrings(ast.parse(path.read_text("utf-8"))):
            if wrong := wrong_with(docstring):
                found.append(f"{path.relative_to(ROOT)}:{line} {name}: {wrong}: {docstring.splitlines()[0]!r}")
    assert found == []


def test_no_docstring_is_a_label() -> None:
    """Private ones, too, and those of settings, which stand in files without the name to their left."""
    found = []
    for path in SOURCES:
        module = ast.parse(path.read_text("utf-8"))
        for line, docstring in (*_all_docstrings(module), *(_of_settings(module) if "settings" in path.name else ())):
            if len(WORD.findall(docstring.split("\n\n")[0])) < SHORTEST:
                found.append(f"{path.relative_to(ROOT)}:{line} {docstring!r}")
    assert found == []


def _all_docstrings(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            told := ast.get_docstring(node)
        ):
            yield node.lineno, told


def _of_settings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """What stands under a setting."""
    for section in ast.walk(module):
        if isinstance(section, ast.ClassDef):
            for setting, told in itertools.pairwise(section.body):
                if isinstance(setting, ast.AnnAssign) and isinstance(told, ast.Expr) and _is_text(told.value):
                    yield told.lineno, ast.literal_eval(told.value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize(
    "docstring",
    [
        "Print everything.",
        "As of the gate, but later.",
        "`3/4`, `5 to 6`, `1 in 4`.",
        "The same over a socket of ours.",
        "A list of words",
    ],
)
def test_a_docstring_that_is_not_clear_alone_is_found(docstring: str) -> None:
    assert wrong_with(docstring)


def test_people_are_they() -> None:
    found = []
    for path in (*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))):
        for line, text in _prose(path):
            if he := HE.search(QUOTED.sub("", text)):
                found.append(f"{path.relative_to(ROOT)}:{line} {he[0]}")
    comments = [path for folder in ("fixtures", "tests", "deploy") for path in sorted((ROOT / folder).rglob("*.yaml"))]
    for path in (*PAGES, *comments):
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            text = text.partition("#")[2] if path.suffix == ".yaml" else text
            if he := HE.search(QUOTED.sub("", text)):
                found.append(f"{path.relative_to(ROOT)}:{number} {he[0]}")
    assert found == []


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Every docstring, those of attributes too, and every comment."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def _public_docstrings(module: ast.Module) -> Iterator[tuple[str, int, str]]:
    if docstring := ast.get_docstring(module):
        yield "module", 1, docstring
    yield from _docstrings_in(module.body, "")


def _docstrings_in(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if docstring := ast.get_docstring(node):
                yield prefix + node.name, node.lineno, docstring
            if isinstance(node, ast.ClassDef):
                yield from _docstrings_in(node.body, f"{prefix}{node.name}.")
