from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.mulaw import decode_float, encode
from bridge.call.events import VoiceActivity
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.settings import ActivitySettings
from bridge.listening.sound import Floats
from tests.listening.sounds import frames, keypad, line, noise, say, silence

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
SENTENCE = "Hello, I would like to make an appointment on Tuesday."
MODEL = SileroModel()
EVERYTHING = ActivitySettings(report_probability=0.0, silence_db=-200.0, above_floor_db=-200.0, rows=2)
"""Report each window, spare the model none."""


def listen(
    ulaw: bytes, batch: ActivityBatch | None = None, size: int = 160, owner: str = "caller"
) -> list[VoiceActivity]:
    """One call through a batch, on a clock that starts with it."""
    batch = batch or ActivityBatch(MODEL)
    row = batch.open(owner)
    heard = []
    for number, frame in enumerate(frames(ulaw, size)):
        batch.write(row, frame, (number * size + len(frame)) / 8000)
        while batch.ready:
            heard += [event for _, event in batch.run()]
    batch.release(row)
    return heard


def speech_times(heard: list[VoiceActivity]) -> list[float]:
    return [event.at for event in heard if event.probability >= 0.5]


def test_speech_is_noticed_within_a_tenth_of_a_second_and_ends_soon_after_it() -> None:
    speech = say(SENTENCE)
    found = speech_times(listen(line(silence(2.0), speech, silence(3.0))))
    assert 2.0 < found[0] < 2.14
    assert 2.0 + len(speech) / 8000 - 0.3 < found[-1] < 2.0 + len(speech) / 8000 + 0.4


@pytest.mark.parametrize(
    "sound",
    [silence(6.0), noise(6.0, -50), noise(6.0, -30), keypad("5551234*0#"), keypad("159", -20.0)],
    ids=["silence", "noise", "loud noise", "keypad", "soft keypad"],
)
def test_what_is_no_speech_is_no_speech(sound: Floats) -> None:
    assert speech_times(listen(line(silence(1.0), sound, silence(1.0)))) == []


def test_a_silent_caller_is_not_reported_and_for_a_while_after_speech_he_is() -> None:
    speech = say("Yes.")
    heard = listen(line(silence(3.0), speech, silence(5.0)))
    ended = 3.0 + len(speech) / 8000
    assert heard[0].at > 3.0
    last_speech = [event.at for event in heard if event.probability >= 0.3][-1]
    assert heard[-1].at == pytest.approx(last_speech + 2.5, abs=0.1)
    assert heard[-1].at < ended + 3.1
    times = np.array([event.at for event in heard])
    gaps = np.diff(times)
    assert gaps[times[1:] < last_speech + 0.45].max() < 0.045  # windows of 32 ms end in frames of 20 ms
    assert gaps.max() < 0.12  # then a sign of life now and then
    assert len(times[times > last_speech + 0.5]) < 25


def test_levels_are_in_db_of_full_scale() -> None:
    time = np.arange(8000) / 8000
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 500 * time)).astype(np.float32)
    heard = listen(line(tone, noise_db=-90), ActivityBatch(MODEL, EVERYTHING))
    assert [event.level_db for event in heard] == pytest.approx([-20.0] * len(heard), abs=0.2)
    assert listen(b"\xff" * 800, ActivityBatch(MODEL, EVERYTHING))[0].level_db == -96.0


def test_a_window_is_dated_by_the_frame_that_completed_it() -> None:
    heard = listen(line(silence(0.2)), ActivityBatch(MODEL, EVERYTHING))
    assert [event.at for event in heard] == pytest.approx([0.04, 0.08, 0.1, 0.14, 0.16, 0.2])


def test_the_model_sees_an_unbroken_stream() -> None:
    """As in the plain loop of the model's authors: 32 samples of the past before each window, the state handed on."""
    ulaw = line(say("Can you hear me?"))
    signal = np.concatenate([np.zeros(32, np.float32), decode_float(ulaw)])
    state, plain = np.zeros((2, 1, 128), np.float32), []
    for start in range(0, len(ulaw) - 255, 256):
        probability, state = MODEL(signal[None, start : start + 288], state)
        plain.append(float(probability[0]))
    assert [event.probability for event in listen(ulaw, ActivityBatch(MODEL, EVERYTHING))] == pytest.approx(
        plain, abs=1e-4
    )


