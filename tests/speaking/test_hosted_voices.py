"""Hosted voices over real sockets: what a vendor may do wrong, how connections are used, what is counted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.formats import FORMATS, MULAW_8000
from bridge.call.commands import PullSpeech, Synthesise
from bridge.errors import FailureKind, VoiceBusy, VoiceError
from bridge.speaking.settings import SpeakingSettings, VoiceRoute
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted import connection
from bridge.speaking.voices.hosted.catalogue import hosted_voice
from bridge.speaking.voices.hosted.elevenlabs import ElevenLabsWire
from bridge.speaking.voices.hosted.output import HeaderCutter
from bridge.speaking.voices.hosted.placing import WordPlacer
from bridge.speaking.voices.hosted.provider import HostedProvider, SocketProvider
from bridge.speaking.voices.hosted.wire import TimedText, pieces, refused
from tests.doubles.speaking.aura import AuraDouble
from tests.doubles.speaking.base import KEY, SpeakingDouble
from tests.doubles.speaking.catalogue import DOUBLES, NATIVE, UNTIMED
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.doubles.speaking.openai_speech import OpenAISpeechDouble
from tests.doubles.speaking.sonic import SonicDouble
from tests.speaking.doubles import Ear, heard
from tests.speaking.provider_contract import TEXT, Listener
from tests.speaking.test_providers import ready
from tests.speaking.tiny_voice import TinyProvider


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)


@contextlib.asynccontextmanager
async def voice_of(double: SpeakingDouble, **others: Any) -> AsyncIterator[HostedProvider]:
    async with double.serve() as url:
        provider = hosted_voice("vendor", double.settings(url, **others))
        await ready(provider)
        yield provider
        await provider.close()


def begin(provider: HostedProvider, text: str = TEXT, **how: Any) -> tuple[Listener, Any]:
    listener = Listener(MULAW_8000)
    stream = provider.open(SpeechRequest(text, **how), listener)
    listener.inside_open = False
    return listener, stream


async def said(provider: HostedProvider, text: str = TEXT, **how: Any) -> Listener:
    listener, _ = begin(provider, text, **how)
    await listener.until(lambda: bool(listener.ended))
    return listener


# ---- what vendors do wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", DOUBLES)
@pytest.mark.parametrize("piece", [1, 7, 4801])
async def test_audio_in_pieces_of_any_size_is_the_same_audio(vendor: str, piece: int) -> None:
    double = DOUBLES[vendor]()
    async with voice_of(double) as provider:
        whole = await said(provider)
        double.piece = piece
        assert bytes((await said(provider)).sound) == bytes(whole.sound)


async def test_half_a_sample_waits_for_its_other_half() -> None:
    double = ElevenLabsDouble()
    async with voice_of(double) as provider:
        found = []
        for piece in (1600, 7):
            double.piece = piece
            listener = Listener(FORMATS["pcm_16000"])
            provider.open(SpeechRequest(TEXT, audio_format=listener.audio_format), listener)
            listener.inside_open = False
            await listener.until(lambda listener=listener: bool(listener.ended))  # type: ignore[misc]
            found.append(bytes(listener.sound))
        assert found[0] == found[1]


@pytest.mark.parametrize("vendor", sorted(NATIVE))
async def test_mu_law_is_passed_on_as_it_is_and_words_lie_where_they_sound(vendor: str) -> None:
    async with voice_of(DOUBLES[vendor]()) as provider:
        listener = await said(provider)
        assert heard(bytes(listener.sound)) == TEXT.split()
        if vendor not in UNTIMED:
            spans = [(word.start_ms, word.end_ms) for word in listener.placed]
            assert spans == [(n * 200, n * 200 + 200) for n in range(4)]


async def test_an_end_that_is_said_twice_or_late_concerns_nobody_else() -> None:
    for ending in ("twice", "late"):
        double = ElevenLabsDouble()
        double.ending = ending
        async with voice_of(double) as provider:
            assert [heard(bytes((await said(provider)).sound)) for _ in range(3)] == [TEXT.split()] * 3


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia", "deepgram"])
async def test_a_stream_whose_end_is_never_said_can_be_cancelled_and_harms_no_other(vendor: str) -> None:
    double = DOUBLES[vendor]()
    double.ending = "missing"
    async with voice_of(double) as provider:
        listener, stream = begin(provider)
        await listener.until(lambda: len(listener.sound) == 4 * 1600)
        assert not listener.ended
        stream.cancel()
        double.ending = "once"
        assert (await said(provider)).ended == "done"


async def test_a_body_that_is_cut_is_a_failure_not_an_end() -> None:
    double = OpenAISpeechDouble()
    double.ending = "missing"
    async with voice_of(double) as provider:
        listener = await said(provider)
        assert listener.error is not None
        assert listener.error.kind == "lost"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 8 * 4800])
async def test_a_header_before_the_samples_is_not_heard(size: int) -> None:
    double = OpenAISpeechDouble()
    async with voice_of(double) as provider:
        plain = await said(provider, "one two")
        form = struct.pack("<HHIIHH", 1, 1, 24000, 48000, 2, 16)
        double.header = b"RIFF\xff\xff\xff\xffWAVELIST" + struct.pack("<I", 4) + b"abcd"
        double.header += b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
        assert bytes((await said(provider, "one two")).sound) == bytes(plain.sound)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_what_is_no_header_passes_the_header_cutter(data: bytes, piece: int) -> None:
    cutter = HeaderCutter()
    if data.startswith(b"RIFF"):
        return
    found = b"".join(cutter.feed(data[at : at + piece]) for at in range(0, len(data), piece)) + cutter.finish()
    assert found == data


class LyingElevenLabs(ElevenLabsDouble):
    """Says this in place of speech."""

    lie: str | bytes = ""
    forever = False

    async def _say(self, socket: web.WebSocketResponse, *_rest: Any) -> None:
        name = _rest[1]
        while True:
            text = self.lie.replace("CONTEXT", name) if isinstance(self.lie, str) else self.lie
            await (socket.send_str(text) if isinstance(text, str) else socket.send_bytes(text))
            if not self.forever:
                return


_ENDLESS = json.dumps({"audio": base64.b64encode(b"\x11" * 16000).decode(), "contextId": "CONTEXT"})


@pytest.mark.parametrize(
    ("lie", "forever", "says"),
    [
        ("{", False, "bad message"),
        ('{"audio":7}', False, "bad message"),
        ('{"audio":"%%%","contextId":"CONTEXT"}', False, "bad message"),
        ('{"contextId":"CONTEXT","alignment":{"chars":["a"],"charStartTimesMs":[]}}', False, "differ"),
        (b"\xff\xfe", False, "bad message"),
        ("x" * (17 * 1024 * 1024), False, "connection broke"),
        (_ENDLESS, True, "s of audio for 18 characters"),
    ],
    ids=["cut", "mistyped", "no base64", "uneven", "binary", "huge", "endless"],
)  # fmt: skip
async def test_a_lying_service_fails_its_texts_and_is_asked_again(lie: str | bytes, forever: bool, says: str) -> None:
    double = LyingElevenLabs()
    double.lie, double.forever = lie, forever
    async with voice_of(double) as provider:
        listener = await said(provider)
        assert listener.error is not None
        assert says in str(listener.error), listener.error
        assert len(listener.sound) < 8 * 30_000


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ("invalid_api_key", "", "auth"),
        ("quota_exceeded", "", "quota"),
        ("voice_id_does_not_exist", "", "rejected"),
        ("invalid_input_message", "", "rejected"),
        ("max_active_conversations", "", "busy"),
        ("system_busy", "", "busy"),
        ("input_timeout_exceeded", "", "idle"),
        ("unknown", "Something went wrong, you were not charged", "internal"),
    ],
)
def test_elevenlabs_errors_are_sorted_by_what_helps(error: str, message: str, kind: FailureKind) -> None:
    told = json.dumps({"message": message, "error": error, "code": 1008})
    [event] = ElevenLabsWire(ElevenLabsDouble().settings("")).receive(told)
    assert event.error.kind == kind  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "rejected"),
        (401, "auth"),
        (402, "quota"),
        (404, "rejected"),
        (429, "busy"),
        (500, "internal"),
        (503, "busy"),
    ],
)
def test_statuses_are_sorted_by_what_helps(status: int, kind: FailureKind) -> None:
    error = refused(status, {"Retry-After": "3"})
    assert error.kind == kind
    assert error.retry_after_s == (3.0 if kind == "busy" else None)


async def test_an_exhausted_account_is_told_from_a_busy_service() -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "pay"}}).encode()
    double = OpenAISpeechDouble()
    async with voice_of(double) as provider:
        wire = provider._wire_of()  # type: ignore[attr-defined]
        assert wire.refused(429, {}, body).kind == "quota"
        assert wire.refused(429, {"retry-after-ms": "250"}, b"plain").retry_after_s == 0.25


# ---- connections ----------------------------------------------------------------------------------------------------


async def test_five_texts_share_a_connection_of_elevenlabs_and_the_sixth_has_another() -> None:
    double = ElevenLabsDouble()
    async with voice_of(double) as provider:
        double.hold()
        listeners = [begin(provider, f"{TEXT} {n}")[0] for n in range(6)]
        for listener in listeners:
            await listener.until(lambda listener=listener: bool(listener.sound))  # type: ignore[misc]
        assert double.opened == 2
        double.release()
        for listener in listeners:
            await listener.until(lambda listener=listener: bool(listener.ended))  # type: ignore[misc]
            assert listener.ended == "done"


async def test_rapid_interruptions_never_make_a_sixth_context() -> None:
    """Cancelled contexts count until the service has confirmed them; a socket with six would be closed."""
    double = ElevenLabsDouble()
    async with voice_of(double, concurrency=20) as provider:
        double.hold()
        for n in range(12):
            listener, stream = begin(provider, f"{TEXT} {n}")
            await listener.until(lambda listener=listener: bool(listener.sound))  # type: ignore[misc]
            stream.cancel()
        assert provider.stats()["at_work"] == 12
        assert double.opened == 3
        double.release()
        assert (await said(provider)).ended == "done"


async def test_beyond_its_concurrency_it_is_busy_before_the_vendor_is_asked() -> None:
    double = SonicDouble()
    async with voice_of(double, concurrency=2) as provider:
        double.hold()
        running = [begin(provider) for _ in range(2)]
        with pytest.raises(VoiceBusy) as refusal:
            begin(provider)
        assert refusal.value.retry_after_s > 0
        for listener, _ in running:
            await listener.until(lambda listener=listener: bool(listener.sound))  # type: ignore[misc]
        double.release()
        for listener, _ in running:
            await listener.until(lambda listener=listener: bool(listener.ended))  # type: ignore[misc]
        assert (await said(provider)).ended == "done"
        assert len(double.texts) == 3


async def test_a_cancelled_text_of_aura_frees_its_connection_when_that_is_confirmed() -> None:
    """What comes until then is the old text's; the next text on the same connection hears none of it."""
    double = AuraDouble()
    async with voice_of(double) as provider:
        double.hold()
        listener, stream = begin(provider)
        await listener.until(lambda: bool(listener.sound))
        stream.cancel()
        double.release()
        async with asyncio.timeout(60):
            while provider.stats()["at_work"]:
                await asyncio.sleep(0.005)
        assert heard(bytes((await said(provider, "five six")).sound)) == ["five", "six"]
        assert (double.opened, double.cancelled) == (1, 1)


