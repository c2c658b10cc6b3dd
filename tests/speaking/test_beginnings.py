"""Sentences of a chat agent that turn out to be known phrases, guessed from their first words."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.commands import PullSpeech, Synthesise
from bridge.speaking.call_speech import CallSpeech
from bridge.speaking.phrases.beginnings import Beginnings
from bridge.speaking.phrases.phrase import normalise
from bridge.speaking.settings import CacheSettings
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard
from tests.speaking.test_prefetch import FAR, until

WELCOME = "Thank you for calling Acme today."


def test_a_beginning_must_be_three_words_long_and_fit_one_phrase_alone() -> None:
    known = Beginnings()
    for text in ("thank you for calling Acme.", "thank you for your patience.", "one moment please, I look."):
        known.add("a", "heart", text)
    assert known.match("a", "heart", "Thank you for") is None, "the third word may go on"
    assert known.match("a", "heart", "Thank you for c") == "thank you for calling Acme."
    assert known.match("a", "heart", "One moment please, I") == "one moment please, I look."
    assert known.match("a", "heart", "Thank you for nothing") is None
    assert known.match("b", "heart", "Thank you for c") is None, "another tenant's"
    assert known.match("a", "joe", "Thank you for c") is None
    known.purge(text="thank you for calling Acme.")
    assert known.match("a", "heart", "Thank you for ") is None
    assert known.match("a", "heart", "Thank you for y") == "thank you for your patience."


WORDS = st.lists(st.sampled_from(["one", "two", "three", "four"]), min_size=1, max_size=6).map(" ".join)


@given(st.lists(WORDS, max_size=20), WORDS, st.integers(1, 10))
def test_a_match_is_known_begins_so_and_is_the_only_one(texts: list[str], begun: str, limit: int) -> None:
    known = Beginnings(limit)
    for text in texts:
        known.add("a", "heart", text)
    usable = [t for t in dict.fromkeys(reversed(texts)) if len(t.split()) > 3][:limit]
    fitting = [t for t in usable if t.startswith(begun)] if len(begun.split()) > 3 else []
    assert len(known) == len(usable)
    assert known.match("a", "heart", begun) == (fitting[0] if len(fitting) == 1 else None)


def write(call: CallSpeech, text: str) -> None:
    """A chat model's text, in small pieces; never to be kept."""
    for at in range(0, len(text), 3):
        call.synthesise(Synthesise(1, text[at : at + 3], False, cacheable=False))


async def test_a_phrase_on_disk_is_in_memory_before_its_sentence_is_complete(
    fake: FakeWorker, open_speech: OpenSpeech, tmp_path: Path
) -> None:
    kept = CacheSettings(disk_path=str(tmp_path))
    first = await open_speech(impatient(fake, cache=kept))
    await first.warm([WELCOME])
    await first.close()
    speech = await open_speech(impatient(fake, cache=kept))
    ear = Ear()
    call = speech.open_call(ear.deliver)
    write(call, "Thank you for call")
    await until(lambda: len(speech.cache.memory) == 1)
    assert not ear.events, "a guess is not spoken"
    call.synthesise(Synthesise(1, "ing Acme today.", True, cacheable=False))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    stats = speech.stats()
    assert fake.texts == [WELCOME], "said from the cache"
    assert (stats["prefetch_foreseen"], stats["prefetch_foreseen_used"], stats["prefetch_foreseen_wasted"]) == (1, 1, 0)


async def test_a_sentence_that_goes_on_differently_is_said_as_it_was_written(
    fake: FakeWorker, open_speech: OpenSpeech, tmp_path: Path
) -> None:
    kept = CacheSettings(disk_path=str(tmp_path))
    first = await open_speech(impatient(fake, cache=kept))
    await first.warm([WELCOME])
    await first.close()
    speech = await open_speech(impatient(fake, cache=kept))
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Thank you for c", False, cacheable=False))
    await until(lambda: len(speech.cache.memory) == 1)
    call.synthesise(Synthesise(1, "oming here", True, cacheable=False))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    assert heard(ear.audio()) == ["Thank", "you", "for", "coming", "here"]
    stats = speech.stats()
    assert (stats["prefetch_foreseen_used"], stats["prefetch_foreseen_wasted"]) == (0, 1)


async def test_a_known_phrase_that_is_nowhere_any_more_is_made_while_it_is_written(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm([WELCOME])
    key = speech._source.key(WELCOME, None, "default")
    assert key is not None
    speech.cache.memory.drop(key.tenant, key.digest)
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Thank you for c", False, cacheable=False))
    await until(lambda: len(fake.texts) == 2 and speech.stats()["prefetch_made"] == 1)
    assert fake.priorities[-1] == "prefetch"
    call.synthesise(Synthesise(1, "alling Acme today.", True, cacheable=False))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    assert [normalise(text) for text in fake.texts] == [normalise(WELCOME)] * 2
    assert heard(ear.audio())[1:] == ["you", "for", "calling", "Acme", "today."]
    assert speech.stats()["prefetch_used"] == 1


async def test_an_interruption_ends_the_guess(fake: FakeWorker, open_speech: OpenSpeech, tmp_path: Path) -> None:
    kept = CacheSettings(disk_path=str(tmp_path))
    first = await open_speech(impatient(fake, cache=kept))
    await first.warm([WELCOME])
    await first.close()
    speech = await open_speech(impatient(fake, cache=kept))
    call = speech.open_call(Ear().deliver)
    call.synthesise(Synthesise(1, "Thank you for c", False, cacheable=False))
    call.cancel(1)
    assert speech.stats()["prefetch_foreseen_wasted"] == 1
    assert speech.stats()["prefetch_waiting"] == 0
