"""Whatever happens on a line, these hold. Each rule is one thing that can happen to a caller."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Transfer, Wait
from bridge.call.commands import Decided, SendAudio
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    AgentFinished,
    AgentWantsFloor,
    CallStarted,
    DigitPressed,
    EndRequested,
    Event,
    MarkEchoed,
    Recognised,
    RecogniserFailed,
    SpeechArrived,
    SpeechEnded,
    SpeechFailed,
    StreamClosed,
    TimePassed,
    TransferRequested,
    TurnJudged,
    VoiceActivity,
    Word,
)
from bridge.call.machine import Call
from bridge.call.record import command_line, event_line, header, replay
from bridge.call.settings import CallSettings, FloorSettings
from bridge.call.states import EndReason
from tests.call.lines import LINES, line_of
from tests.call.phone import Phone

NUMBERED = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def story(prompt: Prompt) -> list[Action]:
    return [Say(NUMBERED), Say("And that was all of it.")]


class AnyCall(RuleBasedStateMachine):
    """A call with a carrier, a voice and an agent, to which anything may happen."""

    @initialize(
        way_ms=st.sampled_from([0, 20, 100, 200]),
        jitter_ms=st.sampled_from([0, 5, 40]),
        synthesis_ms=st.sampled_from([5, 60, 400]),
        mode=st.sampled_from(["duck", "hold", "ignore"]),
        kind=st.sampled_from(sorted(LINES)),
        echoes=st.booleans(),
        seed=st.integers(0, 1000),
    )
    def answered(
        self, way_ms: int, jitter_ms: int, synthesis_ms: int, mode: str, kind: str, echoes: bool, seed: int
    ) -> None:
        floor = msgspec.convert({"on_suspicion": mode}, FloorSettings)
        self.phone = Phone(
            story,
            CallSettings(floor=floor),
            way_s=way_ms / 1000,
            jitter_s=jitter_ms / 1000,
            synthesis_s=synthesis_ms / 1000,
            line=line_of(kind, echoes=echoes),
            seed=seed,
        )
        self.phone.answers()

    @rule(ms=st.integers(10, 3000))
    def time_passes(self, ms: int) -> None:
        self.phone.wait(ms / 1000)

    @rule(ms=st.integers(30, 1500))
    def caller_speaks(self, ms: int) -> None:
        self.phone.caller_speaks(ms / 1000)
        self.phone.wait(0.1)

    @rule()
    def noise_without_words(self) -> None:
        self.phone.recognises = lambda since: ""

    @rule()
    def words_again(self) -> None:
        self.phone.recognises = lambda since: "Tell me more."

    @rule(digit=st.sampled_from("0123456789*#"))
    def presses(self, digit: str) -> None:
        self.phone.presses(digit, 0.05)

    @rule(cut=st.booleans())
    def agent_wants_to_speak(self, cut: bool) -> None:
        self.phone.tell(AgentWantsFloor(cut))

    @rule(utterance=st.integers(1, 4))
    def voice_breaks(self, utterance: int) -> None:
        self.phone.tell(SpeechFailed(utterance, "lost"))

    @rule(name=st.sampled_from(["0.1", "1.2", "x", "99.99"]))
    def strange_mark(self, name: str) -> None:
        if not self.phone.line.echoes:
            self.phone.tell(MarkEchoed(name))

    @invariant()
    def the_history_holds_no_unheard_word(self) -> None:
        phone = getattr(self, "phone", None)
        if phone is None:
            return
        for utterance, text in phone.texts.items():
            entry = phone.call.ledger[utterance]
            # What the carrier will have played by the time it could obey us: its word is final.
            reached = max((end for u, _, end in phone.heard() if u == utterance), default=0.0)
            in_flight_ms = 2 * (phone._way_s + phone._jitter_s) * 1000 + 5
            assert entry.heard_ms <= reached + in_flight_ms, (utterance, text)

    @invariant()
    def the_lead_never_passes_its_bound(self) -> None:
        phone = getattr(self, "phone", None)
        if phone is not None:
            lead_ms = phone.line.buffered_s(phone.now) * 1000
            known = phone.line.echoes and phone.line.pacing.marks != "none"
            slack_ms = 2 * phone._jitter_s * 1000 + 25 if known else 450
            assert lead_ms <= phone.settings.playout.lead_max_ms + slack_ms

    @invariant()
    def a_cancelled_utterance_stays_silent(self) -> None:
        phone = getattr(self, "phone", None)
        if phone is None:
            return
        cut: set[int] = set()
        for _, command in phone.commands:
            if isinstance(command, Decided) and command.what == "interrupted":
                cut = {
                    c.utterance
                    for _, c in phone.commands[: phone.commands.index((_, command))]
                    if isinstance(c, SendAudio)
                }
            if isinstance(command, SendAudio):
                assert command.utterance not in cut


AnyCall.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyCall = AnyCall.TestCase


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    coughs=st.lists(st.tuples(st.integers(50, 900), st.integers(20, 150)), max_size=8),
    mode=st.sampled_from(["duck", "hold"]),
    way_ms=st.sampled_from([0, 20, 50, 200]),
)
def test_coughs_lose_no_word_and_repeat_none(coughs: list[tuple[int, int]], mode: str, way_ms: int) -> None:
    floor = msgspec.convert({"on_suspicion": mode}, FloorSettings)
    phone = Phone(lambda p: [Say(NUMBERED)], CallSettings(floor=floor), way_s=way_ms / 1000)
    phone.answers()
    phone.wait(0.7)
    for gap_ms, cough_ms in coughs:
        phone.wait(gap_ms / 1000)
        phone.caller_speaks(cough_ms / 1000)
    phone.wait_until_heard()
    phone.wait(1.0)
    if "interrupted" in phone.decided():
        return  # coughs in a row may add up to speech
    heard = [s for s in phone.heard() if s[0] == 1]
    reached_ms = 0.0
    for _, start_ms, end_ms in heard:
        assert start_ms <= reached_ms + 2, "nothing is left out"
        assert reached_ms - start_ms <= 300 + 2, "nothing before the broken word is repeated"
        if mode == "duck":
            assert abs(start_ms - reached_ms) <= 2
        reached_ms = end_ms
    assert abs(reached_ms - len(NUMBERED.split()) * 300) < 1


ANY_ACTION = st.one_of(
    st.builds(Say, st.text(max_size=20), st.booleans(), st.sampled_from(["interruptible", "protected", "digits_only"])),
    st.builds(Expect, st.sampled_from(["open", "yes_no", "digits", "digits:4", "spelling", "email"])),
    st.builds(HangUp),
    st.builds(Transfer, st.just("+15005550020")),
    st.builds(Wait, st.floats(0, 3)),
)
SMALL = st.integers(0, 4)
ANY_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(CallStarted),
    st.builds(VoiceActivity, st.floats(0, 1), st.floats(-90, 0), st.floats(0, 60), st.floats(0, 1)),
    st.builds(Recognised, SMALL, st.sampled_from(["", "yes", "I want a", "five five five"])),
    st.builds(RecogniserFailed, SMALL, st.just("late")),
    st.builds(TurnJudged, SMALL, st.floats(0, 1)),
    st.builds(DigitPressed, st.sampled_from("0123456789*#AX")),
    st.builds(
        SpeechArrived, SMALL, st.integers(0, 50).map(lambda n: b"\x80" * 160 * n), st.just((Word("hi", 0, 300),))
    ),
    st.builds(SpeechEnded, SMALL),
    st.builds(SpeechFailed, SMALL, st.just("lost")),
    st.builds(MarkEchoed, st.sampled_from(["0.1", "0.2", "1.3", "2.4", "junk"])),
    st.builds(AgentActed, SMALL, ANY_ACTION),
    st.builds(AgentFinished, SMALL),
    st.builds(AgentFailed, SMALL, st.just("boom")),
    st.builds(EndRequested, st.just(EndReason.DRAIN)),
    st.builds(TransferRequested, st.just("+15550100")),
    st.builds(StreamClosed, st.sampled_from(EndReason)),
    st.builds(TimePassed),
)


@settings(max_examples=300)
@given(events=st.lists(st.tuples(ANY_EVENT, st.floats(0, 1.5)), max_size=60), listens=st.booleans(), held=st.booleans())
def test_any_event_in_any_state_is_answered_and_replays_alike(
    events: list[tuple[Event, float]], listens: bool, held: bool
) -> None:
    wanted = CallSettings(listens=listens, no_input_s=2.0, longest_call_s=30.0, interruptible_goodbye=held)
    call = Call(wanted)
    now = 0.0
    lines = [header(wanted)]
    for event, gap in [(CallStarted(), 0.0), *events]:
        now += gap
        commands = call.receive(event, now)
        lines += [event_line(event, now), *(command_line(c, now) for c in commands)]
        if not call.ended:
            assert call.wake_at is not None
            assert call.wake_at > now
    assert replay(lines).differences == []
