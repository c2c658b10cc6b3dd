"""YAML as people mean it: only what is plainly a number, a truth value or nothing becomes one; all else stays text.

YAML 1.1 reads `0123` as 83, `010000` as 4096, `12:30` as 750, `1_000` as 1000, `+15550100` as a number without its
plus, and `no` as false. Here those are text, as in YAML 1.2; where a setting wants a number, text is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_NUMBER_LIKE = re.compile(r"[-+]?[0-9][0-9_.,:]*|[-+]?0[xob][0-9A-Fa-f_]+")
_BOOL_LIKE = frozenset(("yes", "no", "on", "off", "y", "n"))


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


def load(text: str) -> Any:
    """The data of a YAML text. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=Loader)  # a SafeLoader


def remedy(found: object, expected: str) -> str:
    """What to write instead, for a message that `found` is not what was `expected`; empty if nothing comes to mind."""
    wanted = {word.strip(",.|`") for word in expected.split()}
    if isinstance(found, str):
        if wanted & {"int", "float"} and _NUMBER_LIKE.fullmatch(found):
            return "write a number in plain digits, with no plus, leading zero, underscore, comma or colon"
        if "bool" in wanted and found.lower() in _BOOL_LIKE:
            return "write true or false"
    elif isinstance(found, bool | int | float) and "str" in wanted:
        return "put it in quotes"
    return ""
