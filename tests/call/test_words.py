"""What a recogniser says while the caller speaks, and what is made of a turn without a word."""

from __future__ import annotations

import pytest

from bridge.call.actions import Action, Expect, Prompt, Say, recording_place
from bridge.call.backchannels import BACKCHANNELS, is_backchannel, is_laughter
from bridge.call.commands import ClearPlayout, ExpectSpeech, Synthesise, Transcribe
from bridge.call.endpointing import same_words
from bridge.call.events import (
    Opinion,
    Recognised,
    RecogniserFailed,
    TextPiece,
    TurnOpinion,
    WordsHeard,
)
from bridge.call.settings import CallSettings, EndpointSettings, FloorSettings
from bridge.call.states import Bot, Caller
from tests.call.phone import Phone

LONG = "Thank you for calling, " + " ".join(["blah"] * 60)


def talks(prompt: Prompt) -> list[Action]:
    return [Say(LONG)] if prompt.kind == "call_started" else [Say("I see, let me look that up for you.")]


def listens(prompt: Prompt) -> list[Action]:
    return [Say("Hello.")] if prompt.kind == "call_started" else [Say("I see.")]


def answered(settings: CallSettings | None = None, *, bot_talks: bool = False) -> Phone:
    """A call whose greeting is still being said, or over, and whose recogniser answers only when told to."""
    phone = Phone(talks if bot_talks else listens, settings)
    phone.recognises = lambda since: None
    phone.answers()
    phone.wait(2.0 if bot_talks else 3.0)
    return phone


def hears(phone: Phone, text: str, *, confidence: float = 1.0, at: float | None = None) -> None:
    phone.tell(WordsHeard((TextPiece(text, phone.now if at is None else at),), confidence))


def thinks(phone: Phone, opinion: Opinion, strength: float = 0.9) -> None:
    phone.tell(TurnOpinion(opinion, strength, phone.now))


def state(phone: Phone) -> str:
    return str(phone.call.caller)


def said(phone: Phone) -> list[str]:
    return [prompt.text for prompt in phone.prompts if prompt.kind == "caller_said"]


# -- over the bot --------------------------------------------------------------------------------


def test_a_word_over_the_bot_confirms_before_the_voice_alone_would() -> None:
    phone = answered(bot_talks=True)
    phone.caller_speaks(0.2)  # too short to interrupt by voice
    phone.wait(0.15)
    assert state(phone) == "suspected"
    hears(phone, "Stop")
    assert state(phone) == "speaking"
    assert isinstance(phone.ordered(ClearPlayout)[-1], ClearPlayout)
    assert str(phone.call.bot) == "idle"


@pytest.mark.parametrize("text", ["yeah", "Mm-hm.", "right", "yeah, okay", "go", "I", "of course"])
def test_a_listeners_word_does_not_stop_the_bot_though_the_voice_alone_would(text: str) -> None:
    phone = answered(bot_talks=True)
    phone.caller_speaks(0.45)
    phone.wait(0.15)
    hears(phone, text)
    phone.wait(1.5)
    assert "interrupted" not in phone.decided()
    assert phone.call.bot is Bot.SPEAKING
    assert said(phone) == []


def test_somebody_who_goes_on_after_a_listeners_word_is_heard() -> None:
    phone = answered(bot_talks=True)
    phone.caller_speaks(1.4)
    phone.wait(0.2)
    hears(phone, "yeah")
    phone.wait(0.4)
    assert state(phone) == "suspected"
    hears(phone, "yeah but I")
    assert state(phone) == "speaking"


def test_a_long_voice_stops_the_bot_whatever_its_words() -> None:
    phone = answered(bot_talks=True)
    phone.caller_speaks(1.6)
    phone.wait(0.2)
    hears(phone, "yeah")
    phone.wait(1.0)
    assert state(phone) == "speaking"


def test_a_recording_goes_on_where_the_caller_stopped_hearing_it() -> None:
    def plays(prompt: Prompt) -> list[Action]:
        return [Say(LONG, voice="recording:notice")] if prompt.kind == "call_started" else []

    phone = Phone(plays)
    phone.recognises = lambda since: "yeah"
    phone.answers()
    phone.wait(2.0)
    for count in (1, 2):
        phone.caller_speaks(1.6)
        phone.wait(6.0)
        said = [one for one in phone.ordered(Synthesise) if isinstance(one, Synthesise)]
        assert len(said) == count + 1, "broken off, and gone on with"
    (first, second, third), texts = [one.voice for one in said], [one.text for one in said]
    assert first == "recording:notice"
    (name, from_ms), (_, later_ms) = recording_place(str(second)), recording_place(str(third))
    assert name == "notice"
    assert 1500 < from_ms < later_ms
    assert LONG.endswith(texts[1])
    assert texts[1].endswith(texts[2])
    assert len(texts[2]) < len(texts[1]) < len(LONG)


