"""A call stops anywhere, is written down, and goes on in another process.

No heard word is said twice, no unheard word is lost, no key is lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer
from bridge.call.commands import AskAgent, Decided, Disconnect, ExpectSpeech, Redirect
from bridge.call.events import AgentActed, CallResumed, CallStarted, DigitPressed, SpeechArrived, Word
from bridge.call.machine import Call
from bridge.call.playout import Playout
from bridge.call.settings import CallSettings
from bridge.call.state import (
    HISTORY_CHARACTERS,
    BotState,
    CallerState,
    CallState,
    UnheardRest,
    decode,
    encode,
    latest,
    played_on,
    settings_hash,
)
from bridge.call.states import Decision, EndReason
from bridge.errors import BadMessage
from tests.call.lines import LINES, line_of
from tests.call.phone import WORD_MS, Phone

STORY = " ".join("one two three four five six seven eight nine ten eleven twelve".split())
LEEWAY_S = 0.09
"""A word that ended so shortly before the stream, or a clear, may count as unheard: the clock knows no better."""


def tells(prompt: Prompt) -> list[Action]:
    """Every word of every answer is a word of its own; the same prompt gets the same answer."""
    name = f"{prompt.kind}{prompt.turn}"
    return [Say("".join(f"{name}-{part}-{n} " for n in range(8)), more=part == 0) for part in range(2)]


class Hearing:
    """What the caller has heard of each word, by the carrier's side of the line."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.reached: dict[tuple[int, int], float] = {}
        self.ended_at: dict[tuple[int, int], float] = {}
        self.whole: set[tuple[int, int]] = set()
        """Words that were played to their end when they came last: parts of others may have come twice."""
        for piece in phone.line.played:
            length_ms = (min(piece.end, phone.now) - piece.start) * 1000
            for number, word in enumerate(phone.words_of(piece.utterance)):
                part_ms = min(piece.offset_ms + length_ms, word.end_ms) - max(piece.offset_ms, word.start_ms)
                if part_ms > 0:
                    place = (piece.utterance, number)
                    self.reached[place] = self.reached.get(place, 0.0) + part_ms
                    self.ended_at[place] = piece.start + (word.end_ms - piece.offset_ms) / 1000
                    if piece.offset_ms + length_ms >= word.end_ms - 3.0:
                        self.whole.add(place)
                    else:
                        self.whole.discard(place)

    def heard(self) -> list[str]:
        """Words of which at most a quarter is missing."""
        return [self._word(place) for place, ms in self.reached.items() if ms >= 0.75 * WORD_MS]

    def surely_heard(self) -> list[str]:
        """Words that ended well before anything was cut off."""
        phone = self._phone
        return [
            self._word(place)
            for place, ms in self.reached.items()
            if ms >= 0.99 * WORD_MS
            and place in self.whole
            and not any(-0.01 < at - self.ended_at[place] < LEEWAY_S + phone._jitter_s for at in phone.line.cut_at)
        ]

    def _word(self, place: tuple[int, int]) -> str:
        return self._phone.words_of(place[0])[place[1]].text


def said_by_agent(phone: Phone, replaced: Collection[int] = ()) -> list[str]:
    """The texts of all answers but these."""
    return [
        event.action.text
        for _, event, _ in phone.log
        if isinstance(event, AgentActed) and event.turn not in replaced and isinstance(event.action, Say)
    ]


def check_whole(phone: Phone, said: list[str], pressed: str) -> None:
    """The three promises."""
    keys: dict[int, str] = {p.turn: p.text for p in phone.prompts if p.kind == "digits"}
    assert "".join(keys.values()) == pressed, "keys"
    hearing = Hearing(phone)
    by_agent = {word for text in said_by_agent(phone) for word in text.split()}
    sure = [word for word in hearing.surely_heard() if word in by_agent]  # prompts of the bridge's own may be repeated
    assert [word for word in set(sure) if sure.count(word) > 1] == [], "heard twice"
    heard = hearing.heard()
    assert [word for word in said if word not in heard] == [], "lost"
    for spoken in phone.call.transcript():
        if spoken.speaker == "bot":
            assert [word for word in spoken.text.split() if word not in heard] == [], "in the history, and unheard"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(10, 2500)),
        st.tuples(st.just("moves"), st.integers(0, 800)),
        st.tuples(st.just("coughs"), st.integers(30, 120)),
        st.tuples(st.just("speaks"), st.integers(300, 1200)),
        st.tuples(st.just("speaks on"), st.integers(30, 2500)),
        st.tuples(st.just("presses"), st.integers(0, 9)),
    ),
    max_size=14,
)


