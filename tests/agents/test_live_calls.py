"""Whole calls with a model that listens and speaks itself, in virtual time: what the caller's ear heard decides."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.agents.base import Failure
from bridge.agents.factory import build_agents
from bridge.agents.live.factory import LiveFactory
from bridge.agents.settings import RealtimeAgentSettings, ScriptSettings, TeamMember, TeamSettings, TransferSettings
from bridge.agents.team import TeamFactory
from bridge.agents.tools.base import Arguments, Tool
from bridge.agents.tools.factory import Toolbox
from bridge.call.settings import CallSettings, FallbackSettings
from bridge.simulator.calls_in_tests import CityFixture
from tests.agents.live_calls import ASKS, INTERRUPTS, LISTENS, LiveCall, Telephone
from tests.doubles.live.base import Answer
from tests.doubles.live.realtime import RealtimeDouble

# Words of one length: the voice of the ear takes equally long for each, as a voice does for its letters.
GREETING = "hello there today speak"
LONG = "alpha bravo delta hotel india lemon mango night ocean piano queen river sugar tango ultra whale zebra"


@pytest.fixture
def telephone(city: CityFixture) -> Telephone:
    return Telephone(city)


def heard_ms(call: LiveCall, first: str) -> int:
    """How much of the speech that begins with this word was in the ear before the silence that follows it."""
    words = call.words
    start = next(word.start_ms for word in words if word.text == first)
    last = next(word for word in words if word.start_ms == start)
    for word in (word for word in words if word.start_ms > start):
        if word.start_ms - last.end_ms > 400:
            break
        last = word
    sound = call.heard.placed.recording.bot.sound[start * 8 : (last.end_ms + 60) * 8]
    return int(np.flatnonzero(np.abs(sound) > 0.002)[-1]) // 8


def told(call: LiveCall, kind: str) -> list[dict[str, Any]]:
    return [one for talk in call.talks for one in talk.told if one["type"] == kind]


def test_a_model_greets_hears_the_caller_answers_and_hangs_up_after_its_last_word(telephone: Telephone) -> None:
    answers = [Answer(GREETING), Answer("goodbye for now", [("hang_up", {"reason": "done"})])]
    call = telephone.rings(RealtimeDouble(answers), LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} goodbye for now"
    assert call.heard.hung_up_by == "server"
    (asked,) = call.talk.said("user")
    assert 1500 < asked.audio_ms < 6000, "the caller's turn alone, not the whole call"
    assert call.talk.errors == []
    assert call.transcript[0].text == f"{GREETING} goodbye for now"
    assert call.costs["answers"] == 2
    assert call.costs["audio_tokens_read"] > 0 < call.costs["audio_tokens_written"]


def test_what_the_caller_did_not_hear_is_cut_at_the_service_to_the_millisecond(telephone: Telephone) -> None:
    answers = [Answer(GREETING), Answer(LONG), Answer("of course", [("hang_up", {})])]
    call = telephone.rings(RealtimeDouble(answers), LISTENS, ASKS, INTERRUPTS % 1500, "wait_for_hang_up")
    _, cut, last = call.talk.said("assistant")
    ear_ms = heard_ms(call, "alpha")
    assert cut.kept_ms is not None
    assert 0 <= ear_ms - cut.kept_ms <= 60, "what the ear surely heard: the clock's error is left out"
    assert last.kept_ms is None
    assert call.talk.errors == []
    first, *_ = call.transcript
    heard = first.text.removeprefix(GREETING).removesuffix("of course").split()
    whole = [word.text for word in call.words if word.complete and word.text in LONG.split()]
    assert heard == LONG.split()[: len(heard)]
    assert len(whole) - 2 <= len(heard) <= len(whole), "word by word, and no word that was not heard"


def test_an_answer_is_cancelled_while_it_is_made_and_its_late_audio_is_never_heard(telephone: Telephone) -> None:
    answers = [Answer(GREETING), Answer(LONG, pace=1.0, late_ms=1200), Answer("of course", [("hang_up", {})])]
    call = telephone.rings(RealtimeDouble(answers), LISTENS, ASKS, INTERRUPTS % 1200, "wait_for_hang_up")
    assert len(told(call, "response.cancel")) == 1
    cut = call.talk.said("assistant")[1]
    ear_ms = heard_ms(call, "alpha")
    assert cut.kept_ms is not None
    assert 0 <= ear_ms - cut.kept_ms <= 60
    assert cut.audio_ms > ear_ms + 900, "the late audio did come"
    assert call.said.endswith("of course")
    assert call.talk.errors == []


def test_nothing_heard_of_an_answer_leaves_no_trace_of_it(telephone: Telephone) -> None:
    answers = [Answer(GREETING), Answer(LONG, slow_s=1.5), Answer("of course", [("hang_up", {})])]
    steps = [LISTENS, ASKS, "{silence: 900}", "{say: {recording: ../callers/tuesday_morning.wav}}", "wait_for_hang_up"]
    call = telephone.rings(RealtimeDouble(answers), *steps)
    assert call.said == f"{GREETING} of course"
    assert [one.text.strip() for one in call.talk.said("assistant")] == [GREETING, "of course"]
    assert len(call.talk.said("user")) == 2, "the caller went on: both pieces are what was said"
    assert call.talk.errors == []


def test_a_knock_neither_reaches_the_model_nor_costs_a_word(telephone: Telephone) -> None:
    answers = [Answer(LONG), Answer("of course", [("hang_up", {})])]
    steps = ["{knock: {after_ms: 1200}}", LISTENS, ASKS, "wait_for_hang_up"]
    call = telephone.rings(RealtimeDouble(answers), *steps)
    assert [word.text for word in call.words if word.complete] == [*LONG.split(), "of", "course"]
    assert len(call.talk.said("user")) == 1
    assert all(one.kept_ms is None for one in call.talk.said("assistant"))


def test_a_transfer_follows_when_the_last_word_was_heard(telephone: Telephone) -> None:
    transfer = ("transfer", {"target": "front desk", "summary": "wants an appointment"})
    double = RealtimeDouble([Answer(GREETING), Answer("hold the line please", [transfer])])
    targets = TransferSettings(targets={"front desk": "+493012345678"})
    call = telephone.rings(double, LISTENS, ASKS, "wait_for_hang_up", transfers=targets)
    assert call.said == f"{GREETING} hold the line please"
    assert call.heard.transferred_to == "+493012345678"
    offered = {tool["name"] for tool in call.talk.setup["tools"]}
    assert {"hang_up", "expect", "transfer"} <= offered


def test_a_transfer_that_is_not_allowed_is_the_models_to_explain(telephone: Telephone) -> None:
    answers = [
        Answer(GREETING),
        Answer("hold the line", [("transfer", {"target": "+900123"})]),
        Answer("that number will not do", [("hang_up", {})]),
    ]
    double = RealtimeDouble(answers)
    targets = TransferSettings(targets={"front desk": "+493012345678"})
    call = telephone.rings(double, LISTENS, ASKS, "wait_for_hang_up", transfers=targets)
    assert call.said == f"{GREETING} hold the line that number will not do"
    assert [error.kind for error in call.problems] == [Failure.TRANSFER_REFUSED]
    assert ["not possible" in result for result in call.talk.results.values()] == [True]


class Desk:
    """A source of one tool, which takes its time."""

    def __init__(self, takes_s: float, **manners: Any) -> None:
        self.asked: list[Arguments] = []
        self._takes_s = takes_s
        schema = {"type": "object", "properties": {"day": {"type": "string"}}}
        self.tools = [Tool("look_up", "Look up a day.", schema, self._look_up, **manners)]

    async def _look_up(self, arguments: Arguments) -> Any:
        self.asked.append(arguments)
        await asyncio.sleep(self._takes_s)
        return {"free": "nine"}

    async def start(self) -> None: ...

    async def trouble(self) -> str:
        return ""

    async def close(self) -> None: ...


def test_a_tool_is_called_and_its_result_goes_back_while_the_caller_hears_that_it_takes_a_moment(
    telephone: Telephone,
) -> None:
    desk = Desk(2.0, changes=False, filler="one moment")
    telephone.toolbox = Toolbox([desk], frozenset())
    answers = [
        Answer(GREETING),
        Answer("", [("look_up", {"day": "Tuesday"})]),
        Answer("nine is free", [("hang_up", {})]),
    ]
    call = telephone.rings(RealtimeDouble(answers), LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} one moment nine is free"
    assert desk.asked == [{"day": "Tuesday"}]
    assert next(iter(call.talk.results.values())) == '{"free":"nine"}'
    assert [(use.name, use.result, use.failed) for use in call.tools] == [("look_up", '{"free":"nine"}', False)]


def test_a_tool_that_is_late_is_a_result_for_the_model(telephone: Telephone) -> None:
    telephone.toolbox = Toolbox([Desk(30.0, changes=False, deadline_s=1.0)], frozenset())
    answers = [Answer(GREETING), Answer("", [("look_up", {})]), Answer("later please", [("hang_up", {})])]
    call = telephone.rings(RealtimeDouble(answers), LISTENS, ASKS, "wait_for_hang_up", filler="")
    assert call.said == f"{GREETING} later please"
    assert next(iter(call.talk.results.values())) == "error: there was no result in time"


def test_keys_are_told_in_words(telephone: Telephone) -> None:
    double = RealtimeDouble([Answer(GREETING), Answer("thank you", [("hang_up", {})])])
    call = telephone.rings(double, LISTENS, "{digits: {keys: '42#'}}", "wait_for_hang_up")
    assert [one.text for one in call.talk.said("system")][-1] == "[The caller pressed these keys: 42]"
    assert call.talk.said("user") == []


def test_a_session_is_replaced_before_its_end_with_all_that_was_said_and_without_a_lost_word(
    telephone: Telephone,
) -> None:
    answers = [Answer(GREETING), Answer(LONG), Answer("of course", [("hang_up", {})])]
    steps = [LISTENS, ASKS, LISTENS, "{say: {recording: ../callers/tuesday_morning.wav}}", "wait_for_hang_up"]
    call = telephone.rings(RealtimeDouble(answers), *steps, session_s=6.0)
    assert call.said == f"{GREETING} {LONG} of course"
    first, second = call.talks[0], call.talks[-1]
    assert len(call.talks) >= 2
    assert first.closed
    assert second.said("assistant")[0].text == f"{GREETING} {LONG}"
    assert len(first.said("user")) + len(second.said("user")) == 2
    assert [talk.errors for talk in call.talks] == [[] for _ in call.talks]


def test_a_session_that_expires_while_the_caller_speaks_costs_no_word_of_theirs(telephone: Telephone) -> None:
    double = RealtimeDouble([Answer(GREETING), Answer("of course", [("hang_up", {})])], expires_after_s=4.0)
    call = telephone.rings(double, "{silence: 3200}", ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} of course"
    begun, asked = call.talks[0], call.talks[1]
    assert begun.said("user") == []
    assert any(one["type"] == "input_audio_buffer.append" for one in begun.told), "it had heard a part of it"
    (turn,) = asked.said("user")
    assert 1500 < turn.audio_ms < 6000
    assert asked.said("assistant")[0].text == GREETING


def test_a_connection_that_dies_in_a_word_is_excused_and_the_next_one_knows_what_was_heard(
    telephone: Telephone,
) -> None:
    answers = [Answer(GREETING), Answer(LONG, dies_after_ms=1200), Answer("of course", [("hang_up", {})])]
    steps = [LISTENS, ASKS, LISTENS, "{say: {recording: ../callers/tuesday_morning.wav}}", "wait_for_hang_up"]
    telephone.call = CallSettings(listens=False, apology="sorry")
    call = telephone.rings(RealtimeDouble(answers), *steps)
    heard = LONG.split()[:5]
    assert call.said == " ".join([GREETING, *heard, "sorry", "of course"])
    assert [error.kind for error in call.problems] == [Failure.BROKEN_STREAM]
    remembered = [one.text for one in call.talk.items if one.role in ("assistant", "system")]
    words = remembered[0].removesuffix(" ...").split()
    assert words == [*GREETING.split(), *heard][: len(words)]
    assert len(words) >= len(heard) + 2
    assert "[The telephone system, not you, said to the caller: sorry]" in remembered


@pytest.mark.parametrize(
    ("trouble", "failures"),
    [
        (Answer(refused={"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "slow down"}), 1),
        (Answer(error={"type": "server_error", "code": "server_error", "message": "sorry"}), 1),
    ],
)
def test_trouble_that_passes_is_asked_again_and_nobody_hears_of_it(
    telephone: Telephone, trouble: Answer, failures: int
) -> None:
    double = RealtimeDouble([Answer(GREETING), trouble, Answer("of course", [("hang_up", {})])])
    call = telephone.rings(double, LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} of course"
    assert [error.kind for error in call.problems] == [Failure.SERVICE_ERROR] * failures


@pytest.mark.parametrize(
    ("code", "kind"), [("insufficient_quota", "quota"), ("invalid_api_key", "auth"), ("invalid_value", "rejected")]
)
def test_trouble_that_stays_leads_to_somebody_else(telephone: Telephone, code: str, kind: str) -> None:
    error = {"type": "invalid_request_error", "code": code, "message": "no"}
    telephone.call = CallSettings(listens=False, fallback=FallbackSettings(transfer="+493012345678", text="one moment"))
    call = telephone.rings(RealtimeDouble([Answer(GREETING), Answer(error=error)]), LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} one moment"
    assert call.heard.transferred_to == "+493012345678"
    assert [error.kind for error in call.problems] == [Failure.REFUSED]
    assert f": {kind}: " in str(call.problems[0])


def test_a_key_that_is_refused_at_the_door_leads_to_somebody_else(telephone: Telephone) -> None:
    double = RealtimeDouble()
    double.refuses = 401
    telephone.call = CallSettings(listens=False, fallback=FallbackSettings(transfer="+493012345678", text="one moment"))
    call = telephone.rings(double, "wait_for_hang_up")
    assert call.said == "one moment"
    assert call.heard.transferred_to == "+493012345678"
    assert [error.kind for error in call.problems] == [Failure.REFUSED]


@pytest.mark.parametrize("trouble", [Answer(LONG, slow_s=60.0), Answer(LONG, stalls_after_ms=1200, pace=2.0)])
def test_a_model_that_falls_silent_is_excused_and_replaced(telephone: Telephone, trouble: Answer) -> None:
    telephone.call = CallSettings(listens=False, apology="sorry")
    double = RealtimeDouble([Answer(GREETING), trouble, Answer("of course", [("hang_up", {})])])
    steps = [LISTENS, ASKS, "{wait_for: [sorry]}", LISTENS, ASKS, "wait_for_hang_up"]
    call = telephone.rings(double, *steps, first_audio_deadline_s=3.0, audio_deadline_s=3.0)
    assert call.said.endswith("sorry of course")
    assert [error.kind for error in call.problems] == [Failure.TIMEOUT]
    assert len(call.talks) == 2, "nobody knows what the first one is at"


@pytest.mark.parametrize(
    "odd",
    [Answer(LONG, at_once=True), Answer(LONG, stray=True), Answer(LONG, words_last=True), Answer(LONG, pace=1.02)],
    ids=["all at once", "somebody else's audio", "words behind the audio", "hardly faster than it sounds"],
)
def test_however_an_answer_comes_it_is_heard_whole_once_and_without_a_gap(telephone: Telephone, odd: Answer) -> None:
    double = RealtimeDouble([Answer(GREETING), odd, Answer("of course", [("hang_up", {})])])
    steps = [LISTENS, ASKS, LISTENS, ASKS, "wait_for_hang_up"]
    call = telephone.rings(double, *steps)
    assert call.said == f"{GREETING} {LONG} of course"
    words = [word for word in call.words if word.text in LONG.split()]
    assert max(b.start_ms - a.end_ms for a, b in itertools.pairwise(words)) <= 80
    assert call.problems == []


def test_an_answer_without_end_is_ended(telephone: Telephone) -> None:
    telephone.call = CallSettings(listens=False, apology="sorry")
    double = RealtimeDouble([Answer(GREETING), Answer(f"{LONG} {LONG}"), Answer("of course", [("hang_up", {})])])
    steps = [LISTENS, ASKS, "{wait_for: [sorry]}", LISTENS, ASKS, "wait_for_hang_up"]
    call = telephone.rings(double, *steps, longest_answer_s=3.7)
    assert [error.kind for error in call.problems] == [Failure.TOO_MUCH]
    assert [len(turn.text.split()) for turn in call.transcript][:2] == [4 + 16, 1], "no word that was not heard"
    assert call.said.endswith("sorry of course")


def test_a_model_takes_over_from_a_script_and_hands_back_to_it(telephone: Telephone, tmp_path: Path) -> None:
    script = """