def test_words_that_may_be_our_own_echo_do_not_confirm() -> None:
    phone = Phone(talks)
    phone.recognises = lambda since: None
    phone.echo_after_s, phone.echo_score = 0.2, 0.4  # half like our own voice
    phone.answers()
    while state(phone) == "silent":
        phone.wait(0.01)
    hears(phone, "thank you for calling")
    assert state(phone) == "suspected"


def test_a_doubtful_word_does_not_confirm() -> None:
    phone = answered(bot_talks=True)
    phone.caller_speaks(0.2)
    phone.wait(0.15)
    hears(phone, "No.", confidence=0.3)
    assert state(phone) == "suspected"


def test_words_of_before_the_suspicion_do_not_confirm() -> None:
    phone = answered(bot_talks=True)
    before = phone.now - 1.0
    phone.caller_speaks(0.2)
    phone.wait(0.15)
    hears(phone, "I want to cancel", at=before)
    assert state(phone) == "suspected"


def test_the_language_of_the_prompt_says_what_a_listeners_word_is() -> None:
    def german(prompt: Prompt) -> list[Action]:
        return [Expect("open", language="de-DE"), Say(LONG)] if prompt.kind == "call_started" else []

    for text, stops in (("genau", False), ("halt", True), ("gotcha", True)):
        phone = Phone(german)
        phone.recognises = lambda since: None
        phone.answers()
        phone.wait(2)
        phone.caller_speaks(0.2)
        phone.wait(0.15)
        hears(phone, text)
        assert (state(phone) == "speaking") == stops, text


# -- the end of the turn ---------------------------------------------------------------------------


def turn_over_after(text: str, settings: CallSettings | None = None) -> float:
    """Seconds of silence that end a turn of which only partial words are known."""
    phone = answered(settings)
    phone.caller_speaks(1.0)
    phone.wait(0.9)
    hears(phone, text)
    while not said(phone):
        phone.wait(0.01)
        assert phone.now < 10
    return phone.now - phone.lively[-1][1]


def test_a_partial_text_that_asks_for_more_is_waited_for_and_a_whole_one_less_so() -> None:
    s = EndpointSettings()
    nothing = turn_over_after("")
    whole, unfinished = turn_over_after("I want to cancel."), turn_over_after("I want to")
    assert whole == pytest.approx(s.unsettled_ms / 1000, abs=0.1)
    assert unfinished == pytest.approx(s.long_ms / 1000, abs=0.1)
    assert nothing == pytest.approx(s.ceiling_ms / 1000, abs=0.1)


def test_what_a_recogniser_never_settled_is_what_the_agent_gets() -> None:
    phone = answered()
    phone.caller_speaks(1.0)
    phone.wait(0.9)
    hears(phone, "I want to cancel.")
    phone.wait(2.0)
    assert said(phone) == ["I want to cancel."]


def test_a_late_word_replaces_an_answer_begun_too_soon() -> None:
    phone = answered()
    phone.recognises = lambda since: "I want to cancel."
    phone.caller_speaks(1.0)
    phone.wait(1.3)
    assert said(phone) == ["I want to cancel."]  # begun, and held back
    hears(phone, "I want to cancel Tuesday.", at=phone.now - 0.3)
    phone.wait(2.0)
    assert said(phone) == ["I want to cancel.", "I want to cancel Tuesday."]
    assert [spoken.text for spoken in phone.call.transcript() if spoken.speaker == "caller"] == [
        "I want to cancel Tuesday."
    ]


def test_the_same_words_written_otherwise_waste_nothing() -> None:
    phone = answered()
    phone.recognises = lambda since: "i want to cancel"
    phone.caller_speaks(1.0)
    phone.wait(1.3)
    hears(phone, "I want to cancel.", at=phone.now - 0.3)
    phone.wait(2.0)
    assert said(phone) == ["i want to cancel"]
    assert "speculation wasted" not in phone.decided()
    assert same_words("I'd like, um, two.", "i'd like um two")
    assert not same_words("two", "too")


