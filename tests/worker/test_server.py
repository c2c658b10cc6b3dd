"""The worker over real sockets with its real voice, or where an engine must misbehave, one that does so on request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from bridge.audio.formats import FORMATS
from bridge.call.events import Word
from bridge.errors import VoiceBusy, VoiceError, VoiceLost
from bridge.worker import protocol
from bridge.worker.client import RemoteSpeech, WorkerConnection, connect
from bridge.worker.engines.base import Engine, Job, Step
from bridge.worker.engines.hibari import HibariEngine
from bridge.worker.main import listen
from bridge.worker.protocol import Audio, Words
from bridge.worker.runaway import Runaway
from bridge.worker.server import Worker
from bridge.worker.settings import SchedulerSettings, WorkerSettings
from bridge.worker.voices import LoadedVoice

LINE = "I have an opening on Tuesday at 3:30 p.m. with Dr. Patel. Shall I book it for you?"


@dataclass
class Tone(Job):
    text: str
    kind: str | None = "tone"

    @property
    def cost_s(self) -> float:
        return 0.01


@dataclass(eq=False)
class ToneEngine(Engine):
    """100 ms of tone for each word, in one step; waits at its gate, raises at "bad", forgets to answer "silence"."""

    name: str = "tone"
    rate_hz: int = 8000
    batch: int = 4
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def model(self, voice: str) -> str:
        return "tone-1"

    def gain_db(self, voice: str) -> float:
        return 0.0

    def cost_s(self, text: str) -> float:
        return 0.01

    def warm(self) -> None:
        pass

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        return Tone(text)

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        texts = [job.text for job in jobs if isinstance(job, Tone)]
        self.begun.set()
        assert self.gate.wait(20)
        if any("bad" in text for text in texts):
            raise ArithmeticError("out of range")
        if any("lost" in text for text in texts):
            raise Runaway("endless", "no end of audio")
        if "silence" in texts:
            return []
        self.batches.append(texts)
        steps = []
        for job, text in zip(jobs, texts, strict=True):
            job.kind = None
            count = len(text.split())
            wave = np.sin(np.arange(800 * count) * 0.5).astype(np.float32) * (np.nan if "nan" in text else 0.3)
            steps.append(Step(wave, tuple((index / 10, (index + 1) / 10) for index in range(count))))
        return steps


@dataclass
class Serving:
    worker: Worker
    address: str
    tone: ToneEngine


async def start(settings: WorkerSettings, hibari: HibariEngine, tone: ToneEngine) -> tuple[Serving, web.AppRunner]:
    worker = Worker(settings, {"heart": LoadedVoice(hibari, "heart", 1.8), "tone": LoadedVoice(tone, "", 1.0)})
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    return Serving(worker, await listen(server, settings), tone), server


@pytest.fixture
def settings() -> WorkerSettings:
    return WorkerSettings(port=0, voices={}, drain_s=60)


@pytest.fixture
async def running(settings: WorkerSettings, hibari: HibariEngine) -> AsyncIterator[Serving]:
    running, server = await start(settings, hibari, ToneEngine())
    yield running
    running.tone.gate.set()
    await server.cleanup()
    await running.worker.close()


@pytest.fixture
async def link(running: Serving) -> AsyncIterator[WorkerConnection]:
    async with await connect(running.address) as link:
        yield link


async def heard(speech: RemoteSpeech) -> tuple[bytes, list[str], list[int]]:
    """All audio, the words, and the edges of their times; checks that offsets leave no gap."""
    audio, words, edges = b"", [], []
    async with asyncio.timeout(60):
        async for message in speech:
            if isinstance(message, Audio):
                assert message.offset == len(audio)
                assert len(message.data) % 160 == 0
                audio += message.data
            else:
                assert [word.start_ms >= len(audio) // 8 - 40 for word in message.words].count(False) == 0
                words += [word.text for word in message.words]
                edges += [edge for word in message.words for edge in (word.start_ms, word.end_ms)]
    return audio, words, edges


def say(link: WorkerConnection, text: str, voice: str = "heart") -> RemoteSpeech:
    speech = link.open(voice)
    speech.text(text)
    speech.end()
    return speech


# ---- an utterance ---------------------------------------------------------------------------------------------


async def test_the_worker_says_what_it_offers(link: WorkerConnection) -> None:
    assert link.ready.version == protocol.VERSION
    assert link.ready.voices == ["heart", "tone"]
    assert link.ready.default_voice == "heart"
    assert link.ready.models["heart"].startswith("hibari-")
    assert link.ready.formats == ["mulaw_8000", "pcm_8000", "pcm_16000", "pcm_24000"]


async def test_a_sentence_is_said_with_all_its_words(link: WorkerConnection) -> None:
    speech = say(link, LINE)
    audio, words, edges = await heard(speech)

    assert words == LINE.split()
    assert edges == sorted(edges)
    assert 3500 < len(audio) / 8 < 8000
    assert speech.audio_ms == len(audio) / 8
    assert edges[-1] <= speech.audio_ms
    assert next(index for index, byte in enumerate(audio) if byte & 0x7F < 0x50) / 8 < 40  # audible at once


async def test_text_that_arrives_in_pieces_sounds_the_same(link: WorkerConnection) -> None:
    whole = await heard(say(link, LINE))
    speech = link.open()
    for start in range(0, len(LINE), 3):
        speech.text(LINE[start : start + 3])
    speech.end()

    assert await heard(speech) == whole


async def test_the_first_sentence_is_said_before_the_text_is_complete(link: WorkerConnection) -> None:
    speech = link.open()
    speech.text("I have an opening on Tuesday. Shall ")
    async with asyncio.timeout(60):
        words = await anext(aiter(speech))
    assert isinstance(words, Words)
    assert [word.text for word in words.words] == "I have an opening on Tuesday.".split()
    speech.cancel()


async def test_flush_does_not_wait_for_the_end_of_the_sentence(link: WorkerConnection) -> None:
    speech = link.open("tone")
    speech.text("I have an opening,")
    speech.flush()
    messages = aiter(speech)
    async with asyncio.timeout(60):
        assert [word.text for word in _words(await anext(messages))] == ["I", "have", "an", "opening,"]
        assert isinstance(await anext(messages), Audio)
    speech.text("on Tuesday.")
    speech.end()
    async with asyncio.timeout(60):
        rest = [message async for message in messages]
    assert [word.text for message in rest if isinstance(message, Words) for word in message.words] == ["on", "Tuesday."]


async def test_formats_hold_the_same_speech(link: WorkerConnection) -> None:
    lengths = {}
    for audio_format in FORMATS:
        speech = link.open(audio_format=FORMATS[audio_format])
        speech.text("Your code is 4 2 7.")
        speech.end()
        data = b"".join([message.data async for message in speech if isinstance(message, Audio)])
        lengths[audio_format] = FORMATS[audio_format].duration_ms(data) / 1000
    assert max(lengths.values()) - min(lengths.values()) <= 0.02


async def test_an_empty_utterance_is_done_at_once(link: WorkerConnection) -> None:
    speech = say(link, "  ")
    assert await heard(speech) == (b"", [], [])
    assert speech.audio_ms == 0


async def test_text_that_was_cut_stays_whole_and_other_text_is_cleaned_and_cut(running: Serving) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive_str()
        text = "One **moment** please. Then we go on, and so on."
        for number, cut in ((1, "true"), (2, "false")):
            await socket.send_str(f'{{"type":"open","stream":{number},"voice":"tone","cut":{cut}}}')
            await socket.send_str(f'{{"type":"text","stream":{number},"text":"{text}"}}')
            await socket.send_str(f'{{"type":"end","stream":{number}}}')
            async with asyncio.timeout(60):
                while (reply := await socket.receive()).type is not aiohttp.WSMsgType.TEXT or "done" not in reply.data:
                    pass
        whole = "One star star moment star star please. Then we go on, and so on."
        assert running.tone.batches == [[whole], ["One moment please."], ["Then we go on, and so on."]]


# ---- playout --------------------------------------------------------------------------------------------------


async def test_audio_goes_out_only_as_far_as_the_credit(link: WorkerConnection) -> None:
    speech = link.open("tone")
    speech.playout(0, 300)
    speech.text("one two three four five six seven eight nine ten")
    speech.end()
    messages = aiter(speech)
    async with asyncio.timeout(60):
        assert isinstance(await anext(messages), Words)
        first = [await anext(messages), await anext(messages)]
    assert [len(message.data) // 8 for message in first if isinstance(message, Audio)] == [100, 200]
    speech.playout(200, 640)
    async with asyncio.timeout(60):
        third = await anext(messages)
        assert isinstance(third, Audio)
        assert len(third.data) // 8 == 340
    speech.playout(200, 100_000)
    async with asyncio.timeout(60):
        rest = [message async for message in messages]
    assert sum(len(message.data) // 8 for message in rest if isinstance(message, Audio)) == 360
    assert speech.audio_ms == 1000


async def test_a_long_lead_stops_synthesis(running: Serving, link: WorkerConnection) -> None:
    speech = link.open("tone")
    speech.playout(0)
    for _ in range(40):
        speech.text("one two three four five six seven eight nine ten. ")
    speech.end()
    messages, audio_ms = aiter(speech), 0
    async with asyncio.timeout(60):
        while audio_ms < 1000:
            message = await anext(messages)
            audio_ms += len(message.data) // 8 if isinstance(message, Audio) else 0
            speech.playout(60_000)
    made = len(running.tone.batches)
    await _answered(link)
    assert len(running.tone.batches) <= made + 3
    speech.cancel()


async def test_a_cancelled_stream_is_silent_at_once(running: Serving, link: WorkerConnection) -> None:
    running.tone.gate.clear()
    speech = say(link, "one two three. four five six.", "tone")
    await asyncio.to_thread(running.tone.begun.wait, 10)
    speech.cancel()
    assert await heard(speech) == (b"", [], [])
    await _answered(link, "heart")
    running.tone.gate.set()
    _, words, _ = await heard(say(link, "seven", "tone"))
    assert words == ["seven"]
    assert running.tone.batches == [["one two three."], ["seven"]]
    assert len(running.worker.runners[running.tone].scheduler) == 0


async def test_the_answer_to_cancel_says_what_was_sent(running: Serving) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive()
        await socket.send_str('{"type":"open","stream":1,"voice":"tone"}')
        await socket.send_str('{"type":"text","stream":1,"text":"one two. "}')
        received = [await socket.receive() for _ in range(3)]
        await socket.send_str('{"type":"cancel","stream":1}')
        await socket.send_str('{"type":"cancel","stream":1}')
        await socket.send_str('{"type":"open","stream":1,"voice":"tone"}')
        await socket.send_str('{"type":"end","stream":1}')
        cancelled, done = await socket.receive_str(), await socket.receive_str()
    assert [message.type.name for message in received] == ["TEXT", "BINARY", "BINARY"]
    assert protocol.decode_worker(cancelled) == protocol.Cancelled(1, 200)
    assert protocol.decode_worker(done) == protocol.Done(1, 0)


async def test_nothing_of_a_cancelled_stream_follows_though_its_step_was_running(running: Serving) -> None:
    running.tone.gate.clear()
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive()
        await socket.send_str('{"type":"open","stream":1,"voice":"tone"}')
        await socket.send_str('{"type":"text","stream":1,"text":"one two. "}')
        await asyncio.to_thread(running.tone.begun.wait, 10)
        await socket.send_str('{"type":"cancel","stream":1}')
        answers = [protocol.decode_worker(await socket.receive_str())]
        running.tone.gate.set()
        await socket.send_str('{"type":"open","stream":2,"voice":"tone"}')
        await socket.send_str('{"type":"text","stream":2,"text":"three"}')
        await socket.send_str('{"type":"end","stream":2}')
        answers += [protocol.decode_worker(await socket.receive_str())]
    assert answers == [protocol.Cancelled(1, 0), protocol.Words(2, [Word("three", 0, 100)])]


# ---- many -----------------------------------------------------------------------------------------------------


async def test_two_sockets_with_many_streams_each_get_their_own(hibari: HibariEngine) -> None:
    # However busy the machine is, nobody is told to come back later: that is another test's story.
    patient = SchedulerSettings(backlog_ms=600_000, pressed=1000, slow_step_s=60)
    running, server = await start(WorkerSettings(port=0, voices={}, scheduler=patient), hibari, ToneEngine())
    async with await connect(running.address) as one, await connect(running.address) as two:
        asked = [
            (link, f"Line {index} of {name}.") for index in range(12) for link, name in ((one, "one"), (two, "two"))
        ]
        speeches = [say(link, line) for link, line in asked]
        results = await asyncio.gather(*(heard(speech) for speech in speeches))
        assert [words for _, words, _ in results] == [line.split() for _, line in asked]
        alone = await heard(say(two, asked[11][1]))
    assert results[11] == alone
    await server.cleanup()
    await running.worker.close()


async def test_streams_are_batched(running: Serving, link: WorkerConnection) -> None:
    running.tone.gate.clear()
    speeches = [say(link, "first", "tone")]
    await asyncio.to_thread(running.tone.begun.wait, 10)
    speeches += [say(link, f"line {index}", "tone") for index in range(6)]
    await _answered(link, "heart")
    running.tone.gate.set()
    await asyncio.gather(*(heard(speech) for speech in speeches))

    assert [len(batch) for batch in running.tone.batches] == [1, 4, 2]


async def test_a_bad_piece_harms_none_of_its_batch(running: Serving, link: WorkerConnection) -> None:
    running.tone.gate.clear()
    first = say(link, "first", "tone")
    await asyncio.to_thread(running.tone.begun.wait, 10)
    no_number = say(link, "nan", "tone")
    good, bad, other = (say(link, text, "tone") for text in ("good one", "bad", "other one"))
    await _answered(link, "heart")
    running.tone.gate.set()
    with pytest.raises(VoiceError, match="engine_failed: synthesis failed: out of range"):
        await heard(bad)
    with pytest.raises(VoiceError, match="samples are not numbers"):
        await heard(no_number)
    assert [(await heard(speech))[1] for speech in (first, good, other)] == [
        ["first"],
        ["good", "one"],
        ["other", "one"],
    ]


async def test_a_voice_that_lost_the_text_says_so_and_is_counted(running: Serving, link: WorkerConnection) -> None:
    running.tone.gate.clear()
    streams = [say(link, text, "tone") for text in ("first", "lost", "fine")]
    await _answered(link, "heart")
    running.tone.gate.set()
    with pytest.raises(VoiceError, match="engine_runaway: synthesis failed: endless"):
        await heard(streams[1])
    assert [(await heard(streams[index]))[1] for index in (0, 2)] == [["first"], ["fine"]]
    counts = next(runner.counts for engine, runner in running.worker.runners.items() if engine is running.tone)
    assert (counts.runaways, counts.failures) == (1, 1)
    assert running.worker.counts["error_engine_runaway"] == 1


# ---- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type":"open","stream":1,"voice":"hart"}'], "unknown_voice"),
        (['{"type":"open","stream":1,"format":"mp3"}'], "unknown_format"),
        (['{"type":"open","stream":1,"speed":9}'], "bad_speed"),
        (['{"type":"open","stream":1,"speed":"fast"}'], "bad_message"),
        (['{"type":"open","stream":1}', '{"type":"open","stream":1}'], "stream_exists"),
        (['{"type":"text","stream":1,"text":"Hi."}'], "unknown_stream"),
        (['{"type":"open","stream":1}', '{"type":"end","stream":1}{'], None),
        (
            [
                '{"type":"open","stream":1}',
                '{"type":"playout","stream":1,"lead_ms":0,"upto_ms":0}',
                '{"type":"text","stream":1,"text":"Hi."}',
                '{"type":"end","stream":1}',
                '{"type":"text","stream":1,"text":"Ho."}',
            ],
            "already_ended",
        ),
        (['{"type":"open","stream":1}', '{"type":"text","stream":1,"text":"' + "a" * 21_000 + '"}'], "text_too_long"),
        (["hello"], None),
    ],
)
async def test_bad_requests_end_a_stream_or_a_socket_never_the_worker(
    running: Serving, messages: list[str], code: str | None
) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive()
        for message in messages:
            await socket.send_str(message)
        async with asyncio.timeout(60):
            error = protocol.decode_worker(await _until_error(socket))
            assert isinstance(error, protocol.Error)
            if code is None:
                assert (error.code, error.stream) == ("bad_message", None)
                assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            else:
                assert (error.code, error.stream) == (code, 1)
                assert str(error.message)
                await socket.send_str('{"type":"open","stream":2}')
                await socket.send_str('{"type":"end","stream":2}')
                assert protocol.decode_worker(await socket.receive_str()) == protocol.Done(2, 0)
    async with await connect(running.address) as link:
        assert (await heard(say(link, "Still here.")))[1] == ["Still", "here."]


async def test_binary_from_a_client_ends_its_socket(running: Serving) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive()
        await socket.send_bytes(b"\x00" * 100)
        async with asyncio.timeout(60):
            assert "bad_message" in await socket.receive_str()
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_late_messages_about_a_finished_stream_are_no_error(running: Serving) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.address) as socket:
        await socket.receive()
        for message in ("open", "end", "end", "cancel", "flush"):
            await socket.send_str(f'{{"type":"{message}","stream":3}}')
        await socket.send_str('{"type":"playout","stream":3,"lead_ms":10}')
        await socket.send_str('{"type":"open","stream":4}')
        await socket.send_str('{"type":"end","stream":4}')
        async with asyncio.timeout(60):
            answers = [protocol.decode_worker(await socket.receive_str()) for _ in range(2)]
    assert answers == [protocol.Done(3, 0), protocol.Done(4, 0)]


async def test_a_full_worker_says_busy(hibari: HibariEngine) -> None:
    settings = WorkerSettings(port=0, voices={}, scheduler=SchedulerSettings(max_streams=2))
    running, server = await start(settings, hibari, ToneEngine())
    async with await connect(running.address) as link:
        open_ones = [link.open("tone"), link.open("tone")]
        with pytest.raises(VoiceBusy) as caught:
            await heard(say(link, "one", "tone"))
        assert caught.value.retry_after_s == 1.0
        open_ones[0].cancel()
        assert (await heard(say(link, "one", "tone")))[1] == ["one"]
    await server.cleanup()
    await running.worker.close()


async def test_a_client_that_writes_too_fast_is_slowed_down_and_nobody_else(hibari: HibariEngine) -> None:
    settings = WorkerSettings(port=0, voices={}, text_chars_per_s=0.5, text_burst_chars=20)
    running, server = await start(settings, hibari, ToneEngine())
    async with await connect(running.address) as link, await connect(running.address) as other:
        assert (link.ready.limits.text_chars_per_s, link.ready.limits.text_burst_chars) == (0.5, 20)
        first, second = say(link, "sixteen letters.", "tone"), say(link, "and ten more", "tone")
        with pytest.raises(VoiceBusy, match="too_fast") as caught:
            await heard(second)
        assert 10 < caught.value.retry_after_s <= 16
        assert (await heard(first))[1] == ["sixteen", "letters."]
        assert (await heard(say(other, "and ten more", "tone")))[1] == ["and", "ten", "more"]
        assert running.worker.counts["error_too_fast"] == 1
    await server.cleanup()
    await running.worker.close()


async def test_a_stranger_is_turned_away(hibari: HibariEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_WORKER_TOKEN", "secret")
    running, server = await start(WorkerSettings(port=0, voices={}), hibari, ToneEngine())
    with pytest.raises(VoiceLost, match="401"):
        await connect(running.address)
    async with await connect(running.address, token="secret") as link:
        assert (await heard(say(link, "one", "tone")))[1] == ["one"]
    await server.cleanup()
    await running.worker.close()


async def test_the_numbers_of_a_worker_ask_for_the_token_like_the_rest(
    hibari: HibariEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_WORKER_TOKEN", "secret")
    running, server = await start(WorkerSettings(port=0, voices={}), hibari, ToneEngine())
    base = running.address.replace("ws", "http", 1)
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \udcff"}):
            for path in ("/stats", "/metrics"):
                assert (await session.get(base + path, headers=headers)).status == 401
        assert (await session.get(base + "/stats", headers={"Authorization": "Bearer secret"})).status == 200
        assert (await session.get(base + "/readyz")).status == 200
    await server.cleanup()
    await running.worker.close()


# ---- what goes wrong ------------------------------------------------------------------------------------------


async def test_a_step_that_is_stuck_in_its_text_fails_its_own_stream_only(hibari: HibariEngine) -> None:
    settings = WorkerSettings(port=0, voices={}, scheduler=SchedulerSettings(slow_step_s=0.05))
    running, server = await start(settings, hibari, ToneEngine())
    async with await connect(running.address) as link:
        running.tone.gate.clear()
        stuck = say(link, "stuck", "tone")
        await asyncio.to_thread(running.tone.begun.wait, 10)
        other, in_another_voice = say(link, "waiting", "tone"), say(link, "One moment.", "heart")
        with pytest.raises(VoiceError, match=r"engine_failed: synthesis failed: no audio within 0\.\d+ s"):
            await heard(stuck)
        assert (await heard(in_another_voice))[1] == ["One", "moment."]
        running.tone.gate.set()
        assert (await heard(other))[1] == ["waiting"]
        assert running.worker.runners[running.tone].counts.slow == 1
        assert running.worker.ready
    await server.cleanup()
    await running.worker.close()


async def test_a_client_that_does_not_read_is_dropped_and_harms_nobody(hibari: HibariEngine) -> None:
    settings = WorkerSettings(port=0, voices={}, slow_reader_s=0.3, held_bytes=50_000)
    running, server = await start(settings, hibari, ToneEngine())
    host, port = running.address.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    speak = ['{"type":"open","stream":1,"voice":"tone","format":"pcm_24000"}']
    speak += ['{"type":"text","stream":1,"text":"' + "one two three four five six seven eight. " * 4 + '"}'] * 100
    for message in speak:
        writer.write(b"\x81" + bytes([0x80 | 126]) + len(message).to_bytes(2, "big") + bytes(4) + message.encode())
    async with asyncio.timeout(60), await connect(running.address) as link:
        while not running.worker.counts["slow_readers"]:
            assert (await heard(say(link, "one", "tone")))[1] == ["one"]
            assert all(connection.queued_bytes < 400_000 for connection in running.worker.connections)
        while len(running.worker.connections) > 1:
            await asyncio.sleep(0)
    assert reader.at_eof() is False
    writer.close()
    await server.cleanup()
    await running.worker.close()


async def test_a_hung_step_ends_its_streams_and_calls_for_a_new_worker(hibari: HibariEngine) -> None:
    running, server = await start(WorkerSettings(port=0, voices={}, step_s=0.2), hibari, ToneEngine())
    running.tone.gate.clear()
    async with await connect(running.address) as link:
        with pytest.raises(VoiceLost, match="engine_hung"):
            await heard(say(link, "one", "tone"))
        assert running.worker.failed.is_set()
        async with aiohttp.ClientSession() as session:
            health = await session.get(running.address.replace("ws:", "http:") + "/healthz")
            assert health.status == 503
    running.tone.gate.set()
    await server.cleanup()
    await running.worker.close()


async def test_an_engine_that_answers_nonsense_calls_for_a_new_worker(running: Serving, link: WorkerConnection) -> None:
    with pytest.raises(VoiceLost, match="engine_hung"):
        await heard(say(link, "silence", "tone"))
    assert running.worker.failed.is_set()


async def test_a_draining_worker_finishes_what_it_has_begun(running: Serving, link: WorkerConnection) -> None:
    speech = link.open("tone")
    speech.text("one two. Three")
    async with asyncio.timeout(60):
        assert isinstance(await anext(aiter(speech)), Words)
    drained = asyncio.create_task(running.worker.drain())
    while not link.draining:
        await asyncio.sleep(0)
    with pytest.raises(VoiceBusy, match="draining"):
        await heard(say(link, "new", "tone"))
    assert not drained.done()
    speech.end()
    async with asyncio.timeout(60):
        rest = [message async for message in speech]
        await drained
    assert [word.text for message in rest if isinstance(message, Words) for word in message.words] == ["Three"]


async def test_a_broken_connection_is_reported_to_its_streams(running: Serving, link: WorkerConnection) -> None:
    speech = link.open()
    closed = asyncio.Event()
    link.on_close = closed.set
    await _answered(link)
    for connection in list(running.worker.connections):
        await connection.socket.close()
    with pytest.raises(VoiceLost):
        await heard(speech)
    await asyncio.wait_for(closed.wait(), 10)
    assert not link.alive
    with pytest.raises(VoiceLost):
        await heard(link.open())


async def test_nobody_at_that_address(unused_tcp_port: int) -> None:
    with pytest.raises(VoiceLost, match=f"{unused_tcp_port}"):
        await connect(f"ws://127.0.0.1:{unused_tcp_port}")


async def test_a_vanished_client_frees_its_places(running: Serving) -> None:
    link = await connect(running.address)
    speeches = [link.open("tone") for _ in range(5)]
    await _answered(link)
    await link.close()
    async with asyncio.timeout(60):
        while len(running.worker.runners[running.tone].scheduler):
            await asyncio.sleep(0)
    assert len(speeches) == 5


# ---- operation ------------------------------------------------------------------------------------------------


async def test_operators_see_what_happens(running: Serving, link: WorkerConnection) -> None:
    await heard(say(link, "one two", "tone"))
    async with aiohttp.ClientSession() as session:
        base = running.address.replace("ws:", "http:")
        assert (await session.get(base + "/readyz")).status == 200
        stats = await (await session.get(base + "/stats")).json()
        metrics = await (await session.get(base + "/metrics")).text()
    assert (stats["streams"], stats["headroom"]) == (0, 1.0)
    assert "bridge_worker_ready 1.0\n" in metrics
    assert "bridge_worker_use_ratio 0.0\n" in metrics
    assert 'bridge_worker_events_total{what="done"} 1.0\n' in metrics
    assert 'bridge_worker_audio_seconds_total{engine="tone"} 0.2\n' in metrics
    assert stats["sockets"] == 1
    assert stats["counts"] == {"opened": 1, "done": 1}
    assert stats["engines"]["tone"]["audio_s"] == pytest.approx(0.2)


async def test_a_unix_socket_serves_as_well(hibari: HibariEngine, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("w") / "s"
    running, server = await start(WorkerSettings(unix=str(path), voices={}), hibari, ToneEngine())
    async with await connect(running.address) as link:
        assert (await heard(say(link, "one", "tone")))[1] == ["one"]
    await server.cleanup()
    await running.worker.close()


def _words(message: Audio | Words) -> list[Word]:
    assert isinstance(message, Words)
    return message.words


async def _answered(link: WorkerConnection, voice: str = "tone") -> None:
    """Wait until the worker has dealt with everything sent so far."""
    speech = link.open(voice)
    speech.end()
    try:
        await heard(speech)
    except VoiceError as error:
        raise AssertionError(str(error)) from error


async def _until_error(socket: aiohttp.ClientWebSocketResponse) -> str:
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT and '"error"' in message.data:
            return str(message.data)
