"""The engine processes: real ones, killed, stalled, overfilled and refused."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest

from bridge.errors import ConfigError
from bridge.listening import engine_pool, engine_process
from bridge.listening.engine_messages import (
    LENGTH,
    EngineAnswer,
    EngineOrder,
    EngineReady,
    EngineSetup,
    JobFailed,
    JobProbability,
    JudgeJob,
    answers,
    pack,
)
from bridge.listening.engine_pool import EngineFailed, EnginePool, SpareEngine
from bridge.listening.settings import SmartTurnSettings, WhisperSettings
from tests.listening.sounds import line, say, silence

ONLY_TURN = EngineSetup(None, SmartTurnSettings())
FINISHED = line(silence(0.5), say("I want to cancel my order."), silence(0.2))


@pytest.fixture
async def engines() -> AsyncIterator[EnginePool]:
    pool = EnginePool(ONLY_TURN, deadline_s=20.0)
    await pool.start()
    yield pool
    await pool.close()


def children() -> set[int]:
    """Engine processes of this test process."""
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    return {int(row.split()[0]) for row in listed.stdout.splitlines() if "engine_process" in row}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_job_is_done_in_another_process(engines: EnginePool) -> None:
    assert await engines.judge(FINISHED) > 0.7
    assert engines.counters.jobs == 1


async def test_a_recogniser_and_a_turn_model_share_a_process() -> None:
    pool = EnginePool(EngineSetup(WhisperSettings(), SmartTurnSettings()), deadline_s=30.0)
    await pool.start()
    try:
        probability, text = await asyncio.gather(
            pool.judge(FINISHED), pool.recognise(FINISHED, language="en", hints=())
        )
        assert probability > 0.7
        assert text.text.rstrip(".") == "I want to cancel my order"
        with pytest.raises(EngineFailed, match="language 'de'"):
            await pool.recognise(FINISHED, language="de", hints=())
        assert await pool.judge(FINISHED) == probability  # one bad job harms no other
    finally:
        await pool.close()


async def test_what_libraries_print_there_is_a_line_of_our_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "nonsense")  # about which Python complains when it starts
    pool = EnginePool(ONLY_TURN)
    await pool.start()
    await pool.close()
    assert "engine process: Invalid -W option ignored" in caplog.text
    assert capfd.readouterr().err == ""


async def test_an_engine_that_is_not_configured_is_named(engines: EnginePool) -> None:
    with pytest.raises(EngineFailed, match="no embedded recogniser"):
        await engines.recognise(FINISHED, language="en", hints=())


async def killed_at_work(engines: EnginePool, jobs: int) -> None:
    """Stop the only process, wait until it has been given so many jobs in all, and kill it in the midst of the last."""
    await until(lambda: len(children()) == 1)
    [process] = children()
    os.kill(process, signal.SIGSTOP)
    await until(lambda: engines.counters.jobs == jobs)
    os.kill(process, signal.SIGKILL)
    await until(lambda: process not in children())


async def test_a_process_that_dies_is_replaced_and_its_job_asked_again(engines: EnginePool) -> None:
    [first] = children()
    os.kill(first, signal.SIGSTOP)
    jobs = [asyncio.create_task(engines.judge(FINISHED)) for _ in range(2)]
    answered: list[int] = []
    for number, job in enumerate(jobs):
        job.add_done_callback(lambda _job, number=number: answered.append(number))  # type: ignore[misc]
    await killed_at_work(engines, jobs=1)
    assert min(await asyncio.gather(*jobs)) > 0.7
    assert answered == [0, 1]  # the one that was at work comes first
    assert (engines.counters.restarts, engines.counters.repeated, engines.counters.failed) == (1, 1, 0)
    assert children().isdisjoint({first})


async def test_the_words_of_a_turn_survive_the_death_of_the_only_process() -> None:
    pool = EnginePool(EngineSetup(WhisperSettings(), None), deadline_s=60.0)
    await pool.start()
    try:
        job = asyncio.create_task(pool.recognise(FINISHED, language="en", hints=()))
        await killed_at_work(pool, jobs=1)
        assert (await job).text.rstrip(".") == "I want to cancel my order"
    finally:
        await pool.close()


@pytest.mark.parametrize("kind", ["ready", "light"])
async def test_a_spare_takes_the_place_of_a_process_that_dies_and_another_is_kept(kind: SpareEngine) -> None:
    pool = EnginePool(ONLY_TURN, deadline_s=30.0, spare=kind, spare_after_s=0.0)
    await pool.start()
    try:
        await until(lambda: pool._spare is not None)
        both = children()
        job = asyncio.create_task(pool.judge(FINISHED))
        await until(lambda: pool.counters.jobs == 1)
        assert await job > 0.7
        [at_work] = both - {pool._spare.pid if pool._spare else 0}
        os.kill(at_work, signal.SIGKILL)
        assert await pool.judge(FINISHED) > 0.7
        assert children() & both == both - {at_work}  # the spare answered
        await until(lambda: pool._spare is not None)
        assert pool._spare is not None
        spare = pool._spare
        os.kill(spare.pid, signal.SIGKILL)  # a spare that is no more costs nothing, either
        await until(lambda: spare.returncode is not None and len(children()) == 1)
        [last] = children()
        os.kill(last, signal.SIGKILL)
        assert await pool.judge(FINISHED) > 0.7
    finally:
        await pool.close()
    assert children() == set()


async def test_a_job_that_kills_two_processes_has_failed(engines: EnginePool, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = engine_pool._exchange

    async def deadly(process: asyncio.subprocess.Process, message: bytes) -> EngineAnswer:
        if b"judge" in message[:40]:
            process.kill()
        return await exchange(process, message)

    with monkeypatch.context() as patched:
        patched.setattr(engine_pool, "_exchange", deadly)
        with pytest.raises(EngineFailed, match="lost"):
            await engines.judge(FINISHED)
    assert (engines.counters.repeated, engines.counters.failed) == (1, 1)
    assert await engines.judge(FINISHED) > 0.7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_the_whole_group_leaves_the_engines_to_the_calls_that_drain(
    engines: EnginePool, number: signal.Signals
) -> None:
    [process] = children()
    os.kill(process, number)
    assert await engines.judge(FINISHED) > 0.7
    assert children() == {process}
    assert (engines.counters.restarts, engines.counters.repeated) == (0, 0)


async def test_a_process_that_dies_idle_costs_no_job(engines: EnginePool) -> None:
    [first] = children()
    os.kill(first, signal.SIGKILL)
    await until(lambda: engines.counters.restarts == 1 and len(children()) == 1)
    assert await engines.judge(FINISHED) > 0.7
    assert (engines.counters.jobs, engines.counters.failed, engines.counters.repeated) == (1, 0, 0)


async def test_a_job_past_its_deadline_fails_and_its_process_is_killed() -> None:
    pool = EnginePool(ONLY_TURN, deadline_s=0.3)
    await pool.start()
    try:
        [first] = children()
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(EngineFailed, match=r"within 0\.3 s"):
            await pool.judge(FINISHED)
        await until(lambda: first not in children() and len(children()) == 1)
        assert pool.counters.restarts == 1
    finally:
        await pool.close()


async def test_a_job_nobody_wants_any_more_leaves_the_queue(engines: EnginePool) -> None:
    jobs = [asyncio.create_task(engines.judge(FINISHED)) for _ in range(5)]
    await until(lambda: engines.waiting == 4)
    for job in jobs[1:4]:
        job.cancel()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [isinstance(result, float) for result in results] == [True, False, False, False, True]
    assert engines.counters.jobs == 2
    assert engines.counters.dropped == 3


async def test_closing_fails_what_waits_and_leaves_no_process() -> None:
    pool = EnginePool(ONLY_TURN, deadline_s=20.0)
    await pool.start()
    jobs = [asyncio.create_task(pool.judge(FINISHED)) for _ in range(3)]
    await until(lambda: pool.waiting == 2)
    await pool.close()
    for job in jobs[1:]:
        with pytest.raises(EngineFailed, match="closing"):
            await job
    jobs[0].cancel()
    assert children() == set()


async def test_a_model_that_cannot_be_loaded_stops_the_start_with_its_reason() -> None:
    pool = EnginePool(EngineSetup(WhisperSettings(model="/nowhere"), SmartTurnSettings()))
    with pytest.raises(ConfigError, match="/nowhere holds no model"):
        await pool.start()
    assert children() == set()


def test_the_process_answers_in_order_and_ends_with_its_input() -> None:
    orders: list[EngineOrder] = [ONLY_TURN, JudgeJob(7, FINISHED), JudgeJob(8, b"")]
    out = io.BytesIO()
    engine_process.serve(io.BytesIO(b"".join(pack(order) for order in orders)), out)
    said: list[EngineAnswer] = []
    left = out.getvalue()
    while left:
        length = LENGTH.unpack(left[:4])[0]
        said.append(answers.decode(left[4 : 4 + length]))
        left = left[4 + length :]
    assert isinstance(said[0], EngineReady)
    assert [type(answer) for answer in said[1:]] == [JobProbability, JobProbability]
    assert [answer.job for answer in said[1:] if isinstance(answer, JobProbability | JobFailed)] == [7, 8]
