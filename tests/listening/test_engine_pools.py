"""The recogniser and the end-of-turn model in processes of their own, real ones."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.listening.engine_pool import EngineFailed
from bridge.listening.engine_pools import EnginePools
from bridge.listening.settings import NoRecogniserSettings, SmartTurnSettings, WhisperSettings
from tests.listening.sounds import line, say, silence
from tests.listening.test_engine_pool import children

STORY = line(
    silence(0.5),
    say("I have an opening on Tuesday at three, or on Thursday at half past nine. Which would you prefer?", -22.0),
    say("No wait, I would rather come on Friday, is that possible?", -26.0, speed=1.15),
    silence(0.2),
)
FINISHED = line(silence(0.5), say("I want to cancel my order."), silence(0.2))


@pytest.fixture
async def engines() -> AsyncIterator[EnginePools]:
    pools = EnginePools()
    await pools.start([[WhisperSettings()], [WhisperSettings()]], SmartTurnSettings(), processes=1)
    yield pools
    await pools.close()


async def test_whether_a_caller_has_finished_is_told_while_anothers_words_are_still_recognised(
    engines: EnginePools,
) -> None:
    words = asyncio.create_task(engines.of(WhisperSettings()).recognise(STORY, language="en", hints=()))
    await asyncio.sleep(0)  # it is asked first
    assert await engines.judge(FINISHED) > 0.7
    assert not words.done()
    assert "Friday" in (await words).text
    assert engines.stats()["engine_jobs"] == 2


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
async def test_no_engine_keeps_another_core_from_the_models(engines: EnginePools) -> None:
    found = [Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children()]
    assert len(found) == 2
    for environment in found:
        assert b"OPENBLAS_NUM_THREADS=" + os.environ.get("OPENBLAS_NUM_THREADS", "1").encode() in environment


async def test_nothing_is_started_that_nobody_asks() -> None:
    pools = EnginePools()
    await pools.start([[NoRecogniserSettings()]], None, processes=4)
    assert (pools.stats(), pools.crowding, children()) == ({}, 0.0, set())
    with pytest.raises(EngineFailed, match="no end-of-turn model"):
        await pools.judge(FINISHED)
    await pools.close()


async def test_a_model_that_is_not_there_is_named_and_leaves_no_process_behind() -> None:
    pools = EnginePools()
    with pytest.raises(ConfigError, match="/nowhere"):
        await pools.start([[WhisperSettings(model="/nowhere")]], SmartTurnSettings(), processes=1)
    await pools.close()
    assert children() == set()
