"""From an engine's samples to the client's bytes: joins, credit, message sizes, and whole equals parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.encoder import Encoder, limit
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.text.chunker import Chunker, unhurried
from bridge.worker.engines.base import Job, Step
from bridge.worker.engines.hibari import HibariEngine
from bridge.worker.scheduler import QueueEntry
from bridge.worker.streams import Stream
from bridge.worker.voices import LoadedVoice


def new_stream(engine: HibariEngine, audio_format: AudioFormat = MULAW_8000, speed: float = 1.0) -> Stream:
    voice = LoadedVoice(engine, "heart", 1.0)
    encoder = Encoder(engine.rate_hz, audio_format, 1.0)
    chunker = Chunker(unhurried("clause"))
    return Stream(voice, audio_format, speed, QueueEntry("test"), encoder, text=chunker)


def make_all(stream: Stream) -> list[tuple[str, int, int]]:
    """Run the stream's pieces as the runner does; returns the words."""
    words = []
    while (job := stream.job) is not None:
        audio, placed = stream.advance(stream.voice.engine.run([job])[0])
        stream.add(stream.encoder.feed(audio))
        words += [(word.text, word.start_ms, word.end_ms) for word in placed]
    stream.finish()
    return words


def test_the_end_of_the_text_does_not_end_a_stream_whose_last_step_is_on_its_way(hibari: HibariEngine) -> None:
    stream = new_stream(hibari)
    stream.write("Yes. ")
    job = stream.job
    assert job is not None
    stream.place.running = True
    audio, _ = stream.advance(hibari.run([job])[0])  # in the engine's thread; the loop has not heard of it yet
    stream.ended = True
    assert not stream.finish()
    stream.place.running = False
    stream.add(stream.encoder.feed(audio))
    assert stream.finish()


