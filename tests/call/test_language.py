"""A call that goes on in another language: what is said, what is expected, our own sentences, and what survives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.call.actions import Action, ChangeLanguage, Expect, Prompt, Say
from bridge.call.commands import ExpectSpeech, Synthesise
from bridge.call.settings import CallSettings, FallbackSettings
from bridge.text.sentences import sentences
from tests.call.phone import Phone


def bilingual(prompt: Prompt) -> Sequence[Action]:
    """Greets in English, and goes on in German for good once the caller has spoken."""
    if prompt.kind == "call_started":
        return [Say("Good morning.")]
    return [ChangeLanguage("de"), Expect("yes_no"), Say("Wir haben am 3. Mai frei.")]


def said(phone: Phone) -> list[tuple[str, str]]:
    return [(one.text, one.language) for one in phone.ordered(Synthesise) if isinstance(one, Synthesise)]


def called(phone: Phone) -> Phone:
    phone.answers()
    phone.wait_until_heard()
    phone.caller_speaks(1.5)
    phone.wait(5.0)
    return phone


def test_the_words_and_the_answer_to_them_are_in_the_new_language() -> None:
    phone = called(Phone(bilingual))

    assert said(phone)[0] == ("Good morning.", "")
    assert ("Wir haben am 3. Mai frei.", "de") in said(phone)
    expected = [one for one in phone.ordered(ExpectSpeech) if isinstance(one, ExpectSpeech)]
    assert (expected[-1].answer, expected[-1].language) == ("yes_no", "de")
    phone.caller_speaks(1.0)
    phone.wait(3.0)
    assert phone.prompts[-1].language == "de"


def test_our_own_sentences_follow() -> None:
    phone = called(Phone(lambda prompt: [] if prompt.kind == "no_input" else bilingual(prompt)))
    phone.wait(60.0)

    ours = [text for text, language in said(phone) if language == "de" and not text.startswith("Wir")]
    assert ours
    assert set(ours) <= set(sentences("de").values())


def test_a_sentence_that_the_operator_wrote_is_said_as_it_is_and_in_its_own_language() -> None:
    phone = called(Phone(bilingual, CallSettings(goodbye="So long.", fallback=FallbackSettings(text="Hold the line."))))

    assert phone.call._bot.sentence("goodbye") == Say("So long.", cacheable=True, language="en")
    assert phone.call._bot.sentence("fallback") == Say("Hold the line.", cacheable=True, language="en")


def test_a_call_that_is_moved_goes_on_in_the_language() -> None:
    phone = called(Phone(bilingual))
    state = phone.moves()

    assert state.bot.language == "de"
    phone.caller_speaks(1.5)
    phone.wait(5.0)
    assert said(phone)[-1] == ("Wir haben am 3. Mai frei.", "de")


def test_a_guess_that_was_thrown_away_changes_nothing() -> None:
    answers: Iterator[Sequence[Action]] = iter([[ChangeLanguage("de"), Say("Ja?")], [Say("Yes?")]])
    phone = Phone(lambda prompt: [Say("Good morning.")] if prompt.kind == "call_started" else next(answers))
    phone.answers()
    phone.wait_until_heard()
    phone.caller_speaks(1.2)
    phone.wait(1.5)  # a pause in which an answer is begun, and then the caller goes on
    phone.caller_speaks(1.2)
    phone.wait(5.0)

    assert len(phone.prompts) == 3
    assert said(phone)[-1] == ("Yes?", "")


def test_one_text_may_be_in_another_language() -> None:
    phone = called(
        Phone(lambda prompt: [Say("Say "), Say("Guten Tag", language="de")] if prompt.turn > 1 else [Say("Hello.")])
    )

    assert said(phone)[-2:] == [("Say ", ""), ("Guten Tag", "de")]
