from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.errors import VoiceError, VoiceLost
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.worker.client import connect
from tests.speaking.doubles import Ear
from tests.worker.test_server import heard as hear
from tests.worker.test_server import say


async def test_a_worker_is_started_survives_its_own_death_and_is_stopped() -> None:
    speech = SpeechService(SpeakingSettings(give_up_ms=20_000))
    await speech.start()
    assert speech.ready
    assert speech._local is not None
    first = speech._local.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "I am still here for you.", True))
    call.pull(PullSpeech(1, 60_000, 0))
    async with asyncio.timeout(60):
        assert isinstance(await ear.end(), SpeechEnded)
    second = speech._local.pid
    assert second is not None
    assert second != first
    assert speech.stats()["worker_restarts"] == 1
    await speech.close()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    assert not Path(speech._local.address.removeprefix("unix:")).parent.exists()


async def test_calls_in_mid_sentence_are_heard_to_the_end_although_the_worker_is_killed() -> None:
    speech = SpeechService(SpeakingSettings(give_up_ms=20_000))
    await speech.start()
    assert speech._local is not None
    worker = speech._local.pid
    assert worker is not None
    ears = [Ear(), Ear()]
    calls = [speech.open_call(ear.deliver) for ear in ears]
    texts = [f"You are number {place} in the queue. Please hold the line. Thank you." for place in ("two", "three")]
    for call, text in zip(calls, texts, strict=True):
        call.synthesise(Synthesise(1, text, True, cacheable=False))
        call.pull(PullSpeech(1, 200, 0))
    for ear in ears:
        await ear.until(lambda ear=ear: len(ear.audio()) > 0)  # type: ignore[misc]
    os.kill(worker, signal.SIGKILL)
    for call, ear, text in zip(calls, ears, texts, strict=True):
        call.pull(PullSpeech(1, 60_000, 200))
        await ear.until(lambda ear=ear: isinstance(ear.events[-1], SpeechEnded), 30)  # type: ignore[misc]
        assert ear.text() == text
    assert speech.stats()["worker_restarts"] == 1
    await speech.close()


@pytest.fixture
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalWorker]:
    """A worker that hangs at some texts."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    worker = LocalWorker(command=(sys.executable, "-m", "tests.worker.hanging"))
    await worker.start(30)
    yield worker
    await worker.close()


async def speaks_again(worker: LocalWorker) -> None:
    """Another process has taken its place, and speaks."""
    async with asyncio.timeout(60):
        while sum(line.startswith("speech worker ready") for line in worker.lines) < 2:
            await asyncio.sleep(0)
    assert worker.restarts == 1
    async with await connect(worker.address) as link:
        assert (await hear(say(link, "well again", "tone")))[1] == ["well", "again"]


async def test_a_worker_that_hangs_says_so_to_its_streams_ends_and_is_replaced(
    hanging: LocalWorker, caplog: pytest.LogCaptureFixture
) -> None:
    first = hanging.pid
    async with await connect(hanging.address) as link:
        streams = [say(link, "forever", "tone"), say(link, "and so on", "tone")]
        for stream in streams:
            with pytest.raises(VoiceLost, match="engine_hung: engine tone does not answer"):
                await hear(stream)
    await speaks_again(hanging)
    assert hanging.pid != first
    assert "the speech worker has ended (status 70: a step hung); starting another" in caplog.text


async def test_a_worker_that_hangs_and_lets_nothing_else_run_ends_and_is_replaced(hanging: LocalWorker) -> None:
    async with await connect(hanging.address) as link:
        with pytest.raises(VoiceLost):
            await hear(say(link, "alone", "tone"))
    await speaks_again(hanging)
    assert "Timeout (0:00:02)!" in hanging.lines
    assert any("hanging.py" in line for line in hanging.lines), "it says where it hung"


async def test_a_worker_with_no_place_for_its_socket_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(VoiceError, match=r"no place for its socket: .*No space left on device"):
        await LocalWorker().start(1.0)


async def test_a_worker_that_writes_a_line_without_end_is_read_all_the_same() -> None:
    script = "import signal; print('x' * 1_000_000); print('speech worker ready', flush=True); signal.pause()"
    worker = LocalWorker(command=(sys.executable, "-c", script))
    await worker.start(30)
    assert worker.lines[-1] == "speech worker ready"
    assert len(worker.lines) > 50, "it comes in parts"
    assert max(len(line) for line in worker.lines) == 8192
    await worker.close()


async def test_a_worker_that_does_not_come_up_says_why() -> None:
    worker = LocalWorker(command=(sys.executable, "-c", "import sys; print('no voice at all'); sys.exit(3)"))
    with pytest.raises(VoiceError, match="no voice at all"):
        await worker.start(1.0)


async def test_a_worker_that_was_never_started_leaves_nothing_behind() -> None:
    worker = LocalWorker()
    assert not Path(worker.address.removeprefix("unix:")).parent.exists()
    await worker.close()


async def test_a_worker_that_was_stopped_is_killed_and_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a debugger, or a machine that has frozen it: connections to it are still taken, and nothing comes back."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    worker = LocalWorker(command=(sys.executable, "-m", "tests.worker.hanging"), stuck_s=8.0)
    await worker.start(60)
    try:
        first = worker.pid
        assert first is not None
        watched = asyncio.Event()
        whole = worker._answers

        async def answers(within_s: float) -> bool:
            answered = await whole(within_s)
            if answered:
                watched.set()
            return answered

        monkeypatch.setattr(worker, "_answers", answers)
        async with asyncio.timeout(60):
            await watched.wait()
        os.kill(first, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while worker.pid in (first, None):
                await asyncio.sleep(0.02)
        assert "the speech worker has not answered for 8 s" in caplog.text
        assert "the speech worker has ended (killed by SIGKILL); starting another" in caplog.text
    finally:
        await worker.close()