def play(phone: Phone, steps: list[tuple[str, int]]) -> str:
    """The steps of a story, and time for it to end; the keys that were pressed."""
    pressed = ""
    phone.answers()
    for what, amount in steps:
        match what:
            case "wait":
                phone.wait(amount / 1000)
            case "moves":
                phone.moves(amount / 1000)
            case "coughs":
                phone.caller_speaks(amount / 1000)
                phone.wait(0.15)
            case "speaks":
                phone.caller_speaks(amount / 1000)
                phone.wait(amount / 1000)
            case "speaks on":
                phone.caller_speaks(amount / 1000)
            case "presses":
                pressed += str(amount)
                phone.broken_off |= not phone.call.utterances.silent or phone.call.answering.busy
                phone.presses(str(amount), 0.02)
    phone.wait(20.0)  # long enough for the longest story to be said to its end
    return pressed


def words_that_count(phone: Phone) -> list[str]:
    """All words that the agent said in answers that nothing replaced, where the caller broke none off."""
    if "interrupted" in phone.decided() or phone.broken_off:
        return []
    replaced = {before.turn for before, after in itertools.pairwise(phone.prompts) if after.again}
    return [word for text in said_by_agent(phone, replaced) for word in text.split()]


@example(  # lowered, its pieces came again in part, and the last one was cut off 17 ms before its end
    steps=[("speaks on", 48), ("presses", 0), ("wait", 44), ("moves", 0), ("wait", 369), ("speaks", 672)],
    kind="mulaw, hardly any buffer",
    way_ms=0,
    jitter_ms=20,
    thinks_ms=0,
    said="",
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    kind=st.sampled_from(sorted(LINES)),
    way_ms=st.sampled_from([0, 20, 80]),
    jitter_ms=st.sampled_from([0, 20]),
    thinks_ms=st.sampled_from([0, 150, 1200]),
    said=st.sampled_from(["", "Yeah.", "Tell me more, please."]),
)
def test_stop_any_call_anywhere_and_resume_it_elsewhere(
    steps: list[tuple[str, int]], kind: str, way_ms: int, jitter_ms: int, thinks_ms: int, said: str
) -> None:
    phone = Phone(
        tells, CallSettings(no_input_s=60.0), way_s=way_ms / 1000, jitter_s=jitter_ms / 1000, line=line_of(kind)
    )
    phone.thinks_s = thinks_ms / 1000
    phone.recognises = lambda since: said
    pressed = play(phone, steps)
    check_whole(phone, words_that_count(phone), pressed)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    at_ms=st.integers(0, 14_000),
    spoke_ms=st.integers(0, 8000),
    kind=st.sampled_from(sorted(LINES)),
    ending=st.sampled_from([HangUp("done"), Transfer("+4930123456")]),
)
def test_last_words_are_heard_and_done_wherever_the_call_stops(
    at_ms: int, spoke_ms: int, kind: str, ending: HangUp | Transfer
) -> None:
    def farewell(prompt: Prompt) -> list[Action]:
        return [*tells(prompt), ending] if prompt.kind == "caller_said" else tells(prompt)

    phone = Phone(farewell, CallSettings(no_input_s=60.0), line=line_of(kind))
    phone.thinks_s = 0.15
    phone.recognises = lambda since: "Tell me more, please."
    phone.answers()
    story = sorted([(spoke_ms, "speaks"), (at_ms, "moves")])  # the caller speaks on while the process is stopped
    for when_ms, what in story:
        phone.wait(max(when_ms / 1000 - phone.now, 0.0))
        if what == "speaks":
            phone.caller_speaks(1.2)
        elif not phone.ordered(Disconnect) and not phone.ordered(Redirect):
            phone.moves(0.2)
    phone.wait(20.0)
    check_whole(phone, [word for text in said_by_agent(phone)[-2:] for word in text.split()], "")
    assert len(phone.ordered(Disconnect if isinstance(ending, HangUp) else Redirect)) == 1


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(at_ms=st.integers(0, 6000), again_ms=st.integers(0, 3000), kind=st.sampled_from(sorted(LINES)))
def test_a_story_that_is_moved_twice_is_heard_to_its_end(at_ms: int, again_ms: int, kind: str) -> None:
    phone = Phone(lambda prompt: [Say(STORY)], CallSettings(no_input_s=60.0), line=line_of(kind))
    play(phone, [("wait", at_ms), ("moves", 200), ("wait", again_ms), ("moves", 0), ("wait", 4000)])
    check_whole(phone, STORY.split(), "")
    assert [s.text for s in phone.call.transcript()] == [STORY]
    assert not phone.call.transcript()[0].interrupted


