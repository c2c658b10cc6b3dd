"""SSML reaches the voice: phonemes are said, a rate changes the pace, and words keep their spelling."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import FORMATS
from bridge.text.chunker import Chunker, unhurried
from bridge.text.spoken.languages import language
from bridge.worker.engines.hibari import HibariEngine, _Speech
from bridge.worker.engines.misaki import from_ipa, in_text
from bridge.worker.scheduler import QueueEntry
from bridge.worker.settings import WorkerSettings
from bridge.worker.streams import Stream
from bridge.worker.voice_settings import HibariVoiceSettings
from bridge.worker.voices import LoadedVoice, load_voices

PCM_24000 = FORMATS["pcm_24000"]


@pytest.fixture(scope="module")
def heart() -> LoadedVoice:
    return load_voices(WorkerSettings(voices={"heart": HibariVoiceSettings()}))["heart"]


def spoken(voice: LoadedVoice, text: str, *, speed: float = 1.0) -> tuple[Samples, list[str], list[int]]:
    """All the audio, the words as they come back, and where each begins."""
    engine = voice.engine
    stream = Stream(
        voice, PCM_24000, speed, QueueEntry("test"), Encoder(engine.rate_hz, PCM_24000, 1.0),
        text=Chunker(unhurried("sentence")),
    )  # fmt: skip
    for start in range(0, len(text), 7):
        stream.write(text[start : start + 7])
    stream.flush()
    audio, words, starts = [], [], []
    while (job := stream.job) is not None:
        samples, placed = stream.advance(engine.run([job])[0])
        audio.append(samples)
        stream.add(stream.encoder.feed(samples))
        words += [word.text for word in placed]
        starts += [word.start_ms for word in placed]
    return np.concatenate(audio), words, starts


def test_phonemes_are_said_instead_of_the_word(heart: LoadedVoice) -> None:
    marked = 'Ask <phoneme alphabet="ipa" ph="ˈwɪn">Constantinople</phoneme>, please.'
    audio, words, _ = spoken(heart, marked)

    assert words == ["Ask", "Constantinople,", "please."]
    assert abs(len(audio) - len(spoken(heart, "Ask Constantinople, please.")[0])) > 2000
    sampa = spoken(heart, marked.replace("ipa", "x-sampa").replace("ˈwɪn", "&quot;wIn"))
    assert np.array_equal(audio, sampa[0])


def test_phonemes_of_two_words_are_said_once(heart: LoadedVoice) -> None:
    audio, words, starts = spoken(heart, 'In <phoneme ph="ɹɛdɪŋ">New Town</phoneme>, yes.')

    assert words == ["In", "New", "Town,", "yes."]
    assert starts[1] <= starts[2] < starts[3]
    assert len(audio) < len(spoken(heart, "In New Town, yes.")[0])


def test_a_word_that_the_voice_has_no_sounds_for_is_said_as_it_is_written(heart: LoadedVoice) -> None:
    audio, words, _ = spoken(heart, 'It is <phoneme ph="ʘa">Xhosa</phoneme>.')

    assert words == ["It", "is", "Xhosa."]
    assert np.array_equal(audio, spoken(heart, "It is Xhosa.")[0])


def test_a_rate_changes_the_pace_of_what_it_is_around_and_of_nothing_else(heart: LoadedVoice) -> None:
    first, digits, last = "Your code is", "four seven one two", "as I said."
    slow, words, starts = spoken(heart, f'{first} <prosody rate="50%">{digits}</prosody> {last}')
    _, same, pace = spoken(heart, f'{first} <prosody rate="100%">{digits}</prosody> {last}')

    assert words == same == f"{first} {digits} {last}".split()
    assert starts[6] - starts[3] > 1.6 * (pace[6] - pace[3])
    assert starts[9] - starts[7] == pytest.approx(pace[9] - pace[7], rel=0.4)
    assert len(slow) > 0


def test_a_rate_is_bounded_by_what_a_stream_may_have(heart: LoadedVoice) -> None:
    fast = spoken(heart, '<prosody rate="300%">Good morning to you.</prosody>', speed=1.5)[0]

    assert np.array_equal(fast, spoken(heart, "Good morning to you.", speed=2.0)[0])


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("həˈləʊ", "həˈlO", "həˈlQ"),
        ("ˈt͡ʃɛɹi", "ˈʧɛɹi", "ˈʧɛɹi"),
        ("ˈdʒɔɪ.ɪŋ", "ˈʤYɪŋ", "ˈʤYɪŋ"),
        ("biː", "bi", "biː"),
        ("ˈbɝd", "ˈbɜɹd", "ˈbɜɹd"),
        ("!a", "", ""),
    ],
)
def test_the_ipa_is_written_in_the_alphabet_of_the_voice(ipa: str, american: str, british: str) -> None:
    assert from_ipa(ipa, "american") == american
    assert from_ipa(ipa, "british") == british


def test_a_word_with_brackets_is_no_markup_of_the_front_end() -> None:
    assert in_text("a](/b/)[c", "wɪn", "american") == ""


def test_a_stream_is_read_in_its_own_language(heart: LoadedVoice) -> None:
    german = Stream(
        heart, PCM_24000, 1.0, QueueEntry("test"), Encoder(heart.engine.rate_hz, PCM_24000, 1.0), reads=language("de")
    )
    german.write("Um 14:30 Uhr, 12,50 €.")
    job = german.job

    assert isinstance(job, _Speech)
    assert job.text == "Um vierzehn Uhr dreißig, zwölf Euro und fünfzig Cent."


def test_another_list_or_language_is_another_version_of_the_voice(hibari: HibariEngine) -> None:
    plain = LoadedVoice(hibari, "heart", 1.0)
    listed = LoadedVoice(hibari, "heart", 1.0, pronunciations={"nguyen": "win"})
    british = LoadedVoice(hibari, "heart", 1.0, language="en-GB")

    assert plain.model == hibari.model("heart")
    assert len({plain.model, listed.model, british.model}) == 3
