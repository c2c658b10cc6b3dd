"""YAML as people mean it: only what is plainly a number, a truth value or nothing becomes one; all else stays text.

YAML 1.1 reads `0123` as 83, `010000` as 4096, `12:30` as 750, `1_000` as 1000, `+15550100` as a number without its
plus, and `no` as false. Here those are text, as in YAML 1.2; where a setting wants a number, text is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_NUMBER_LIKE = re.compile(
    r"[-+]?[0-9.][0-9_.,:]*(?:[eE][-+]?[0-9]+)?|[-+]?0[xob][0-9A-Fa-f_]+|[-+]?\.(?:inf|nan)", re.I
)
_PLAIN_DIGITS = (
    "write a number in plain digits such as 12 or 0.5, with no plus, leading zero, underscore, comma or colon, "
    "and no quotes"
)


class Loader(yaml.SafeLoader):
    """Makes nothing but text, numbers, truth values, lists and mappings."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base class's is made so, too


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_PLAIN = {
    _INT: re.compile(r"-?(?:0|[1-9][0-9]{0,17})"),
    _FLOAT: re.compile(r"-?(?:(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9]*)\.?[eE][-+]?[0-9]+)"),
}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, _PLAIN[_INT].pattern, list("-0123456789")),
    (_FLOAT, _PLAIN[_FLOAT].pattern, list("-.0123456789")),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
):
    Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), _first)


def _number(loader: Loader, node: yaml.ScalarNode) -> int | float | str:
    """A number, also one that a tag calls so (`!!int 0123`), where it is plainly one and finite; else its text."""
    text = str(loader.construct_scalar(node))
    if _PLAIN[_INT].fullmatch(text):
        return int(text) if node.tag == _INT else float(text)
    number = float(text) if _PLAIN[_FLOAT].fullmatch(text) else math.inf
    return number if math.isfinite(number) else text


for _tag in _PLAIN:
    Loader.add_constructor(_tag, _number)


def _truth(loader: Loader, node: yaml.ScalarNode) -> bool | str:
    """A truth value, also one that a tag calls so (`!!bool maybe`), where it is plainly one; else its text."""
    text = str(loader.construct_scalar(node))
    return {"true": True, "false": False}.get(text.lower(), text)


_CORE = ("map", "seq", "str", "null", "merge", "value")
Loader.yaml_constructors = {  # no dates, sets or bytes
    tag: maker
    for tag, maker in Loader.yaml_constructors.items()
    if tag is None or tag in _PLAIN or tag.rpartition(":")[2] in _CORE
}
Loader.add_constructor("tag:yaml.org,2002:bool", _truth)


def compose(text: str, loader: type[yaml.SafeLoader] | type[yaml.BaseLoader] = Loader) -> yaml.Node | None:
    """The nodes of a YAML text, with their lines. Raises yaml.YAMLError, also for what would have no end."""
    try:
        node = yaml.compose(text, Loader=loader)
    except RecursionError:
        raise yaml.YAMLError(_TOO_DEEP) from None
    _refuse_endless(node, (), set())
    return node


def construct(node: yaml.Node | None, loader: type[yaml.SafeLoader] | type[yaml.BaseLoader] = Loader) -> Any:
    """The data of composed nodes. Raises yaml.YAMLError."""
    return None if node is None else loader("").construct_document(node)  # a SafeLoader, or a BaseLoader


def load(text: str) -> Any:
    """The data of a YAML text. Raises yaml.YAMLError."""
    return construct(compose(text))


_DEEPEST = 100
_TOO_DEEP = "it is nested too deeply"


def _refuse_endless(node: yaml.Node | None, above: tuple[yaml.Node, ...], seen: set[int]) -> None:
    if not isinstance(node, yaml.CollectionNode):
        return
    if any(one is node for one in above) or len(above) > _DEEPEST:
        what = _TOO_DEEP if len(above) > _DEEPEST else "recursive"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    if id(node) in seen:
        return
    seen.add(id(node))
    for part in node.value:
        for inner in part if isinstance(part, tuple) else (part,):
            _refuse_endless(inner, (*above, node), seen)


