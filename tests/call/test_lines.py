"""One call on lines of every kind: other formats, other messages, carriers that cannot clear or tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.audio.formats import FORMATS
from bridge.call.actions import Action, HangUp, Prompt, Say
from bridge.call.commands import ClearPlayout, Disconnect, SendAudio, SendMark
from bridge.call.events import MarkEchoed, MarkFate
from bridge.call.settings import CallSettings, FloorSettings
from tests.call.lines import LINES, line_of
from tests.call.phone import WORD_MS, Phone

STORY = " ".join("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split())
TOLD = "linear16 at 8 kHz, played and cleared are told"
every_line = pytest.mark.parametrize("kind", LINES)


def tells(prompt: Prompt) -> list[Action]:
    return [Say(STORY)] if prompt.kind == "call_started" else [Say("Very well then."), HangUp("done")]


def sent_ms(phone: Phone, utterance: int) -> float:
    pieces = [c for c in phone.ordered(SendAudio) if isinstance(c, SendAudio) and c.utterance == utterance]
    return sum(phone.line.audio_format.duration_ms(piece.audio) for piece in pieces)


def mostly_heard(phone: Phone) -> list[str]:
    """Words of which at most a quarter is missing: without marks a break is placed as well as the clock can."""
    reached: dict[tuple[int, int], float] = {}
    for utterance, start_ms, end_ms in phone.heard():
        for number, word in enumerate(phone.words_of(utterance)):
            part_ms = min(end_ms, word.end_ms) - max(start_ms, word.start_ms)
            reached[utterance, number] = reached.get((utterance, number), 0.0) + max(part_ms, 0.0)
    return [phone.words_of(u)[n].text for (u, n), heard_ms in reached.items() if heard_ms >= 0.75 * WORD_MS]


@every_line
@pytest.mark.parametrize("way_s", [0.01, 0.1])
def test_every_word_is_heard_once_and_the_hang_up_waits_for_the_last(kind: str, way_s: float) -> None:
    phone = Phone(tells, line=line_of(kind), way_s=way_s)
    phone.answers()
    phone.wait(7.0)
    phone.caller_speaks(1.0)
    phone.wait(8.0)
    assert phone.heard_words() == [*STORY.split(), "Very", "well", "then."]
    assert phone.hung_up == "done"
    hung_up_at = next(at for at, command in phone.commands if isinstance(command, Disconnect))
    if phone.line.pacing.marks != "none":
        assert hung_up_at >= phone.line.plays_until
    else:
        assert hung_up_at >= phone.line.plays_until - way_s, "as well as can be known without marks"


@every_line
def test_each_message_is_of_the_carriers_length(kind: str) -> None:
    phone = Phone(tells, line=line_of(kind))
    phone.answers()
    phone.wait(7.0)
    lengths = [phone.line.audio_format.duration_ms(c.audio) for c in phone.ordered(SendAudio) if type(c) is SendAudio]
    assert set(lengths[:-1]) == {phone.line.pacing.message_ms}
    assert lengths[-1] % phone.line.pacing.frame_ms == 0


@every_line
def test_an_interruption_stops_the_voice_and_the_history_is_what_was_heard(kind: str) -> None:
    phone = Phone(tells, line=line_of(kind), way_s=0.03)
    phone.answers()
    phone.wait(2.0)
    phone.caller_speaks(3.0)
    spoke_at = phone.now
    phone.wait(2.0)
    heard = phone.heard_words()
    believed = phone.call.transcript()[0].text.split()
    assert STORY.split()[: len(heard)] == heard
    assert believed == heard[: len(believed)], "no word that was not heard"
    assert len(heard) - len(believed) <= (0 if phone.line.tells_fate else 1)
    limit_s = 0.5 if phone.line.pacing.can_clear else 0.55
    assert max(piece.end for piece in phone.line.played) - spoke_at < limit_s
    assert bool(phone.ordered(ClearPlayout)) == phone.line.pacing.can_clear


@every_line
@pytest.mark.parametrize("mode", ["duck", "hold", "ignore"])
def test_a_cough_loses_no_word(kind: str, mode: str) -> None:
    floor = FloorSettings(on_suspicion="hold" if mode == "hold" else "duck" if mode == "duck" else "ignore")
    phone = Phone(tells, CallSettings(floor=floor), line=line_of(kind))
    phone.answers()
    phone.wait(2.0)
    phone.caller_speaks(0.1)
    phone.wait(7.0)
    heard = phone.heard_words()
    assert [word for word in STORY.split() if word not in heard] == []
    assert len(heard) - len(STORY.split()) <= (1 if mode == "hold" else 0), "in silence the broken word is begun anew"
    if mode == "duck":
        assert heard == STORY.split()


@every_line
def test_a_listeners_yeah_is_gone_on_after_from_the_first_unheard_word(kind: str) -> None:
    phone = Phone(tells, line=line_of(kind))
    phone.recognises = lambda since: "Yeah."
    phone.answers()
    phone.wait(2.05)
    phone.caller_speaks(0.5)
    phone.wait(9.0)
    heard = phone.heard_words()
    assert [word for word in STORY.split() if word not in heard] == []
    if phone.line.tells_fate:
        assert heard == STORY.split(), "what was played is known to the word"


@every_line
def test_no_more_lies_at_the_carrier_than_it_may_have(kind: str) -> None:
    phone = Phone(tells, line=line_of(kind), way_s=0.01)
    phone.answers()
    most_s = 0.0
    for _ in range(500):
        phone.wait(0.01)
        most_s = max(most_s, phone.line.buffered_s(phone.now))
    bound_ms = 200 if phone.line.pacing.can_clear else 120
    assert most_s * 1000 <= min(bound_ms, phone.line.pacing.lead_max_ms or bound_ms) + 35
    assert phone.call.utterances.playout.underruns == 0


@every_line
def test_marks_go_only_where_there_are_marks_and_the_clock_says_when_it_is_unsure(kind: str) -> None:
    phone = Phone(tells, line=line_of(kind))
    phone.answers()
    phone.wait(3.0)
    unmarked = phone.line.pacing.marks == "none"
    assert bool(phone.ordered(SendMark)) is not unmarked
    assert phone.call.utterances.playout.clock.unsure(phone.now) is unmarked


@pytest.mark.parametrize("name", ["pcm_8000", "pcm_16000"])
def test_linear_samples_are_lowered_without_a_click(name: str) -> None:
    """A constant, so that any step but the ramp's would show."""
    loud = np.full(FORMATS[name].rate_hz, 16_000, np.int16).tobytes()
    phone = Phone(tells, line=line_of(TOLD, audio_format=FORMATS[name]))
    playout = phone.call.utterances.playout
    playout.open(1)
    playout.arrived(1, loud)
    audio = b"".join(c.audio for c in playout.pump(0.0) if isinstance(c, SendAudio))
    playout.set_gain(-18.0)
    audio += b"".join(c.audio for c in playout.pump(0.2) if isinstance(c, SendAudio))
    samples = np.frombuffer(audio, "<i2").astype(int)
    assert samples[0] == 16_000
    assert samples[-1] == pytest.approx(16_000 * 10 ** (-18 / 20), abs=2)
    assert np.abs(np.diff(samples)).max() < 16_000 / (FORMATS[name].rate_hz / 100) * 1.1