ENGINE = {by: CallSettings(endpoint=EndpointSettings(decided_by=by)) for by in ("ours", "engine", "either")}


@pytest.mark.parametrize(("by", "soon"), [("ours", False), ("either", True), ("engine", True)])
def test_the_recognisers_own_end_of_turn_counts_where_that_is_set(by: str, soon: bool) -> None:
    phone = answered(ENGINE[by])
    phone.caller_speaks(1.0)
    phone.wait(1.2)
    hears(phone, "My number is")
    thinks(phone, Opinion.OVER)
    assert (said(phone) == ["My number is"]) == soon
    phone.wait(3.0)
    assert said(phone) == ["My number is"]


def test_by_the_recogniser_alone_a_finished_sentence_waits_for_its_word() -> None:
    phone = answered(ENGINE["engine"])
    phone.recognises = lambda since: "I want to cancel."
    phone.caller_speaks(1.0)
    phone.wait(1.9)
    assert "turn over" not in phone.decided()
    thinks(phone, Opinion.OVER)
    assert "turn over" in phone.decided()
    assert said(phone) == ["I want to cancel."]


def test_a_recogniser_that_never_says_so_does_not_hang_the_call() -> None:
    phone = answered(ENGINE["engine"])
    phone.recognises = lambda since: "I want to cancel."
    phone.caller_speaks(1.0)
    phone.wait(3.5)
    assert said(phone) == ["I want to cancel."]


def test_the_recogniser_ends_a_turn_that_noise_keeps_alive() -> None:
    phone = answered(ENGINE["engine"])
    phone.caller_speaks(10.0)  # a television
    phone.wait(2.0)
    hears(phone, "I want to cancel.")
    thinks(phone, Opinion.OVER)
    assert said(phone) == ["I want to cancel."]


def test_a_weak_opinion_and_one_about_an_older_turn_count_for_nothing() -> None:
    phone = answered(ENGINE["either"])
    phone.caller_speaks(1.0)
    phone.wait(1.2)
    hears(phone, "My number is")
    thinks(phone, Opinion.OVER, strength=0.3)
    phone.tell(TurnOpinion(Opinion.OVER, 0.9, phone.now - 3.0))
    assert said(phone) == []


def test_half_a_telephone_number_is_not_ended_by_the_recogniser() -> None:
    phone = Phone(
        lambda prompt: [Expect("digits:10")] if prompt.kind == "call_started" else [Say("Thanks.")], ENGINE["either"]
    )
    phone.recognises = lambda since: "555 123"
    phone.answers()
    phone.wait(0.5)
    phone.caller_speaks(1.0)
    phone.wait(1.3)
    thinks(phone, Opinion.OVER)
    phone.wait(0.5)
    assert "turn over" not in phone.decided()


def test_an_early_opinion_begins_the_answer_and_a_resumed_turn_takes_it_back() -> None:
    phone = answered(ENGINE["either"])
    phone.caller_speaks(1.0)
    phone.wait(1.2)
    hears(phone, "I want to")
    thinks(phone, Opinion.OVER_EARLY)
    assert said(phone) == ["I want to"]
    assert "turn over" not in phone.decided()
    phone.wait(0.1)
    thinks(phone, Opinion.RESUMED)
    assert "speculation wasted" in phone.decided()
    assert not phone.line.played or phone.line.played[-1].utterance == 1  # nothing of it was sent


# -- a turn without a word ---------------------------------------------------------------------------


def nothing_understood(settings: CallSettings | None = None) -> Phone:
    phone = answered(settings)
    phone.recognises = lambda since: ""
    return phone


def test_somebody_who_surely_spoke_is_asked_again_at_most_twice() -> None:
    phone = nothing_understood()
    for times in (1, 2, 2):
        phone.caller_speaks(0.5)
        phone.wait(5)
        assert phone.decided().count("not understood") == times
    assert "Sorry," in phone.heard_words()
    assert said(phone) == []


def test_words_that_are_understood_begin_the_count_anew() -> None:
    phone = nothing_understood()
    for text in ("", "", "Tuesday, please.", ""):
        phone.recognises = lambda since, text=text: text  # type: ignore[misc]
        phone.caller_speaks(0.8)
        phone.wait(5)
    assert phone.decided().count("not understood") == 3
    assert said(phone) == ["Tuesday, please."]