async def test_a_service_that_does_not_confirm_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FREED_S", 0.02)
    double = ElevenLabsDouble()
    double.ending = "missing"
    async with voice_of(double) as provider:
        listener, stream = begin(provider)
        await listener.until(lambda: bool(listener.sound))
        stream.cancel()
        async with asyncio.timeout(60):
            while provider.stats()["at_work"]:
                await asyncio.sleep(0.005)
        double.ending = "once"
        assert (await said(provider)).ended == "done"
        assert double.opened >= 2


async def test_a_refused_flush_sends_the_text_elsewhere() -> None:
    double = AuraDouble()
    double.flushes_a_minute = 1
    async with voice_of(double) as provider:
        assert (await said(provider)).ended == "done"
        refusal = await said(provider)
        assert refusal.error is not None
        assert refusal.error.kind == "busy"
        assert (await said(provider)).ended == "done"
        assert double.opened == 2


async def test_a_warm_connection_is_there_before_the_first_text_and_comes_back_when_it_is_cut() -> None:
    double = SonicDouble()
    async with voice_of(double) as provider:
        assert double.opened == 1
        assert (await said(provider)).ended == "done"
        assert double.opened == 1
        for socket in list(double._sockets):
            double.cut(socket)
        async with asyncio.timeout(60):
            while double.opened < 2:
                await asyncio.sleep(0.005)
        assert (await said(provider)).ended == "done"