def test_a_mark_that_says_cleared_never_counts_as_heard() -> None:
    phone = Phone(tells, line=line_of(TOLD))
    phone.answers()
    phone.wait(2.0)
    before = phone.call.ledger[1].heard_ms
    for name in list(phone.call.utterances.playout._marks):
        phone.tell(MarkEchoed(name, MarkFate.CLEARED))
    assert phone.call.ledger[1].heard_ms <= before + 50


@pytest.mark.parametrize("at_s", [1.0, 1.73, 2.2])
def test_what_a_carrier_threw_out_unasked_is_said_again(at_s: float) -> None:
    phone = Phone(tells, line=line_of(TOLD), way_s=0.03)
    phone.answers()
    phone.wait(at_s)
    phone.carrier_empties_its_buffer()
    phone.wait(8.0)
    assert [word for word in STORY.split() if word not in phone.heard_words()] == []
    assert phone.call.transcript()[0].text == STORY


def test_a_mark_that_was_played_before_the_clear_came_is_the_truth() -> None:
    """The clear is long on its way: more is heard than the clock dares to say."""
    phone = Phone(tells, line=line_of(TOLD), way_s=0.02)
    phone.answers()
    phone.wait(2.0)
    playout = phone.call.utterances.playout
    name, mark = list(playout._marks.items())[-1]
    assert mark.track is not None
    phone.call.utterances.fall_silent(phone.now)
    believed_ms = phone.call.ledger[1].heard_ms
    phone.tell(MarkEchoed(name, MarkFate.UNKNOWN))
    assert phone.call.ledger[1].heard_ms == believed_ms
    phone.call.utterances.playout._cleared_marks[name] = mark
    phone.tell(MarkEchoed(name, MarkFate.PLAYED))
    assert phone.call.ledger[1].heard_ms == mark.offset_ms > believed_ms


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(LINES)),
    at_ms=st.integers(800, 3500),
    way_ms=st.sampled_from([0, 20, 80]),
    jitter_ms=st.sampled_from([0, 20]),
    said=st.sampled_from(["Yeah.", "", "Stop, please."]),
)
def test_whatever_the_line_no_unheard_word_is_in_the_history(
    kind: str, at_ms: int, way_ms: int, jitter_ms: int, said: str
) -> None:
    phone = Phone(tells, line=line_of(kind), way_s=way_ms / 1000, jitter_s=jitter_ms / 1000, seed=at_ms)
    phone.recognises = lambda since: said
    phone.answers()
    phone.wait(at_ms / 1000)
    phone.caller_speaks(0.6)
    phone.wait(7.0)
    heard = mostly_heard(phone)
    for spoken in phone.call.transcript():
        if spoken.speaker == "bot":
            assert [word for word in spoken.text.split() if word not in heard] == []
    if said != "Stop, please.":
        assert [word for word in STORY.split() if word not in heard] == []
