"""Every attack beside a call, on a real gateway: the call goes on, and another is taken."""

from __future__ import annotations

import asyncio

import pytest

from tests.attacks.attacks import ATTACKS, again_and_again, require_loopback
from tests.gateway.carrier import running

OTHER_CALL, OTHER_STREAM = "CA00000000000000000000000000000003", "MZ0000000000000000000000000000000b"


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_call_beside_an_attack_goes_on_and_another_is_taken(name: str) -> None:
    async with running() as carrier:
        leg = await carrier.call()
        attacking = asyncio.create_task(again_and_again(ATTACKS[name], carrier.base, rounds=3))
        while not attacking.done():
            await leg.media(b"\xff" * 160)
            await asyncio.wait({attacking}, timeout=0.02)
        assert attacking.result() == 3
        assert carrier.gateway.calls == 1
        other = await carrier.call(OTHER_CALL, OTHER_STREAM)
        await carrier.until_calls(2)
        assert other is not leg


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7:8080", "https://bridge.example.com", "http://localhost.example.com", "http://192.0.2.1", "x"],
)
def test_nobody_but_this_machine_is_ever_attacked(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"])
def test_this_machines_own_addresses_may_be(url: str) -> None:
    require_loopback(url)
