"""The contract of a provider, kept by every hosted voice against the double of its service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.speaking.voices.hosted.catalogue import hosted_voice
from tests.doubles.speaking.base import KEY
from tests.doubles.speaking.catalogue import DOUBLES, LATE_REFUSALS, UNTIMED
from tests.speaking.provider_contract import Bench, Fault, ProviderContract
from tests.speaking.test_providers import ready


@pytest.mark.parametrize("vendor", DOUBLES)
class TestHostedVoice(ProviderContract):
    @pytest.fixture
    async def bench(self, vendor: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
        monkeypatch.setenv("VENDOR_KEY", KEY)
        double = DOUBLES[vendor]()
        async with double.serve() as url:
            provider = hosted_voice(vendor, double.settings(url))
            await ready(provider)
            yield Bench(provider, double, places_words=vendor not in UNTIMED)
            await provider.close()

    @pytest.mark.parametrize("fault", ["busy", "rejected", "internal", "lost"])
    @pytest.mark.parametrize("after_words", [0, 2])
    async def test_a_failure_is_told_once_with_its_kind(self, bench: Bench, fault: Fault, after_words: int) -> None:
        if after_words and fault != "lost" and bench.provider.name in LATE_REFUSALS:
            pytest.skip("its status is sent before its audio")
        await super().test_a_failure_is_told_once_with_its_kind(bench, fault, after_words)
