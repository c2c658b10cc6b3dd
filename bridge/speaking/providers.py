"""The pool of speech providers that the settings name, with fleets whose workers come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge import variables
from bridge.http import OpenClient
from bridge.speaking.phrases.phrase import WORKER
from bridge.speaking.settings import ProviderSettings, SpeakingSettings, WorkerProviderSettings
from bridge.speaking.voices.addresses import stands_for_many
from bridge.speaking.voices.base import SpeechProvider
from bridge.speaking.voices.fleet import Fleet
from bridge.speaking.voices.health import MonitoredProvider
from bridge.speaking.voices.hosted.catalogue import hosted_voice
from bridge.speaking.voices.pool import ProviderPool, Route
from bridge.speaking.voices.spoken import SpokenProvider
from bridge.speaking.voices.worker import WorkerProvider


def build_pool(
    settings: SpeakingSettings,
    given: Mapping[str, SpeechProvider],
    environ: Mapping[str, str],
    open_client: OpenClient,
) -> ProviderPool:
    """Build the pool of all providers that the settings name; those of `given` take the place of what is named so."""
    groups = {name: [MonitoredProvider(_saying(provider))] for name, provider in given.items()}
    fleets: dict[str, list[Fleet]] = {}
    named = dict(settings.providers)
    if WORKER not in given:
        named[WORKER] = WorkerProviderSettings(
            addresses=settings.workers, token_env=settings.worker_token_env, sockets=settings.worker_sockets
        )
    for name, one in named.items():
        if name not in groups:
            providers, fleets[name] = _providers(name, one, environ, open_client)
            groups[name] = [MonitoredProvider(_saying(provider)) for provider in providers]
    return ProviderPool(
        dict(sorted(groups.items(), key=_worker_first)),
        {
            name: [Route(one.provider, one.voice, one.language) for one in routes]
            for name, routes in settings.voices.items()
        },
        settings.voice,
        fleets,
    )


def _providers(
    name: str, settings: ProviderSettings, environ: Mapping[str, str], open_client: OpenClient
) -> tuple[Sequence[SpeechProvider], list[Fleet]]:
    """The providers that these settings describe. Each kind of provider is a file of `bridge.speaking.voices`."""
    if not isinstance(settings, WorkerProviderSettings):
        return [hosted_voice(name, settings, open_client, environ)], []
    token, sockets = variables.header(settings.token_env, environ), settings.sockets

    def open_worker(address: str) -> SpeechProvider:
        return WorkerProvider(address, token=token, sockets=sockets, open_client=open_client)

    fleets = [Fleet(one, open_worker, token, open_client) for one in settings.addresses if stands_for_many(one)]
    return [open_worker(one) for one in settings.addresses if not stands_for_many(one)], fleets


def _saying(provider: SpeechProvider) -> SpeechProvider:
    """A provider that says written text as the bridge does: some do it themselves, all others are given the words."""
    return provider if getattr(provider, "reads_written_text", False) else SpokenProvider(provider)


def _worker_first(named: tuple[str, object]) -> bool:
    return named[0] != WORKER