async def test_a_vendor_that_cannot_be_reached_is_unusable_until_it_can() -> None:
    double = SonicDouble()
    async with voice_of(double) as provider:
        await double.dies()
        async with asyncio.timeout(60):
            while provider.usable:
                await asyncio.sleep(0.005)
        double.refuses = None
        async with asyncio.timeout(60):
            while not provider.usable:
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("vendor", DOUBLES)
async def test_a_wrong_key_is_refused_as_such_and_no_key_at_once(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    double = DOUBLES[vendor]()
    async with double.serve() as url:
        monkeypatch.setenv("VENDOR_KEY", "stolen-key")
        provider = hosted_voice("vendor", double.settings(url, warm=0))
        await provider.start(lambda: None)
        listener = await said(provider)
        assert listener.error is not None
        assert listener.error.kind == "auth"
        assert "stolen" not in str(listener.error)
        await provider.close()
        monkeypatch.delenv("VENDOR_KEY")
        provider = hosted_voice("vendor", double.settings(url))
        await provider.start(lambda: None)
        assert not provider.usable
        with pytest.raises(VoiceError, match="VENDOR_KEY is not set"):
            begin(provider)
        await provider.close()


async def test_an_unknown_voice_is_refused_without_asking() -> None:
    async with voice_of(SonicDouble()) as provider:
        with pytest.raises(VoiceError, match="none that is called 'eve'"):
            begin(provider, voice="eve")


async def test_a_service_that_does_not_read_loses_the_connection_not_the_memory() -> None:
    double = SonicDouble()
    async with voice_of(double) as provider:
        assert isinstance(provider, SocketProvider)
        listener, stream = begin(provider, "")
        for n in range(400):  # faster than any writer gets a turn
            stream.text(f"word{n} ")
        await listener.until(lambda: bool(listener.ended))
        assert listener.error is not None
        assert "does not read" in str(listener.error)


# ---- what is counted and kept ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def speaking(double: SpeakingDouble, **others: Any) -> AsyncIterator[SpeechService]:
    async with double.serve() as url:
        settings = SpeakingSettings(
            providers={"vendor": double.settings(url, **others)}, voices={"anna": (VoiceRoute(provider="vendor"),)}
        )
        speech = SpeechService(settings, providers={"worker": TinyProvider("http://127.0.0.1:1/")})
        await speech.start()
        async with asyncio.timeout(60):
            while not speech._pool.group("vendor")[0].usable:
                await asyncio.sleep(0.005)
        yield speech
        await speech.close()


async def test_characters_are_counted_and_priced_by_vendor_and_by_call() -> None:
    async with speaking(SonicDouble(), price_per_million_chars=1e6) as speech:
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, "one two three.", True, "anna"))
        call.pull(PullSpeech(1, 60_000, 0))
        await ear.end()
        call.close()
        spent = call.savings()
        assert (spent["chars_vendor"], spent["cost_vendor"], spent["cost"]) == (14, 14.0, 14.0)
        stats = speech.stats()
        assert (stats["vendor0_characters"], stats["vendor0_cost"]) == (14, 14.0)


