"""A second recogniser listens along, over real sockets: what is told of it, and that it never harms the call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.call.events import HeardOtherwise, Recognised
from bridge.listening.recognisers import wire_stream
from bridge.listening.second import SecondEar
from bridge.listening.service import ListeningService
from tests.doubles.hearing import Heard, rehearse
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Says
from tests.doubles.listening.deepgram import DeepgramDouble, DeepgramSide
from tests.doubles.listening.speechmatics import SpeechmaticsDouble
from tests.listening.recogniser_contract import ORDER, SATURDAY, until
from tests.listening.test_recognition import Line, listens


@pytest.fixture(scope="module", autouse=True)
def _rehearsed() -> None:
    rehearse(ORDER, SATURDAY)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(wire_stream, "_DIGESTS", 50.0)  # the doubles are quick


class _HearsCounsel(DeepgramSide):
    def _results(self, heard: Heard, *, final: bool, forced: bool = False) -> dict[str, Any]:
        results = super()._results(heard, final=final, forced=forced)
        best = results["channel"]["alternatives"][0]
        best["transcript"] = best["transcript"].replace("cancel", "counsel")
        return results


class CounselDouble(DeepgramDouble):
    """Takes one word for another."""

    side = _HearsCounsel


@asynccontextmanager
async def two_listen(first: ListeningDouble, second: ListeningDouble) -> AsyncIterator[tuple[ListeningService, Line]]:
    """Serve both over sockets of their own, and have one call that both of them hear."""
    async with (
        first.serve() as url,
        second.serve() as other,
        listens(first.settings(url), second_recogniser=second.settings(other)) as room,
    ):
        call = Line(room)
        yield room, call
        call.ear.close()


def otherwise(call: Line) -> list[HeardOtherwise]:
    return [event for event in call.told if isinstance(event, HeardOtherwise)]


async def test_where_the_second_understands_something_else_it_is_told_beside_the_answer() -> None:
    first, second = SpeechmaticsDouble(), CounselDouble()
    async with two_listen(first, second) as (room, call):
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        await until(lambda: room.second.compared == 1)
        [told] = otherwise(call)
        assert (told.revision, told.recogniser) == (1, "deepgram")
        assert "counsel" in told.text
        assert "cancel" in told.instead_of
        since = call.now
        await call.says(SATURDAY)
        assert await call.words(since) == "when do you open on saturday"
        await until(lambda: room.second.compared == 2)
        assert len(otherwise(call)) == 1, "where both understand the same, nothing is told"
        assert room.stats()["second_differed"] == 1
        costs = call.ear.costs()
        assert costs["seconds_deepgram"] == costs["seconds_speechmatics"] == round(call.now, 2)
        call.ear.close()


@pytest.mark.parametrize(
    ("refuses", "misconduct"),
    [
        (503, ()),
        (401, ()),
        (None, [[Says(0.4, "{")]] * 20),
        (None, [[Says(0.4, Close(None))]] * 20),
        (None, [[Says(0.0)]]),
    ],
    ids=["away", "refused", "lies", "dies again and again", "falls silent"],
)  # fmt: skip
async def test_nothing_that_goes_wrong_with_the_second_reaches_the_call(
    refuses: int | None, misconduct: Sequence[Sequence[Says]]
) -> None:
    first, second = SpeechmaticsDouble(), DeepgramDouble(misconduct)
    second.refuses = refuses
    async with two_listen(first, second) as (room, call):
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        assert [event for event in call.told if type(event).__name__ == "RecogniserFailed"] == []
        assert len([event for event in call.told if isinstance(event, Recognised)]) == 1
        assert len(first.sessions) == 1
        assert room.recognition.transcriptions == 1, "what the second does is not counted as the first's"


async def test_a_fault_of_ours_in_it_costs_the_call_its_second_recogniser_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(SecondEar, "_match", breaks)
    first, second = SpeechmaticsDouble(), DeepgramDouble()
    async with two_listen(first, second) as (room, call):
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        await until(lambda: room.second.failures == 1)
        since = call.now
        await call.says(SATURDAY)
        assert await call.words(since) == "when do you open on saturday"


async def test_without_one_nothing_of_it_is_there() -> None:
    first = SpeechmaticsDouble()
    async with first.serve() as url, listens(first.settings(url)) as room:
        call = Line(room)
        assert call.ear._second is None
        assert not any(name.startswith("second") for name in room.stats())
        call.ear.close()
