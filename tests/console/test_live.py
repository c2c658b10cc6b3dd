"""What the live page is given of a call, without a socket in between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bridge.audio import mulaw
from bridge.call.settings import CallSettings
from bridge.console.live import CallOrder, LiveCalls, LiveSessions
from tests.call.phone import Phone
from tests.call.test_transcript import GREETING, ON, spoken_to

KEY = "twilio/CA1"


class Followed:
    """A call in progress that somebody follows at a page."""

    def __init__(self, phone: Phone) -> None:
        self.taps: list[Any] = []
        self.blocks: list[dict[str, Any]] = []
        tally = SimpleNamespace(last_reply_s=0.0, worst_reply_s=0.0, interruptions=0, failures=0)
        info = SimpleNamespace(call_id="CA1", from_number="", to_number="")
        session = SimpleNamespace(call=phone.call, tally=tally, info=info, seconds=9.0, add_tap=self.tapped)
        sockets = cast(LiveSessions, SimpleNamespace(sessions=lambda: {KEY: session}))
        self.calls = LiveCalls(sockets, "one", lambda _key, block: self.blocks.append(msgspec.json.decode(block)))
        self.calls.carry_out(CallOrder(KEY, "follow"))

    def tapped(self, tap: Any) -> Any:
        self.taps.append(tap)
        return lambda: None

    def shown(self) -> list[str]:
        """The conversation of the last block."""
        return [line["text"] for line in self.blocks[-1]["lines"]]


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (CallSettings(not_understood=""), [GREETING, "(nothing understood)"]),
        (CallSettings(listens=False), [GREETING, "(spoke)", ON]),
    ],
)
def test_who_follows_a_call_sees_where_the_caller_spoke_and_nothing_was_understood(
    settings: CallSettings, seen: list[str]
) -> None:
    page, silence = Followed(spoken_to(settings)), bytes((mulaw.SILENCE,)) * 1600
    page.taps[0].sound(0, silence, silence)
    assert page.shown() == seen
    assert page.calls.snapshot()[0].last_caller == seen[1]
    page.taps[0].ended()
    assert page.shown() == seen
