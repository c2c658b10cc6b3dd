"""ConversationRelay on the wire: the documented messages, letter by letter, and what becomes of broken-off cycles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.conversation_relay import (
    AppDigits,
    AppEnd,
    AppLanguage,
    AppMessage,
    AppPlay,
    AppText,
    RelaySession,
    handshake_headers,
)
from bridge.errors import BadMessage


def session(*, preemptible: bool = False) -> RelaySession:
    return RelaySession("VX0123456789abcdef0123456789abcdef", preemptible=preemptible)


def text(token: str, *, last: bool = False, **fields: Any) -> str:
    return json.dumps({"type": "text", "token": token, "last": last, **fields})


def tokens(relay: RelaySession, *messages: str) -> list[str]:
    """The words that are to be said."""
    read = [relay.read(message) for message in messages]
    return [message.token for message in read if isinstance(message, AppText)]


def test_the_first_message_is_the_documented_one() -> None:
    setup = session().setup(
        call_id="CA1", account_id="AC1", from_number="+15550142", to_number="+15550199", parameters={"ref": "7"}
    )
    assert json.loads(setup) == {
        "type": "setup",
        "sessionId": "VX0123456789abcdef0123456789abcdef",
        "accountSid": "AC1",
        "parentCallSid": "",
        "callSid": "CA1",
        "from": "+15550142",
        "to": "+15550199",
        "forwardedFrom": "",
        "callType": "PSTN",
        "callerName": "",
        "direction": "inbound",
        "callStatus": "RINGING",
        "customParameters": {"ref": "7"},
    }


def test_what_the_application_is_told() -> None:
    relay = session()
    told = [
        relay.prompt("I want", "en-US", last=False),
        relay.prompt("I want to pay my bill", "en-US"),
        relay.dtmf("5"),
        relay.interrupt("Sure, which", 640),
        relay.error("invalid message: token"),
        relay.speaker("agentSpeaking", True, 1_700_000_000_000),
        relay.tokens_played("Sure,"),
    ]
    assert [json.loads(one) for one in told] == [
        {"type": "prompt", "voicePrompt": "I want", "lang": "en-US", "last": False},
        {"type": "prompt", "voicePrompt": "I want to pay my bill", "lang": "en-US", "last": True},
        {"type": "dtmf", "digit": "5"},
        {"type": "interrupt", "utteranceUntilInterrupt": "Sure, which", "durationUntilInterruptMs": 640},
        {"type": "error", "description": "64107: invalid message: token"},
        {"type": "info", "name": "agentSpeaking", "value": "on", "ts": 1_700_000_000_000},
        {"type": "info", "name": "tokensPlayed", "value": "Sure,"},
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"type":"text","token":"Hi","last":true}', AppText(token="Hi", last=True)),
        ('{"type":"text","token":"Hi"}', AppText(token="Hi")),
        ('{"type":"text","token":"Hola","lang":"es-ES","interruptible":"none"}',
         AppText(token="Hola", lang="es-ES", interruptible="none")),
        ('{"type":"text","token":"Hi","interruptible":false,"new":1}', AppText(token="Hi", interruptible=False)),
        ('{"type":"play","source":"https://x.example/a","loop":2}', AppPlay(source="https://x.example/a", loop=2)),
        ('{"type":"sendDigits","digits":"9w#"}', AppDigits("9w#")),
        ('{"type":"language","ttsLanguage":"sv-SE","transcriptionLanguage":"en-US"}', AppLanguage("sv-SE", "en-US")),
        ('{"type":"end"}', AppEnd()),
        ('{"type":"end","handoffData":"{\\"reason\\":\\"live\\"}"}', AppEnd('{"reason":"live"}')),
    ],
)  # fmt: skip
def test_what_the_application_may_send(raw: str, message: AppMessage) -> None:
    assert session().read(raw) == message


def test_data_for_the_handoff_are_text_whatever_they_were() -> None:
    assert AppEnd('{"a":1}').handoff == AppEnd({"a": 1}).handoff == '{"a":1}'
    assert AppEnd().handoff == ""


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("hello", "malformed"),
        ("[]", "Expected `object`"),
        ('{"token":"Hi"}', "`type`"),
        ('{"type":"sing","token":"Hi"}', "sing"),
        ('{"type":"text","last":true}', "`token`"),
        ('{"type":"text","token":7}', "$.token"),
        ('{"type":"text","token":"Hi","last":"yes"}', "$.last"),
        ('{"type":"text","token":"Hi","interruptible":"sometimes"}', "$.interruptible"),
        ('{"type":"text","token":"Hi","lang":"<script>"}', "lang"),
        ('{"type":"play","source":"file:///etc/passwd"}', "source"),
        ('{"type":"play","source":"https://x","loop":-1}', "loop"),
        ('{"type":"sendDigits","digits":"call"}', "digits"),
        ('{"type":"language","ttsLanguage":""}', "ttsLanguage"),
        ("[" * 5000, "Expected `object`"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_a_wrong_message_is_named_and_changes_nothing(raw: str | bytes, named: str) -> None:
    relay = session()
    with pytest.raises(BadMessage, match="invalid message") as told:
        relay.read(raw)
    assert named in str(told.value)
    assert len(str(told.value)) < 200
    assert tokens(relay, text("Still here.", last=True)) == ["Still here."]


def test_the_rest_of_a_cycle_that_the_caller_broke_off_is_dropped() -> None:
    relay = session()
    assert tokens(relay, text("One "), text("two ")) == ["One ", "two "]
    relay.interrupt("One", 300)
    assert tokens(relay, text("three "), text("four.", last=True), text("Yes?", last=True)) == ["Yes?"]


def test_an_answer_that_the_caller_did_not_wait_for_is_dropped() -> None:
    relay = session()
    relay.prompt("I want to", "en-US")
    relay.interrupt("", 0)
    assert tokens(relay, text("What do you want?", last=True)) == []
    relay.prompt("pay my bill", "en-US")
    assert tokens(relay, text("Which one?", last=True)) == ["Which one?"]


def test_the_next_prompt_ends_what_is_dropped() -> None:
    relay = session()
    tokens(relay, text("One "))
    relay.interrupt("", 0)
    relay.prompt("No, wait", "en-US")
    assert tokens(relay, text("I'm waiting.", last=True)) == ["I'm waiting."]


def test_a_whole_cycle_that_was_broken_off_leaves_nothing_to_drop() -> None:
    relay = session()
    tokens(relay, text("All of it.", last=True))
    relay.interrupt("All of", 400)
    assert tokens(relay, text("Yes?", last=True)) == ["Yes?"]


@pytest.mark.parametrize(
    ("always", "said", "preempts"),
    [(False, None, False), (False, True, True), (True, None, True), (True, False, False)],
)
def test_a_cycle_cuts_short_the_one_before_where_that_allows_it(
    always: bool, said: bool | None, preempts: bool
) -> None:
    relay = session(preemptible=always)
    allowed = {} if said is None else {"preemptible": said}
    relay.read(text("One moment, ", **allowed))
    relay.read(text("please.", last=True))
    first, second = relay.read(text("Here ")), relay.read(text("it is.", last=True))
    assert isinstance(first, AppText)
    assert isinstance(second, AppText)
    assert (first.preempts, second.preempts) == (preempts, False)


def test_the_handshake_is_signed_over_the_address_alone() -> None:
    """The value is that of `openssl dgst -sha1 -hmac 12345 -binary | base64`."""
    assert handshake_headers("12345", "wss://app.example.com/relay?tenant=7") == {
        "x-twilio-signature": "2aWU868q85KqGXkdgxKO1OHEnQY="
    }
    assert handshake_headers("", "wss://app.example.com/relay") == {}


words = st.text(max_size=20)
app_messages = st.one_of(
    st.builds(lambda token, last: text(token, last=last), words, st.booleans()),
    st.binary(max_size=60),
    st.from_type(dict[str, int]).map(json.dumps),
    st.sampled_from(['{"type":"end"}', '{"type":"sendDigits","digits":"1"}', '{"type":"text","token":"a","last":1}']),
)
events = st.one_of(
    app_messages.map(lambda raw: ("read", raw)),
    st.sampled_from([("interrupt", ""), ("prompt", ""), ("dtmf", "")]),
)


@given(st.lists(events, max_size=30))
def test_whatever_is_sent_is_read_or_named_and_a_new_cycle_is_always_heard(
    story: list[tuple[str, str | bytes]],
) -> None:
    relay = session()
    for what, raw in story:
        if what == "interrupt":
            relay.interrupt("", 0)
        elif what == "prompt":
            relay.prompt("x", "en-US")
        elif what == "dtmf":
            relay.dtmf("1")
        else:
            try:
                relay.read(raw)
            except BadMessage:
                continue
    relay.prompt("And now?", "en-US")
    assert tokens(relay, text("Now this.", last=True)) == ["Now this."]


@given(st.text(max_size=200), st.text(max_size=200), st.integers(0, 10**9))
def test_what_was_heard_is_told_as_it_is(words: str, prompt: str, heard_ms: int) -> None:
    relay = session()
    told = json.loads(relay.interrupt(words, heard_ms))
    assert (told["utteranceUntilInterrupt"], told["durationUntilInterruptMs"]) == (words, heard_ms)
    assert json.loads(relay.prompt(prompt, "en"))["voicePrompt"] == prompt
