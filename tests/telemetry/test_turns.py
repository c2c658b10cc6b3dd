"""What the turns of a call were spent on, told from events and commands alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.actions import Prompt, Say
from bridge.call.commands import (
    AskAgent,
    CancelAgent,
    CancelSynthesis,
    Command,
    SendAudio,
    Synthesise,
    Transcribe,
    decided,
)
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    AgentFinished,
    CallStarted,
    Event,
    Recognised,
    RecogniserFailed,
    SpeechArrived,
    SpeechFailed,
    TimePassed,
)
from bridge.call.states import Decision
from bridge.telemetry.turns import Turn, TurnStage, TurnWatch

Step = tuple[float, Event, list[Command]]
NOTHING = TimePassed()


def said(kind: str = "caller_said", turn: int = 1) -> AskAgent:
    return AskAgent(turn, Prompt(kind=kind, text="hello", turn=turn))  # type: ignore[arg-type]


def watch(*steps: Step, ends_at: float | None = None) -> list[Turn]:
    turns, found = TurnWatch(), list[Turn]()
    for step in steps:
        found += turns.saw(*step)
    return found if ends_at is None else found + turns.ended(ends_at)


GREETING: list[Step] = [
    (0.0, CallStarted(), [said("call_started", 1)]),
    (0.1, AgentActed(1, Say("Hello.")), [Synthesise(1, "Hello.", final=False)]),
    (0.1, AgentFinished(1), []),
    (0.3, SpeechArrived(1, b""), [SendAudio(1, 0, b"")]),
    (0.5, SpeechArrived(1, b""), [SendAudio(1, 200, b"")]),
]


def test_a_greeting_is_a_turn_from_the_calls_start_to_its_first_sound() -> None:
    (turn,) = watch(*GREETING, ends_at=2.0)
    assert (turn.kind, turn.began_at, turn.answered_at, turn.ended_at) == ("call_started", 0.0, 0.3, 0.3)
    assert turn.stages == [TurnStage("agent", 0.0, 0.1, 0.1), TurnStage("speak", 0.1, 0.3)]


def test_a_turn_of_the_callers_begins_with_their_last_sound_and_has_what_was_recognised_before() -> None:
    greeting, turn = watch(
        *GREETING,
        (5.2, NOTHING, [Transcribe(1, 3.0)]),
        (5.6, Recognised(1, "hello"), [said(turn=2)]),
        (5.7, NOTHING, [decided(Decision.TURN_OVER, silence_ms=700)]),
        (5.8, AgentActed(2, Say("Yes?")), [Synthesise(2, "Yes?", final=True)]),
        (5.9, SpeechArrived(2, b""), [SendAudio(2, 0, b"")]),
        (6.5, AgentFinished(2), []),
        ends_at=9.0,
    )
    assert greeting.kind == "call_started"
    assert (turn.began_at, turn.answered_at, turn.guesses) == (5.0, 5.9, 0)
    assert turn.stages == [
        TurnStage("recognise", 5.2, 5.6),
        TurnStage("agent", 5.6, 6.5, 5.8),
        TurnStage("speak", 5.8, 5.9),
    ]
    assert turn.ended_at == 6.5, "the agent went on after the first sound of its answer"


def test_answers_that_were_guessed_and_taken_back_belong_to_the_turn_that_was_answered() -> None:
    (turn,) = watch(
        (1.0, NOTHING, [Transcribe(1, 0.5)]),
        (1.2, Recognised(1, "my number is"), [said(turn=1)]),
        (1.3, AgentActed(1, Say("Which?")), [Synthesise(1, "Which?", final=True)]),
        (1.4, NOTHING, [CancelAgent(1), CancelSynthesis(1)]),
        (2.0, NOTHING, [Transcribe(2, 0.5)]),
        (2.2, Recognised(2, "my number is four"), [said(turn=2)]),
        (2.3, NOTHING, [decided(Decision.TURN_OVER, silence_ms=400)]),
        (2.4, AgentActed(2, Say("Thanks.")), [Synthesise(2, "Thanks.", final=True)]),
        (2.6, SpeechArrived(2, b""), [SendAudio(2, 0, b"")]),
        ends_at=3.0,
    )
    assert (turn.guesses, round(turn.began_at, 3), turn.answered_at) == (1, 1.9, 2.6)
    assert [(stage.name, stage.failed) for stage in turn.stages] == [
        ("recognise", ""),
        ("agent", "taken back"),
        ("speak", "taken back"),
        ("recognise", ""),
        ("agent", "call over"),
        ("speak", ""),
    ]


def test_what_failed_says_so() -> None:
    (turn,) = watch(
        (1.0, NOTHING, [Transcribe(1, 0.5)]),
        (1.2, RecogniserFailed(1, "gone"), [said(turn=1)]),
        (1.3, AgentActed(1, Say("Hm.")), [Synthesise(1, "Hm.", final=True)]),
        (1.4, AgentFailed(1, "gone"), []),
        (1.5, SpeechFailed(1, "gone"), []),
        ends_at=2.0,
    )
    assert turn.answered_at is None
    assert [(stage.name, stage.failed) for stage in turn.stages] == [
        (name, "failed") for name in ("recognise", "agent", "speak")
    ]


def test_sound_of_an_answer_before_is_no_answer_to_this_turn() -> None:
    _, turn = watch(
        *GREETING,
        (1.0, NOTHING, [said("digits", 2)]),
        (1.1, NOTHING, [SendAudio(1, 400, b"")]),
        (1.2, AgentActed(2, Say("Five.")), [Synthesise(2, "Five.", final=True)]),
        (1.4, SpeechArrived(2, b""), [SendAudio(2, 0, b"")]),
        ends_at=2.0,
    )
    assert (turn.kind, turn.began_at, turn.answered_at) == ("digits", 1.0, 1.4)


def test_an_interruption_belongs_to_the_turn_that_it_cut_off() -> None:
    first, second = watch(
        *GREETING,
        (1.0, NOTHING, [decided(Decision.INTERRUPTED, since=0.9)]),
        (2.0, NOTHING, [said(turn=2)]),
        ends_at=3.0,
    )
    assert (first.interrupted, second.interrupted) == (True, False)


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Recognised, st.integers(0, 3), st.just("x")),
    st.builds(RecogniserFailed, st.integers(0, 3), st.just("x")),
    st.builds(AgentActed, st.integers(0, 3), st.builds(Say, st.just("x"))),
    st.builds(AgentFinished, st.integers(0, 3)),
    st.builds(AgentFailed, st.integers(0, 3), st.just("x")),
    st.builds(SpeechArrived, st.integers(0, 3), st.just(b"")),
    st.builds(SpeechFailed, st.integers(0, 3), st.just("x")),
    st.just(NOTHING),
)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Transcribe, st.integers(0, 3), st.just(0.0)),
    st.builds(said, st.sampled_from(["caller_said", "digits", "call_started", "floor_given"]), st.integers(0, 3)),
    st.builds(CancelAgent, st.integers(0, 3)),
    st.builds(Synthesise, st.integers(0, 3), st.just("x"), st.booleans()),
    st.builds(CancelSynthesis, st.integers(0, 3)),
    st.builds(SendAudio, st.integers(0, 3), st.just(0), st.just(b"")),
    st.builds(lambda ms: decided(Decision.TURN_OVER, silence_ms=ms), st.integers(0, 3000)),
)


@given(st.lists(st.tuples(st.floats(0, 2), events, st.lists(commands, max_size=3)), max_size=40))
def test_whatever_happens_every_stage_ends_within_its_turn_and_nothing_grows(
    story: list[tuple[float, Event, list[Command]]],
) -> None:
    at, asked, steps = 0.0, 0, list[Step]()
    for pause, event, ordered in story:
        at += pause
        asked += sum(isinstance(one, AskAgent) for one in ordered)
        steps.append((at, event, ordered))
    turns = watch(*steps, ends_at=at + 1)
    assert sum(1 + turn.guesses for turn in turns) <= asked
    for turn in turns:
        assert len(turn.stages) <= 64
        for stage in turn.stages:
            assert stage.ended_at is None or stage.began_at <= stage.ended_at <= at + 1
    assert bool(turns) == bool(asked)
