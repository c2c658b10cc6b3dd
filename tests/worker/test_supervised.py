"""A worker process that somebody keeps: started, drained with a caller listening, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from bridge.errors import ConfigError, VoiceError
from bridge.ray_app import application
from bridge.worker.client import connect
from bridge.worker.protocol import Audio
from bridge.worker.settings import WRONG_SETTINGS_EXIT_CODE, WorkerSettings
from bridge.worker.supervised import SupervisedWorker

HERE = WorkerSettings(port=0, token_env="")


async def test_a_caller_hears_the_end_though_the_worker_is_told_to_stop() -> None:
    worker = SupervisedWorker(HERE, start_s=120.0)
    try:
        async with await connect(worker.address, timeout_s=60) as link:
            speech = link.open()
            speech.text("We have an opening on Tuesday at nine, and another one on Thursday in the afternoon.")
            speech.end()
            words, told, heard_ms = [], False, 0.0
            async for message in speech:
                if isinstance(message, Audio):
                    heard_ms += len(message.data) / 8
                else:
                    words += [word.text for word in message.words]
                if not told:
                    worker.drain()
                    told = True
        assert speech.audio_ms == heard_ms > 3000
        assert words[-1] == "afternoon."
        assert await asyncio.to_thread(worker.wait, 60.0)
        assert not worker.alive
    finally:
        worker.kill()


def double(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import os, signal, sys, time; sys.stdin.readline(); {script}")


READY = "print('speech worker ready on ws://127.0.0.1:4711, voices: heart', flush=True)"


def test_a_worker_that_refuses_its_settings_says_why() -> None:
    script = f"print('voices.heart: no such file', flush=True); sys.exit({WRONG_SETTINGS_EXIT_CODE})"
    with pytest.raises(ConfigError, match=r"refuses its settings:\n  voices.heart: no such file"):
        SupervisedWorker(HERE, 60.0, double(script))


def test_a_worker_that_ends_before_it_is_ready_says_how() -> None:
    with pytest.raises(VoiceError, match=r"has ended with status 3; it said:\n  out of memory"):
        SupervisedWorker(HERE, 60.0, double("print('out of memory', flush=True); sys.exit(3)"))


def test_a_worker_that_is_never_ready_is_ended() -> None:
    with pytest.raises(VoiceError, match=r"was not ready after 0\.05 s"):
        SupervisedWorker(HERE, 0.05, double("time.sleep(600)"))


def test_one_that_does_not_drain_is_killed_at_the_deadline() -> None:
    worker = SupervisedWorker(HERE, 60.0, double(f"signal.signal(15, signal.SIG_IGN); {READY}; time.sleep(600)"))
    assert (worker.address, worker.alive) == ("ws://127.0.0.1:4711", True)
    worker.drain()
    assert not worker.wait(0.05)
    assert not worker.alive


def test_a_line_without_end_fills_no_memory_and_says_nothing() -> None:
    worker = SupervisedWorker(HERE, 60.0, double(f"print('x' * 3_000_000); {READY}; sys.stdin.read()"))
    assert len(worker.last_words) < 40_000
    os.kill(worker.pid, 9)
    assert worker.wait(60.0)


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"min_workers": 0}, r"`int` >= 1 - at `\$.min_workers`"),
        ({"min_workers": 3, "max_workers": 2}, "max_workers is 2, less than min_workers, 3"),
        ({"most_used": 1.5}, r"`\$.most_used`"),
        ({"gpus": 1}, "unknown field `gpus`"),
    ],
    ids=str,
)
def test_wrong_arguments_of_a_fleet_are_named(arguments: dict[str, object], mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        application(arguments)
