"""Calls whose hosted recogniser refuses, falls silent, lies, floods or dies, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bridge.call.commands import ExpectSpeech
from bridge.call.events import Opinion, TurnOpinion
from bridge.errors import ConfigError
from bridge.listening.recognisers import wire_stream
from bridge.listening.recognisers.base import ExpectedSpeech, FailureKind, Finalised, StreamFailed
from bridge.listening.recognisers.hosted.catalogue import hosted_recogniser
from bridge.listening.recognisers.hosted.recogniser import HostedRecogniser
from tests.doubles.hearing import rehearse
from tests.doubles.listening.assemblyai import AssemblyAIDouble
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Says
from tests.doubles.listening.catalogue import DOUBLES
from tests.doubles.listening.deepgram import DeepgramDouble, DeepgramSide
from tests.doubles.listening.flux import FluxDouble
from tests.doubles.listening.gladia import GladiaDouble
from tests.doubles.listening.ink import InkTurnsDouble
from tests.doubles.listening.soniox import SonioxDouble
from tests.listening.recogniser_contract import ORDER, QUIET, SATURDAY, Conversation, loaded, plain, until
from tests.listening.sounds import line, silence
from tests.listening.test_recognition import Line, listens


@pytest.fixture(scope="module", autouse=True)
def _rehearsed() -> None:
    rehearse(ORDER, SATURDAY)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(wire_stream, "_DIGESTS", 50.0)  # the doubles are quick


@contextlib.asynccontextmanager
async def calling(double: ListeningDouble) -> AsyncIterator[Conversation]:
    async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
        call = Conversation(recogniser)
        yield call
        call.stream.close()


async def failure(call: Conversation) -> StreamFailed:
    await until(lambda: bool(call.told.failures))
    [failed] = call.told.failures
    return failed


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "rejected"), (401, "auth"), (402, "quota"), (403, "auth"), (429, "busy"), (503, "busy"), (500, "internal")],
)
@pytest.mark.parametrize("vendor", ["deepgram", "gladia"])
async def test_a_refused_handshake_says_what_helps(vendor: str, status: int, kind: FailureKind) -> None:
    double = DOUBLES[vendor]()
    double.refuses = status
    async with calling(double) as call:
        failed = await failure(call)
        assert failed.kind == kind
        assert str(status) in failed.reason


@pytest.mark.parametrize("vendor", DOUBLES)
async def test_a_wrong_key_is_refused_and_not_repeated_in_the_reason(
    vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", "stolen-key")
    async with calling(DOUBLES[vendor]()) as call:
        call.hears(QUIET)
        failed = await failure(call)
        assert failed.kind == "auth", failed
        assert "stolen" not in failed.reason


async def test_without_a_key_the_service_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VENDOR_KEY")
    with pytest.raises(ConfigError, match=r"VENDOR_KEY is not set.*deepgram"):
        await hosted_recogniser(DeepgramDouble().settings("ws://127.0.0.1:1")).load()


@pytest.mark.parametrize(
    ("lie", "kind", "says"),
    [
        ("{", "internal", "bad message"),
        ('{"type":"Results","channel":7}', "internal", "bad message"),
        ('{"type":"Results","channel":{"alternatives":[]}}', "internal", "without an alternative"),
        ('{"type":"Results","channel":{"alternatives":[{"transcript":"' + "no " * 4000 + '"}]}}', "internal", "12000"),
        ("x" * 300_000, "internal", "more than 262144 bytes"),
        ("[" * 100_000, "internal", "bad message"),
        (Close(1011, "NET-0001"), "idle", "NET-0001"),
        (Close(1011, "NET-0000"), "internal", "NET-0000"),
        (Close(None), "lost", "1006"),
    ],
    ids=["cut", "mistyped", "empty", "endless", "huge", "nested", "idle", "its fault", "dead"],
)
async def test_a_lying_service_fails_one_stream_with_its_lie_named(
    lie: str | Close, kind: FailureKind, says: str
) -> None:
    async with calling(DeepgramDouble([[Says(0.5, lie)]])) as call:
        call.hears(ORDER)
        failed = await failure(call)
        assert (failed.kind, says in failed.reason) == (kind, True), failed
        assert "no no" not in failed.reason


async def test_a_service_that_does_not_read_costs_sixteen_seconds_of_memory() -> None:
    async with calling(DeepgramDouble()) as call:
        await until(lambda: call.stream._ready.is_set())  # type: ignore[attr-defined]
        for _ in range(40):  # faster than any sender gets a turn
            call.hears(QUIET, 12000)
        failed = await failure(call)
        assert failed.kind == "lost"
        assert "does not read" in failed.reason
        assert len(call.stream._audio) == 0  # type: ignore[attr-defined]


async def test_keep_alives_hold_a_silent_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    double = DeepgramDouble()
    double.second = 0.02  # it hangs up after 0.2 s of nothing
    async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
        assert isinstance(recogniser, HostedRecogniser)
        make = recogniser._wire_of

        def often(expected: ExpectedSpeech) -> Any:
            wire = make(expected)
            wire.traits = msgspec.structs.replace(wire.traits, keep_alive_s=0.02)
            return wire

        recogniser._wire_of = often
        call = Conversation(recogniser)
        await until(lambda: bool(double.sessions) and len(double.sessions[0].sent("type", "KeepAlive")) >= 20)
        assert call.told.failures == []
        call.stream.close()


async def test_a_request_that_the_service_ignores_is_answered_when_nothing_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DeepgramSide, "deaf_to_finalize", True)
    async with calling(DeepgramDouble()) as call:
        call.hears(QUIET)
        assert await call.finalised() == ""


async def test_a_request_that_the_service_ignores_waits_while_words_are_not_final(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asked has a deadline, and makes do with the newest text."""
    monkeypatch.setattr(DeepgramSide, "deaf_to_finalize", True)
    double = DeepgramDouble()
    async with double.serve() as url, listens(double.settings(url), final_ms=300) as room:
        call = Line(room)
        await call.says(ORDER)
        assert (await call.words()).startswith("i want to cancel")
        assert room.recognition.promoted == 1
        call.ear.close()


