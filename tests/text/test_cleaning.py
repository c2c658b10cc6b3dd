from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.text.cleaning import Cleaner, clean
from tests.text.counting import steps

SIGNS = st.one_of(
    st.text(st.sampled_from("abn1% .*_`-~[]()!<>/\\#\n|’é👋\u200d\ufe0f中&;{}\"@"), max_size=40),
    st.lists(
        st.sampled_from(
            [
                "<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_end|>", "<|im_start|>",
                "assistant", "(laughs)", "*sighs*", "[pause]", "&amp;", "<!--", "-->", "[1]", "[TOOL_CALLS]",
                '{"a": {"b": "}"}}', "a", " ", "\n", "x@y.z", "<a@b.c>", "<|channel|>", "analysis", "final",
                "<|message|>", "[a](b)", "<b>", "[INST]", "```", "1.", "so", "Thought:", "Action:", "Action Input:",
                "Observation:", "Final Answer:", "Assistant:", "AI:", "look", "a_b()", "move(to='x')", "[thinking]",
                "[/thinking]", "==", "=", "$x^2$", "$", "\\(", "\\)", "\\frac{1}{2}", "\\textbf{", "}", "*checks ",
                "get_a(", "to=functions.", ". ", "do_it", "({'a': 1}", "functions.", "***-**-", "6789", "***", "**",
                "calendar*", "(soft ", "chuckle)", "é", "§", "…", "'x'", "(", ")", "_",
            ]
        ),
        max_size=8,
    ).map("".join),
)  # fmt: skip


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
        ("Press 1️⃣ now 🇺🇸🏽.", "Press 1 now."),
        ("It’s “fine”.", 'It\'s "fine".'),
        ("![a cat](cat.png) and \\*stars\\*", "a cat and *stars*"),
        ("Temp is 20°C, 5 − 3, §4", "Temp is 20°C, 5 − 3, §4"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b. 1 2"),
        ("-5 degrees -- or less ---", "-5 degrees -- or less"),
        ("  \n\n ", ""),
        ("👍", ""),
        ("3*4 and *really* and 2**3**", "3*4 and really and 23"),
        ("press * or #", "press * or #"),
        ("**** 4242", "**** 4242"),
        ("John <john@example.com> or <https://example.com/a_b>.", "John john@example.com or https://example.com/a_b."),
        ("fish &amp; chips &#36;5&nbsp;now, AT&T", "fish & chips $5 now, AT&T"),
        ("One<!-- not\nthis -->two", "One two"),
        ("It is so[1], and so.[2, 3] Sure【4†source】. Press [1].", "It is so, and so. Sure. Press [1]."),
        ("- [ ] milk\n- [x] bread", "milk. bread"),
        ("Hi [there](https://e.com/(x) you", "Hi there you"),
        ("Dear <name>, hello", "Dear , hello"),
        ("Costs \\$5, \\#1, 50\\%", "Costs $5, #1, 50%"),
        ("Press '*', (*), \"*\" or the *-key, then *#06#.", "Press '*', (*), \"*\" or the *-key, then *#06#."),
        ("It is *100% free* for *5 days*; dial *67 now, *123*1#", "It is 100% free for 5 days; dial *67 now, *123*1#"),
        ("Hello.\\nHow are you?\\n\\n- one\\n- two", "Hello. How are you? one. two"),
        ("C:\\new\\docs", "C:\\new\\docs"),
    ],
)
def test_what_is_written_for_a_screen_is_said_like_a_person_would(written: str, spoken: str) -> None:
    assert clean(written) == spoken


