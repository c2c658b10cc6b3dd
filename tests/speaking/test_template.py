from __future__ import annotations

import re

import numpy as np
import pytest

from bridge.audio.mulaw import DECODE
from bridge.call.commands import PullSpeech, Synthesise
from bridge.speaking.phrases.phrase import loudness_db
from bridge.speaking.phrases.template import Templates, parse
from bridge.speaking.settings import SpeakingSettings
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard

FAR = 60_000
JUST_HEARD_DB = 1.0
"""The smallest step in level that a listener notices (Zwicker and Fastl, Psychoacoustics, 7.1). How the arithmetic of a
voice is rounded differs from processor to processor, by some tenths of it."""
VALUES = {
    "digits": ["four two seven", "9 1 3 5", "eight zero zero", "one two three four", "2 7", "six six six"],
    "date": ["Tuesday", "the third of May", "Friday, March 3", "tomorrow", "October 21", "Wednesday morning"],
    "time": ["9:30 a.m.", "noon", "a quarter past three", "10 o'clock", "half past six", "seven"],
    "name": ["Anna", "Mr. Robinson", "Elizabeth", "Peter Schmidt", "Ms. Okafor", "Sue"],
    "amount": ["$9.99", "forty dollars", "$120", "two hundred and six dollars", "$3", "eleven dollars"],
    "number": ["four", "seventeen", "2", "30", "nine", "one hundred"],
    "phone": ["555 0199", "555 1234", "800 555 0000", "555 77 66", "212 555 0101", "555 8000"],
}
SENTENCES = [
    "Your code is {digits}.",
    "Your appointment is on {date}.",
    "I have booked you in for {time}, is that right?",
    "Thank you for calling, {name}.",
    "The total comes to {amount} with tax.",
    "You are number {number} in the queue.",
    "I can see an order for {name} from last week.",
    "Please call us back at {phone} today.",
    "The doctor will see you at {time} on Monday.",
]


def filled(sentence: str) -> list[str]:
    slot = re.search(r"\{(\w+)\}", sentence)
    assert slot is not None
    return [sentence.replace(slot[0], value) for value in VALUES[slot[1]]]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("Your code is {digits}.", ("Your", "code", "is")),
        ("That comes to ${amount} today.", ("That", "comes", "to")),
        ("Hello {name}, how are you?", None),
        ("{name}, your table is ready.", None),
        ("No slot at all.", None),
    ],
)
def test_a_template_is_its_words_before_the_first_slot(text: str, head: tuple[str, ...] | None) -> None:
    template = parse(text)
    assert (template.head if template else None) == head


def test_a_sentence_fills_the_template_with_the_longest_beginning() -> None:
    templates = Templates()
    templates.add(["Your code is {digits}.", "Your code is now {digits}.", "plain"])
    assert len(templates) == 2
    match = templates.match("your code is now 4 2")
    assert match is not None
    assert match.head[-1] == "now"
    assert templates.match("Your code is 12.") is not None
    assert templates.match("Your code is") is None
    assert templates.match("Your codes are 12.") is None


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_a_filled_sentence_sounds_as_if_it_were_spoken_as_a_whole(
    worker: str, open_speech: OpenSpeech, sentence: str
) -> None:
    """54 joins in all: the pause before the slot, the balance of its two sides, and no click between them."""
    spliced = await open_speech(SpeakingSettings(workers=(worker,)))
    whole = await open_speech(SpeakingSettings(workers=(worker,)))
    await spliced.warm([sentence])
    spoken = len(sentence[: sentence.index("{")].split())
    for text in filled(sentence):
        joined, natural = await spliced.synthesise_whole(text), await whole.synthesise_whole(text)
        assert " ".join(word.text for word in joined.words) == text
        gaps = [p.words[spoken].start_ms - p.words[spoken - 1].end_ms for p in (joined, natural)]
        assert abs(gaps[0] - gaps[1]) < 50
        # The head's last frame ends within the gap; search there for the join, which is on a 20 ms frame.
        middles = [(p.words[spoken - 1].end_ms + p.words[spoken].start_ms) // 40 * 160 for p in (joined, natural)]
        steps = [
            loudness_db(p.audio[at:]) - loudness_db(p.audio[:at])
            for p, at in zip((joined, natural), middles, strict=True)
        ]
        assert abs(steps[0] - steps[1]) <= JUST_HEARD_DB
        samples = DECODE[np.frombuffer(joined.audio, np.uint8)].astype(float)
        at = middles[0]
        jump = np.abs(np.diff(samples[at - 320 : at + 320])).max()
        assert jump <= np.abs(np.diff(samples)).max(), "nothing at the join is steeper than speech itself"
    assert spliced.stats()["phrases_filled"] == 6


async def test_the_first_words_come_at_once_and_the_value_is_never_kept(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm(["Your code is {digits}."])
    assert fake.texts == ["Your code is 4 2 7."]
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Your code is 9 1 3.", True))
    call.pull(PullSpeech(1, FAR, 0))
    assert ear.text() == "Your code is", "before the worker was even asked"
    await ear.end()
    assert ear.text() == "Your code is 9 1 3."
    assert [entry.text for entry in await speech.cache.list()] == ["your code is {}"]
    assert len(ear.audio()) == len("Your code is 9 1 3.".split()) * 1600


async def test_a_template_of_a_language_is_made_and_filled_in_that_language(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm(["Ihr Code ist {digits}."], language="de-DE")
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Ihr Code ist 9 1 3.", True, language="de-DE"))
    call.pull(PullSpeech(1, FAR, 0))
    assert ear.text() == "Ihr Code ist", "before the worker was even asked"
    await ear.end()
    assert ear.text() == "Ihr Code ist 9 1 3."
    call.synthesise(Synthesise(2, "Ihr Code ist 8.", True))
    call.pull(PullSpeech(2, FAR, 0))
    assert not ear.text(2), "in the call's own language it was never made"
    await ear.end(2)
    assert fake.languages == ["de-DE", "de-DE", ""]


async def test_when_the_worker_dies_before_the_slot_the_rest_is_made_by_another(
    fake: FakeWorker, other: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake, other))
    await speech.warm(["Your code is {digits}."])
    fake.mode = other.mode = "dies"  # after one word each time
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Your code is 9 1 3.", True))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    assert ear.text() == "Your code is 9 1 3."
    assert heard(ear.audio()[-3 * 1600 :]) == ["9", "1", "3."]
    assert {"Your code is 9 1 3.", "9 1 3.", "1 3.", "3."} <= {*fake.texts, *other.texts}


async def test_without_its_head_in_memory_a_filled_sentence_is_simply_spoken(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm(["Your code is {digits}."])
    await speech.cache.purge()
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Your code is 9 1 3.", True))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    assert heard(ear.audio()) == "Your code is 9 1 3.".split()
    assert await speech.cache.list() == []


async def test_a_fixed_line_that_begins_like_a_template_is_still_a_fixed_line(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm(["I have {digits}.", "I have nothing for you.", "{time} it is.", "Hello {name}, how are you?"])
    assert not any("{" in text or "it is" in text for text in fake.texts), "a slot is nothing to say"
    made = len(fake.texts)
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "I have nothing for you.", True))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    assert ear.text() == "I have nothing for you."
    assert len(fake.texts) == made, "from memory, not filled into the template"
    call.synthesise(Synthesise(2, "I have 4 2.", True, cacheable=False))
    call.pull(PullSpeech(2, FAR, 0))
    await ear.end(2)
    assert fake.texts[made:] == ["I have 4 2."]
    assert speech.stats()["phrases_filled"] == 1
