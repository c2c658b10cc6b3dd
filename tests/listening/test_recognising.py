"""The blocking engines with their real models, on telephone audio."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import astuple

from bridge.errors import ConfigError
from bridge.listening.recognisers.whisper import Whisper, is_loop, pieces, shares
from bridge.listening.settings import WhisperSettings
from bridge.listening.sound import Floats
from bridge.listening.turn_model import TurnModel
from bridge.understanding.results import Hypothesis
from bridge.understanding.understand import understand
from tests.bench.turn_taking import read_ulaw
from tests.listening.sounds import keypad, line, noise, say, silence

HUMAN = Path(__file__).parents[2] / "fixtures" / "human"
SENTENCES = (
    "Hello, I would like to make an appointment.",
    "When do you open on Saturday?",
    "I want to cancel my order.",
    "No, thank you, that is all.",
)


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


@pytest.fixture(scope="module")
def turn_model() -> TurnModel:
    return TurnModel()


def utterance(text: str) -> bytes:
    return line(silence(0.3), say(text), silence(0.2))


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_are_recognised_word_for_word(whisper: Whisper, sentence: str) -> None:
    found = whisper.recognise(utterance(sentence))
    assert plain(found.text) == plain(sentence)
    assert 0.5 < found.confidence <= 1.0


def test_digits_come_as_digits(whisper: Whisper) -> None:
    text = whisper.recognise(utterance("My number is five five five one two three four.")).text
    assert "".join(c for c in text if c.isdigit()) == "5551234"


@pytest.mark.parametrize(
    "sound",
    [silence(2.0), noise(3.0, -35), noise(3.0, -20), keypad("5551234")],
    ids=["silence", "noise", "loud noise", "keypad"],
)
def test_what_is_no_speech_has_no_text(whisper: Whisper, sound: Floats) -> None:
    assert whisper.recognise(line(sound)).text == ""


@pytest.mark.parametrize("count", [0, 1, 100, 159, 161, 320, 800])
def test_next_to_nothing_is_no_text_and_no_error(whisper: Whisper, turn_model: TurnModel, count: int) -> None:
    assert whisper.recognise(b"\x42" * count).text == ""
    assert 0.0 <= turn_model.judge(b"\x42" * count) <= 1.0


def test_a_long_turn_is_recognised_to_its_end(whisper: Whisper) -> None:
    parts = [say(sentence) for sentence in SENTENCES for _ in range(3)]
    spoken = [sound for part in parts for sound in (part, silence(0.6))]
    found = plain(whisper.recognise(line(*spoken)).text)
    assert "saturday" in found
    assert found.count("cancel my order") == 3
    assert found.endswith("that is all")


def test_other_readings_are_told_where_they_are_wanted(whisper: Whisper) -> None:
    """A real caller says "one zero zero zero one, nine oh two one oh, zero one eight zero three"."""
    clip = read_ulaw(HUMAN / "digits_15.wav")
    found = whisper.recognise(clip, readings=4)
    readings = [Hypothesis(found.text, found.confidence), *(Hypothesis(*astuple(one)) for one in found.alternatives)]
    assert 2 <= len({one.text for one in readings}) == len(readings) <= 4
    assert all(0.0 < one.confidence <= found.confidence for one in readings)
    understood = understand(readings, "digits:15")
    assert understood is not None
    assert understood.value == "100019021001803"
    assert whisper.recognise(clip).alternatives == ()


def test_a_short_answer_is_found_where_readings_are_wanted(whisper: Whisper) -> None:
    said = line(silence(0.3), say("Seven."), silence(0.2))
    assert plain(whisper.recognise(said, readings=4).text) == "seven"


def test_two_short_words_written_as_one_number_are_no_lone_word(whisper: Whisper) -> None:
    heard = whisper.recognise(line(silence(0.3), say("Five six."), silence(0.2)))
    found = understand([Hypothesis(heard.text)], "digits")
    assert found is not None
    assert found.value == "56"


def test_the_share_of_a_reading_is_that_of_all_its_tokens() -> None:
    one, longer, unlikely = shares([-0.1, -0.1, -2.0], [[1] * 4, [1] * 9, [1] * 4])
    assert one == 1.0
    assert longer == pytest.approx(math.exp(-0.5))
    assert unlikely < 0.001


def test_hints_help_with_a_name(whisper: Whisper) -> None:
    ulaw = utterance("I would like to speak with Mister Okafor.")
    assert "Okafor" in whisper.recognise(ulaw, hints=["Okafor", "Patel"]).text


def test_an_unknown_language_is_named(whisper: Whisper) -> None:
    assert whisper.recognise(utterance("Yes, please."), language="en-GB").text
    with pytest.raises(ConfigError, match="'de'"):
        whisper.recognise(b"\xff" * 8000, language="de")


def test_a_folder_without_a_model_is_named() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere.*model\.bin"):
        Whisper(WhisperSettings(model="/nowhere"))


def test_long_audio_is_cut_where_it_is_quiet() -> None:
    loud = np.ones(70 * 16000, np.float32)
    for quiet_at in (20, 41):
        loud[quiet_at * 16000 : quiet_at * 16000 + 3200] = 0.01
    found = pieces(loud)
    assert sum(len(piece) for piece in found) == len(loud)
    assert [round(len(piece) / 16000) for piece in found[:2]] == [20, 21]
    assert all(len(piece) <= 26 * 16000 for piece in found)


def test_finished_sentences_score_above_broken_off_ones(turn_model: TurnModel) -> None:
    """The voice reads fragments with a final fall, so they are cut in the middle of a word instead."""
    finished, broken = [], []
    for sentence in SENTENCES:
        whole = say(sentence)
        finished.append(turn_model.tone(line(silence(0.5), whole, silence(0.2))))
        cut = whole[: len(whole) // 2]
        broken.append(turn_model.tone(line(silence(0.5), cut, silence(0.2))))
    assert np.mean(finished) > 0.85
    assert np.mean(finished) > np.mean(broken) + 0.2


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("The graduate of the Hon. of the Hon. of the Hon. of the Hon. of the Hon. of the Hon. of", True),
        ("go to the " * 400, True),
        ("Sure. Sure. Sure. Sure. Sure.", False),
        ("No no no no no no no.", False),
        ("Thank you so much, thank you so much, thank you so much.", False),
        ("5 5 5 5 5 5 5 5", False),
    ],
)
def test_a_decoder_that_runs_in_circles_is_told_from_people_who_repeat_themselves(text: str, loop: bool) -> None:
    assert is_loop(text) == loop