def test_after_being_asked_again_the_caller_need_not_be_louder() -> None:
    phone = nothing_understood()
    phone.caller_speaks(0.5)
    phone.wait(5)
    assert phone.call.floor.room_level_db is None


@pytest.mark.parametrize("seconds", [0.21, 0.3, 0.45])
def test_a_lone_word_that_was_not_recognised_is_asked_about_soon(seconds: float) -> None:
    phone = nothing_understood()
    phone.caller_speaks(seconds)
    said_until = phone.now + seconds
    phone.wait(4)
    assert phone.decided().count("not understood") == 1
    sorry = [piece.start for piece in phone.line.played if piece.start > said_until]
    assert sorry[0] - said_until <= 0.8


def test_a_click_or_a_noise_is_not_asked_about() -> None:
    phone = nothing_understood()
    phone.caller_speaks(0.12)
    phone.wait(5)
    assert "turn over" in phone.decided()
    assert "not understood" not in phone.decided()


def test_somebody_who_is_not_understood_over_the_bot_hears_it_go_on() -> None:
    phone = answered(bot_talks=True)
    phone.recognises = lambda since: ""
    phone.caller_speaks(0.6)
    phone.wait(3)
    assert "not understood" not in phone.decided()
    assert "went on" in phone.decided()


def test_a_recogniser_that_failed_is_not_a_caller_who_said_nothing() -> None:
    phone = answered()
    phone.caller_speaks(0.8)
    phone.wait(1.0)
    asked = phone.ordered(Transcribe)[-1]
    assert isinstance(asked, Transcribe)
    phone.tell(RecogniserFailed(asked.revision, "gone"))
    phone.wait(2)
    assert "not understood" not in phone.decided()
    assert said(phone) == [""]


def test_who_could_not_be_recognised_is_given_time_to_go_on() -> None:
    """Nobody knows whether that was all: the short silence is for words that sound finished."""
    phone = answered()
    phone.recognises = lambda since: None
    phone.caller_speaks(0.8)
    phone.wait(1.0)
    asked = phone.ordered(Transcribe)[-1]
    assert isinstance(asked, Transcribe)
    phone.tell(RecogniserFailed(asked.revision, "gone"))
    phone.wait(0.8)
    assert said(phone) == []
    phone.recognises = lambda since: "I would like an appointment."
    phone.caller_speaks(0.8)
    phone.wait(2)
    assert said(phone) == ["I would like an appointment."]


# -- long turns, and what the recogniser is told ---------------------------------------------------


def test_a_turn_without_a_pause_is_recognised_as_far_as_it_goes() -> None:
    phone = answered()
    phone.caller_speaks(25.0)
    phone.wait(24.0)
    asked = [command for command in phone.ordered(Transcribe) if isinstance(command, Transcribe)]
    assert [command.so_far for command in asked] == [True, True]
    phone.tell(Recognised(asked[-1].revision, "and so on"))
    phone.wait(1.3)
    assert phone.call.caller is Caller.PAUSED
    asked = [command for command in phone.ordered(Transcribe) if isinstance(command, Transcribe)]
    assert not asked[-1].so_far
    assert len({command.since for command in asked}) == 1
    phone.tell(Recognised(asked[-1].revision, "and so on and on"))
    phone.wait(2.0)
    assert said(phone) == ["and so on and on"]


def test_the_recogniser_is_told_what_each_prompt_expects() -> None:
    def script(prompt: Prompt) -> list[Action]:
        if prompt.kind == "call_started":
            return [Expect("open", ("Okafor", "Patel")), Say("Whom would you like to speak to?")]
        return [Expect("yes_no", language="en-GB"), Say("Shall I connect you?")]

    phone = Phone(script, CallSettings(language="en-US", hints=("Acme",)))
    phone.answers()
    phone.wait(4)
    phone.caller_speaks(1.0)
    phone.wait(4)
    assert phone.ordered(ExpectSpeech) == [
        ExpectSpeech("open", ("Acme",), "en-US"),
        ExpectSpeech("open", ("Okafor", "Patel", "Acme"), "en-US"),
        ExpectSpeech("open", ("Acme",), "en-US"),  # the reply begins
        ExpectSpeech("yes_no", ("Acme",), "en-GB"),
    ]