MODELS: list[tuple[str, str]] = [
    ("<think>They want\na time.</think>At nine.", "At nine."),
    ("<thinking>\nHm.\n</thinking>\n\nAt nine.", "At nine."),
    ("<reasoning effort='low'>x</reasoning>At nine.", "At nine."),
    ("<think>never closed", ""),
    ('Sure! memory_tool(key="foo") Done.', "Sure! Done."),
    ("One moment. get_weather(city='Paris')\nIt is sunny.", "One moment. It is sunny."),
    ('Let me check: saveAnswer({"a": {"b": 1}}) ok?', "Let me check: ok?"),
    ('saveAnswer({"a": 1})\nThanks.', "Thanks."),
    ("OK. functions.end_call() Bye.", "OK. Bye."),
    ('to=functions.saveAnswer json\n {"question":"x"}\nHello there.', "Hello there."),
    ('Hi. to=functions.save_it {"a":1} Bye.', "Hi. Bye."),
    ("I want to go to. the (best) shop. hello(there) done.", "I want to go to. the (best) shop. hello(there) done."),
    (
        'Thought: I need this.\nAnd that.\nAction: look\nAction Input: {"a": 1}\n'
        "Observation: row one\nrow two\nThought: done\nFinal Answer: At nine.",
        "At nine.",
    ),
    ("Thought: hm.\nYour time is nine.", "Your time is nine."),
    ("SSN ***-**-6789, card ** ** 1234, **bold**.", "SSN ***-**-6789, card ** ** 1234, bold."),
    ("<inner_thoughts>x</inner_thoughts>At nine.", "At nine."),
    ("<chain_of_thought>x</chain_of_thought><cot>y</cot><deliberation>z</deliberation>At nine.", "At nine."),
    ("<|begin_of_thought|>x<|end_of_thought|>At nine.", "At nine."),
    ("<|thinking|>x<|/thinking|>At nine.", "At nine."),
    ('[{"name": "a", "arguments": {}}, {"name": "b"}]\nAt nine.', "At nine."),
    ('Sure. {"name": "x", "parameters": {"a": [1, 2]}} At nine.', "Sure. At nine."),
    ("They want a time.</think>At nine.", "They want a time. At nine."),
    ('Sure. <tool_call>{"name": "x"}</tool_call> Done.', "Sure. Done."),
    ('<function_calls><invoke name="x"><parameter name="y">1</parameter></invoke></function_calls>Done.', "Done."),
    ('<function=transfer>{"to": "sales"}</function>Done.', "Done."),
    ('One moment.\n{"name": "transfer", "arguments": {"to": "a}b"}}\nDone.', "One moment. Done."),
    ('```json\n{"name": "transfer"}\n```\nDone.', "Done."),
    ('[TOOL_CALLS] [{"name": "x"}]', ""),
    ("<|python_tag|>transfer.call(x=1)<|eom_id|>Done.", "Done."),
    ("Hello.<|im_end|>\n<|im_start|>assistant\nStill there?", "Hello. Still there?"),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>", "Hello."),
    ("<s>[INST] hi [/INST] Hello.</s>", "hi Hello."),
    ("Hello.<end_of_turn>", "Hello."),
    ("<｜end▁of▁sentence｜>Hello.", "Hello."),
    ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.", "Hello."),
    ("*smiles warmly* Hello (laughs softly) there [pause], you.", "Hello there, you."),
    ("(Sighs) Well, (about four) it *is* so.", "Well, (about four) it is so."),
    ("[<think>[a](b)</think>Hello.", "Hello."),
    ("*clears throat*\nGood evening.", "Good evening."),
]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("◁think▷ hmm ◁/think▷ Hello.", "Hello."),
        ("◁think▷ never closed", ""),
        ("a ◁ b", "a ◁ b"),
        ("a ◁ready▷ b", "a b"),
        ("See [our page](https://example.com/a_(b)) now.", "See our page now."),
        ("See [our page](https://example.com/a_(b) now.", "See our page now."),
        ("See [our page](a (b c) now.", "See our page now."),
        ("Hi [there](https://e.com/(x) you", "Hi there you"),
    ],
)
def test_marks_are_found_wherever_the_deltas_are_cut(written: str, spoken: str) -> None:
    assert clean(written) == spoken
    for place in range(len(written)):
        cleaner = Cleaner()
        assert cleaner.feed(written[:place]) + cleaner.feed(written[place:]) + cleaner.finish() == spoken


@pytest.mark.parametrize(("written", "spoken"), MODELS)
def test_what_a_model_writes_for_nobody_is_not_said(written: str, spoken: str) -> None:
    assert clean(written) == spoken
    cleaner = Cleaner()
    assert "".join(map(cleaner.feed, written)) + cleaner.finish() == spoken