def test_the_model_hears_what_its_authors_model_hears() -> None:
    reference = json.loads(Path(__file__).with_name("silero_reference.json").read_text())
    with wave.open(str(CALLERS / "two_cities_human.wav")) as recording:
        ulaw = encode(np.frombuffer(recording.readframes(recording.getnframes()), "<i2").astype(np.int16))
    heard = listen(ulaw, ActivityBatch(MODEL, EVERYTHING))
    assert [event.probability for event in heard] == pytest.approx(reference["probabilities"], abs=1e-4)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=12), st.integers(0, 1000))
def test_probabilities_do_not_depend_on_how_the_audio_was_cut(sizes: list[int], seed: int) -> None:
    ulaw = line(say("Can you hear me?"), noise(0.3, -40, seed))[:6400]
    whole = [event.probability for event in listen(ulaw, ActivityBatch(MODEL, EVERYTHING))]
    batch = ActivityBatch(MODEL, EVERYTHING)
    row, position, heard = batch.open(), 0, []
    while position < len(ulaw):
        for size in sizes:
            batch.write(row, ulaw[position : position + size], 0.0)
            position += size
        while batch.ready:
            heard += [event.probability for _, event in batch.run()]
    assert heard == whole


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 159)), min_size=2, max_size=9))
def test_a_call_in_a_crowd_is_judged_as_if_it_were_alone(calls: list[tuple[int, int, int]]) -> None:
    """Calls begin and end at any frame, in any phase; rows are reused; the arrays grow on the way."""
    sources = [say("Can you hear me?"), say("I want to cancel, please."), noise(1.5, -35), silence(1.5)]
    lines = [line(sources[number % 4], noise_db=-60 + number)[phase:] for number, (_, _, phase) in enumerate(calls)]
    batch = ActivityBatch(MODEL, EVERYTHING)
    rows: dict[int, object] = {}
    heard: dict[int, list[VoiceActivity]] = {number: [] for number in range(len(calls))}
    for step in range(70):
        for number, (begins, lasts, _) in enumerate(calls):
            if step == begins:
                rows[number] = batch.open(number)
            if begins <= step < begins + 10 + lasts:
                frame = lines[number][(step - begins) * 160 : (step - begins + 1) * 160]
                batch.write(rows[number], frame, step * 0.02)  # type: ignore[arg-type]
        while batch.ready:
            for owner, event in batch.run():
                heard[owner].append(event)  # type: ignore[index]
        for number, (begins, lasts, _) in enumerate(calls):
            if step == begins + 10 + lasts:
                batch.release(rows.pop(number))  # type: ignore[arg-type]
    for number, (_, lasts, _) in enumerate(calls):
        alone = listen(lines[number][: (10 + lasts) * 160], ActivityBatch(MODEL, EVERYTHING))
        assert len(heard[number]) == len(alone)
        assert [e.probability for e in heard[number]] == pytest.approx([e.probability for e in alone], abs=2e-3)
        assert [e.level_db for e in heard[number]] == [e.level_db for e in alone]


def test_a_row_begins_afresh_for_the_next_call() -> None:
    batch = ActivityBatch(MODEL, ActivitySettings(rows=1))
    ulaw = line(silence(0.5), say("Yes."), silence(0.5))
    first = listen(ulaw, batch)
    listen(line(noise(0.7, -12)), batch)
    assert listen(ulaw, batch) == first
    assert batch.capacity == 1


def test_more_calls_than_reserved_make_room_and_lose_nothing() -> None:
    batch = ActivityBatch(MODEL, EVERYTHING)
    ulaw = line(say("Yes."))
    alone = [event.probability for event in listen(ulaw)]
    row, heard = batch.open("first"), []
    for frame in frames(ulaw):
        batch.write(row, frame, 0.0)
        batch.open("another")
        while batch.ready:
            heard += [event.probability for owner, event in batch.run() if owner == "first"]
    assert batch.capacity >= len(frames(ulaw))
    assert [p for p in heard if p >= 0.3] == pytest.approx([p for p in alone if p >= 0.3], abs=2e-3)


