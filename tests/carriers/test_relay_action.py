"""What follows a relayed session: documents that are obeyed, and those that are refused by what is wrong in them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.actions import Action, HangUp, Say, Transfer, Wait
from bridge.carriers.relay_action import action_fields, obeyed
from bridge.errors import BadMessage

OVER = HangUp("the application has ended the call")


@pytest.mark.parametrize(
    ("verbs", "actions"),
    [
        ("", [OVER]),
        ("<Hangup/>", [OVER]),
        ("<Say>Good\n bye &amp; thanks.</Say>", [Say("Good bye & thanks.", cacheable=False), OVER]),
        ("<Pause length='2'/><Hangup/><Say>never</Say>", [Wait(2.0), OVER]),
        ("<Pause/>", [Wait(1.0), OVER]),
        ("<Dial>+15550100</Dial>", [Transfer("+15550100")]),
        ("<Dial timeout='20'><Number>+15550100</Number></Dial><Hangup/>", [Transfer("+15550100")]),
        ("<Say>One moment.</Say><Dial><Sip>sip:a@b.test</Sip></Dial>",
         [Say("One moment.", cacheable=False), Transfer("sip:a@b.test")]),
    ],
)  # fmt: skip
def test_what_an_application_wants_is_done(verbs: str, actions: list[Action]) -> None:
    assert obeyed(f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>') == actions
    assert obeyed("") == [OVER]


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ("<Response><Redirect>https://a.test</Redirect></Response>", "<Redirect>: only Say, Pause, Dial and Hangup"),
        ("<Response><Enqueue>support</Enqueue></Response>", "<Enqueue>: only Say"),
        ("<Response><Say>Hi.</Say><Play>a.mp3</Play></Response>", "<Play>: only Say"),
        ("<Response><Dial>+1</Dial><Say>Back.</Say></Response>", "<Say> after <Dial>: nothing can follow"),
        (
            "<Response><Dial><Number>1</Number><Number>2</Number></Dial></Response>",
            "<Dial> of Number, Number: expected",
        ),
        ("<Response><Dial><Conference>a</Conference></Dial></Response>", "<Dial> of Conference: expected one number"),
        ("<Response><Dial/></Response>", "<Dial>: expected somebody to dial"),
        ("<Response><Pause length='-1'/></Response>", "<Pause length='-1'>: expected seconds"),
        ("<html/>", "<html>: expected <Response>"),
        ("ok", "not TwiML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><Response>&b;</Response>", "a document with declarations"),
        ("<Response>" + "<Pause/>" * 33 + "</Response>", "33 verbs; at most 32"),
        ("<Response>" + " " * 70000 + "</Response>", "at most 65536"),
    ],
)
def test_what_cannot_be_done_is_named(document: str, what: str) -> None:
    with pytest.raises(BadMessage) as raised:
        obeyed(document)
    assert what in str(raised.value)


@given(st.text(alphabet="<>/!-[]&;'\" RespnSayDilHgu=length1") | st.text())
def test_any_answer_is_obeyed_or_refused(document: str) -> None:
    with contextlib.suppress(BadMessage):
        assert isinstance(obeyed(document)[-1], HangUp | Transfer)


def test_a_session_that_broke_off_says_so() -> None:
    told = {"account_id": "AC1", "call_id": "CA1", "from_number": "+1", "to_number": "+2", "session_id": "VX1"}
    assert action_fields(**told, seconds=2.9, handoff='{"a":1}')["SessionStatus"] == "ended"
    failed = action_fields(**told, seconds=2.9, broken_off="lost")
    assert (failed["SessionStatus"], failed["ErrorCode"], failed["SessionDuration"]) == ("failed", "64105", "2")
    assert "HandoffData" not in failed