ASIDES: list[tuple[str, str]] = [
    ("Thought: I look.\nAction: lookup\nAction Input: {\"x\": 1}\nObservation: 3 free\nFinal Answer: We have three.",
     "We have three."),
    ("Thought: the user wants a table.\nWe have one at nine.", "We have one at nine."),
    ("Action: look_up\nAction Input: tables\nObservation: none\nSorry, we are full.", "Sorry, we are full."),
    ("Action Input: {\n  \"x\": 1\n}\nOne moment.", "One moment."),
    ("Action: none needed is what I'd say", "Action: none needed is what I'd say"),
    ("Observation: it is late.", "Observation: it is late."),
    ("My thought: let us go. Action: now!", "My thought: let us go. Action: now!"),
    ("Thoughtful. Actions: two. Observations: none.", "Thoughtful. Actions: two. Observations: none."),
    ("transfer(to='sales')", ""),
    ("transfer(to='sales')\nOne moment.", "One moment."),
    ('transfer_call(to="sales", delay=2.5, warm=True)\nOne moment.', "One moment."),
    ("hang_up()", ""),
    ("end_call('bye')\nBye.", "Bye."),
    ("the function f(x) grows", "the function f(x) grows"),
    ("print(x)", "print(x)"),
    ("Sales (to=all) is open.", "Sales (to=all) is open."),
    ("call(me) maybe", "call(me) maybe"),
    ("[thinking] They want\na time. [/thinking] At nine.", "At nine."),
    ("[Reasoning]x[/reasoning]At nine.", "At nine."),
    ("[thinking] Let me see.", "Let me see."),
    ("[thinking]" + "Well. " * 300 + "[/thinking]Yes.", "Well. " * 300 + "[/thinking]Yes."),
    ("[THINK]" + "Well. " * 300 + "[/THINK]Yes.", "Yes."),
    ("[note] It is so.", "[note] It is so."),
    ("==important== news, a==b, 5 == 5, ====", "important news, a==b, 5 == 5, ===="),
    ("*checks calendar* We have time.", "We have time."),
    ("*looks at the screen* We have time.", "We have time."),
    ("*checking my notes* *typing* We have time.", "We have time."),
    ("(soft chuckle) Sure. *deep breath* [nervous laughter] Well.", "Sure. Well."),
    ("*very* good, *this is important*, *looks good*", "very good, this is important, looks good"),
    ("It *checks out* and *opens at nine*, *light meals* (soft drinks) too.",
     "It checks out and opens at nine, light meals (soft drinks) too."),
    ("(by the way) yes (deep down), (long story)", "(by the way) yes (deep down), (long story)"),
    ("Assistant: Hello there.", "Hello there."),
    ("**Assistant:** Hello there.", "Hello there."),
    ("AI:\nHello there.", "Hello there."),
    ("Our assistant: Maria. AI: yes.", "Our assistant: Maria. AI: yes."),
    ("Hello.\nAssistant: Maria.", "Hello. Assistant: Maria."),
    ("User: hi", "User: hi"),
    ("AIM: high. Assistants: two.", "AIM: high. Assistants: two."),
    ("a[0] and b[10] are so[1].", "a[0] and b are so."),
    ("$x^2$ is fine, $$E = mc^2$$ too.", "x^2 is fine, E = mc^2 too."),
    ("It costs $5 and $6, $a and $b, US$ 5, $-5.", "It costs $5 and $6, $a and $b, US$ 5, $-5."),
    ("\\(x = 5\\) and \\[E = mc^2\\]", "x = 5 and E = mc^2"),
    ("\\frac{1}{2} of \\textbf{Hello}, \\\\text{so}, 2 \\times 3 \\leq 7", "1/2 of Hello, so, 2 × 3 ≤ 7"),
    ("C:\\timesheet\\piano, \\$5", "C:\\timesheet\\piano, $5"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "spoken"), ASIDES)
def test_what_a_loop_writes_around_its_answer_is_not_said_and_nothing_else_is_lost(written: str, spoken: str) -> None:
    assert clean(written) == spoken
    places = range(len(written)) if len(written) < 400 else range(0, len(written), 97)
    for place in places:
        cleaner = Cleaner()
        assert cleaner.feed(written[:place]) + cleaner.feed(written[place:]) + cleaner.finish() == spoken
    cleaner = Cleaner()
    assert "".join(map(cleaner.feed, written)) + cleaner.finish() == spoken


@pytest.mark.parametrize("unit", ["§", "é", "…", "^", "(", "{", "}", "👋", "\u200d", "中", "я", "=", "日本語。"])
def test_signs_that_no_rule_is_about_are_taken_together(unit: str) -> None:
    text = (unit * 2900)[:2900]
    assert steps(lambda: clean(text)) < len(text)


@given(st.lists(SIGNS, max_size=6))
@settings(max_examples=500)
def test_however_the_deltas_are_cut_the_same_is_said(deltas: list[str]) -> None:
    whole = clean("".join(deltas))
    cleaner, by_character = Cleaner(), Cleaner()

    out = ""
    for number, delta in enumerate(deltas, 1):
        out += cleaner.feed(delta)
        assert out + cleaner.would_finish() == clean("".join(deltas[:number]))
    assert out + cleaner.finish() == whole
    assert "".join(map(by_character.feed, "".join(deltas))) + by_character.finish() == whole


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


@pytest.mark.parametrize(
    "unit",
    ["1, 2, 3 ", "a", "*", "_", "<", "[", "(", "&", "`", "~", "-", "{", "<think>x", "[a](b) ", "<b>", "word ", "\n",
     "# ", "<|", "(laughs", "(sighs, ", "*sighs ", "<a@", "[a", "&a", '{"', "<!--", "\\", "!", "![", "◁", "[a](b(",
     "==a", "=", "$a", "$", "\\frac{", "\\(", "Thought:", "Action: a\n", "A", "a_b(", "f(a='x", "[thinking]",
     "é", "§", "é§"],
)  # fmt: skip
@pytest.mark.parametrize("delta", [1, 10**6])
def test_twice_the_text_is_at_most_twice_the_work(unit: str, delta: int) -> None:
    def work(length: int) -> int:
        text = (unit * length)[:length]

        def feed() -> None:
            cleaner = Cleaner()
            for start in range(0, length, delta):
                cleaner.feed(text[start : start + delta])
            cleaner.finish()

        return steps(feed)

    work(500)
    assert work(8000) <= 2.2 * work(4000) + 500