async def test_assemblyai_is_sent_nothing_shorter_than_it_takes() -> None:
    """Each 7 bytes and a request: without filling up, the service would hang up at the first."""
    double = AssemblyAIDouble()
    async with calling(double) as call:
        for _ in range(4):
            call.hears(QUIET[:7])
            await call.settled(call.asks())
        assert call.told.failures == []
        assert double.sessions[0].longest <= 8000


async def test_gladias_session_is_begun_by_a_request_whose_answer_is_the_address() -> None:
    double = GladiaDouble()
    async with calling(double) as call:
        call.hears(ORDER)
        assert await call.finalised() == "i want to cancel my order"
        assert double.posted[0]["language_config"] == {"languages": ["en"], "code_switching": False}
        assert "X-Gladia-Key" not in double.sessions[0].headers


@pytest.mark.parametrize("vendor", DOUBLES)
async def test_a_connection_that_breaks_in_mid_turn_costs_no_word(vendor: str) -> None:
    double = DOUBLES[vendor]()
    double._misconduct = [[Says(0.9, Close(None))]]
    async with double.serve() as url, listens(double.settings(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        assert await call.words() == "i want to cancel my order"
        assert len(double.sessions) == 2
        call.ear.close()


async def test_new_hints_change_the_open_connection_where_that_can_be_and_make_another_where_not() -> None:
    deepgram, soniox = DeepgramDouble(), SonioxDouble()
    for double in (deepgram, soniox):
        async with double.serve() as url, listens(double.settings(url)) as room:
            call = Line(room)
            await call.says(ORDER)
            assert await call.words() == "i want to cancel my order"
            second = call.now
            call.ear.expect(ExpectSpeech("open", ("Okafor",), "en-US"))
            await call.says(SATURDAY)
            assert await call.words(second) == "when do you open on saturday"
            call.ear.close()
    assert len(deepgram.sessions) == 1
    assert deepgram.sessions[0].sent("type", "Configure") == [{"type": "Configure", "keyterms": ["Okafor"]}]
    assert len(soniox.sessions) == 2
    assert "Okafor" in soniox.sessions[1].texts[0]


async def test_another_language_makes_another_connection() -> None:
    double = DeepgramDouble()
    async with double.serve() as url, listens(double.settings(url)) as room:
        call = Line(room)
        await call.says(QUIET)
        call.ear.expect(ExpectSpeech("open", (), "de-DE"))
        await until(lambda: len(double.sessions) == 2)
        assert [session.query["language"] for session in double.sessions] == ["en-US", "de-DE"]
        call.ear.close()


async def test_the_vendors_opinions_of_a_turn_reach_the_call() -> None:
    double = FluxDouble()
    async with double.serve() as url, listens(double.settings(url)) as room:
        call = Line(room)
        await call.says(ORDER)
        await call.says(line(silence(0.6)))
        await until(lambda: any(isinstance(e, TurnOpinion) and e.opinion is Opinion.OVER for e in call.told))
        opinions = [event.opinion for event in call.told if isinstance(event, TurnOpinion)]
        assert opinions == [Opinion.SPEECH, Opinion.OVER_EARLY, Opinion.OVER]
        assert plain(await call.words()) == "i want to cancel my order"
        call.ear.close()


async def test_a_service_that_had_said_all_before_a_noise_is_believed_and_goes_on() -> None:
    """Ink says nothing of a noise: another is asked, hears no word more, and the call stays with Ink."""
    ink, deepgram = InkTurnsDouble(), DeepgramDouble()
    ink._misconduct = [[Says(1.99)]]
    async with (
        ink.serve() as url,
        deepgram.serve() as other,
        listens(ink.settings(url), deepgram.settings(other)) as room,
    ):
        call = Line(room)
        await call.says(ORDER)
        await until(lambda: any(plain(heard.pieces[-1].text) == "i want to cancel my order" for heard in call.heard))
        call.ear.recognition.voice_at = call.now + 0.02
        assert await call.words() == "i want to cancel my order"
        assert len(deepgram.sessions) == 1
        first = room.recognisers.chain(room.settings.recogniser).ranked[0]
        assert first.counters.failed == 0
        await until(lambda: len(ink.sessions) == 2)
        second = call.now
        await call.says(SATURDAY)
        assert await call.words(second) == "when do you open on saturday"
        call.ear.close()


async def test_closing_before_the_connection_is_open_leaves_nothing_behind() -> None:
    async with calling(DeepgramDouble()) as call:
        call.stream.close()
        await asyncio.sleep(0)
        await asyncio.gather(call.stream._work, return_exceptions=True)  # type: ignore[attr-defined]
        assert not any(isinstance(event, Finalised | StreamFailed) for event in call.told.events)