# -- what is kept ------------------------------------------------------------------------------------------


def test_the_rest_is_said_from_the_first_unheard_word() -> None:
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.answers()
    phone.wait(2.0)
    state = phone.moves()
    heard, rest = state.bot.history[0].text.split(), state.bot.rest[0].text.split()
    assert [*heard, *rest] == STORY.split()
    assert 5 <= len(heard) <= 7
    phone.wait(1.0)
    assert phone.call.transcript()[0].text.startswith(" ".join(heard))
    phone.wait(6.0)
    assert phone.call.transcript() == (Spoken("bot", STORY),)


def test_manners_voice_and_secrecy_of_the_rest_are_kept() -> None:
    legal = Say("This call may be recorded for quality.", interruption="protected", voice="ada", cacheable=False)
    phone = Phone(lambda prompt: [legal, Say("How can I help?")])
    phone.answers()
    phone.wait(0.8)
    first, second = phone.moves().bot.rest
    assert (first.interruption, first.voice, first.cacheable) == ("protected", "ada", False)
    assert second == UnheardRest("How can I help?", cacheable=False)
    phone.caller_speaks(1.0)
    phone.wait(1.5)
    assert "interrupted" not in phone.decided()


@pytest.mark.parametrize("thinks_s", [0.5, 3.0])
def test_an_answer_that_had_not_come_is_asked_for_again_under_its_number(thinks_s: float) -> None:
    phone = Phone(tells)
    phone.answers()
    phone.wait(6.0)
    phone.thinks_s = thinks_s
    phone.caller_speaks(1.0)
    phone.wait(1.5)
    state = phone.moves()
    assert state.bot.pending is not None
    phone.wait(8.0)
    asked = [c for c in phone.ordered(AskAgent) if isinstance(c, AskAgent)]
    assert [c.prompt.text for c in asked][-2:] == ["I would like an appointment please."] * 2
    assert asked[-1].turn == asked[-1].prompt.turn == asked[-2].turn
    assert asked[-1].prompt.history == asked[-2].prompt.history
    assert [s.speaker for s in phone.call.transcript()] == ["bot", "caller", "bot"]


def tells_in_tokens(prompt: Prompt) -> list[Action]:
    """A model, which writes word by word, and then says what it expects."""
    return [*(Say(f" {word}" if n else word, more=True) for n, word in enumerate(STORY.split())), Expect("digits:4")]


PACES_S = [0.05, 0.3, 0.7]
"""A word takes 0.3 s to say: the model is faster, as fast, or slower than the voice."""


@pytest.mark.parametrize("pace_s", PACES_S)
@pytest.mark.parametrize("token", range(13))
def test_an_answer_that_is_still_being_written_is_written_to_its_end(token: int, pace_s: float) -> None:
    phone = Phone(tells_in_tokens, CallSettings(no_input_s=60.0))
    phone.thinks_s = pace_s
    phone.answers()
    phone.wait((token + 1.5) * pace_s)
    phone.moves()
    phone.wait(1.3)
    phone.moves()  # the second move finds some of it heard before, some in this process, and some of it unwritten
    phone.wait(15.0)
    check_whole(phone, STORY.split(), "")
    assert [s.text for s in phone.call.transcript()] == [STORY]
    expected = phone.ordered(ExpectSpeech)[-1]
    assert isinstance(expected, ExpectSpeech)
    assert expected.answer == "digits:4"


