"""The ear on sounds made for it: what it must find, and what it must not mistake for a fault."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.simulator import ear, spelled, voices, watermark
from bridge.simulator.caller import CallerAction, says
from bridge.simulator.ear import Recording, Track
from bridge.simulator.judge import spoken_digits
from bridge.simulator.result import percentile
from bridge.simulator.sound import (
    RATE_HZ,
    Sound,
    at_level,
    from_ulaw,
    level_db,
    silence,
    speech_level_db,
    stretches,
    to_ulaw,
    wav_bytes,
)


def speech(text: str = "Thank you for calling the dental practice. How can I help you today?") -> Sound:
    return from_ulaw(to_ulaw(at_level(voices.speak(text), -20.0)))


def loud_spot(sound: Sound) -> int:
    """A sample with loud sound before it and 50 ms after it."""
    spots: list[int] = np.flatnonzero(np.abs(sound) > 0.15)[500:].tolist()
    for at in spots:
        if level_db(sound[at - 80 : at]) > -25 and level_db(sound[at + 400 : at + 480]) > -25:
            return at
    raise AssertionError("no loud spot")


def kinds(sound: Sound, idle: list[tuple[int, int]] | None = None) -> set[str]:
    return {fault.kind for fault in ear.faults(sound, idle or [])}


def test_mu_law_is_the_standards() -> None:
    codes = bytes(range(256))
    decoded = np.rint(from_ulaw(codes) * 32768).astype(int)
    assert decoded[0xFF] == decoded[0x7F] == 0
    assert (decoded[0x80], decoded[0x00], decoded[0xCE], decoded[0x97]) == (32124, -32124, 988, 12412)
    assert to_ulaw(from_ulaw(codes)) == codes.replace(b"\x7f", b"\xff")  # negative zero becomes the other one
    assert to_ulaw(np.array([2.0, -2.0], np.float32)) == b"\x80\x00"


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for calling. How can I help you?",
        "Take a cup of tea, Kate, by the back door.",
        "Five, five, five, zero.",
    ],
)
@pytest.mark.parametrize("voice", ["heart", "heart-low"])
def test_good_speech_has_no_faults(text: str, voice: str) -> None:
    assert ear.faults(from_ulaw(to_ulaw(at_level(voices.speak(text, voice), -20.0)))) == []


def test_a_hole_in_a_word_is_a_dropout_and_a_dry_buffer_too() -> None:
    sound = speech()
    spot = loud_spot(sound)
    holed = sound.copy()
    holed[spot : spot + 400] = 0.0
    [fault] = [fault for fault in ear.faults(holed) if fault.kind == "dropout"]
    assert fault.at_ms == pytest.approx(spot / 8, abs=2)
    assert fault.ms == pytest.approx(50, abs=2)
    dry = np.concatenate([sound[:spot], np.zeros(800, np.float32), sound[spot:]])
    assert kinds(dry, [(spot, spot + 800)]) >= {"dropout"}


def test_a_dry_buffer_between_sentences_is_none() -> None:
    sound = np.concatenate([speech("One."), silence(300), speech("Two.")])
    first = len(speech("One.")) + 160
    assert "dropout" not in kinds(sound, [(first, first + 1600)])


def test_the_same_words_twice_at_once_are_a_repeat_but_a_question_asked_again_later_is_none() -> None:
    sound = speech()
    spot = loud_spot(sound)
    assert kinds(np.concatenate([sound[:spot], sound[spot - 4000 :]])) >= {"repeat"}
    assert "repeat" not in kinds(np.concatenate([sound, silence(3000), sound]))


def test_a_spike_is_a_click() -> None:
    sound = speech()
    spot = loud_spot(sound)
    sound[spot] -= np.sign(sound[spot]) * 0.6
    assert "click" in kinds(sound)


def recording(bot: Sound, voice: Sound) -> Recording:
    made = Recording()
    made.bot.write(0, bot)
    made.voice.write(0, voice)
    return made


def test_duck_and_stop_are_measured_from_the_callers_first_sound() -> None:
    tone = at_level(np.sin(np.arange(RATE_HZ * 6) * 0.9).astype(np.float32), -20.0)
    tone[2100 * 8 : 2300 * 8] *= 0.1  # ducked 100 ms after the caller began
    tone[2300 * 8 :] = 0.0
    caller = np.concatenate([silence(2000), at_level(tone[:8000], -20.0)])
    turns = ear.listen(
        recording(tone, caller), [CallerAction(0, "interrupt", "wait", 2000, 3000)], clears_ms=[2100.0, 2300.0]
    )
    [bot, over] = turns
    assert bot.interrupted
    assert over.duck_ms == pytest.approx(100, abs=10)
    assert over.stop_ms == pytest.approx(300, abs=10)


def test_reply_latency_runs_from_last_sound_to_first_sound() -> None:
    tone = at_level(np.sin(np.arange(RATE_HZ) * 0.9).astype(np.float32), -20.0)
    bot = np.concatenate([tone, silence(2450), tone])
    caller = np.concatenate([silence(1500), tone, silence(500)])
    turns = ear.listen(recording(bot, caller), [CallerAction(0, "say", "hello", 1500, 3000)])
    assert [(turn.speaker, turn.latency_ms) for turn in turns] == [("bot", 0), ("caller", None), ("bot", 950)]


@pytest.mark.parametrize(("begins_ms", "turns"), [(1700, ["bot", "caller", "bot"]), (2400, ["bot", "caller"])])
def test_a_bot_that_goes_on_over_a_caller_has_begun_anew_unless_both_began_at_once(
    begins_ms: int, turns: list[str]
) -> None:
    tone = at_level(np.sin(np.arange(RATE_HZ) * 0.9).astype(np.float32), -20.0)
    bot = np.concatenate([tone, silence(1500), tone, silence(2000)])
    caller = np.concatenate([silence(begins_ms), tone, tone])
    heard = ear.listen(recording(bot, caller), [CallerAction(0, "say", "hello", begins_ms, begins_ms + 2000)])
    assert [turn.speaker for turn in heard] == turns


def test_tracks_grow_and_fill_with_silence() -> None:
    track = Track()
    track.write(20 * RATE_HZ, np.ones(10, np.float32))
    assert len(track.sound) == 20 * RATE_HZ + 10
    assert track.sound[:100].any() == np.False_


def test_levels() -> None:
    assert level_db(np.zeros(0, np.float32)) == -100.0
    assert level_db(np.ones(100, np.float32)) == pytest.approx(0.0, abs=1e-6)
    talk = np.concatenate([speech(), silence(20000)])
    assert speech_level_db(talk) == pytest.approx(-20.0, abs=0.5)
    assert stretches(silence(500)) == []


def test_a_wav_is_read_back() -> None:
    data = wav_bytes(speech(), speech()[:100])
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[22:24], "little") == 2


def test_words_and_digits_as_people_write_them() -> None:
    assert says("I said: Half-past nine!", "half past nine|9.30")
    assert not says("nineteen", "nine")
    assert spoken_digits("I have 555, oh one two, 3-0. You're booked") == "55501230"


def test_percentiles_are_values_that_occurred() -> None:
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([], 0.5) is None
    assert percentile([7], 0.01) == 7


# the spelled voice


def test_spelled_words_are_read_back_also_when_ducked_and_off_the_grid() -> None:
    text = "Thank you for calling. I have 5 5 5 0 1 0."
    sound, places = spelled.speak(text)
    words = spelled.words_of(text)
    for gain, shift in ((1.0, 0), (0.126, 37), (1.0, 113)):
        line = from_ulaw(to_ulaw(np.concatenate([np.zeros(shift, np.float32), sound * np.float32(gain)])))
        heard = spelled.read(line, words)
        assert [word.text for word in heard] == words
        assert all(word.complete for word in heard)
        assert (
            max(abs(word.start_ms - shift / 8 - start) for word, (_, start, _) in zip(heard, places, strict=True)) <= 15
        )


def test_a_word_broken_off_is_not_counted_as_heard() -> None:
    sound, _ = spelled.speak("thank you")
    [word] = spelled.read(np.concatenate([sound[: 90 * 8], silence(400)]), ["thank", "you"])
    assert (word.text, word.complete) == ("thank-", False)


def test_a_word_nobody_should_know_is_strange() -> None:
    sound, _ = spelled.speak("thank somebody")
    assert [word.text for word in spelled.read(sound, ["thank", "you"])] == ["thank", "?"]


# whose audio


def test_a_mark_is_found_through_mu_law_at_any_delay_and_nobody_elses() -> None:
    marked = from_ulaw(to_ulaw(watermark.mark(speech(), "CA1")))
    late = np.concatenate([silence(417.0), marked])
    assert [fault.kind for fault in watermark.foreign(late, "CA2", ["CA1", "CA2", "CA3"])] == ["foreign_audio"]
    assert watermark.foreign(late, "CA1", ["CA1", "CA2", "CA3"]) == []
    assert max(watermark.score(watermark.fingerprint(speech()), f"CA{n}") for n in range(100)) < watermark.CERTAIN