@pytest.mark.parametrize("keep", [True, False])
async def test_phrases_are_kept_where_the_vendors_terms_allow_it(keep: bool) -> None:
    double = SonicDouble()
    async with speaking(double, keep_phrases=keep) as speech:
        for number in (1, 2):
            ear = Ear()
            call = speech.open_call(ear.deliver)
            call.synthesise(Synthesise(number, "one two three.", True, "anna"))
            call.pull(PullSpeech(number, 60_000, 0))
            await ear.end(number)
            call.close()
        assert len(double.texts) == (1 if keep else 2)
        assert speech.stats()["cache_memory_phrases"] == (1 if keep else 0)


# ---- words placed in time -------------------------------------------------------------------------------------------


def timed(*texts: str, ms: int = 100) -> list[TimedText]:
    return [TimedText(text, n * ms, (n + 1) * ms) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "given", "placed"),
    [
        ("I can't go", ["I", "ca", "n't", "go"], [("I", 0, 100), ("can't", 100, 300), ("go", 300, 400)]),
        ("I can't go", ["I", "can", "'", "t", "go"], [("I", 0, 100), ("can't", 100, 400), ("go", 400, 500)]),
        ("well - yes", ["well", "yes"], [("well", 0, 100), ("-", 100, 100), ("yes", 100, 200)]),
        ("Hello, there.", ["hello", "there"], [("Hello,", 0, 100), ("there.", 100, 200)]),
        ("New York is", ["New York", "is"], [("New", 0, 43), ("York", 43, 100), ("is", 100, 200)]),
        ("a b c", ["<break>", "a", "b", "c"], [("a", 100, 200), ("b", 200, 300), ("c", 300, 400)]),
        ("one two three", ["three"], [("one", 0, 0), ("two", 0, 0), ("three", 0, 100)]),
    ],
)  # fmt: skip
def test_words_of_a_service_become_words_of_the_text(
    text: str, given: list[str], placed: list[tuple[str, int, int]]
) -> None:
    placer = WordPlacer()
    placer.add(text)
    assert [(w.text, w.start_ms, w.end_ms) for w in placer.place(timed(*given))] == placed


