"""Every provider there is, held to the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bridge.audio.formats import MULAW_8000
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechProvider, SpeechRequest
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
    async with asyncio.timeout(60):
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


async def test_programs_have_a_socket_of_their_own(fake: FakeWorker) -> None:
    class Nobody:
        def audio(self, data: bytes) -> None: ...
        def words(self, words: Sequence[Word]) -> None: ...
        def no_words(self) -> None: ...
        def done(self) -> None: ...
        def failed(self, error: VoiceError) -> None: ...

    fake.hold = asyncio.Event()
    provider = WorkerProvider(fake.address, sockets=2)
    await ready(provider)
    async with asyncio.timeout(60):
        while provider.stats()["connected"] < 2:
            await asyncio.sleep(0.001)
        provider.open(SpeechRequest("The first of a program.", priority="tenant"), Nobody())  # and its socket opens
        while provider.stats()["connected"] < 3:
            await asyncio.sleep(0.001)
    for number in range(6):
        provider.open(SpeechRequest(f"Number {number}.", priority="tenant"), Nobody())
        provider.open(SpeechRequest(f"Caller {number}."), Nobody())
    callers = [socket.client for socket in provider._sockets]
    assert provider._tenants is not None
    assert len(provider._tenants.client.streams) == 6
    assert sorted(len(client.streams) for client in callers) == [3, 4]  # the first of the program is among them
    await provider.close()
