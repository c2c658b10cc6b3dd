"""WAV files as programs in the wild write them, and broken ones."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw, wav
from bridge.audio.wav import BadWav

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
SPEECH = (np.sin(np.arange(800) / 7) * 9000).astype(np.int16)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def described(tag: int, bits: int, channels: int = 1, rate_hz: int = 8000) -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits))


@pytest.mark.parametrize("path", sorted(CALLERS.glob("*.wav")), ids=lambda path: path.stem)
def test_real_recordings_are_read_as_the_standard_library_reads_them(path: Path) -> None:
    sound = wav.read(path.read_bytes())
    with wave.open(str(path)) as file:
        assert (sound.rate_hz, sound.samples.shape) == (file.getframerate(), (file.getnframes(), file.getnchannels()))
        assert sound.samples.astype("<i2").tobytes() == file.readframes(file.getnframes())


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_can_be_read_by_anyone(channels: int) -> None:
    samples = np.stack([SPEECH, -SPEECH], axis=1)[:, :channels]
    data = wav.write(samples, 16000)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16000, channels, 800)
    assert np.array_equal(wav.read(data).samples, samples)
    assert wav.read(data).duration_s == 0.05


def test_both_sides_of_a_call_in_mulaw() -> None:
    caller, bot = mulaw.encode(SPEECH), mulaw.encode(-SPEECH)[:401]
    sound = wav.read(wav.write_mulaw(caller, bot))
    assert np.array_equal(sound.samples[:, 0], mulaw.decode(caller))
    assert np.array_equal(sound.samples[:401, 1], mulaw.decode(bot))
    assert not sound.samples[401:, 1].any()
    assert len(wav.write_mulaw(b"\xff")) % 2 == 0


def test_mono_is_the_mean_of_the_channels() -> None:
    assert np.array_equal(wav.read(wav.write(SPEECH, 8000)).mono, SPEECH)
    assert not wav.read(wav.write(np.stack([SPEECH, -SPEECH], axis=1), 8000)).mono.any()


@pytest.mark.parametrize(
    ("tag", "bits", "body"),
    [
        (1, 8, bytes([0x80, 0xC0, 0x00])),
        (1, 16, struct.pack("<3h", 0, 0x4000, -0x8000)),
        (1, 24, bytes.fromhex("ff0000 000040 000080")),
        (1, 32, struct.pack("<3i", 0xFFFF, 0x40000000, -0x80000000)),
        (3, 32, struct.pack("<3f", float("nan"), 0.50001, -1.00003)),
        (3, 64, struct.pack("<3d", 0.0, 0.50001, -9.0)),
    ],
)
def test_every_coding_is_the_same_sound(tag: int, bits: int, body: bytes) -> None:
    sound = wav.read(riff(described(tag, bits), chunk(b"data", body)))
    assert sound.mono == pytest.approx([0, 0x4000, -0x8000], abs=1)


def test_other_chunks_stand_before_the_samples_and_odd_ones_are_padded() -> None:
    data = riff(chunk(b"LIST", b"abc"), described(1, 16), chunk(b"fact", b"12345"), chunk(b"data", SPEECH.tobytes()))
    assert np.array_equal(wav.read(data).mono, SPEECH)


def test_the_extensible_header_names_the_coding_further_on() -> None:
    header = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    assert np.array_equal(wav.read(riff(chunk(b"fmt ", header), chunk(b"data", SPEECH.tobytes()))).mono, SPEECH)


def test_a_file_from_a_pipe_does_not_know_its_length() -> None:
    data = riff(described(1, 16)) + b"data" + struct.pack("<I", 0xFFFFFFFF) + SPEECH.tobytes()
    assert np.array_equal(wav.read(data).mono, SPEECH)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", "no WAV file"),
        (b"ID3\x04" + bytes(20), "no WAV file"),
        (b"\xff" * 160, "no WAV file"),
        (riff(described(1, 16)), "no data chunk"),
        (riff(chunk(b"data", b"ab")), "before the fmt"),
        (riff(chunk(b"fmt ", b"ab"), chunk(b"data", b"ab")), "fmt chunk has 2 bytes"),
        (riff(described(0x55, 16), chunk(b"data", b"ab")), "format 0x0055"),
        (riff(described(1, 12), chunk(b"data", b"ab")), "12 bits of PCM"),
        (riff(described(1, 16, channels=0), chunk(b"data", b"ab")), "0 channels"),
        (riff(described(1, 16, rate_hz=0), chunk(b"data", b"ab")), "0 Hz"),
        (riff(described(1, 16), chunk(b"data", SPEECH.tobytes()))[:-100], "cut off: 1500 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(data: bytes, names: str) -> None:
    with pytest.raises(BadWav, match=names):
        wav.read(data)


@given(st.binary(max_size=80), st.lists(st.tuples(st.integers(12, 60), st.integers(0, 255)), max_size=4))
def test_whatever_comes_is_a_sound_or_a_bad_file(noise: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(riff(described(1, 16), chunk(b"data", noise)))
    for place, value in changes:
        if place < len(data):
            data[place] = value
    with contextlib.suppress(BadWav):
        wav.read(bytes(data))
    with contextlib.suppress(BadWav):
        wav.read(b"RIFF....WAVE" + noise)
