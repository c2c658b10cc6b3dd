"""SSML in what is to be said: what it asks for is heard, and what a voice cannot do is left out."""

from __future__ import annotations

import pytest

from bridge.text.cleaning import Cleaner, clean
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language


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