def remedy(found: object, expected: str) -> str:
    """What to write instead, for a message that `found` is not what was `expected`; empty if nothing comes to mind."""
    wanted = {word.strip(",.|`") for word in expected.split()}
    if isinstance(found, str):
        if wanted & {"int", "float"} and _NUMBER_LIKE.fullmatch(found):
            return _PLAIN_DIGITS
    elif isinstance(found, float) and "int" in wanted:
        return "write a whole number in plain digits, with no point and no exponent"
    elif isinstance(found, bool | int | float) and "str" in wanted:
        return "put it in quotes"
    return ""


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a section",
    "null": "nothing",
}
_BOUNDS = {">=": "of at least", ">": "above", "<=": "of at most", "<": "below"}
_MANY = ("entries", "characters")
_LENGTH = re.compile(r"of length (>=|<=)? ?(\d+)")
_PATTERN = re.compile(r"matching regex '(.*)'")
_MEANING = {
    "^[A-Z_][A-Z0-9_]*$": "the name of an environment variable, in capitals",
    "^([A-Z_][A-Z0-9_]*)?$": "the name of an environment variable, in capitals, or nothing",
    "^https?://[^/]": "an address that starts with http:// or https://",
}
"""Of patterns, for people."""


def in_words(expected: str) -> str:
    """What msgspec expects ("`int | null`", "`int` >= 1"), as the author of a YAML file knows it."""
    kinds, _, bound = expected.replace("`", "").partition(" >")
    if bound:
        bound = f">{bound}"
    else:
        kinds, _, bound = kinds.partition(" <")
        bound = bound and f"<{bound}"
    if (pattern := _PATTERN.search(kinds)) is not None:
        return _MEANING.get(pattern[1], f"text of the form {pattern[1]}")
    if (length := _LENGTH.search(f"{kinds} {bound}".strip())) is not None:
        kind = kinds.split()[0]
        what = ("character" if kind == "str" else "entry") if length[2] == "1" else _MANY[kind == "str"]
        least = {">=": "at least ", "<=": "at most "}.get(length[1] or "", "")
        return f"{_KINDS.get(kind, kind)} of {least}{length[2]} {what}"
    if kinds.endswith(" that is finite"):
        return f"{_KINDS[kinds.split()[0]]} that is finite"
    told = " or ".join(dict.fromkeys(_KINDS.get(kind, kind) for kind in kinds.split(" | ")))
    sign, _, limit = bound.partition(" ")
    return f"{told} {_BOUNDS[sign]} {limit}" if bound else told


def shown(value: object) -> str:
    """A value as the file's author knows it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a section" if value else "an empty section"
        case list():
            return "a list" if value else "an empty list"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


_PROBLEMS = (
    ("mapping values are not allowed", "a colon where none can be: put the text in quotes, or correct the indentation"),
    ("expected <block end>", "this line does not belong where its indentation puts it"),
    ("could not find expected ':'", "a key without a colon and a space after it"),
    ("expected ',' or ']'", "a list in brackets that lacks a comma, or its end"),
    ("expected ',' or '}'", "a section in braces that lacks a comma, or its end"),
    ("expected the node content", "a value is missing, or a bracket too many or too few"),
    (r"found character '\t'", "a tab: YAML is indented with spaces"),
    ("that cannot start any token", "a text that begins with this character must be in quotes"),
    ("end of stream", "quotes that are not closed"),
    ("document separator", "quotes that are not closed"),
    ("undefined alias", "a text that begins with * must be in quotes"),
    ("alphabetic or numeric character", "a text that begins with * or & must be in quotes"),
    ("could not determine a constructor", "a text that begins with ! must be in quotes"),
    ("undefined tag", "a text that begins with ! must be in quotes"),
    ("escape", "a backslash in double quotes: write it twice, or take single quotes"),
    ("special characters are not allowed", "a control character, which no such file can hold"),
    ("unhashable key", "a key that is a list or a section: put it in quotes"),
    ("found unhashable", "a key that is a list or a section: put it in quotes"),
    ("another document", "a line of --- in the middle: a file holds one document"),
    ("second occurrence", "two anchors (&) of one name"),
    ("for merging", "<< wants a section"),
    ("recursive", "a name (&) that is used inside what it names"),
    ("incompatible YAML", "a version of YAML that is not 1"),
    ("expected '", "a text that begins with ! must be in quotes"),
    ("expected chomping", "a text that begins with | or > must be in quotes"),
)
"""What PyYAML says of a text, and what its author is told."""


def problem(error: yaml.YAMLError) -> tuple[int | None, str]:
    """The line, counted from one, and what is wrong there with a text that is no YAML, in its author's words."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    told = next((words for part, words in _PROBLEMS if part in said), re.sub(r"[<>]", "", said))
    return None if mark is None else mark.line + 1, told
