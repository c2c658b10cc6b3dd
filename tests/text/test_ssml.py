"""SSML in what is to be said: what it asks for is heard, and what a voice cannot do is left out."""

from __future__ import annotations

import re

import pytest

from bridge.text import ssml
from bridge.text.cleaning import Cleaner, clean
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from tests.text.counting import steps


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            'Call <say-as interpret-as="telephone">(555) 123-4567</say-as> now.',
            "Call five five five, one two three, four five six seven now.",
        ),
        ('It is <say-as interpret-as="digits">1984</say-as>.', "It is one nine eight four."),
        ("It is <say-as interpret-as='characters'>abc</say-as>.", "It is A, B, C."),
        ('It is <say-as interpret-as="spell-out">a1@b</say-as>.', "It is A, one, at, B."),
        ('It is <say-as interpret-as="cardinal">1984</say-as>.', "It is one thousand nine hundred eighty-four."),
        ('The <say-as interpret-as="ordinal">21</say-as>.', "The twenty-first."),
        ('On <say-as interpret-as="date" format="dmy">3/4/2024</say-as>.', "On April third, twenty twenty-four."),
        (
            'At <say-as interpret-as="telephone">+44 20 79460958</say-as>.',
            "At plus four four, two zero, seven nine four six zero nine five eight.",
        ),
        ('It is <say-as interpret-as="nonsense">42</say-as>.', "It is forty-two."),
        ('On <say-as interpret-as="date" format="mdy">3/4/2024</say-as>.', "On March fourth, twenty twenty-four."),
        ('The <sub alias="World Wide Web Consortium">W3C</sub> says', "The World Wide Web Consortium says"),
        ("H<sub>2</sub>O", "H two O"),
        ('One moment<break time="600ms"/>please', "One moment. please"),
        ('One moment<break time="100ms"/> please', "One moment, please"),
        ("One moment,<break/> please", "One moment, please"),
        ('One<break strength="none"/> moment', "One moment"),
        ('<phoneme alphabet="ipa" ph="w&#x26a;n">Nguyen</phoneme> here', "Nguyen here"),
        ('<speak>Please <prosody rate="slow">hold on</prosody>.</speak>', "Please hold on."),
        ('<say-as interpret-as="digits">never closed 12', "never closed twelve"),
        ("<sub alias=>x</sub>", "x"),
    ],
)
def test_it_is_said_as_asked(written: str, said: str) -> None:
    assert spoken_form(clean(written), language("en")).text == said
    cleaner = Cleaner()
    assert "".join(map(cleaner.feed, written)) + cleaner.finish() == clean(written)


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        (
            '<say-as interpret-as="nonsense">42</say-as>',
            "<say-as> has interpret-as='nonsense', expected one of address,",
        ),
        ("<say-as>42</say-as>", "<say-as> has no interpret-as"),
        ('Wait <break time="5 parsecs"/>', "<break> has time='5 parsecs', expected a time such as 500ms or 1.5s"),
        ('Wait <break time="600s"/>', "<break> has time='600s', expected a time such as 500ms or 1.5s, at most 10s"),
        ('<BREAK strength="huge"/>', "<break> has strength='huge', expected one of none, x-weak,"),
        ('<sub alias="">W3C</sub>', "<sub> has alias='', expected some text"),
        ("<sub allias='x'>W3C</sub>", "<sub> has no alias"),
        ("<phoneme>Nguyen</phoneme>", "<phoneme> has no ph"),
        ('<phoneme alphabet="klingon" ph="x">y</phoneme>', "<phoneme> has alphabet='klingon', expected one of ipa"),
        ('<prosody rate="warp">go</prosody>', "<prosody> has rate='warp', expected one of x-slow, slow,"),
    ],
)
def test_a_wrong_value_is_named_and_on_a_call_the_words_are_said_plainly(written: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)):
        ssml.validate(written)
    assert "<" not in clean(written)


@pytest.mark.parametrize(
    "written",
    [
        "no tags, 3 < 4 and <b>bold</b>",
        "H<sub>2</sub>O",
        '<speak><prosody rate="80%" pitch="high">It is</prosody> <say-as interpret-as="cardinal">4</say-as></speak>',
        '<break/><break time="1.5s"/><break strength="x-strong"/><prosody rate="-20%">a</prosody>',
        '<phoneme alphabet="ipa" ph="w&#x26a;n">Nguyen</phoneme> of <sub alias="a company">Co</sub>',
        "<breakfast time='never'>",
    ],
)
def test_what_may_be_written_is_good(written: str) -> None:
    ssml.validate(written)


@pytest.mark.parametrize(
    "unit", ["<", "<break ", "<say-as interpret-as=", "<sub a='", "<break/>", "<prosody rate='slow'>"]
)
def test_looking_at_it_takes_linear_work(unit: str) -> None:
    assert steps(lambda: ssml.validate((unit * 8000)[:8000])) <= 4 * 8000
