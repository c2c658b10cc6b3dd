"""Who is well, who is busy, who is slow: arithmetic first, then around a real socket."""

from __future__ import annotations

import asyncio

import pytest

from bridge.errors import FailureKind, VoiceBusy, VoiceError
from bridge.speaking.voices.health import Health
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import FakeWorker
from tests.speaking.test_speech import say


def test_slow_first_audio_takes_the_headroom_and_time_gives_it_back() -> None:
    health = Health()
    for at in range(20):
        health.heard(1.5, at / 10)
    assert health.headroom(2.0, []) == 0.0
    assert health.headroom(8.0, []) < 0.5
    assert health.headroom(14.0, []) > 0.8, "seconds after the cause's end, though nothing new was measured"
    health.heard(0.03, 2.0)
    health.probed(0.03, 2.1)
    assert health.headroom(2.1, []) > 0.9, "a probe that comes soon says more than the past"
    assert health.headroom(2.2, [0.6]) == 0.0, "somebody waits too long just now"


def test_a_slow_probe_does_not_make_it_worse_than_it_was() -> None:
    health = Health()
    health.heard(1.0, 0.0)
    before = health.headroom(0.1, [])
    health.probed(5.0, 0.1)
    assert health.headroom(0.1, []) == pytest.approx(before)


def test_busy_is_no_failure_and_passes() -> None:
    health = Health()
    for _ in range(9):
        assert not health.failed(VoiceBusy("full", 2.0), 10.0)
    assert health.headroom(11.9, []) == 0.0
    assert health.headroom(12.1, []) == 1.0


@pytest.mark.parametrize(
    ("kind", "failures"), [("auth", 1), ("quota", 1), ("lost", 3), ("internal", 3), ("rejected", None), ("idle", None)]
)
def test_how_many_failures_in_a_row_leave_a_provider_alone(kind: FailureKind, failures: int | None) -> None:
    health = Health()
    opened = [health.failed(VoiceError("no", kind), 0.0) for _ in range(9)]
    assert opened == [number + 1 == failures for number in range(9)]


async def test_after_slow_texts_calls_are_welcome_again_though_nobody_asks_for_speech(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    speech._source._patience = type(speech._source._patience)(5.0, 5.0, 10.0)
    fake.mode, fake.slow_s = "slow", 1.0
    for number in range(4):
        await say(speech, f"one {number}")
    assert speech.headroom() < 0.5
    fake.mode = "well"
    async with asyncio.timeout(60):
        while speech.headroom() < 0.9:
            await asyncio.sleep(0.01)
    assert fake.texts[-1] == "Okay."
