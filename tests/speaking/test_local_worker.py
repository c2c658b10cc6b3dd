from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.errors import VoiceError
from bridge.speaking.local_worker import LocalWorker
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import Speech
from tests.speaking.doubles import Ear


async def test_a_worker_is_started_survives_its_own_death_and_is_stopped() -> None:
    speech = Speech(SpeakingSettings(give_up_ms=20_000))
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
    async with asyncio.timeout(30):
        assert isinstance(await ear.end(), SpeechEnded)
    second = speech._local.pid
    assert second is not None
    assert second != first
    assert speech.stats()["worker_restarts"] == 1
    await speech.close()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    assert not Path(speech._local.address.removeprefix("unix:")).parent.exists()


async def test_a_worker_that_does_not_come_up_says_why() -> None:
    worker = LocalWorker((sys.executable, "-c", "import sys; print('no voice at all'); sys.exit(3)"))
    with pytest.raises(VoiceError, match="no voice at all"):
        await worker.start(1.0)


async def test_a_worker_that_was_never_started_leaves_nothing_behind() -> None:
    worker = LocalWorker()
    assert not Path(worker.address.removeprefix("unix:")).parent.exists()
    await worker.close()
