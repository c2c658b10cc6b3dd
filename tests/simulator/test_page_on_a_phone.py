"""The page of a call in a browser as wide as a phone: nothing sticks out of it, whatever the call was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.simulator import report
from bridge.simulator.ear import Recording
from bridge.simulator.result import BridgeTurn, CallResult, Fault, Happening, Turn, Verdict
from tests.console.chromium import PROGRAM, browser

pytestmark = pytest.mark.skipif(not PROGRAM, reason="there is no Chromium here")

ENDLESS = "https://bridge.example.com/" + "an-address-without-a-place-to-break-it" * 5
WIDTHS_PX = (320, 360, 412)
STICKS_OUT = """
(() => {
  const page = document.documentElement, wide = page.clientWidth;
  const scrolls = one => one && one !== document.body &&
    (['auto', 'scroll', 'hidden'].includes(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  const out = [...document.querySelectorAll('main *')].filter(one =>
    !one.closest('svg') && one.getBoundingClientRect().right > wide + 1 && !scrolls(one.parentElement));
  return JSON.stringify([page.scrollWidth - wide, out.slice(0, 5).map(one => one.outerHTML.slice(0, 200))]);
})()
"""
SMALL = """
[...document.querySelectorAll('main td, main p, main h1, main h2, main b')].filter(one =>
  one.innerText.trim() && one.getClientRects().length && parseFloat(getComputedStyle(one).fontSize) < 12).length
"""


def call(name: str, text: str, *, passed: bool) -> CallResult:
    """A call in which everything that there can be is `text`."""
    result = CallResult(name=name, call_sid="CA1", url=ENDLESS, duration_ms=83_000, ended=text, remedy=text)
    said: dict[str, Any] = {"text": text, "latency_ms": 12_345, "duck_ms": 1_080}
    result.turns = [
        Turn(speaker="bot", start_ms=0, end_ms=900, interrupted=True, **said),
        Turn(speaker="caller", kind="interrupt", start_ms=800, end_ms=1900, **said),
        Turn(speaker="bot", start_ms=2000, end_ms=2900, **said),
    ]
    result.bridge = [BridgeTurn(speaker="caller", at_ms=1000, text=text)]
    result.happenings = [Happening(at_ms=1080, kind="warning", text=text)]
    result.callbacks = [f"POST {ENDLESS} -> 200"]
    result.verdicts = [Verdict(what=what, expected=text, heard=text, passed=passed) for what in ("words", text)]
    result.faults = [Fault(at_ms=700, kind="dropout", text=text, ms=50.0)]
    return result


CALLS = {
    "plain": [call("Asks for the opening hours", "Hello, when are you open?", passed=True)],
    "without a place to break": [call(ENDLESS, ENDLESS, passed=False)],
    "wordy": [call("word " * 60, "a long answer with many words " * 20, passed=False)],
    "never connected": [CallResult(name="x", call_sid="CA", url=ENDLESS, ended=ENDLESS, remedy=ENDLESS)],
    "many": [call(f"caller {number}", "Hello there.", passed=True) for number in range(3)],
}


async def test_nothing_sticks_out_of_the_page_on_a_phone(tmp_path: Path) -> None:
    async with browser() as page:
        for name, calls in CALLS.items():
            file = tmp_path / f"{name}.html"
            file.write_text(report.page([(one, Recording()) for one in calls]), encoding="utf-8")
            for width in WIDTHS_PX:
                await page.open(file.as_uri())
                await page.picture(tmp_path / f"{name}-{width}.png", width)
                assert await page.run(STICKS_OUT) == "[0,[]]", (name, width)
                assert await page.run(SMALL) == 0, (name, width)
        assert page.complaints == []
