"""Whole calls through the machine, told as they happen."""

from __future__ import annotations

import msgspec
import pytest

from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Transfer, Wait
from bridge.call.commands import (
    AskAgent,
    CancelSynthesis,
    ClearPlayout,
    Decided,
    Disconnect,
    Redirect,
    SendAudio,
    Transcribe,
)
from bridge.call.events import AgentFailed, SpeculationAllowed, SpeechArrived, SpeechFailed, StreamClosed, VoiceActivity
from bridge.call.settings import CallSettings, EndpointSettings, FloorSettings
from bridge.call.states import Bot, Caller, Decision, EndReason
from tests.call.phone import Line, Phone

GREETING = "Thank you for calling Riverside Dental, how can I help you today?"
ANSWER = "I have an opening on Tuesday at nine and another one on Thursday at half past two."


def receptionist(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return [Say(GREETING)]
        case "caller_said":
            return [Say(ANSWER)]
        case "digits":
            return [Say(f"Thank you, {prompt.text}. Goodbye."), HangUp("done")]
        case _:
            return [Say("Are you still there?")]


def test_the_greeting_is_heard_word_for_word() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(8)
    assert phone.heard_words() == GREETING.split()
    assert phone.call.transcript()[0].text == GREETING
    assert phone.call.bot is Bot.IDLE


def test_a_question_is_answered() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(6)
    phone.caller_speaks(1.5)
    phone.wait(12)
    assert [p.kind for p in phone.prompts][:2] == ["call_started", "caller_said"]
    assert phone.prompts[1].text == "I would like an appointment please."
    assert phone.prompts[1].history[0].text == GREETING
    assert phone.heard_words() == GREETING.split() + ANSWER.split()


def test_the_answer_begins_soon_after_the_caller_stops() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(6)
    stops = phone.now + 1.5
    phone.caller_speaks(1.5)
    phone.wait(6)
    first = next(p for p in phone.line.played if p.utterance == 2)
    assert first.start - stops < 0.45


@pytest.mark.parametrize("mode", ["duck", "hold", "ignore"])
def test_the_caller_interrupts_and_the_bot_falls_silent(mode: str) -> None:
    settings = CallSettings(floor=msgspec.convert({"on_suspicion": mode}, FloorSettings))
    phone = Phone(receptionist, settings)
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(2.0)
    spoke_at = phone.now
    phone.wait(1.5)
    last = max(p.end for p in phone.line.played)
    assert last - spoke_at < 0.5
    assert CancelSynthesis(1) in phone.ordered(CancelSynthesis) or phone.call.ledger[1].complete
    heard = phone.call.transcript()[0]
    assert heard.interrupted
    assert GREETING.startswith(heard.text)
    assert heard.text.split() == phone.heard_words()[: len(heard.text.split())]


def test_nothing_of_a_cancelled_utterance_leaves_after_the_clear() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(2.0)
    phone.wait(1.0)
    assert phone.call.caller is Caller.SPEAKING
    assert phone.tell(SpeechArrived(1, b"\x80" * 800)) == []
    interrupted_at = next(t for t, c in phone.commands if getattr(c, "what", "") == "interrupted")
    assert not [c for t, c in phone.commands if isinstance(c, SendAudio) and c.utterance == 1 and t > interrupted_at]


def test_a_cough_lowers_the_voice_and_every_word_is_heard_once() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(0.1)
    phone.wait(8)
    assert "suspected" in phone.decided()
    assert "false alarm" in phone.decided()
    assert phone.heard_words() == GREETING.split()
    loud = {p.audio[-1] for p in phone.line.played}
    assert len(loud) == 2, "part of the greeting was heard softer"


def test_hold_mode_goes_on_from_the_start_of_the_broken_word() -> None:
    phone = Phone(receptionist, CallSettings(floor=FloorSettings(on_suspicion="hold")))
    phone.answers()
    phone.wait(2.05)
    phone.caller_speaks(0.1)
    phone.wait(8)
    first, second = phone.heard()
    assert second[1] <= first[2]
    assert first[2] - second[1] < 300, "no further back than the word's start"
    assert [w for w in GREETING.split() if w not in phone.heard_words()] == []


def test_a_caller_who_goes_on_before_the_answer_is_heard_as_one_turn() -> None:
    phone = Phone(receptionist, synthesis_s=0.6)
    phone.answers()
    phone.wait(7)
    began = phone.now
    phone.caller_speaks(1.0)
    phone.wait(1.6)
    phone.caller_speaks(1.0)
    phone.recognises = lambda since: "I would like an appointment please for Tuesday."
    phone.wait(4)
    assert [p.again for p in phone.prompts] == [False, False, True]
    last = [c for c in phone.ordered(Transcribe) if isinstance(c, Transcribe)][-1]
    assert last.since < began
    assert [s.text for s in phone.call.transcript() if s.speaker == "caller"] == [
        "I would like an appointment please for Tuesday."
    ]


def test_hang_up_waits_for_the_goodbye() -> None:
    phone = Phone(lambda prompt: [Say("Goodbye and thank you."), HangUp("done")], way_s=0.1)
    phone.answers()
    phone.wait(6)
    assert phone.hung_up == "done"
    hung_up_at = next(t for t, c in phone.commands if isinstance(c, Disconnect))
    assert phone.heard_words() == ["Goodbye", "and", "thank", "you."]
    assert hung_up_at >= max(p.end for p in phone.line.played)


def test_hang_up_does_not_wait_for_ever_on_a_carrier_without_marks() -> None:
    phone = Phone(lambda prompt: [Say("Goodbye and thank you."), HangUp("done")], line=Line(echoes=False))
    phone.answers()
    phone.wait(3)
    assert phone.hung_up == "done"
    assert phone.heard_words() == ["Goodbye", "and", "thank", "you."]


def test_transfer_happens_after_the_last_word() -> None:
    phone = Phone(lambda prompt: [Say("I'll put you through."), Transfer("+15005550020")])
    phone.answers()
    phone.wait(4)
    assert phone.ordered(Redirect) == [Redirect("+15005550020")]
    assert phone.heard_words() == ["I'll", "put", "you", "through."]
    assert phone.call.ended


def test_ten_digits_are_gathered_and_confirmed() -> None:
    def script(prompt: Prompt) -> list[Action]:
        if prompt.kind == "call_started":
            return [Say("Please key in your number."), Expect("digits:10")]
        return receptionist(prompt)

    phone = Phone(script)
    phone.answers()
    phone.wait(3)
    phone.presses("5551234567")
    phone.wait(4)
    assert phone.prompts[-1].text == "5551234567"
    assert phone.hung_up == "done"


def test_a_digit_stops_the_bot_at_once() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(2)
    phone.presses("1")
    assert ClearPlayout() in phone.ordered(ClearPlayout)
    phone.wait(4)
    assert phone.prompts[-1].kind == "digits"


def test_protected_words_are_spoken_to_their_end() -> None:
    legal = "This call may be recorded for quality and training."
    phone = Phone(lambda prompt: [Say(legal, interruption="protected")])
    phone.answers()
    phone.wait(1)
    phone.caller_speaks(1.5)
    phone.wait(6)
    assert phone.heard_words()[: len(legal.split())] == legal.split()


LEGAL = "This call may be recorded for quality and training."


def consent(prompt: Prompt) -> list[Action]:
    if prompt.kind == "call_started":
        return [Say(LEGAL, interruption="protected")]
    return [Say("Very well, goodbye then, and thank you for calling.")]


def test_what_is_said_over_protected_words_is_answered_after_them() -> None:
    phone = Phone(consent)
    phone.recognises = lambda since: "No, I do not want that."
    phone.answers()
    phone.wait(1)
    phone.caller_speaks(0.8)  # and has finished before we have
    phone.wait(1.5)
    assert [p.kind for p in phone.prompts] == ["call_started"]
    phone.wait(4)
    assert phone.heard_words()[: len(LEGAL.split())] == LEGAL.split()
    assert [(p.kind, p.text) for p in phone.prompts[1:]] == [("caller_said", "No, I do not want that.")]
    assert len(phone.ordered(ClearPlayout)) == 0
    assert [one.text for one in phone.prompts[1].history] == [LEGAL]


def test_what_begins_over_protected_words_keeps_its_beginning() -> None:
    asked: list[float] = []

    def recognises(since: float) -> str:
        asked.append(since)
        return "No, I do not want that."

    phone = Phone(consent)
    phone.recognises = recognises
    phone.answers()
    phone.wait(2.2)
    began = phone.now
    phone.caller_speaks(2.0)
    phone.wait(6)
    assert [(p.kind, p.text) for p in phone.prompts[1:]] == [("caller_said", "No, I do not want that.")]
    assert asked
    assert began - 0.5 < max(asked) < began + 0.1


def test_what_begins_over_protected_words_and_breaks_off_the_next_keeps_its_beginning() -> None:
    asked: list[float] = []

    def recognises(since: float) -> str:
        asked.append(since)
        return "No, I do not want that."

    def script(prompt: Prompt) -> list[Action]:
        return [*consent(prompt), Say("And now tell me how I can be of help to you today, will you?")]

    phone = Phone(script)
    phone.recognises = recognises
    phone.answers()
    phone.wait(2.2)
    began = phone.now
    phone.caller_speaks(2.0)
    phone.wait(6)
    assert phone.prompts[1].text == "No, I do not want that."
    assert began - 0.5 < max(asked) < began + 0.1
    assert phone.heard_words()[: len(LEGAL.split())] == LEGAL.split()


@pytest.mark.parametrize("words", ["", "mm-hm", "Yeah."])
def test_a_listeners_noise_over_protected_words_asks_for_nothing(words: str) -> None:
    phone = Phone(consent)
    phone.recognises = lambda since: words
    phone.answers()
    phone.wait(1)
    phone.caller_speaks(0.4)
    phone.wait(5)
    assert [p.kind for p in phone.prompts] == ["call_started"]
    assert phone.heard_words() == LEGAL.split()


def test_a_click_over_protected_words_is_not_even_listened_to() -> None:
    phone = Phone(consent)
    phone.answers()
    phone.wait(1)
    phone.caller_speaks(0.03)
    phone.wait(5)
    assert phone.ordered(Transcribe) == []


def leaves(prompt: Prompt) -> list[Action]:
    if prompt.kind == "call_started":
        return [Say("That is all, thank you for calling, and have a nice day. Goodbye."), HangUp("done")]
    return [Say("Yes, what else?")]


def test_nothing_that_is_said_over_a_goodbye_counts() -> None:
    phone = Phone(leaves)
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert phone.hung_up == "done"
    assert len(phone.prompts) == 1


def test_a_caller_may_hold_the_line() -> None:
    phone = Phone(leaves, CallSettings(interruptible_goodbye=True))
    phone.recognises = lambda since: "Wait, one more thing."
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert phone.hung_up is None
    assert [(p.kind, p.text) for p in phone.prompts[1:2]] == [("caller_said", "Wait, one more thing.")]
    assert " ".join(phone.heard_words()).endswith("Yes, what else?")


def test_a_caller_who_begins_in_the_last_word_of_a_goodbye_holds_the_line() -> None:
    phone = Phone(leaves, CallSettings(interruptible_goodbye=True))
    phone.recognises = lambda since: "Wait, one more thing."
    phone.answers()
    words = len("That is all, thank you for calling, and have a nice day. Goodbye.".split())
    phone.wait(words * 0.3 + 0.04)  # the way to the caller takes longer
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert phone.hung_up is None
    assert phone.prompts[1].text == "Wait, one more thing."


def test_a_cough_over_a_goodbye_does_not_keep_the_line() -> None:
    phone = Phone(leaves, CallSettings(interruptible_goodbye=True))
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(0.1)
    phone.wait(8)
    assert phone.hung_up == "done"


def test_a_caller_whom_we_could_not_hear_may_hold_the_line_too() -> None:
    phone = Phone(receptionist, CallSettings(interruptible_goodbye=True))
    phone.answers()
    phone.wait(60)
    ended_at = next(at for at, command in phone.commands if isinstance(command, Disconnect))

    late = Phone(receptionist, CallSettings(interruptible_goodbye=True))
    late.answers()
    late.wait(ended_at - 1.5)
    late.caller_speaks(1.0)
    late.wait(5)
    assert late.hung_up is None
    assert late.prompts[-1].kind == "caller_said"


def test_a_silent_caller_is_asked_again_and_then_let_go() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(60)
    assert [p.attempt for p in phone.prompts if p.kind == "no_input"] == [1, 2, 3]
    assert phone.hung_up == "no input"
    assert " ".join(phone.heard_words()).endswith(phone.settings.goodbye)


def test_a_call_has_a_longest_length() -> None:
    phone = Phone(receptionist, CallSettings(longest_call_s=5.0))
    phone.answers()
    phone.wait(12)
    assert phone.hung_up == "longest call"


def test_noise_without_words_asks_nothing() -> None:
    phone = Phone(receptionist)
    phone.recognises = lambda since: ""
    phone.answers()
    phone.wait(6)
    phone.caller_speaks(0.5)
    phone.wait(3)
    assert [p.kind for p in phone.prompts] == ["call_started"]


def test_a_recogniser_that_never_answers_does_not_hang_the_call() -> None:
    phone = Phone(receptionist)
    phone.recognises = lambda since: None
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(1.5)
    phone.wait(5)
    assert phone.prompts[-1].kind == "caller_said"
    assert phone.prompts[-1].text == ""


def test_a_dead_voice_is_answered_by_an_apology_and_the_call_goes_on() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(1)
    phone.tell(SpeechFailed(1, "worker lost"))
    phone.wait(6)
    assert " ".join(phone.heard_words()).endswith(phone.settings.apology)
    assert not phone.call.ended


def test_no_voice_at_all_ends_the_call() -> None:
    phone = Phone(receptionist)
    phone.voice_works = False
    phone.answers()
    phone.wait(60)
    assert phone.call.ended


def test_an_agent_that_fails_three_times_ends_the_call() -> None:
    phone = Phone(lambda prompt: [])
    phone.answers()
    for _ in range(3):
        phone.call.answering.busy = True
        phone.tell(AgentFailed(phone.call.answering.turn, "boom"))
        phone.wait(8)
        if not phone.call.ended:
            phone.caller_speaks(1.0)
            phone.wait(1.6)
    assert phone.hung_up == "agent failed"


def test_a_slow_agent_is_given_up() -> None:
    phone = Phone(receptionist)
    phone._reply = lambda turn, prompt: None  # type: ignore[method-assign]
    phone.answers()
    phone.wait(11)
    assert "agent failed" in phone.decided()


def test_the_agent_may_pause() -> None:
    phone = Phone(lambda prompt: [Say("One moment."), Wait(1.0), Say("Here it is.")])
    phone.answers()
    phone.wait(5)
    assert phone.heard_words() == "One moment. Here it is.".split()
    spoken = [p for p in phone.line.played if p.utterance in (1, 3)]
    gap = next(p.start for p in spoken if p.utterance == 3) - max(p.end for p in spoken if p.utterance == 1)
    assert gap == pytest.approx(1.0, abs=0.01)


def test_a_lost_socket_ends_everything() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(1)
    commands = phone.tell(StreamClosed(EndReason.LOST))
    assert phone.call.ended
    assert CancelSynthesis(1) in commands or phone.call.ledger[1].complete
    assert phone.call.receive(StreamClosed(EndReason.CALLER), phone.now) == []


def test_a_carrier_that_stops_answering_is_not_flooded() -> None:
    long = Say(" ".join(["word"] * 200))
    phone = Phone(lambda prompt: [long])
    phone.answers()
    phone.wait(3)
    phone.line.echoes = False
    before = len(phone.ordered(SendAudio))
    phone.wait(30)
    sent_s = sum(len(c.audio) for c in phone.ordered(SendAudio)[before:] if isinstance(c, SendAudio)) / 8000
    assert sent_s < 3.0
    track = phone.call.utterances.playout.tracks[0]
    assert track.arrived_ms - track.sent_ms < 1500


def test_asked_once_per_turn() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(6)
    phone.caller_speaks(1.0)
    phone.wait(10)
    assert len(phone.ordered(AskAgent)) == 2


def test_a_yeah_over_the_bot_does_not_stop_the_story() -> None:
    phone = Phone(receptionist)
    phone.recognises = lambda since: "Yeah, okay."
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(0.5)
    phone.wait(8)
    assert "went on" in phone.decided()
    assert [p.kind for p in phone.prompts] == ["call_started"]
    heard = phone.heard_words()
    assert [w for w in GREETING.split() if w not in heard] == []
    assert len(heard) == len(GREETING.split())


def test_a_yeah_that_answers_a_question_is_an_answer() -> None:
    def script(prompt: Prompt) -> list[Action]:
        return [Expect("yes_no"), Say(GREETING)] if prompt.kind == "call_started" else [Say("Good.")]

    phone = Phone(script)
    phone.recognises = lambda since: "Yeah."
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(0.5)
    phone.wait(3)
    assert [p.text for p in phone.prompts] == ["", "Yeah."]


def test_speculation_is_heard_only_when_the_turn_is_over() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(6)
    stops = phone.now + 1.0
    phone.caller_speaks(1.0)
    phone.wait(3)
    asked_at = next(t for t, c in phone.commands if isinstance(c, AskAgent) and c.prompt.kind == "caller_said")
    sent_at = next(t for t, c in phone.commands if isinstance(c, SendAudio) and c.utterance == 2)
    assert asked_at < stops + 0.26 <= sent_at + 0.04


def test_under_pressure_no_answer_is_begun_before_the_turn_is_over() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(6)
    phone.tell(SpeculationAllowed(False))
    stops = phone.now + 1.0
    phone.caller_speaks(1.0)
    phone.wait(6)
    asked_at = [t for t, c in phone.commands if isinstance(c, AskAgent) and c.prompt.kind == "caller_said"]
    ended_at = next(t for t, c in phone.commands if isinstance(c, Decided) and c.what is Decision.TURN_OVER)
    assert asked_at == [ended_at] > [stops + 0.26]
    phone.tell(SpeculationAllowed(True))
    stops = phone.now + 1.0
    phone.caller_speaks(1.0)
    phone.wait(3)
    asked_at = [t for t, c in phone.commands if isinstance(c, AskAgent) and c.prompt.kind == "caller_said"]
    assert asked_at[-1] < stops + 0.26


def test_a_speculation_on_half_a_sentence_is_thrown_away_unheard() -> None:
    phone = Phone(receptionist, CallSettings(endpoint=EndpointSettings(short_ms=500)))
    phone.answers()
    phone.wait(6)
    phone.caller_speaks(1.0)
    phone.wait(1.23)
    assert phone.prompts[-1].kind == "caller_said"
    phone.caller_speaks(0.6)
    phone.recognises = lambda since: "I would like an appointment please on Tuesday."
    phone.wait(8)
    assert "speculation wasted" in phone.decided()
    assert [s.text for s in phone.call.transcript() if s.speaker == "caller"] == [
        "I would like an appointment please on Tuesday."
    ]
    assert phone.heard_words() == GREETING.split() + ANSWER.split()


def test_an_utterance_that_waits_its_turn_is_not_given_up() -> None:
    phone = Phone(lambda prompt: [Say(" ".join(["first"] * 20)), Say("second"), Say("third")])
    phone.answers()
    phone.wait(12)
    assert phone.heard_words() == ["first"] * 20 + ["second", "third"]
    assert "speech failed" not in phone.decided()


def test_a_shadow_policy_says_what_it_would_have_done_and_does_nothing() -> None:
    plain, shadowed = (
        Phone(receptionist, CallSettings(floor=FloorSettings(confirm_ms=900), shadow=shadow))
        for shadow in (None, FloorSettings(confirm_ms=150))
    )
    for phone in (plain, shadowed):
        phone.answers()
        phone.wait(2)
        phone.caller_speaks(0.5)
        phone.wait(8)
    would = [c.why["would"] for _, c in shadowed.commands if isinstance(c, Decided) and c.what == "shadow"]
    assert "confirmed" in would
    assert plain.heard() == shadowed.heard()


def test_a_noisy_room_does_not_starve_the_greeting() -> None:
    phone = Phone(receptionist)
    phone.recognises = lambda since: ""
    phone.answers()
    phone.wait(1.0)
    phone.caller_speaks(30)  # a television
    phone.wait(8)
    heard = phone.heard_words()
    assert [word for word in GREETING.split() if word not in heard] == []


@pytest.mark.parametrize("later_s", [0.05, 0.3, 0.55])
def test_the_echo_of_our_last_words_is_no_answer(later_s: float) -> None:
    """It comes when we have fallen silent, and would otherwise begin a turn of the caller, and an answer to it."""
    phone = Phone(receptionist)
    phone.echo_after_s = later_s
    phone.answers()
    phone.wait(6.0)
    assert phone.heard_words() == GREETING.split()
    assert [prompt.kind for prompt in phone.prompts] == ["call_started"]
    phone.caller_speaks(1.5)
    phone.wait(4.0)
    assert [prompt.kind for prompt in phone.prompts] == ["call_started", "caller_said"]


def test_an_echo_of_soft_last_words_that_is_half_recognised_is_no_answer() -> None:
    phone = Phone(receptionist)
    phone.echo_after_s = 0.4
    phone.answers()
    phone.wait(1.0)
    phone.wait_until_heard()
    phone.wait(phone.line.plays_until + 0.3 - phone.now)
    phone.echo_score = 0.5  # of the last tenth of a second
    phone.wait(3.0)
    assert [prompt.kind for prompt in phone.prompts] == ["call_started"]


def test_a_caller_who_answers_at_once_is_heard_at_once() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(1.0)
    phone.wait_until_heard()
    phone.caller_speaks(0.5)
    phone.wait(0.11)
    assert phone.call.caller is Caller.SPEAKING


def test_without_words_for_it_the_agent_is_told_of_somebody_who_spoke_twice_and_was_not_understood() -> None:
    phone = Phone(receptionist, CallSettings(not_understood=""))
    phone.recognises = lambda since: ""
    phone.answers()
    phone.wait(7)
    phone.caller_speaks(1.2)
    phone.wait(3)
    assert len(phone.prompts) == 1
    phone.call.floor.room_level_db = -40.0
    phone.caller_speaks(1.2)
    phone.wait(3)
    assert (phone.prompts[-1].kind, phone.prompts[-1].text) == ("caller_said", "")


def test_a_voice_that_stops_in_mid_sentence_is_given_up_and_apologised_for() -> None:
    phone = Phone(lambda prompt: [Say(" ".join(["word"] * 40)), HangUp("done")])
    phone.answers()
    phone.wait(2)
    phone.voice_works = False
    phone.wait(8)
    assert "speech failed" in phone.decided()
    assert phone.hung_up == "done"


@pytest.mark.parametrize(
    ("text", "confidence", "stops"),
    [
        ("No.", 0.36, False),
        ("Agent.", 0.34, True),
        ("Agent.", 0.2, False),
        ("No.", 0.6, True),
        ("No, wait.", 0.3, True),
    ],
)
def test_one_doubtful_word_over_the_bot_is_no_word(text: str, confidence: float, stops: bool) -> None:
    """A recogniser makes "No." of many an "mm-hm"; a longer word, or a second one, is hardly made of nothing."""
    phone = Phone(receptionist)
    phone.recognises = lambda since: text
    phone.confidence = confidence
    phone.answers()
    phone.wait(2.0)
    phone.caller_speaks(0.5)
    phone.wait(3.0)
    assert [prompt.kind for prompt in phone.prompts] == ["call_started", *["caller_said"] * stops]


@pytest.mark.parametrize("late_s", [0.3, 0.6, 1.2])
def test_a_process_short_of_time_still_stops_for_the_caller_and_hears_him_out(late_s: float) -> None:
    """What is judged late is late, but it is no silence."""
    phone = Phone(receptionist)
    phone.judged_late_s = late_s
    phone.answers()
    phone.wait(2.0)
    phone.caller_speaks(2.5)
    phone.wait(2.0)
    assert "interrupted" in phone.decided()
    assert "false alarm" not in phone.decided()
    assert phone.call.caller is Caller.SPEAKING
    phone.wait(3.0)
    assert [prompt.kind for prompt in phone.prompts] == ["call_started", "caller_said"]


def test_audio_that_stops_for_good_ends_suspicion_and_turn() -> None:
    phone = Phone(lambda prompt: [Say(f"{GREETING} {ANSWER}")])
    phone.answers()
    phone.wait(2.0)
    phone.tell(VoiceActivity(0.95, -25.0, phone.now))
    phone.wait(3.0)
    assert phone.decided()[-1] == "false alarm"
    phone.wait_until_heard()
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    phone.judged_late_s = 60.0
    phone.wait(4.0)
    assert "turn over" in phone.decided()


def test_a_carrier_that_answers_no_more_during_our_last_words_is_given_up() -> None:
    """Nothing else would wake the call: no audio may be sent, none is on its way, and nobody is listened to."""
    phone = Phone(lambda prompt: [Say(" ".join(["goodbye"] * 60)), HangUp("done")])
    phone.answers()
    phone.wait(1.0)
    phone.line.echoes = False
    phone.wait(10.0)
    assert phone.hung_up is None
    assert phone.call.wake_at == pytest.approx(61.0, abs=1.0)
    phone.wait(52.0)
    assert phone.hung_up == "carrier stalled"