def test_hints_are_bounded_and_a_call_without_a_recogniser_expects_nothing() -> None:
    phone = Phone(lambda prompt: [Expect("open", tuple(["x" * 500] * 500))])
    phone.answers()
    phone.wait(1)
    told = phone.ordered(ExpectSpeech)[-1]
    assert isinstance(told, ExpectSpeech)
    assert (len(told.hints), max(map(len, told.hints))) == (100, 80)
    deaf = Phone(listens, CallSettings(listens=False))
    deaf.answers()
    deaf.wait(1)
    assert deaf.ordered(ExpectSpeech) == []


# -- the lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Mm-hm.", "en", True),
        ("Yeah, I see.", "en-GB", True),
        ("Yeah, but", "en", False),
        ("No.", "en", False),
        ("", "en", False),
        ("yes yes yes yes yes", "en", False),
        ("Ja, genau.", "de", True),
        ("Ach so, verstehe.", "de-AT", True),
        ("Nein.", "de", False),
        ("Oui, d'accord.", "fr", True),
        ("Très bien", "fr", True),
        ("Sí, claro.", "es", True),
        ("Va bene", "it", True),
        ("Ja, dat klopt.", "nl", True),
        ("Tá bom", "pt-BR", True),
        ("mm-hm", "xx", True),
        ("yes", "xx", False),
    ],
)
def test_a_listeners_words_by_language(text: str, language: str, expected: bool) -> None:
    assert is_backchannel(text, language) is expected


@pytest.mark.parametrize(
    ("text", "laughs"),
    [
        ("ha ha ha ha ha ha ha ha ha ha ha ha", True),  # as the embedded recogniser writes real people's
        ("Hehehehehehehehehehehehehehe", True),
        ("Dha, dha, dha, dha, dha, dha", True),
        ("Dha, aha, aha", True),
        ("Haha!", True),
        ("Heh heh.", True),
        ("Muahahaha", True),
        ("ha " * 2000, True),
        ("he", False),
        ("he has", False),
        ("Hello", False),
        ("Hey, hey", False),
        ("ha ha no", False),
        ("ha ha ha, stop it", False),
        ("Bahamas", False),
        ("", False),
    ],
)
def test_a_laugh_is_told_from_words_however_long_it_goes_on(text: str, laughs: bool) -> None:
    assert is_laughter(text) is laughs
    assert not laughs or is_backchannel(text, "xx")


def test_the_bot_goes_on_after_a_long_laugh() -> None:
    phone = answered(bot_talks=True)
    phone.recognises = lambda since: "ha ha ha ha ha ha ha ha ha ha"
    phone.caller_speaks(1.3)
    phone.wait(3)
    assert "went on" in phone.decided()
    assert said(phone) == []


def test_words_that_were_understood_are_not_lost_when_the_recogniser_loses_them() -> None:
    """'One (pause) two (pause) three': of the longer audio it made nothing, and the turn ended as if nobody spoke."""
    phone = answered(CallSettings(endpoint=EndpointSettings(speculate=False)), bot_talks=True)
    heard = iter(["One.", "One, two.", "", ""])
    phone.recognises = lambda since: next(heard, "")
    for _ in range(3):
        phone.caller_speaks(0.4)
        phone.wait(0.7)
    phone.wait(3)
    assert said(phone) == ["One, two."]


def test_the_beginning_of_a_phrase_may_still_become_one() -> None:
    assert is_backchannel("go", begun=True)
    assert is_backchannel("yeah I", begun=True)
    assert not is_backchannel("go")
    assert not is_backchannel("go away", begun=True)
    assert not is_backchannel("I yeah want", begun=True)


@pytest.mark.parametrize("language", BACKCHANNELS)
def test_words_that_ask_for_the_floor_are_on_no_list(language: str) -> None:
    known = BACKCHANNELS[language]
    asking = "no stop wait hello hey excuse nein halt warte non arrête attends alto espera basta aspetta nee wacht"
    assert not known.words & set(asking.split())


def test_a_second_policy_sees_only_the_voice() -> None:
    phone = answered(CallSettings(shadow=FloorSettings(confirm_ms=200)), bot_talks=True)
    phone.caller_speaks(0.45)
    phone.wait(0.15)
    hears(phone, "yeah")
    phone.wait(1.5)
    assert "shadow" in phone.decided()
