"""The contract of a recogniser, kept by every hosted one against the double of its service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.listening.recognisers import wire_stream
from bridge.listening.recognisers.hosted.catalogue import hosted_recogniser
from tests.doubles.hearing import rehearse
from tests.doubles.listening.base import KEY, ListeningDouble
from tests.doubles.listening.catalogue import DOUBLES
from tests.listening.recogniser_contract import ORDER, SATURDAY, RecogniserContract, Rig, loaded


@pytest.fixture(scope="module", autouse=True)
def _rehearsed() -> None:
    """A service answers at once, or what is meant for one that never answers would be met by chance."""
    rehearse(ORDER, SATURDAY)


@pytest.mark.parametrize("vendor", DOUBLES)
class TestHosted(RecogniserContract):
    @pytest.fixture
    async def rig(self, vendor: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
        monkeypatch.setenv("VENDOR_KEY", KEY)
        monkeypatch.setattr(wire_stream, "_DIGESTS", 0.5)  # the doubles recognise with a real model, which may be slow
        double: ListeningDouble = DOUBLES[vendor]()
        async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
            yield Rig(recogniser, double.dies)