start: {0}
states:
  hello:
    say: Press one.
    digits: {{"1": {{say: Please wait., transfer: doctor}}}}
  again:
    say: Thank you goodbye.
    hang_up: done
"""
    for name in ("hello", "again"):
        (tmp_path / f"{name}.yaml").write_text(script.format(name))
    double = RealtimeDouble([Answer("doctor speaking"), Answer("good luck", [("transfer", {"target": "porter"})])])

    def team(live: LiveFactory) -> TeamFactory:
        members = {
            "desk": TeamMember(agent=ScriptSettings(file=str(tmp_path / "hello.yaml"))),
            "doctor": TeamMember(agent=RealtimeAgentSettings(model="gpt-realtime")),
            "porter": TeamMember(agent=ScriptSettings(file=str(tmp_path / "again.yaml"))),
        }
        settings = TeamSettings(first="desk", members=members)
        whole = build_agents(settings, environ={})
        assert isinstance(whole, TeamFactory)
        return TeamFactory(settings, {**whole.members, "doctor": live})

    colleagues = TransferSettings(targets={"porter": "agent:porter"})
    call = telephone.rings(
        double, LISTENS, "{digits: {keys: '1'}}", LISTENS, ASKS, "wait_for_hang_up", team=team, transfers=colleagues
    )
    assert call.said == "press one please wait doctor speaking good luck thank you goodbye"
    assert [turn.audio_ms > 1500 for turn in call.talk.said("user")] == [False, True], "the key, and then the voice"
    assert [one.text for one in call.talk.said("assistant")][:2] == ["Press one.", "Please wait."]


def test_a_wide_line_is_given_the_wide_sound(telephone: Telephone) -> None:
    double = RealtimeDouble([Answer(GREETING), Answer("goodbye for now", [("hang_up", {})])])
    call = telephone.rings(double, LISTENS, ASKS, "wait_for_hang_up", number="/vonage/answer")
    assert call.said == f"{GREETING} goodbye for now"
    assert call.talk.setup["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert all(word.likeness > 0.99 for word in call.words if word.complete), "resampled, and no worse for it"
