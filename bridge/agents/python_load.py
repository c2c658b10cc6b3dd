"""Finds the class of an agent in Python, and finds it again after its files have changed."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from bridge.agents.dialogue import PhoneAgent
from bridge.errors import ConfigError

logger = logging.getLogger(__name__)

_KEY = "agent.class"


class AgentClass:
    """A class named `package.module:Name`, looked for beside the configuration file first.

    Raises ConfigError where there is none. `refresh` reads files and runs their code: for development.
    """

    def __init__(self, name: str, directory: Path = Path()) -> None:
        self._name = name
        module, colon, self._class = name.partition(":")
        if not (colon and module and self._class.isidentifier()):
            raise ConfigError(f"{_KEY}: {name!r}: expected a module and a class in it, such as my_agents:Reception")
        self._module = module
        self._root = module.partition(".")[0]
        place = str(directory.resolve())
        if place not in sys.path:
            sys.path.insert(0, place)
        self.kind = self._load()
        self.lines = lines_of(self.kind)
        """Every text that stands in the class's own code."""
        self._seen = self._versions()

    def refresh(self) -> None:
        """Load the class again if one of its files has changed; one with a mistake leaves the old class in place."""
        versions = self._versions()
        if versions == self._seen:
            return
        self._seen = versions
        before = {name: module for name, module in sys.modules.items() if self._ours(name)}
        for name in before:
            del sys.modules[name]
        importlib.invalidate_caches()
        try:
            self.kind = self._load()
        except ConfigError as error:
            sys.modules.update(before)
            logger.error("the agent is not loaded again: %s", error, exc_info=error.__cause__)
            return
        self.lines, self._seen = lines_of(self.kind), self._versions()
        logger.warning("the agent %s was loaded again", self._name)

    def _load(self) -> type[PhoneAgent]:
        try:
            module = importlib.import_module(self._module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self._module}.".startswith(f"{error.name}."):
                raise ConfigError(f"{_KEY}: {self._name!r}: {error}") from error
            raise ConfigError(f"{_KEY}: {self._name!r}: there is no module {error.name!r}") from None
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{_KEY}: {self._name!r}: {type(error).__name__} while loading: {error}") from error
        kind = getattr(module, self._class, None)
        where = module.__file__ or self._module
        if kind is None:
            raise ConfigError(f"{_KEY}: {self._name!r}: {where} has no {self._class}")
        if not (isinstance(kind, type) and issubclass(kind, PhoneAgent)):
            raise ConfigError(
                f"{_KEY}: {self._name!r}: expected a class that inherits from bridge.agents.dialogue.PhoneAgent"
            )
        if kind.call_started is PhoneAgent.call_started:
            raise ConfigError(f"{_KEY}: {self._name!r}: expected a method call_started(self, call)")
        return kind

    def _ours(self, name: str) -> bool:
        return name == self._root or name.startswith(f"{self._root}.")

    def _versions(self) -> dict[str, tuple[int, int]]:
        """When each file of the class's package was written, and how long it is."""
        found = {}
        for file in [_file(module) for name, module in list(sys.modules.items()) if self._ours(name)]:
            if file is not None and file.is_file():
                told = file.stat()
                found[str(file)] = told.st_mtime_ns, told.st_size
        return found


def _file(module: ModuleType | None) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name) if name else None


def lines_of(kind: type[PhoneAgent]) -> frozenset[str]:
    """Every text in the code of a class's methods: what its author wrote is no secret of a caller's."""
    found: set[str] = set()
    for each in kind.__mro__[: kind.__mro__.index(PhoneAgent)]:
        for value in vars(each).values():
            if isinstance(value, FunctionType):
                found.update(_texts(value.__code__))
    return frozenset(found)


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)
