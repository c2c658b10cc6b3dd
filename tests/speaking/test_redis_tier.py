"""Phrases shared through a real Redis, and calls that go on when it is gone or asleep."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator

import pytest

from bridge.speaking.phrases.phrase import pack
from bridge.speaking.phrases.redis_tier import RedisTier
from tests.speaking.phrases import key, phrase

SIZE = len(pack(phrase("number 10000")))


@pytest.fixture
async def tier(redis_url: str) -> AsyncIterator[RedisTier]:
    tier = RedisTier(redis_url, deadline_s=0.5, write_deadline_s=2.0)
    assert await tier.open()
    yield tier
    await tier.close()


async def test_what_one_process_keeps_another_finds(tier: RedisTier, redis_url: str) -> None:
    assert await tier.put(phrase("good morning"))
    other = RedisTier(redis_url, deadline_s=0.5)
    assert await other.get(key("Good morning")) == phrase("good morning")
    assert await other.get(key("good evening")) is None
    assert await other.get(key("good morning", tenant="b")) is None
    await other.close()


async def test_damaged_and_foreign_entries_are_dropped_and_counted(tier: RedisTier) -> None:
    await tier.put(phrase("good morning"))
    await tier.put(phrase("good evening"))
    names = [name async for name in tier.client.scan_iter("bridge:phrase:*")]
    await tier.client.set(names[0], b"something else")
    await tier.client.set(names[1], pack(phrase("another phrase")))
    assert await tier.get(key("good morning")) is None
    assert await tier.get(key("good evening")) is None
    assert tier.damaged == 2


async def test_a_tenants_limit_evicts_what_was_never_used_again(redis_url: str) -> None:
    tier = RedisTier(redis_url, deadline_s=0.5, write_deadline_s=2.0, tenant_limit_bytes=int(SIZE * 5.5))
    await tier.put(phrase("good morning"))
    await tier.put(phrase("good morning", tenant="quiet"))
    assert await tier.get(key("good morning"))
    await asyncio.gather(*tier._background)
    for number in range(10_000, 10_020):
        await tier.put(phrase(f"number {number}"))
    kept = [entry.text async for entry in tier.list(tenant="default")]
    assert "good morning" in kept
    assert "number 10019" in kept
    assert len(kept) <= 6
    assert tier.evicted >= 15
    assert [entry.tenant async for entry in tier.list(tenant="quiet")] == ["quiet"]
    assert int(await tier.client.hget("bridge:size:default", "total") or 0) <= SIZE * 5.5
    await tier.close()


async def test_purge_by_text_voice_and_tenant(tier: RedisTier) -> None:
    for text in ("good morning", "good evening"):
        for voice in ("heart", "joe:*?"):
            for tenant in ("a", "b/[x]"):
                await tier.put(phrase(text, tenant, voice))
    assert await tier.purge(text="good morning", voice="joe:*?", tenant="b/[x]") == 1
    assert await tier.purge(voice="heart") == 4
    assert await tier.purge(tenant="a") == 2
    assert await tier.purge() == 1
    assert await tier.client.hget("bridge:size:a", "total") == b"0"


async def test_a_redis_that_is_not_there_costs_nothing_but_is_counted() -> None:
    tier = RedisTier("unix:///nowhere/redis.sock")
    assert not await tier.open()
    assert not tier.available
    for _ in range(10):
        assert await tier.get(key("good morning")) is None
        assert not await tier.put(phrase("good morning"))
    assert tier.failures == 3, "after three failures it is not even tried for a while"
    assert tier.skipped == 18
    await tier.close()


async def test_a_redis_that_sleeps_costs_at_most_a_few_deadlines(
    redis_url: str, redis_process: subprocess.Popen[bytes]
) -> None:
    tier = RedisTier(redis_url, deadline_s=0.005)
    await tier.open()
    os.kill(redis_process.pid, signal.SIGSTOP)
    try:
        began = asyncio.get_running_loop().time()
        for _ in range(50):
            assert await tier.get(key("good morning")) is None
        taken_s = asyncio.get_running_loop().time() - began
    finally:
        os.kill(redis_process.pid, signal.SIGCONT)
    assert tier.late == 3
    assert tier.skipped == 47
    assert taken_s < 0.5
    await tier.close()


async def test_a_cancelled_trial_does_not_leave_redis_unused_for_ever(tier: RedisTier) -> None:
    waiting = asyncio.ensure_future(tier.guarded(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await tier.put(phrase("good morning"))


@pytest.mark.parametrize("steps", range(8))
async def test_a_busy_event_loop_does_not_make_an_operation_outlive_its_deadline(tier: RedisTier, steps: int) -> None:
    """The deadline passes while the loop is held up, at whatever step the operation was by then."""
    asking = asyncio.ensure_future(tier.guarded(tier.client.blpop(["nothing"], 0), deadline_s=0.001))
    for _ in range(steps):
        await asyncio.sleep(0)
    time.sleep(0.01)  # other work on the same loop
    async with asyncio.timeout(1):
        assert await asking is None
    assert tier.late == 1


async def test_what_was_not_written_under_the_services_secret_is_never_heard(redis_url: str) -> None:
    ours = RedisTier(redis_url, deadline_s=0.5, write_deadline_s=2.0, secret="ours")
    theirs = RedisTier(redis_url, deadline_s=0.5, write_deadline_s=2.0, secret="theirs")
    assert await theirs.put(phrase("good morning"))
    assert await ours.get(key("good morning")) is None
    assert ours.forged == 1
    await ours.put(phrase("good evening"))
    assert await ours.get(key("good evening")) == phrase("good evening")
    genuine = await ours.client.get(ours._name(key("good evening")))
    assert isinstance(genuine, bytes)
    other = ours._name(key("good night"))
    await ours.client.set(other, genuine)  # a genuine value under another name
    assert await ours.get(key("good night")) is None
    assert ours.forged == 2
    await asyncio.gather(*ours._background)
    await ours.close()
    await theirs.close()