@pytest.mark.parametrize("stale_s", [0.1, 0.35, 0.6])
@pytest.mark.parametrize("pace_s", PACES_S)
@pytest.mark.parametrize("token", range(0, 13, 2))
def test_a_model_whose_reader_is_killed_loses_no_word(token: int, pace_s: float, stale_s: float) -> None:
    phone = Phone(tells_in_tokens, CallSettings(no_input_s=60.0))
    phone.thinks_s = pace_s
    phone.answers()
    phone.wait((token + 1.5) * pace_s)
    phone.crashes(stale_s)
    phone.wait(15.0)
    heard = Hearing(phone).heard()
    assert [word for word in STORY.split() if word not in heard] == []
    assert [s.text for s in phone.call.transcript()] == [STORY]


def test_the_history_of_the_rest_is_the_one_of_the_answer() -> None:
    phone = Phone(tells_in_tokens, CallSettings(no_input_s=60.0))
    phone.answers()
    phone.wait(5.0)
    phone.thinks_s = 0.3
    phone.caller_speaks(1.0)
    phone.wait(3.0)
    unfinished = phone.moves().bot.unfinished
    assert unfinished is not None
    assert unfinished.so_far[0].text.startswith("one two")
    asked = [c.prompt for c in phone.ordered(AskAgent) if isinstance(c, AskAgent)]
    assert asked[-1].history == asked[-2].history
    assert asked[-1].so_far == unfinished.so_far
    assert asked[-2].so_far is msgspec.UNSET


def test_what_a_caller_breaks_off_after_a_move_is_asked_no_more() -> None:
    phone = Phone(tells_in_tokens, CallSettings(no_input_s=60.0))
    phone.thinks_s = 0.3
    phone.answers()
    phone.wait(2.0)
    phone.moves()
    phone.wait(0.5)
    phone.caller_speaks(1.5)
    phone.wait(3.0)
    assert phone.prompts[-1].kind == "caller_said"
    assert phone.prompts[-1].so_far is msgspec.UNSET
    assert phone.prompts[-1].history[-1].text in STORY


def test_keys_and_the_expected_answer_are_kept() -> None:
    def script(prompt: Prompt) -> list[Action]:
        if prompt.kind == "call_started":
            return [Say("Please key in your number."), Expect("digits:4")]
        return [Say("Thank you.")]

    phone = Phone(script)
    phone.answers()
    phone.wait(3.0)
    phone.presses("12", 0.1)
    phone.moves()
    phone.presses("34", 0.1)
    assert (phone.prompts[-1].kind, phone.prompts[-1].text) == ("digits", "1234")


def test_the_recogniser_is_told_again_what_to_expect() -> None:
    def script(prompt: Prompt) -> list[Action]:
        return [Say("Wen möchten Sie sprechen?"), Expect("open", ("Okafor", "Nguyen"), "de-DE")]

    phone = Phone(script)
    phone.answers()
    phone.wait(3.0)
    state = decode(encode(phone.call.state(phone.now)))
    commands = Call.resume(state, CallSettings(hints=("Acme",))).receive(CallResumed(), 0.0)
    assert [command for command in commands if isinstance(command, ExpectSpeech)] == [
        ExpectSpeech("open", ("Okafor", "Nguyen"), "de-DE")
    ]


