"""The commands of the moment, gathered by everyone who decides while one event is worked off."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.call.commands import Command, Decided


class Orders:
    """Commands in the order in which they are to be carried out."""

    __slots__ = ("_commands",)

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def add(self, commands: Iterable[Command]) -> None:
        """Order these next."""
        self._commands += commands

    def decide(self, what: str, **why: float | int | str | bool) -> None:
        """Leave a why record: what was decided, on which inputs, with which margins."""
        self._commands.append(Decided(what, why))

    def take(self) -> list[Command]:
        """All orders so far, which are then forgotten."""
        taken, self._commands = self._commands, []
        return taken
