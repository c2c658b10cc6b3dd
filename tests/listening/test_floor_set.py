"""The published test set is whole, and the listening room does on it what its benchmark reports."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.audio.mulaw import decode_float
from tests.bench.floor_set import FOLDER, Clip, clips, hear, read

FLOOR = clips("floor")
BOT = read("bot.wav")


def of(kind: str, every: int = 1) -> list[Clip]:
    return [clip for clip in FLOOR if clip["kind"] == kind][::every]


def test_every_file_is_in_the_manifest_and_the_set_is_small() -> None:
    named = {clip["file"] for clip in FLOOR + clips("turn")} | {"bot.wav"}
    assert named == {path.name for path in FOLDER.glob("*.wav")}
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 6_000_000


@pytest.mark.parametrize("clip", FLOOR[::7] + clips("turn")[::5], ids=lambda clip: clip["file"])
def test_the_truth_lies_within_the_clip_and_begins_with_a_sound(clip: Clip) -> None:
    samples = decode_float(read(clip["file"]))
    assert 0 <= clip["onset_ms"] < clip["end_ms"] <= len(samples) / 8
    for start, end in clip.get("pauses_ms", []):
        assert clip["onset_ms"] < start < end < clip["end_ms"]
        pause = samples[start * 8 : end * 8]
        assert np.sqrt(np.mean(pause**2)) < 10 ** (-55 / 20)


def test_no_true_interruption_is_missed_and_half_are_seen_within_60_ms() -> None:
    late = []
    for clip in of("interruption", 3) + of("interruption in noise", 2):
        onset = clip["onset_ms"] / 1000
        seen = [event.at for event in hear(read(clip["file"]), BOT) if event.at >= onset and event.probability >= 0.5]
        late.append((seen[0] - onset) * 1000)
    assert np.median(late) <= 80
    assert max(late) < 300


@pytest.mark.parametrize("kind", ["bang", "breath", "typing", "music", "car", "keypad"])
def test_things_are_not_taken_for_people(kind: str) -> None:
    for clip in of(kind, 2):
        assert [event for event in hear(read(clip["file"]), BOT) if event.probability >= 0.5] == []


@pytest.mark.parametrize("kind", ["line echo", "speaker echo", "bad speaker echo"])
def test_our_own_voice_is_taken_for_a_person_by_the_model_and_for_echo_by_the_gate(kind: str) -> None:
    for clip in of(kind, 2):
        speech = [event for event in hear(read(clip["file"]), BOT) if event.probability >= 0.5]
        assert len(speech) > 20
        assert np.mean([event.echo >= 0.6 for event in speech]) > 0.9


def test_a_caller_is_no_echo_on_a_clean_line() -> None:
    for clip in of("interruption", 4):
        speech = [event for event in hear(read(clip["file"]), BOT) if event.probability >= 0.5]
        assert np.mean([event.echo >= 0.6 for event in speech]) < 0.1