def test_a_caller_comes_back_from_a_transfer_to_the_same_conversation() -> None:
    def script(prompt: Prompt) -> list[Action]:
        match prompt.kind:
            case "call_started":
                return [Say("Whom would you like?"), Expect("open", ("Okafor",))]
            case "caller_said":
                return [Say("One moment, please."), Transfer("+15550100")]
        return [Say(f"It was {prompt.text}.")]

    phone = Phone(script)
    phone.recognises = lambda since: "Okafor please."
    phone.answers()
    phone.wait(4.0)
    phone.caller_speaks(1.0)
    phone.wait(8.0)
    assert isinstance(phone.commands[-1][1], Redirect)
    state = decode(encode(phone.call.state(phone.now)))
    assert state.bot.ending == Redirect("+15550100")

    phone.call = Call.resume(state, phone.settings)
    phone.clock_began = phone.now
    phone.tell(CallResumed("busy"))
    phone.wait(3.0)
    prompt = phone.prompts[-1]
    assert (prompt.kind, prompt.text, prompt.turn) == ("transfer_failed", "busy", 3)
    assert [one.text for one in prompt.history] == ["Whom would you like?", "Okafor please.", "One moment, please."]
    assert phone.call.transcript()[-1].text == "One moment, please. It was busy."
    assert phone.call.end_reason is None


def test_a_number_that_was_ended_is_ended() -> None:
    phone = Phone(lambda prompt: [Say("Key in, please.", interruption="protected")])
    phone.answers()
    phone.wait(0.3)
    phone.presses("12#", 0.02)
    state = phone.moves()
    assert (state.caller.keys, state.caller.keys_ended) == ("12", True)
    phone.wait(2.0)
    assert phone.prompts[-1].text == "12"


def test_a_turn_whose_words_are_known_is_answered() -> None:
    phone = Phone(tells)
    phone.recognises = lambda since: "I would like an"  # asks for more, so that the turn is not over soon
    phone.answers()
    phone.wait(6.0)
    phone.caller_speaks(1.0)
    phone.wait(1.5)
    state = phone.moves()
    assert state.caller.turn is not None
    assert state.caller.turn.text == "I would like an"
    phone.wait(4.0)
    assert phone.prompts[-1].text == "I would like an"


def test_a_turn_goes_on_after_the_move_and_is_one_turn() -> None:
    phone = Phone(tells)
    phone.recognises = lambda since: "I would like an"
    phone.answers()
    phone.wait(6.0)
    phone.caller_speaks(1.0)
    phone.wait(1.5)
    phone.moves()
    phone.recognises = lambda since: "appointment on Tuesday."
    phone.caller_speaks(1.0)
    phone.wait(4.0)
    assert phone.prompts[-1].text == "I would like an appointment on Tuesday."
    assert [s.text for s in phone.call.transcript() if s.speaker == "caller"] == [
        "I would like an appointment on Tuesday."
    ]


def test_a_turn_whose_words_are_unknown_is_known_to_have_been() -> None:
    phone = Phone(tells)
    phone.recognises = lambda since: None
    phone.answers()
    phone.wait(6.0)
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    phone.moves()
    phone.wait(3.0)
    assert (phone.prompts[-1].kind, phone.prompts[-1].text) == ("caller_said", "")


def test_an_answer_to_a_guess_is_let_go_and_the_turn_is_kept() -> None:
    phone = Phone(tells)
    phone.answers()
    phone.wait(6.0)
    phone.caller_speaks(1.0)
    phone.wait(1.26)
    assert len(phone.prompts) == 2
    state = phone.moves()
    assert (state.bot.rest, state.bot.pending, state.bot.replaces) == ((), None, True)
    assert [s.speaker for s in state.bot.history] == ["bot"]
    phone.wait(6.0)
    assert (phone.prompts[-1].text, phone.prompts[-1].again) == ("I would like an appointment please.", True)
    assert [s.speaker for s in phone.call.transcript()] == ["bot", "caller", "bot"]


def test_what_a_listeners_yeah_broke_off_is_gone_on_with_elsewhere() -> None:
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.recognises = lambda since: "Yeah, so"  # not finished, so that the turn is still open
    phone.answers()
    phone.wait(1.5)
    phone.caller_speaks(0.5)
    phone.wait(0.9)
    state = phone.moves()
    assert state.caller.turn is not None
    assert state.bot.cut
    phone.call._caller._turn_so_far.recognised("")
    phone.call._caller._turn_so_far.carried = ""
    phone.call._caller._turn_so_far.recognised("Yeah.")
    phone.wait(8.0)
    assert "went on" in phone.decided()
    assert [word for word in STORY.split() if word not in Hearing(phone).heard()] == []


