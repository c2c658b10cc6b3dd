"""Every provider there is, held to the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.audio.formats import MULAW_8000
from bridge.speaking.voices.base import SpeechProvider
from bridge.speaking.voices.spoken import SpokenProvider
from bridge.speaking.voices.worker import WorkerProvider
from tests.speaking.doubles import FakeWorker, Mode
from tests.speaking.provider_contract import Bench, Fault, ProviderContract
from tests.speaking.tiny_voice import TinyProvider, TinyService

_MODES: dict[Fault, Mode] = {
    "well": "well",
    "busy": "busy",
    "rejected": "rejects",
    "internal": "fails",
    "lost": "dies",
}


class _Worker:
    """The double of a speech worker as a far end."""

    def __init__(self, fake: FakeWorker) -> None:
        self._fake = fake

    def misbehave(self, fault: Fault, after_words: int) -> None:
        self._fake.mode, self._fake.after = _MODES[fault], after_words

    def hold(self) -> None:
        self._fake.hold = asyncio.Event()

    def release(self) -> None:
        if self._fake.hold is not None:
            self._fake.hold.set()


async def ready(provider: SpeechProvider) -> None:
    usable = asyncio.Event()
    await provider.start(lambda: usable.set() if provider.usable else None)
    async with asyncio.timeout(5):
        await usable.wait()


class TestWorkerProvider(ProviderContract):
    @pytest.fixture
    async def bench(self, fake: FakeWorker) -> AsyncIterator[Bench]:
        provider = WorkerProvider(fake.address)
        await ready(provider)
        yield Bench(provider, _Worker(fake), (MULAW_8000,))
        await provider.close()


class TestHostedVoice(ProviderContract):
    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with TinyService() as service:
            provider = TinyProvider(service.url)
            await ready(provider)
            yield Bench(provider, service)
            await provider.close()


class TestHostedVoiceWithoutWordTimes(ProviderContract):
    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with TinyService(places_words=False) as service:
            provider = TinyProvider(service.url)
            await ready(provider)
            yield Bench(provider, service, places_words=False)
            await provider.close()


class TestHostedVoiceThatIsGivenWords(ProviderContract):
    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with TinyService() as service:
            provider = SpokenProvider(TinyProvider(service.url))
            await ready(provider)
            yield Bench(provider, service)
            await provider.close()
