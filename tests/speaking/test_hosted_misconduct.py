"""What a hosted voice may do wrong without failing outright: each vendor's double, heard through the whole of speaking.

In virtual time, with the settings that are the default, as in `test_hosted_failover.py`: the ear plays what it gets,
and hears every word once, in order, and nothing else. What a double can do wrong beside that:

| | |
| --- | --- |
| refuses at the handshake or in a message, is slow, silent, stops, is cut in mid-word | `test_hosted_failover.py` |
| audio in pieces of one byte, seven, or all at once; a header before it; both spellings | `test_hosted_voices.py` |
| five contexts at most, twenty flushes a minute, sound after it was cancelled | `test_hosted_voices.py` |
| never says that it is done, says it twice, or goes on after that | here |
| says late, or never, where its words lie | here |
| closes in the middle, with any code and reason | here |
| hangs up on a connection that is idle | here |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.doubles.speaking.base import Ending, Orders, Placing, SpeakingDouble
from tests.doubles.speaking.catalogue import UNTIMED, VIRTUAL
from tests.speaking.doubles import heard
from tests.speaking.test_hosted_failover import MOST_SILENCE_MS, SENTENCES, answered, in_virtual_time

__all__ = ["in_virtual_time"]

WORDS = [word.strip(".") for word in " ".join(SENTENCES).split()]
SOCKETS = tuple(vendor for vendor in VIRTUAL if vendor not in ("openai", "speechify"))
RESAMPLED = frozenset({"openai", "hume"})
WHOLE_MS = 5440
"""Of the whole answer, with what is quiet between its sentences."""
SLOW = Orders(manner="slow")
InVirtualTime = Callable[[Any], Any]


def hears_every_word_once(listener: Any, vendor: str, *, broken: bool = False) -> None:
    """The ledger's words are the text's, each once, and so are those that sound, or as long where it is resampled."""
    assert listener.ear.text().split() == " ".join(SENTENCES).split()
    audio = listener.ear.audio()
    if broken and vendor in UNTIMED:
        assert {word.strip(".") for word in heard(audio)} <= {
            *WORDS,
            "?",
        }  # where it broke, a word was guessed by its pace
    elif vendor in RESAMPLED:
        assert len(audio) / 8 == pytest.approx(WHOLE_MS, abs=199)  # a word more or less were 200 ms
    else:
        assert [word.strip(".") for word in heard(audio)] == WORDS


@pytest.mark.parametrize("ending", ["missing", "twice", "late"])
@pytest.mark.parametrize("vendor", VIRTUAL)
def test_an_end_that_is_never_said_twice_or_too_early(
    vendor: str, ending: Ending, in_virtual_time: InVirtualTime
) -> None:
    def does(double: SpeakingDouble) -> None:
        double.ending = ending

    listener, *_ = in_virtual_time(lambda: answered(vendor, does=does))
    hears_every_word_once(listener, vendor, broken=ending == "missing")


@pytest.mark.parametrize("times", ["missing", "late"])
@pytest.mark.parametrize("vendor", [vendor for vendor in VIRTUAL if vendor not in UNTIMED])
def test_words_whose_place_is_said_late_or_never(vendor: str, times: Placing, in_virtual_time: InVirtualTime) -> None:
    def does(double: SpeakingDouble) -> None:
        double.times = times

    listener, _, second, _ = in_virtual_time(lambda: answered(vendor, does=does))
    hears_every_word_once(listener, vendor)
    assert not second.texts
    assert listener.silence_ms == 0
    starts = [word.start_ms for word in listener.ear.words()]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("vendor", "code"),
    [
        (vendor, code)
        for vendor in SOCKETS
        for code in (1000, 1001, 1008, 1011, 1013, 4000)
        if (vendor, code) != ("hume", 1000)  # which is how Hume says that a text was spoken
    ],
)
def test_a_goodbye_in_mid_sentence_of_any_code(vendor: str, code: int, in_virtual_time: InVirtualTime) -> None:
    def does(double: SpeakingDouble) -> None:
        double.goodbye = (code, "going away")

    listener, _, second, _ = in_virtual_time(
        lambda: answered(vendor, SLOW, Orders("lost", 4, "slow"), SLOW, SLOW, does=does)
    )
    hears_every_word_once(listener, vendor, broken=True)
    assert second.texts
    assert listener.silence_ms <= MOST_SILENCE_MS


@pytest.mark.parametrize("vendor", SOCKETS)
def test_one_that_hangs_up_when_idle_is_there_at_the_next_answer(vendor: str, in_virtual_time: InVirtualTime) -> None:
    """After ten minutes in which nobody spoke, whose warm connections it closed every seven seconds."""

    def does(double: SpeakingDouble) -> None:
        double.idle_s = 7.0

    listener, primary, second, _ = in_virtual_time(lambda: answered(vendor, does=does, quiet_s=600.0))
    hears_every_word_once(listener, vendor)
    assert primary.texts
    assert not second.texts
    assert listener.silence_ms == 0
