"""Secrets: a setting that ends in `_env` names the environment variable that holds one; no file ever holds it itself.

A default name may be unset: nothing is sent or asked for then. A variable that a file names must be set, which the
service, the speech worker and `bridge doctor` look at before anything else (`unset`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from bridge.errors import ConfigError

Variable = Annotated[str, msgspec.Meta(pattern="^[A-Z_][A-Z0-9_]*$")]
"""The name of an environment variable, in capitals: what else stands here is probably the secret itself."""
VariableOrNone = Annotated[str, msgspec.Meta(pattern="^([A-Z_][A-Z0-9_]*)?$")]
"""The same, or empty: there is no secret, whatever the environment holds."""

SECRET_NAME = re.compile(
    r"token|secret|password|passwd|authorization|cookie|(^|[_-])(api)?keys?($|[_-])", re.IGNORECASE
)
"""Names of settings, headers and parameters whose values are secrets."""
_PASSWORD_IN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s@]*:[^/?#\s@]+@")


class Secret(str):
    """Text that is hidden where whatever holds it is printed for people: logs, error messages, `repr`.

    Whoever means to write it out says so: `str(secret)` is plain text, which msgspec insists on.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>" if self else "''"


def value(variable: str, environ: Mapping[str, str]) -> Secret:
    """Return what the variable holds, without white space around it; empty when it is unset or has no name."""
    return Secret(environ.get(variable, "").strip() if variable else "")


def values(variable: str, environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return what the variable holds, separated by commas. Raises ConfigError for what no header could carry."""
    found = tuple(Secret(part.strip()) for part in value(variable, environ).split(",") if part.strip())
    if any(not _is_plain(part) or " " in part for part in found):
        raise ConfigError(f"environment variable {variable}: has spaces or odd characters in it")
    return found


def header(variable: str, environ: Mapping[str, str]) -> Secret:
    """Return a secret that is sent in a header. Raises ConfigError for one that no header can carry."""
    found = value(variable, environ)
    if not _is_plain(found):
        raise ConfigError(f"environment variable {variable}: has line ends or other characters that cannot be sent")
    return found


def holds_password(text: str) -> bool:
    """Tell whether an address has a password in it, as in `redis://user:password@host`."""
    return _PASSWORD_IN_ADDRESS.match(text) is not None


def without_password(address: str) -> str:
    """Return an address for messages: what stands before the host, if anything, is left out."""
    scheme, separator, rest = address.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}{separator}{rest[authority.rfind('@') + 1 :]}"


def unset(
    settings: Any, environ: Mapping[str, str], path: str = "", *, names_variables: bool = False
) -> Iterator[tuple[str, str]]:
    """Find the variables that settings name, other than by default, and that are not set: path and variable."""
    match settings:
        case msgspec.Struct():
            for field in msgspec.structs.fields(settings):
                inner, named = getattr(settings, field.name), field.name.endswith("_env")
                if not named or inner != field.default:
                    below = f"{path}.{field.name}".lstrip(".")
                    yield from unset(inner, environ, below, names_variables=named)
        case dict():
            for key, inner in settings.items():
                yield from unset(inner, environ, f"{path}.{key}", names_variables=names_variables)
        case tuple() | list():
            for place, inner in enumerate(settings):
                yield from unset(inner, environ, f"{path}[{place}]", names_variables=names_variables)
        case str() if names_variables and settings and not value(settings, environ):
            yield path, settings


def check_set(missing: Iterable[tuple[str, str]]) -> None:
    """Raises ConfigError with a line for each of these paths, whose variables are not set."""
    lines = [f"{path}: {name!r}: expected an environment variable that is set" for path, name in missing]
    if lines:
        raise ConfigError("\n".join(lines))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