@pytest.mark.parametrize("at_s", [0.2, 0.9, 1.4])
def test_a_goodbye_is_heard_and_the_call_ends_elsewhere(at_s: float) -> None:
    phone = Phone(lambda prompt: [Say("Thank you and goodbye then."), HangUp("booked")])
    phone.answers()
    phone.wait(at_s)
    phone.moves()
    phone.wait(5.0)
    assert phone.ordered(Disconnect) == [Disconnect(EndReason.AGENT, "booked")]
    assert [w for w in "Thank you and goodbye then.".split() if w not in Hearing(phone).heard()] == []


def test_a_transfer_that_was_ordered_happens_elsewhere() -> None:
    phone = Phone(lambda prompt: [Say("One moment, please."), Transfer("+15005550020")])
    phone.answers()
    phone.wait(0.5)
    phone.moves()
    phone.wait(4.0)
    assert phone.ordered(Redirect) == [Redirect("+15005550020")]


def test_the_longest_call_is_counted_from_its_beginning() -> None:
    phone = Phone(lambda prompt: [Say(STORY)], CallSettings(longest_call_s=12.0, no_input_s=60.0))
    phone.answers()
    for _ in range(4):
        phone.wait(2.5)
        phone.moves(0.1)
    phone.wait(6.0)
    assert phone.call.end_reason is EndReason.LONGEST_CALL
    assert phone.now == pytest.approx(12.0 + 4 * 0.12 + 2.7, abs=4.0)


def test_silence_is_counted_on_and_the_caller_is_let_go() -> None:
    phone = Phone(lambda prompt: [Say("Are you there?")], CallSettings(no_input_s=2.0, no_input_limit=2))
    phone.answers()
    for _ in range(3):
        phone.wait(4.0)
        phone.moves()
    phone.wait(8.0)
    assert phone.call.end_reason is EndReason.NO_INPUT
    assert [p.attempt for p in phone.prompts if p.kind == "no_input"] == [1, 2]


def test_a_call_can_be_moved_before_it_was_gone_on_with() -> None:
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.answers()
    phone.wait(1.0)
    state = phone.call.state(phone.now)
    resumed = Call.resume(state, phone.settings)
    assert resumed.state(99.0) == state
    assert resumed.receive(CallStarted(), 0.0) == []


def test_writing_a_call_down_changes_nothing() -> None:
    left, right = (Phone(tells, way_s=0.05, jitter_s=0.02) for _ in range(2))
    for phone in (left, right):
        phone.answers()
    for _ in range(300):
        left.wait(0.03)
        left.call.state(left.now)
        right.wait(0.03)
        if left.now == pytest.approx(2.4):
            for phone in (left, right):
                phone.caller_speaks(1.0)
    assert left.commands == right.commands


# -- how large, how often, which version --------------------------------------------------------------------


def test_an_hours_call_is_a_small_state() -> None:
    random = Random(1)
    turns = []
    for _ in range(500):
        words = " ".join("".join(random.choices("abcdefghij", k=5)) for _ in range(25))
        turns += [Spoken("bot", words), Spoken("caller", words[:60])]
    rest = UnheardRest(STORY * 20, words=tuple(Word("word", n * 300, n * 300 + 300) for n in range(200)))
    bot = BotState(history=latest(tuple(turns)), rest=(rest,), cut=(msgspec.structs.replace(rest, words=()),))
    state = CallState(1, "0" * 16, 3600.0, bot, CallerState("5551234567"), agent=bytes(4000))
    assert len(encode(state)) < 32 * 1024
    assert bot.history[-1] == turns[-1]
    assert sum(len(s.text) for s in bot.history) <= HISTORY_CHARACTERS


def test_a_single_long_turn_is_kept_from_its_end() -> None:
    (kept,) = latest((Spoken("caller", "x" * 20_000 + "end"),))
    assert len(kept.text) == HISTORY_CHARACTERS
    assert kept.text.endswith("end")


