"""Whom to ask next for one phrase, after what the others have answered. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridge.errors import VoiceError
from bridge.speaking.voices.health import MonitoredProvider
from bridge.speaking.voices.pool import ProviderPool, Route

_TRIES = 2
"""How often one provider may fail with one phrase; the text itself may be what breaks it."""
_MOST_ROUTES = 8
_LOST_TEXT = "engine_runaway"
"""A voice that repeats itself or never ends: another voice should go on."""


class Failover:
    """The routes of one phrase in order of preference, and who has failed on them."""

    def __init__(self, pool: ProviderPool, routes: Sequence[Route]) -> None:
        self._pool = pool
        self._routes = list(routes)
        self._rejected: set[Route] = set()
        self._passed_over: set[MonitoredProvider] = set()
        """Failed or busy just now; asked again after a pause, since they may be the only ones."""
        self._failures: Counter[MonitoredProvider] = Counter()
        self.last_error = VoiceError("no speech provider is connected")

    def next(self) -> tuple[MonitoredProvider, Route] | None:
        """The best route that can be gone now, and who goes it; None: nobody now."""
        for route in self._routes:
            if route not in self._rejected:
                provider = self._pool.choose(route, self._passed_over)
                if provider is not None:
                    return provider, route
        return None

    def replaceable(self, route: Route) -> bool:
        """Whether somebody else could go on now, on another route than this one."""
        others = (one for one in self._routes if one.provider != route.provider and one not in self._rejected)
        return any(self._pool.choose(other, self._passed_over) is not None for other in others)

    def failed(self, provider: MonitoredProvider, route: Route, error: VoiceError) -> None:
        """Take note that this provider gave nothing, or nothing more."""
        self.last_error = error
        if error.kind == "rejected":
            self._rejected.add(route)
            if error.code == _LOST_TEXT and len(self._routes) < _MOST_ROUTES:
                others = self._pool.other_voices(route)
                self._routes += [other for other in others if other not in self._routes and not self._same(other)]
            return
        self._passed_over.add(provider)
        if error.kind != "busy":
            self._failures[provider] += _TRIES if error.kind in ("auth", "quota") else 1

    def _same(self, route: Route) -> bool:
        """Whether this voice was tried under its provider's default."""
        return (
            any(one.provider == route.provider and not one.voice for one in self._routes)
            and self._pool.voice(Route(route.provider, "")) == route.voice
        )

    def pause(self) -> bool:
        """Nobody can be asked now. False if nobody ever can; else those that failed seldom may be asked again."""
        self._passed_over = {provider for provider, failures in self._failures.items() if failures >= _TRIES}
        left = [route for route in self._routes if route not in self._rejected]
        asked = {provider for route in left for provider in self._pool.group(route.provider)}
        if self._pool.usable and left and not any(self._speaks(route) for route in left):
            voices = " or ".join(repr(self._pool.voice(route)) for route in left)
            self.last_error = VoiceError(f"no connected worker has the voice {voices}")
        return bool(left) and not (asked and self._passed_over.issuperset(asked))

    def _speaks(self, route: Route) -> bool:
        return any(not route.voice or route.voice in one.voices for one in self._pool.group(route.provider))
