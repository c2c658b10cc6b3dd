"""Formulas as models write them for a screen (LaTeX, https://www.latex-project.org), without their marks. Pure."""

from __future__ import annotations

import re

FORMULA = re.compile(r"(\${1,2})(?=[^\s$\d])(?=[^$\n]{0,79}[\\^_{=])([^$\n]{1,80}+)(?<=\S)\1(?![\w$])")
"""Between dollars, and never begun by a digit: "$5 and $6" are sums."""
FORMULA_BEGUN = re.compile(r"\${1,2}(?:[^\s$\d][^$\n]{0,79}+\$?\$?)?\Z")
COMMAND_BEGUN = re.compile(
    r"\\{1,2}(?:[a-zA-Z]{0,12}|[a-zA-Z]{1,12}\{[^{}\n]{0,60}+|[dt]?frac\{[^{}\n]{0,60}+\}(?:\{[^{}\n]{0,60}+)?)\Z"
)
_FRACTION = re.compile(r"\\{1,2}[dt]?frac\{([^{}\n]{1,60}+)\}\{([^{}\n]{1,60}+)\}")
_STYLED = re.compile(
    r"\\{1,2}(?:text|textbf|textit|textrm|emph|mathrm|mathbf|mathit|operatorname|underline|boxed)\{([^{}\n]{0,60}+)\}"
)
_ROOT = re.compile(r"\\{1,2}sqrt\{([^{}\n]{1,60}+)\}")
_SIGN = re.compile(r"\\(times|cdot|div|pm|leq|le|geq|ge|neq|ne|approx|pi|degree|infty)(?![a-zA-Z])")
_SIGNS = {
    "times": "×", "cdot": "×", "div": "÷", "pm": "±", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "ne": "≠", "approx": "≈", "pi": "π", "degree": "°", "infty": "∞",
}  # fmt: skip
_BRACKET = re.compile(r"\\[()\[\]]")


def command_at(held: str, at: int) -> tuple[str, int] | None:
    """What a command here says, and where it ends; None where there is none."""
    if fraction := _FRACTION.match(held, at):
        return f"{fraction[1]}/{fraction[2]}", fraction.end()
    if styled := _STYLED.match(held, at):
        return styled[1].strip(), styled.end()
    if root := _ROOT.match(held, at):
        return f"√{root[1]}", root.end()
    if sign := _SIGN.match(held, at):
        return _SIGNS[sign[1]], sign.end()
    if bracket := _BRACKET.match(held, at):
        return "", bracket.end()
    return None