def test_the_counter_moves_when_something_matters_and_not_with_every_message() -> None:
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.answers()
    phone.wait(0.5)
    before = phone.call.changes
    events = len(phone.log)
    phone.wait(2.0)
    placed = sum(isinstance(event, SpeechArrived) and bool(event.words) for _, event, _ in phone.log[events:])
    assert phone.call.changes == before + placed
    assert len(phone.log) > events + 20 > events + 3 * placed
    phone.tell(DigitPressed("1"))
    assert phone.call.changes == before + placed + 1


def test_between_two_changes_a_state_differs_by_what_was_heard_alone() -> None:
    phone = Phone(tells)
    phone.answers()
    last: tuple[int, Any] | None = None
    for step in range(400):
        if step in (40, 220):
            phone.caller_speaks(0.9)
        if step == 150:
            phone.tell(DigitPressed("7"))
        phone.wait(0.03)
        state = phone.call.state(phone.now)
        said = " ".join(s.text for s in state.bot.history if s.speaker == "bot")
        rest = " ".join(r.text for r in state.bot.rest)
        what = (
            state.caller.keys,
            state.caller.turn,
            state.bot.turn,
            state.bot.expected,
            state.bot.ending,
            state.bot.replaces,
            [s.text for s in state.bot.history if s.speaker == "caller"],
            f"{said} {rest}".split(),
        )
        if last is not None and last[0] == phone.call.changes:
            assert what == last[1]
        last = (phone.call.changes, what)


def test_a_crash_is_reckoned_with_by_the_time_since_the_state_was_written() -> None:
    """The state is older than the crash, and the voice went on meanwhile."""
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.answers()
    phone.wait(1.2)
    state = phone.call.state(phone.now)
    later = played_on(state, 0.9)
    heard = later.bot.history[0].text.split()
    before = state.bot.history[0].text.split()
    assert len(heard) in (len(before) + 2, len(before) + 3)
    assert [*heard, *later.bot.rest[0].text.split()] == STORY.split()
    assert later.length_s == pytest.approx(state.length_s + 0.9)
    assert played_on(state, 0.0) is state


def test_a_crash_in_the_second_utterance_says_none_of_the_first_again() -> None:
    phone = Phone(lambda prompt: [Say("one two three"), Say("four five six seven eight nine ten")])
    phone.answers()
    kept, changes = phone.call.state(phone.now), -1
    until = phone.now + 2.2
    while phone.now < until:
        phone.wait(0.02)
        if phone.call.changes != changes:
            kept, changes = phone.call.state(phone.now), phone.call.changes
    sure, reckoned = phone.call.state(phone.now), played_on(kept, phone.call.state(phone.now).length_s - kept.length_s)
    said = "one two three four five six seven eight nine ten".split()
    for of in (sure, reckoned):
        told = [word for spoken in of.bot.history for word in spoken.text.split()]
        assert [*told, *of.bot.rest[0].text.split()] == said
        assert len(told) > 4
    assert len(sure.bot.rest[0].text.split()) - len(reckoned.bot.rest[0].text.split()) in (0, 1)


def test_words_that_are_placed_in_time_later_make_a_state_worth_writing_again() -> None:
    call = Call(CallSettings())
    call.receive(CallStarted(), 0.0)
    call.receive(AgentActed(1, Say(STORY)), 0.1)
    before = call.changes
    call.receive(SpeechArrived(1, b"\x00" * 800, (Word("one", 0, 100),)), 0.2)
    assert call.changes == before + 1


@given(st.lists(st.integers(0, 3000), max_size=5))
def test_time_after_a_state_moves_words_and_loses_none(times_ms: list[int]) -> None:
    words = tuple(Word(text, n * 300, n * 300 + 300) for n, text in enumerate(STORY.split()))
    rests = (UnheardRest(STORY, words=words), UnheardRest("and so on", voice="ada"))
    state = CallState(1, "", 1.0, BotState(rest=rests), CallerState())
    for time_ms in times_ms:
        state = played_on(state, time_ms / 1000)
        told = [w for s in state.bot.history for w in s.text.split()]
        assert [*told, *(w for r in state.bot.rest for w in r.text.split())] == [*STORY.split(), "and", "so", "on"]
    assert sum(len(s.text.split()) for s in state.bot.history) <= sum(times_ms) / 300 + len(times_ms)


