"""Speech that an agent makes itself: its words lie in it, however it comes, and never behind what has come."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.events import Event, SpeechArrived, SpeechEnded
from bridge.call.supplied import SuppliedSpeech
from bridge.simulator.sound import to_ulaw
from bridge.simulator.spelled import WORD_MS, speak
from bridge.speaking.supplied import SuppliedUtterance

TEXT = "alpha bravo delta hotel india lemon mango night"
WORDS = TEXT.split()
SOUND = to_ulaw(speak(TEXT)[0])


def whole(pace: float = 60.0) -> SuppliedSpeech:
    speech = SuppliedSpeech(MULAW_8000, pace)
    speech.say(TEXT)
    speech.add(SOUND)
    speech.end()
    return speech


def test_words_lie_where_they_are_heard_and_the_last_one_ends_with_the_sound() -> None:
    words = whole().words(1e9)
    assert [word.text for word in words] == WORDS
    for number, word in enumerate(words):
        assert abs(word.start_ms - number * WORD_MS) <= 40
    assert words[-1].end_ms == len(SOUND) // 8


def test_a_pause_belongs_to_no_word() -> None:
    speech = SuppliedSpeech(MULAW_8000)
    speech.say(TEXT)
    half = 4 * WORD_MS * 8
    speech.add(SOUND[:half] + b"\xff" * 8000 + SOUND[half:])
    speech.end()
    before, after = speech.words(1e9)[3:5]
    assert before.end_ms <= 4 * WORD_MS + 40
    assert after.start_ms >= 4 * WORD_MS + 1000 - 40


def test_speech_that_broke_off_has_no_words_but_those_that_were_probably_said() -> None:
    speech = SuppliedSpeech(MULAW_8000, 180 / 6)
    speech.say(TEXT)
    speech.add(SOUND[: 3 * WORD_MS * 8])
    speech.end(whole=False)
    assert [word.text for word in speech.words(1e9)] == WORDS[:3]


@given(st.floats(10.0, 200.0), st.lists(st.tuples(st.booleans(), st.integers(1, 6000)), max_size=40))
def test_however_it_comes_words_are_in_order_within_what_has_come_and_keep_their_places(
    pace: float, pieces: list[tuple[bool, int]]
) -> None:
    speech = SuppliedSpeech(MULAW_8000, pace)
    said = sounded = 0
    told: list[tuple[str, int, int]] = []
    for is_text, size in [*pieces, (True, len(TEXT) * 12), (False, len(SOUND))]:
        if is_text:
            speech.say(TEXT[said : said + 1 + size // 12])
            said += 1 + size // 12
        else:
            speech.add(SOUND[sounded : sounded + size])
            sounded += size
        words = [(word.text, word.start_ms, word.end_ms) for word in speech.words(1e9)]
        assert words[: len(told)] == told
        assert all(end <= speech.audio_ms for _, _, end in words)
        told = words
    speech.end()
    placed = speech.words(1e9)
    assert [word.text for word in placed] == WORDS
    assert all(a.start_ms <= b.start_ms and a.end_ms <= b.start_ms + 20 for a, b in pairwise(placed))


class Player:
    """A call that plays such speech, as far as it pulls."""

    def __init__(self, speech: SuppliedSpeech, number: int = 1, text: str = TEXT) -> None:
        self.events: list[Event] = []
        self.over: list[int] = []
        self.utterance = SuppliedUtterance(number, speech, MULAW_8000, self.events.append, self.over.append)
        self.utterance.add(text, True, "supplied:1", False)

    @property
    def audio(self) -> bytes:
        return b"".join(event.audio for event in self.events if isinstance(event, SpeechArrived))

    @property
    def words(self) -> list[tuple[str, int]]:
        arrived = (event for event in self.events if isinstance(event, SpeechArrived))
        return [(word.text, word.start_ms) for event in arrived for word in event.words]


def test_no_more_is_played_than_was_asked_for_whatever_has_come() -> None:
    player = Player(whole())
    assert player.events == []
    player.utterance.pull(500, 0)
    assert player.audio == SOUND[:4000]
    assert [text for text, _ in player.words] == WORDS[:3]
    player.utterance.pull(10_000, 0)
    assert player.audio == SOUND
    assert [text for text, _ in player.words] == WORDS
    assert player.events[-1] == SpeechEnded(1)
    assert player.over == [1]


def test_it_is_played_as_it_comes_in_whole_frames() -> None:
    speech = SuppliedSpeech(MULAW_8000)
    player = Player(speech)
    player.utterance.pull(10_000, 0)
    for start in range(0, len(SOUND), 333):
        speech.add(SOUND[start : start + 333])
        assert len(player.audio) % 160 == 0
    speech.say(TEXT)
    speech.add(b"\x80" * 50)
    speech.end()
    assert player.audio == SOUND + b"\x80" * 50 + b"\xff" * 110
    assert [text for text, _ in player.words] == WORDS


def test_what_was_broken_off_goes_on_with_its_first_unheard_word() -> None:
    speech = whole()
    first = Player(speech)
    first.utterance.pull(900, 0)
    first.utterance.cancel()
    rest = Player(speech, 2, " ".join(WORDS[3:]))
    rest.utterance.pull(10_000, 0)
    assert [text for text, _ in rest.words] == WORDS[3:]
    assert rest.words[0][1] <= 40
    assert abs(len(SOUND) - len(rest.audio) - 3 * WORD_MS * 8) <= 40 * 8
    assert SOUND.endswith(rest.audio[-800:])
    assert rest.events[-1] == SpeechEnded(2)


def test_speech_for_a_wide_line_is_measured_as_well() -> None:
    wide = AudioFormat("pcm", 16000)
    speech = SuppliedSpeech(wide)
    speech.say("one two ")
    speech.add(b"\x00\x20" * 16000)
    speech.end()
    assert [word.text for word in speech.words(1e9)] == ["one", "two"]
    assert speech.words(1e9)[-1].end_ms == 1000