def test_a_piece_is_read_by_what_was_said_in_all_the_pieces_before_it(
    hibari: HibariEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    begin = hibari.begin

    def listening_in(text: str, *rest: Any) -> Job:
        begun.append(text)
        return begin(text, *rest)

    monkeypatch.setattr(hibari, "begin", listening_in)
    stream = new_stream(hibari)
    stream.text = None  # whoever writes has cut already, here word by word
    for piece in ("Your card", "ending", "in", "4242."):
        stream.write(piece)
    make_all(stream)

    assert begun == ["Your card", "ending", "in", "four two four two."]


@pytest.mark.parametrize("audio_format", FORMATS.values())
def test_messages_are_whole_frames_without_gap_or_overlap(hibari: HibariEngine, audio_format: AudioFormat) -> None:
    stream = new_stream(hibari, audio_format)
    stream.write("I have an opening on Tuesday. Shall I book it for you? ")
    stream.ended = True
    make_all(stream)
    messages = stream.take()

    frame = audio_format.frame_bytes
    assert [len(message) % frame for message in messages] == [0] * len(messages)
    assert [len(message) // frame for message in messages[:4]] == [5, 10, 20, 20]
    assert stream.all_sent
    assert stream.sent_ms == sum(map(len, messages)) / audio_format.bytes_per_ms


def test_nothing_goes_beyond_the_credit(hibari: HibariEngine) -> None:
    stream = new_stream(hibari)
    stream.write("I have an opening on Tuesday. ")
    stream.ended = True
    make_all(stream)
    sent: list[bytes] = []
    for upto_ms in (0, 90, 90, 130, 50, 100_000):
        stream.place.upto_ms = max(upto_ms, stream.place.upto_ms or 0)
        sent += stream.take()
        assert stream.sent_ms <= -(-upto_ms // 20) * 20 or upto_ms == 50
    assert stream.all_sent
    assert [len(message) // 8 for message in sent[:3]] == [100, 40, 400]


def test_words_of_all_pieces_in_order_with_the_pause_between_sentences(hibari: HibariEngine) -> None:
    text = "Yes. It costs $9.99, I think; Dr. Patel knows. Goodbye!"
    stream = new_stream(hibari)
    stream.write(text)
    stream.flush()
    stream.ended = True
    words = make_all(stream)

    assert [word for word, _, _ in words] == text.split()
    edges = [edge for _, start, end in words for edge in (start, end)]
    assert edges == sorted(edges)
    assert words[1][1] - words[0][2] >= 320
    stream.take()
    assert edges[-1] <= stream.sent_ms


@pytest.mark.parametrize("audio_format", FORMATS.values())
def test_no_word_ends_after_the_audio(hibari: HibariEngine, audio_format: AudioFormat) -> None:
    """Even if an engine says that its last word does."""
    stream = new_stream(hibari, audio_format)
    stream.write("Yes. ")
    job = stream.job
    assert job is not None
    hibari.run([job])
    audio, words = stream.advance(Step(np.full(2400, 0.1, np.float32), ((0.0, 0.512),)))
    stream.add(stream.encoder.feed(audio))
    stream.ended = True
    stream.finish()
    data = b"".join(message for message in stream.take())

    assert words[0].end_ms == 512
    assert stream.sent_ms == 520
    assert len(data) == 26 * audio_format.frame_bytes
    assert set(data[-200:]) == ({0xFF} if audio_format == MULAW_8000 else {0})


def test_a_stream_without_a_word_is_empty(hibari: HibariEngine) -> None:
    stream = new_stream(hibari)
    stream.ended = True
    assert stream.finish()
    assert stream.take() == []
    assert stream.all_sent


def test_joins_do_not_click(hibari: HibariEngine) -> None:
    """Across a join the waveform moves no faster than within speech."""
    stream = new_stream(hibari, FORMATS["pcm_24000"])
    for clause in ("I have an opening", "on Tuesday", "at noon."):
        stream.write(clause)
        stream.flush()
    ends = []
    while (job := stream.job) is not None:
        audio, _ = stream.advance(stream.voice.engine.run([job])[0])
        stream.add(stream.encoder.feed(audio))
        ends.append(stream.encoder.fed)
    samples = np.frombuffer(b"".join(message for message in stream.take()), "<i2").astype(float)
    steps = np.abs(np.diff(samples))
    for end in ends[:-1]:
        assert steps[end - 240 : end + 240].max() < 0.25 * steps.max()


@given(st.lists(st.integers(0, 9000), max_size=6), st.sampled_from(list(FORMATS.values())), st.integers(0, 2**32))
def test_encoding_in_parts_equals_encoding_the_whole(cuts: list[int], audio_format: AudioFormat, seed: int) -> None:
    audio = np.random.default_rng(seed).normal(0, 0.3, 9000).astype(np.float32)
    whole, parts = (Encoder(24_000, audio_format, 1.5) for _ in range(2))
    edges = [0, *sorted(cuts), len(audio)]
    joined = b"".join(parts.feed(audio[a:b]) for a, b in pairwise(edges)) + parts.finish()

    assert joined == whole.feed(audio) + whole.finish()


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=50))
def test_the_limiter_never_clips_and_never_turns_a_sample_around(values: list[float]) -> None:
    audio = np.sort(np.array(values, np.float32))
    limited = limit(audio)
    assert np.abs(limited).max() <= 1
    assert (np.diff(limited) >= 0).all()
    quiet = np.abs(audio) <= 0.9
    assert np.array_equal(limited[quiet], audio[quiet])


def test_words_are_the_written_ones_and_are_heard_while_what_is_said_for_them_is(hibari: HibariEngine) -> None:
    stream = new_stream(hibari)
    stream.write("Say no. It costs 12,50 € today. ")
    stream.flush()
    words = make_all(stream)

    assert [text for text, _, _ in words] == ["Say", "no.", "It", "costs", "12,50", "€", "today."]
    lengths = {text: end_ms - start_ms for text, start_ms, end_ms in words}
    assert lengths["12,50"] > 2 * lengths["costs"]  # twelve euros and fifty cents
    assert lengths["€"] == 0
    assert lengths["no."] < 600  # not "number"
