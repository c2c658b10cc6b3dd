"""Whole calls with Gemini Live, in virtual time: the same agent over another wire, which can take nothing back."""

from __future__ import annotations

import pytest

from bridge.agents.base import Failure
from bridge.agents.tools.factory import Toolbox
from bridge.call.settings import CallSettings, FallbackSettings
from bridge.simulator.calls_in_tests import CityFixture
from tests.agents.live_calls import ASKS, INTERRUPTS, LISTENS, Telephone
from tests.agents.test_live_calls import GREETING, LONG, Desk
from tests.doubles.live.base import Answer
from tests.doubles.live.gemini import GeminiDouble


@pytest.fixture
def telephone(city: CityFixture) -> Telephone:
    return Telephone(city)


def test_gemini_greets_hears_the_caller_answers_and_hangs_up_after_its_last_word(telephone: Telephone) -> None:
    double = GeminiDouble([Answer(GREETING), Answer("goodbye for now", [("hang_up", {"reason": "done"})])])
    call = telephone.rings(double, LISTENS, ASKS, "wait_for_hang_up", voice="Puck")
    assert call.said == f"{GREETING} goodbye for now"
    assert call.heard.hung_up_by == "server"
    begun, asked = call.talk.said("user")
    assert "Greet them" in begun.text
    assert 1500 < asked.audio_ms < 6000, "the caller's turn alone"
    voice = call.talk.setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
    assert voice == "Puck"
    assert call.talk.errors == []
    assert call.costs["audio_tokens_read"] == 0 < call.costs["audio_tokens_written"], "of the first answer"


@pytest.mark.parametrize("pace", [8.0, 1.0], ids=["made long before", "still being made"])
def test_what_the_caller_did_not_hear_is_told_to_gemini_in_words(telephone: Telephone, pace: float) -> None:
    answers = [Answer(GREETING), Answer(LONG, pace=pace, late_ms=800), Answer("of course", [("hang_up", {})])]
    call = telephone.rings(GeminiDouble(answers), LISTENS, ASKS, INTERRUPTS % 1500, "wait_for_hang_up")
    assert call.said.endswith("of course")
    told = call.talk.said("user")[-1].text
    heard = told.partition('interrupted you: "')[2].partition('"')[0].split()
    whole = [word.text for word in call.words if word.complete and word.text in LONG.split()]
    assert heard == LONG.split()[: len(heard)]
    assert len(whole) - 2 <= len(heard) <= len(whole)
    assert call.talk.errors == []


def test_tools_of_gemini_are_called_and_it_goes_on_with_their_results(telephone: Telephone) -> None:
    telephone.toolbox = Toolbox([Desk(2.0, changes=False, filler="one moment")], frozenset())
    answers = [
        Answer(GREETING),
        Answer("", [("look_up", {"day": "Tuesday"})]),
        Answer("nine is free", [("hang_up", {})]),
    ]
    call = telephone.rings(GeminiDouble(answers), LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == f"{GREETING} one moment nine is free"
    assert next(iter(call.talk.results.values())) == {"result": '{"free":"nine"}'}


@pytest.mark.parametrize("forgets", [False, True], ids=["with its handle", "told anew"])
def test_a_connection_that_says_goodbye_is_replaced_without_a_lost_word(telephone: Telephone, forgets: bool) -> None:
    answers = [Answer(GREETING), Answer(LONG), Answer("of course", [("hang_up", {})])]
    double = GeminiDouble(answers, leaves_after_s=9.0, forgets=forgets)
    steps = [LISTENS, ASKS, LISTENS, "{say: {recording: ../callers/tuesday_morning.wav}}", "wait_for_hang_up"]
    call = telephone.rings(double, *steps)
    assert call.said == f"{GREETING} {LONG} of course"
    used = [talk for talk in call.talks if talk.said("assistant")]
    assert len(used) >= 2
    resumption, last = used[-1].setup["sessionResumption"], used[-1]
    assert bool(resumption.get("handle")) is not forgets
    assert f"{GREETING} {LONG}" in " ".join(" ".join(one.text.split()) for one in last.said("assistant"))
    assert [talk.errors for talk in call.talks] == [[] for _ in call.talks]


def test_gemini_that_refuses_the_key_leads_to_somebody_else(telephone: Telephone) -> None:
    double = GeminiDouble()
    double.refuses = 403
    telephone.call = CallSettings(listens=False, fallback=FallbackSettings(transfer="+493012345678", text="one moment"))
    call = telephone.rings(double, "wait_for_hang_up")
    assert (call.said, call.heard.transferred_to) == ("one moment", "+493012345678")
    assert [error.kind for error in call.problems] == [Failure.REFUSED]


def test_gemini_that_dies_in_a_word_is_excused_and_told_what_was_heard(telephone: Telephone) -> None:
    telephone.call = CallSettings(listens=False, apology="sorry")
    answers = [Answer(GREETING), Answer(LONG, dies_after_ms=1200), Answer("of course", [("hang_up", {})])]
    steps = [LISTENS, ASKS, LISTENS, "{say: {recording: ../callers/tuesday_morning.wav}}", "wait_for_hang_up"]
    call = telephone.rings(GeminiDouble(answers), *steps)
    assert call.said == " ".join([GREETING, *LONG.split()[:5], "sorry of course"])
    remembered = [one.text for one in call.talk.items]
    assert remembered[0].startswith(GREETING)
    assert "[The telephone system, not you, said to the caller: sorry]" in remembered
