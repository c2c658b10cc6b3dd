"""Choose which provider speaks with which voice: an order of preference for each name, and the least loaded of
equals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from bridge.speaking.voices.fleet import Fleet
from bridge.speaking.voices.health import MonitoredProvider


class Route(NamedTuple):
    """One way to speak with a voice."""

    provider: str
    voice: str
    """What the provider calls the voice; empty: its default."""
    language: str = ""
    """In which its texts are read; empty: as the provider does."""


class ProviderPool:
    """All providers by name, several alike (the workers of a fleet) under one, and the voices that they speak with.

    groups         the first is where voices that are in no map are looked for first
    voice_map      for each voice's name the routes to it, best first
    default_voice  speaks where none is named; empty: the first group's own default
    fleets         for a group's name those of its providers that are found, and may come and go
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[MonitoredProvider]],
        voice_map: Mapping[str, Sequence[Route]] | None = None,
        default_voice: str = "",
        fleets: Mapping[str, Sequence[Fleet]] | None = None,
    ) -> None:
        self.groups = {name: list(providers) for name, providers in groups.items()}
        """All providers by their group's name."""
        self._map = {name: tuple(routes) for name, routes in (voice_map or {}).items()}
        self._default = default_voice
        self._fleets = dict(fleets or {})
        self._looking: list[asyncio.Task[None]] = []
        self._engines: dict[str, str] = {}
        """Engine versions by `provider/voice`; under `provider/` the name of the provider's default voice."""
        self._waiting: dict[object, Callable[[], None]] = {}
        self._on_engines: Callable[[dict[str, str]], None] | None = None

    async def start(
        self, remembered: Mapping[str, str], on_engines: Callable[[dict[str, str]], None] | None = None
    ) -> None:
        """Begin to connect to all providers.

        remembered  engine versions that count until a provider says otherwise, as `on_engines` was told them
        """
        self._engines = {name: engine for name, engine in remembered.items() if "/" in name}
        self._on_engines = on_engines
        for provider in self.providers:
            await provider.start(self._changed)
        self._looking = [
            asyncio.create_task(fleet.keep(name, self)) for name, fleets in self._fleets.items() for fleet in fleets
        ]

    async def close(self) -> None:
        """End the connections to all providers."""
        self._waiting.clear()
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        for provider in self.providers:
            await provider.close()

    async def join(self, group: str, provider: MonitoredProvider) -> None:
        """Take in one more provider and begin to connect to it."""
        self.groups[group].append(provider)
        await provider.start(self._changed)

    async def part(self, group: str, provider: MonitoredProvider) -> None:
        """Let go of a provider that is no more."""
        self.groups[group].remove(provider)
        await provider.close()

    @property
    def providers(self) -> list[MonitoredProvider]:
        """All of them, in the order of their groups."""
        return [provider for group in self.groups.values() for provider in group]

    def group(self, name: str) -> list[MonitoredProvider]:
        """The providers of one name."""
        return self.groups.get(name, [])

    @property
    def usable(self) -> bool:
        """Whether anybody can speak now."""
        return any(provider.usable for provider in self.providers)

    @property
    def headroom(self) -> float:
        """The best provider's headroom, 0 without any."""
        return max((provider.headroom for provider in self.providers), default=0.0)

    @property
    def voices(self) -> dict[str, str]:
        """The names that something can be said with now, each with its engine's version; the default one first."""
        found: dict[str, str] = {}
        for name in dict.fromkeys((self._default, *self._map)):
            route = next((route for route in self.routes(name) if self.choose(route, ())), None)
            if route is not None:
                found[name or self.voice(route)] = self.engine(route)
        for group in self.groups.values():
            for provider in group:
                if provider.usable:
                    found |= {voice: engine for voice, engine in provider.voices.items() if voice not in found}
        return found

    def routes(self, name: str | None) -> tuple[Route, ...]:
        """The ways to speak with a voice, best first; a name that is in no map means the voice that is called so."""
        name = name or self._default
        if name in self._map:
            return self._map[name]
        first = next(iter(self.groups), "")
        if not name:
            return (Route(first, ""),)
        known = [group for group, providers in self.groups.items() if any(name in one.voices for one in providers)]
        return tuple(Route(group, name) for group in known or [first])

    def choose(self, route: Route, excluded: Collection[MonitoredProvider]) -> MonitoredProvider | None:
        """The least loaded provider that can go this way now and is not excluded."""
        able = [one for one in self.group(route.provider) if one not in excluded and one.speaks(route.voice)]
        return min(able, key=lambda provider: provider.load, default=None)

    def other_voices(self, route: Route) -> list[Route]:
        """List the other voices of the same provider, its default one first: for a text that this voice cannot say."""
        found = {
            voice: Route(route.provider, voice, route.language)
            for provider in self.group(route.provider)
            for voice in (provider.default_voice, *provider.voices)
        }
        return [other for voice, other in found.items() if voice and voice != self.voice(route)]

    def voice(self, route: Route) -> str:
        """The provider's own name for the voice; empty while it is its default and nobody has said what that is."""
        return route.voice or self._engines.get(f"{route.provider}/", "")

    def engine(self, route: Route) -> str:
        """The version of the engine that speaks on this route; empty while unknown."""
        return self._engines.get(f"{route.provider}/{self.voice(route)}", "")

    def wait(self, who: object, changed: Callable[[], None]) -> None:
        """Call `changed` whenever another provider may have become usable."""
        self._waiting[who] = changed

    def leave(self, who: object) -> None:
        """Give up waiting for a free place."""
        self._waiting.pop(who, None)

    def _changed(self) -> None:
        known = dict(self._engines)
        for name, group in self.groups.items():
            for provider in group:
                known |= {f"{name}/{voice}": engine for voice, engine in provider.voices.items()}
                if provider.default_voice:
                    known[f"{name}/"] = provider.default_voice
        if known != self._engines:
            self._engines = known
            if self._on_engines is not None:
                self._on_engines(known)
        for changed in list(self._waiting.values()):
            changed()