def test_a_call_that_takes_the_place_of_one_that_ended_begins_afresh() -> None:
    batch = ActivityBatch(MODEL, ActivitySettings(rows=1, report_probability=0.0))
    gone = batch.open("gone")
    batch.write(gone, line(say("Yes."))[:256], 0.0)
    batch.run()
    batch.release(gone)
    third = batch.open("third")
    assert third.index == gone.index
    batch.write(third, b"\xff" * 256, 0.0)
    fresh = ActivityBatch(MODEL, ActivitySettings(report_probability=0.0))
    fresh.write(fresh.open("third"), b"\xff" * 256, 0.0)
    assert batch.run() == fresh.run()


def test_waiting_windows_of_a_call_that_ended_are_forgotten() -> None:
    batch = ActivityBatch(MODEL, EVERYTHING)
    row = batch.open("gone")
    batch.write(row, b"\x10" * 1024, 0.0)
    batch.release(row)
    batch.open("next")
    assert batch.run() == []
    assert batch.ready == 0


def test_a_process_hopelessly_behind_skips_the_oldest_windows_of_that_call_only() -> None:
    batch = ActivityBatch(
        MODEL, ActivitySettings(report_probability=0.0, silence_db=-200.0, above_floor_db=-200.0, backlog_windows=3)
    )
    late, punctual = batch.open("late"), batch.open("punctual")
    for number in range(10):
        batch.write(late, b"\xff" * 256, float(number))
    batch.write(punctual, b"\xff" * 256, 9.0)
    heard = []
    while batch.ready:
        heard += batch.run()
    assert [event.at for owner, event in heard if owner == "late"] == [7.0, 8.0, 9.0]
    assert [event.at for owner, event in heard if owner == "punctual"] == [9.0]
    assert batch.counters.dropped == 7


class CountingModel:
    """The real model, and how many windows it saw."""

    def __init__(self) -> None:
        self.windows = 0

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        self.windows += len(windows)
        return MODEL(windows, state)


def test_digital_silence_does_not_reach_the_model_and_delays_no_onset() -> None:
    model = CountingModel()
    ulaw = line(silence(10.0), say(SENTENCE), silence(8.0), say("Yes."), silence(1.0), noise_db=-100)
    spared = listen(ulaw, ActivityBatch(model))
    windows = len(ulaw) // 256
    assert model.windows < 0.45 * windows
    asked = listen(ulaw, ActivityBatch(MODEL, ActivitySettings(silence_db=-200.0, above_floor_db=-200.0)))
    for begins in (10.0, 20.0):
        first, reference = (next(at for at in speech_times(heard) if at > begins) for heard in (spared, asked))
        assert first < reference + 0.033


def test_steady_noise_does_not_reach_the_model_and_speech_out_of_it_is_noticed_no_later() -> None:
    model = CountingModel()
    room = noise(12.0, -48, seed=2)
    speech = np.concatenate([silence(8.0), say(SENTENCE, -26.0)])
    room[: len(speech)] += speech
    ulaw = line(room, noise_db=-90)
    spared = listen(ulaw[:64000], ActivityBatch(model))
    assert spared == []
    assert model.windows < 0.4 * 250
    heard = listen(ulaw, ActivityBatch(MODEL))
    asked = listen(ulaw, ActivityBatch(MODEL, ActivitySettings(silence_db=-200.0, above_floor_db=-200.0)))
    assert 8.0 < speech_times(heard)[0] <= speech_times(asked)[0] + 0.033


def test_the_noise_floor_follows_a_line_that_becomes_quiet() -> None:
    ulaw = line(noise(8.0, -30), silence(1.0), say("Hello? Can you hear me now?"), noise_db=-65)
    assert 9.0 < speech_times(listen(ulaw))[0] < 9.15


def test_every_window_tells_how_loud_the_line_itself_is() -> None:
    """From the first word on, and words make it hardly louder."""
    for noise_db in (-60.0, -45.0, -40.0):
        ulaw = line(silence(1.0), say(SENTENCE), silence(0.3), noise_db=noise_db)
        told = [event.noise_db for event in listen(ulaw, ActivityBatch(MODEL))]
        assert all(noise_db - 3.0 < floor_db < noise_db + 5.0 for floor_db in told), told
