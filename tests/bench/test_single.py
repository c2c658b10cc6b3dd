"""A worker of our own, a process with its real voice: one stream at a time, and where text is cut."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.bench import worker
from bridge.bench.chunking import (
    RATE_HZ,
    SpokenSample,
    compare,
    distance,
    edge_db,
    first_piece,
    judge,
    places_of_joins,
    plain,
    without_echo,
)
from bridge.bench.sentences import LINES, LONG, READ_BACK, SHORT
from bridge.bench.single import WorkerLine, lengths, sockets
from bridge.bench.speech import divided_cores
from bridge.bench.worker import Target, busy_s, own_worker, watch_gpu
from bridge.call.events import Word
from bridge.errors import ConfigError, VoiceError
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariVoiceSettings, PiperVoiceSettings


async def test_warm_cold_and_long_with_a_real_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_WORKER_TOKEN", "secret")
    core = min(os.sched_getaffinity(0))
    async with own_worker(WorkerSettings(), [core]) as target:
        assert target.cores == 1
        spoken_ms = await lengths(target, LINES[:3], None)
        measured = await sockets(target, None, 3, random.Random(1), lambda _what: None)
        cpu_s, core_s = target.cpu_s(), target.core_s()
        stats = await target.stats()
        async with target.session() as session:
            line = WorkerLine(session, target)
            with pytest.raises(VoiceError, match="unknown_voice"):
                await line.speak(SHORT, "hart")
            await line.close()
    assert cpu_s is not None
    assert core_s is not None
    assert 0 < cpu_s < core_s
    assert all(1000 < ms < 8000 for ms in spoken_ms)
    assert measured.long_chars == len(LONG) > 500
    assert LONG.startswith(SHORT)
    for values in (measured.warm_ms, measured.cold_ms, measured.long_ms):
        assert len(values) == 3
        assert all(5 < value < 5000 for value in values)
    # Of a long text only the beginning was made: whoever is next has the engine alone.
    assert stats["audio_s"] < (sum(spoken_ms) / 1000 + 9 * 2.5)
    assert measured.rtf
    assert 0 < measured.rtf < 1


async def test_a_worker_that_does_not_start_says_why() -> None:
    with pytest.raises(VoiceError, match="absent"):
        async with own_worker(WorkerSettings(voices={"absent": PiperVoiceSettings(model="absent.onnx")})):
            pass
    with pytest.raises(ConfigError, match="no voice 'hart'; there are: heart"):
        await compare(WorkerSettings(voices={"heart": HibariVoiceSettings()}), "hart", (), lambda _what: None)


async def test_a_server_that_is_no_worker_tells_no_stats() -> None:
    assert await Target("ws://127.0.0.1:9").stats() == {}
    assert Target("unix:/run/worker").url == "http://worker/"
    assert Target("ws://10.0.0.7:8090").url == "http://10.0.0.7:8090"
    assert Target("ws://10.0.0.7:8090").cpu_s() is None


def test_a_cores_time_is_all_but_idling() -> None:
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 4 1000 2000 8 16 32 500 0\nintr 5\n"
    assert busy_s(stat, 1) == pytest.approx(63 * tick_s)
    assert busy_s(stat, 7) == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is for all")
def test_worker_and_listeners_get_cores_of_their_own() -> None:
    cores = os.sched_getaffinity(0)
    for gpu in (False, True):
        with divided_cores(gpu) as theirs:
            assert set(theirs) | os.sched_getaffinity(0) == cores
            assert not set(theirs) & os.sched_getaffinity(0)
            assert len(os.sched_getaffinity(0) if gpu else theirs) == 1
        assert os.sched_getaffinity(0) == cores


async def test_a_gpus_utilisation_is_what_its_driver_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text(
        "#!/bin/sh\ncase $2 in --query-gpu=name) echo 'A GPU';; *) echo 40; echo '[N/A]'; echo 60;; esac\n"
    )
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await worker.gpu_name() == "A GPU"
    async with watch_gpu() as seen:
        pass
    assert seen in ([40.0, 60.0], [])  # stopped as soon as nobody looks
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert await worker.gpu_name() is None
    async with watch_gpu() as seen:
        assert seen == []


# ---- joins ----------------------------------------------------------------------------------------------------------


async def test_the_default_voice_is_compared_under_every_strategy() -> None:
    said: list[str] = []
    found = await compare(WorkerSettings(), None, (), said.append, READ_BACK[5:6])
    assert [one.name for one in found] == ["sentence", "clause", "fixed", "word"]
    sentence, clause, fixed, word = found
    assert [sentence.pieces, clause.pieces] == [2, 3]
    assert word.pieces == len(READ_BACK[5].split())
    assert sentence.pieces < fixed.pieces < word.pieces
    assert word.audio_s > 1.2 * sentence.audio_s
    assert word.writing_ms < clause.writing_ms < sentence.writing_ms
    for one in found:
        assert len(one.ttfa_ms) == 3
        assert 0 <= one.word_errors < 0.2
        assert one.step_db is not None
        assert 0 <= one.step_db < 15
    assert said[0] == "chunking by sentence: speaking"


def test_pieces_end_where_the_worker_ends_them() -> None:
    text = "Thank you for waiting so long, I am sorry. The doctor can see you now."
    assert places_of_joins("sentence", text) == {9}
    assert places_of_joins("clause", text) == {6, 9}
    assert places_of_joins("word", text) == set(range(1, 15))


def test_an_agent_must_have_written_the_first_piece() -> None:
    text = "Thank you for waiting so long, I am sorry. The doctor can see you now."
    assert first_piece("word", text) == len("Thank y")  # "Thank" may be the first half of something
    assert first_piece("clause", text) == len("Thank you for waiting so long, ")
    assert first_piece("sentence", text) == len("Thank you for waiting so long, I am sorry. ")
    assert first_piece("sentence", "Hello") == 5


def _vowel(seconds: float, level: float = 0.3) -> np.ndarray[Any, np.dtype[np.float64]]:
    return level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)


def test_a_click_at_a_join_stands_out() -> None:
    sound = _vowel(2.0)
    assert edge_db(sound, 0.99, 1.01) < 1.0
    sound[RATE_HZ + 5] += 0.05
    assert edge_db(sound, 0.99, 1.01) > 20.0
    assert edge_db(sound, 0.4, 0.45) < 1.0


def test_a_join_that_gets_louder_is_measured_and_misheard_words_are_counted() -> None:
    sound = np.concatenate([_vowel(1.0), np.zeros(RATE_HZ // 4), _vowel(1.0, 0.15)])
    words = [Word("One.", 0, 1000), Word("Two.", 1250, 2250)]
    found = judge("sentence", [SpokenSample("One. Two.", sound, words)], [50.0], lambda _ulaw: "one too")
    assert found.step_db == pytest.approx(6.0, abs=0.2)
    assert (found.pieces, found.word_errors, found.ordinary_step_db) == (2, 0.5, None)


def test_words_are_compared_without_their_marks() -> None:
    assert distance(plain("It's nine, o’clock!"), plain("it's nine o'clock")) == 0
    assert distance(["a", "b", "c"], ["a", "c", "d"]) == 2
    assert distance([], ["a"]) == 1
    heard = "the lot is behind the building the lot is behind the building the lot is".split()
    assert without_echo(heard) == "the lot is behind the building".split()
    assert without_echo("no no no".split()) == "no no no".split()