def test_a_state_of_another_version_is_refused_by_name() -> None:
    state = msgspec.structs.replace(Call(CallSettings()).state(0.0), version=9)
    with pytest.raises(BadMessage, match="version 9; this release goes on from version 1"):
        decode(encode(state))


@pytest.mark.parametrize("data", [b"", b"junk", b"\x81\xa1a\x01", encode(Call(CallSettings()).state(0.0))[:-3]])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="not a call's state"):
        decode(data)


def test_a_state_says_under_which_settings_it_was_written() -> None:
    settings = CallSettings()
    other = CallSettings(no_input_s=1.0)
    assert Call(settings).state(0.0).settings_hash == settings_hash(settings) != settings_hash(other)


def test_a_call_goes_on_under_new_settings_and_leaves_a_why_record() -> None:
    phone = Phone(lambda prompt: [Say(STORY)])
    phone.answers()
    phone.wait(1.5)
    phone.moves(settings=CallSettings(no_input_s=2.5))
    resumed = next(c for _, c in phone.commands if isinstance(c, Decided) and c.what is Decision.RESUMED)
    assert resumed.why["utterances"] == 1
    phone.wait(7.0)
    assert phone.prompts[-1].kind == "no_input"


# -- planted bugs --------------------------------------------------------------------------------------------


def keys_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    _changed(patch, lambda state: msgspec.structs.replace(state, caller=msgspec.structs.replace(state.caller, keys="")))


def rest_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    _changed(patch, lambda state: msgspec.structs.replace(state, bot=msgspec.structs.replace(state.bot, rest=())))


def prompt_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    _changed(patch, lambda state: msgspec.structs.replace(state, bot=msgspec.structs.replace(state.bot, pending=None)))


def prompt_is_put_under_a_new_number(patch: pytest.MonkeyPatch) -> None:
    def change(state: CallState) -> CallState:
        pending = state.bot.pending
        if pending is None:
            return state
        renumbered = msgspec.structs.replace(pending, turn=pending.turn + 1)
        return msgspec.structs.replace(state, bot=msgspec.structs.replace(state.bot, pending=renumbered))

    _changed(patch, change)


def rest_begins_after_the_sent_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Playout, "heard_if_lost", lambda self, now: {t.utterance: t.sent_ms for t in self.tracks})


def rest_begins_with_the_utterance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Playout, "heard_if_lost", lambda self, now: {t.utterance: 0.0 for t in self.tracks})


def _changed(patch: pytest.MonkeyPatch, change: Callable[[CallState], CallState]) -> None:
    written = Call.state
    patch.setattr(Call, "state", lambda self, now: change(written(self, now)))


STORIES = [
    *([("wait", 1700 + 60 * n), ("moves", 100)] for n in range(5)),
    [("wait", 7000), ("presses", 4), ("wait", 100), ("moves", 100), ("presses", 2)],
    [("wait", 7000), ("presses", 4), ("wait", 3100), ("moves", 100)],
    [("moves", 100), ("wait", 3000)],
]


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (keys_are_forgotten, "keys"),
        (rest_is_forgotten, "lost"),
        (prompt_is_forgotten, "lost"),
        (prompt_is_put_under_a_new_number, "keys"),
        (rest_begins_after_the_sent_word, "lost"),
        (rest_begins_with_the_utterance, "heard twice"),
    ],
)
def test_a_planted_bug_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = []
    for steps in STORIES:
        phone = Phone(tells, CallSettings(no_input_s=60.0))
        phone.thinks_s = 0.4
        pressed = play(phone, steps)
        try:
            check_whole(phone, [w for p in phone.prompts for a in tells(p) for w in a.text.split()], pressed)  # type: ignore[union-attr]
        except AssertionError as error:
            found.append(str(error).split("\n")[0])
    assert any(told in one for one in found)


def test_the_stories_of_the_planted_bugs_pass_without_one() -> None:
    for steps in STORIES:
        phone = Phone(tells, CallSettings(no_input_s=60.0))
        phone.thinks_s = 0.4
        pressed = play(phone, steps)
        check_whole(phone, words_that_count(phone), pressed)
