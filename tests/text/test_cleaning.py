from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.cleaning import Cleaner, clean

SIGNS = st.text(st.sampled_from("ab1 .*_`-~[]()!<>/\\#\n|’é👋\u200d\ufe0f中"), max_size=40)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Hello** there! 👋 How are _you_?", "Hello there! How are you?"),
        ("# Opening hours\nMonday to\nFriday", "Opening hours. Monday to Friday"),
        ("We have:\n- apples\n- pears\n\nAnything else?", "We have: apples. pears. Anything else?"),
        ("1. Press one\n2. Hold on", "1. Press one. 2. Hold on"),
        ("See [our site](https://example.com/a_b) or `code`.", "See our site or code."),
        ("Write to john_doe@example.com or __now__.", "Write to john_doe@example.com or now."),
        ("3 * 4 is 12; press *, or dial *67.", "3 * 4 is 12; press *, or dial *67."),
        ("It was ~~ten~~ ~5 dollars.", "It was ten ~5 dollars."),
        ("One<br>two <b>three</b>, 1 < 2 <3", "One two three, 1 < 2 <3"),
        ("```python\nprint\n```\ndone", "print. done"),
        ("Press 1️⃣ now 🇺🇸🏽.", "Press 1 now ."),
        ("It’s “fine”.", 'It\'s "fine".'),
        ("![a cat](cat.png) and \\*stars\\*", "a cat and *stars*"),
        ("Temp is 20°C, 5 − 3, §4", "Temp is 20°C, 5 − 3, §4"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b. 1 2"),
        ("-5 degrees -- or less ---", "-5 degrees -- or less"),
        ("  \n\n ", ""),
        ("👍", ""),
    ],
)
def test_what_is_written_for_a_screen_is_said_like_a_person_would(written: str, spoken: str) -> None:
    assert clean(written) == spoken


@given(st.lists(SIGNS, max_size=6))
def test_however_the_deltas_are_cut_the_same_is_said(deltas: list[str]) -> None:
    cleaner = Cleaner()
    assert "".join([cleaner.feed(delta) for delta in deltas]) + cleaner.finish() == clean("".join(deltas))


@given(st.text(st.sampled_from("ab1 .*_`-~[]()!<>/\\#\n|"), max_size=60))
def test_text_never_waits_for_the_rest_of_a_sign_that_cannot_come(text: str) -> None:
    cleaner = Cleaner()
    early = cleaner.feed(text + " so it is. ")
    # All that may be held back is an unfinished bracket or tag, at most a few hundred characters of it.
    assert early.endswith("so it is.") or any(sign in text for sign in "[<`~")


def test_plain_text_is_given_out_at_once() -> None:
    cleaner = Cleaner()
    assert cleaner.feed("I have an ope") == "I have an ope"
    assert cleaner.feed("ning. Shall") == "ning. Shall"