_WORDS = st.lists(st.text(alphabet="abc'.-é1", min_size=1, max_size=6), min_size=1, max_size=12)


@given(
    _WORDS, st.lists(st.tuples(st.text(alphabet="abcé1 x", max_size=6), st.integers(0, 3000)), max_size=20), st.data()
)
def test_whatever_a_service_places_every_word_is_placed_once_and_in_order(
    words: list[str], given_: list[tuple[str, int]], data: st.DataObject
) -> None:
    placer = WordPlacer()
    placer.add(" ".join(words))
    placed = placer.place(TimedText(text, at, at + data.draw(st.integers(-50, 500))) for text, at in given_)
    placed += placer.rest(5000)
    assert [word.text for word in placed] == words
    edges = [edge for word in placed for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)


@given(_WORDS)
def test_a_service_that_places_every_letter_places_every_word_where_its_letters_are(words: list[str]) -> None:
    words = [word for word in words if any(letter.isalnum() for letter in word)]
    placer = WordPlacer()
    placer.add(" ".join(words))
    text = " ".join(words)
    placed = placer.place(TimedText(letter, n * 10, n * 10 + 10) for n, letter in enumerate(text))
    at = 0
    for word, found in zip(words, placed, strict=True):
        first = next(n for n, letter in enumerate(word) if letter.isalnum())
        last = max(n for n, letter in enumerate(word) if letter.isalnum())
        assert found.start_ms <= (at + first) * 10 + 10
        assert found.end_ms == (at + last) * 10 + 10
        at += len(word) + 1


@given(st.text(alphabet="ab ", max_size=200), st.integers(1, 30))
def test_a_text_in_pieces_is_the_text(text: str, longest: int) -> None:
    found = pieces(text, longest)
    assert all(0 < len(piece) <= longest for piece in found)
    assert "".join(found).split() == text.split() or "".join(found).replace(" ", "") == text.replace(" ", "")
