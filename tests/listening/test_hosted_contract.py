"""The contract of a recogniser, kept by every hosted one against the double of its service.

Most of it is waiting for what a service has not said: that passes in virtual time, on a network in memory, where a
double's work takes none. Over real sockets every vendor is met in `test_hosted_faults.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.listening.recognisers import wire_stream
from bridge.listening.recognisers.hosted.catalogue import hosted_recogniser
from tests.doubles.hearing import rehearse
from tests.doubles.listening.base import KEY, ListeningDouble
from tests.doubles.listening.catalogue import DOUBLES, VIRTUAL
from tests.listening.recogniser_contract import ORDER, SATURDAY, RecogniserContract, Rig, loaded


@pytest.mark.usefixtures("in_virtual_time")
@pytest.mark.parametrize("vendor", VIRTUAL)
class TestHosted(RecogniserContract):
    @pytest.fixture
    async def rig(self, vendor: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
        monkeypatch.setenv("VENDOR_KEY", KEY)
        double: ListeningDouble = DOUBLES[vendor]()
        async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
            yield Rig(recogniser, double.dies)


@pytest.mark.parametrize("vendor", [vendor for vendor in DOUBLES if vendor not in VIRTUAL])
class TestHostedElsewhere(RecogniserContract):
    """Those with a clock and sockets of their own."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _rehearsed(cls) -> None:
        """A service answers at once, or what is meant for one that never answers would be met by chance."""
        rehearse(ORDER, SATURDAY)

    @pytest.fixture
    async def rig(self, vendor: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
        monkeypatch.setenv("VENDOR_KEY", KEY)
        monkeypatch.setattr(wire_stream, "_DIGESTS", 0.5)  # the doubles recognise with a real model, which may be slow
        double: ListeningDouble = DOUBLES[vendor]()
        async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
            yield Rig(recogniser, double.dies)
