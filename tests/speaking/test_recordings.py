"""Recordings are played as they are, as far as they are wanted, in the format of any line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bridge.audio import wav
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.audio.mulaw import decode, decode_float
from bridge.audio.tones import KeyToneDetector
from bridge.call.actions import recording_from
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed
from bridge.errors import ConfigError
from bridge.speaking.recordings import Recordings
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService

RATE_HZ = 44_100
WORDS = "This call is recorded."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ) * 8000  # a second of A
    (tmp_path / "notice.wav").write_bytes(wav.write(tone.astype(np.int16), RATE_HZ))
    return tmp_path


@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=FORMATS)
def test_a_recording_sounds_the_same_in_every_format(folder: Path, audio_format: AudioFormat) -> None:
    phrase = Recordings({"notice": "notice.wav"}, folder).phrase("recording:notice", WORDS, audio_format)
    assert phrase is not None
    assert len(phrase.audio) % audio_format.frame_bytes == 0
    assert abs(phrase.audio_ms - 1000) <= 20
    linear = decode(phrase.audio) if audio_format.codec == "mulaw" else np.frombuffer(phrase.audio, "<i2")
    spectrum = np.abs(np.fft.rfft(linear[: audio_format.rate_hz].astype(np.float64)))
    assert abs(int(np.argmax(spectrum)) * audio_format.rate_hz / min(len(linear), audio_format.rate_hz) - 440) < 2
    assert [word.text for word in phrase.words] == WORDS.split()
    assert (phrase.words[0].start_ms, phrase.words[-1].end_ms) == (0, phrase.audio_ms)


@pytest.mark.parametrize(("from_ms", "left_ms"), [(0, 1000), (400, 600), (990, 20), (1000, 20), (99_999, 20)])
@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=FORMATS)
def test_the_rest_of_one_begins_where_it_was_heard(
    folder: Path, audio_format: AudioFormat, from_ms: int, left_ms: int
) -> None:
    recordings = Recordings({"notice": "notice.wav"}, folder)
    whole = recordings.phrase("recording:notice", WORDS, audio_format)
    rest = recordings.phrase(recording_from("recording:notice", from_ms), "is recorded.", audio_format)
    assert whole is not None
    assert rest is not None
    assert whole.audio.endswith(rest.audio)
    assert abs(rest.audio_ms - left_ms) <= 20
    assert rest.words[-1].end_ms == rest.audio_ms


async def played(folder: Path, voice: str, *pulls: int) -> list[Event]:
    service = SpeechService(SpeakingSettings(recordings={"notice": "notice.wav"}), directory=folder, providers={})
    events: list[Event] = []
    call = service.open_call(events.append, audio_format=MULAW_8000)
    call.synthesise(Synthesise(1, WORDS, True, voice, False))
    for upto_ms in pulls:
        call.pull(PullSpeech(1, upto_ms, 0))
        await asyncio.sleep(0)
    call.close()
    return events


async def test_it_is_delivered_as_far_as_it_is_wanted_and_with_its_words(folder: Path) -> None:
    events = await played(folder, "recording:notice", 200, 5000)
    first, *rest = events
    assert isinstance(first, SpeechArrived)
    assert len(first.audio) == 200 * 8
    assert [word.text for word in first.words] == ["This"]
    assert sum(len(event.audio) for event in events if isinstance(event, SpeechArrived)) == 1000 * 8
    assert rest[-1] == SpeechEnded(1)


async def test_one_that_is_not_there_fails_by_its_name(folder: Path) -> None:
    assert await played(folder, "recording:gone", 200) == [
        SpeechFailed(1, "there is no 'recording:gone' among speaking.recordings")
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [(None, "cannot be read: No such file"), (b"ID3", "no WAV file"), (b"RIFF\0\0\0\0WAVE", "no data chunk")],
)
def test_a_file_that_cannot_be_played_is_named(tmp_path: Path, data: bytes | None, what: str) -> None:
    if data is not None:
        (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(ConfigError, match=rf"speaking.recordings.x: .*{what}"):
        Recordings({"x": "x.wav"}, tmp_path)


@pytest.mark.parametrize(
    ("keys", "found"), [("12#", "12#"), ("1w2", "12"), ("", None), ("12x", None), ("1" * 101, None)]
)
def test_keys_are_tones_that_a_telephone_company_reads(keys: str, found: str | None) -> None:
    phrase = Recordings({}, Path()).phrase(f"keys:{keys}", f"keys {keys}", MULAW_8000)
    if found is None:
        assert phrase is None
        return
    assert phrase is not None
    found_keys = KeyToneDetector().feed(decode_float(phrase.audio + MULAW_8000.silence(200)))
    assert "".join(tone.key for tone in found_keys) == found
    assert len(phrase.audio) % MULAW_8000.frame_bytes == 0
