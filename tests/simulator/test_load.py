"""The load: what it measures, when it refuses to, and how it searches."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from rich.console import Console

from bridge.errors import BridgeError, ConfigError
from bridge.simulator import load, load_report, processes, virtual
from bridge.simulator.carriers.base import Call
from bridge.simulator.carriers.twilio import TwilioStream
from bridge.simulator.carriers.verbs import Stream
from bridge.simulator.load import Load, OwnLimits, ServiceLevel, Step
from bridge.simulator.load_generator import Generator, Job, LoadMeasures, Voice, measure
from bridge.simulator.main import run_load
from bridge.simulator.sound import to_ulaw
from bridge.simulator.trunk import Trunk
from tests.simulator.media_server import MediaServer, canned, serve

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
JOB = Job(recordings=(str(CALLERS / "tuesday_morning.wav"),), first_at_s=2.0, every_s=9.0, length_s=20.0)


def generate(server: MediaServer, calls: int, seconds: float, job: Job = JOB) -> LoadMeasures:
    async def main() -> LoadMeasures:
        runner = await serve(server)
        connector = virtual.MemoryConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            generator = Generator(Trunk(url=server.url, auth_token="secret"), job, "test", session)
            generator.target = calls
            for _ in range(int(seconds * 10)):
                generator.hold()
                await asyncio.sleep(0.1)
            await generator.close()
            tally = generator.take_tally()
        await runner.cleanup()
        return tally

    return virtual.run(main)


def test_calls_are_held_listened_to_and_replaced() -> None:
    tally = generate(MediaServer(), calls=4, seconds=45.0)
    assert tally.failed == tally.refused == tally.warnings == tally.underruns == 0
    assert tally.placed == tally.finished == 12
    assert tally.call_s == pytest.approx(4 * 45.0, rel=0.05)
    assert max(tally.first_audio_ms) <= 60
    assert tally.stop_ms
    assert max(tally.stop_ms) < 400
    assert tally.reply_ms
    assert max(tally.reply_ms) < 700
    assert max(tally.late_ms) < 0.1  # in virtual time nothing is late


def test_a_call_in_which_nothing_is_said_is_not_a_quick_one() -> None:
    tally = generate(MediaServer(faults={"mute"}), calls=1, seconds=21.0)
    assert (tally.finished, tally.silent, tally.first_audio_ms) == (2, 2, [])


def test_frames_leave_on_an_absolute_schedule() -> None:
    server = MediaServer()
    generate(server, calls=1, seconds=19.0)
    media = [message["media"] for message in server.messages if message["event"] == "media"]
    assert [one["timestamp"] for one in media] == [str(20 * index) for index in range(len(media))]
    assert 930 <= len(media) <= 950


def test_a_server_that_closes_or_refuses_is_counted_with_its_reason() -> None:
    busy = generate(MediaServer(document="<Response><Reject/></Response>"), calls=2, seconds=3.0)
    assert busy.refused >= 2
    closing = MediaServer(document="<Response><Connect><Stream url='ws://127.0.0.1:9/x'/></Connect></Response>")
    tally = generate(closing, calls=1, seconds=3.0)
    assert tally.failed >= 1
    assert tally.finished == 0
    assert "nobody listens" in " ".join(tally.reasons)


class Failing(MediaServer):
    """Answers every call with a status and a text."""

    def __init__(self, status: int, document: str = "", kind: str = "text/xml") -> None:
        super().__init__(document=document)
        self.answered, self.kind = status, kind

    async def voice(self, request: web.Request) -> web.Response:
        return web.Response(status=self.answered, text=self.document, content_type=self.kind)


@pytest.mark.parametrize(
    ("server", "reason", "look_at"),
    [
        (Failing(401), "11200 HTTP retrieval failure (401)", "TWILIO_AUTH_TOKEN"),
        (Failing(403), "11200 HTTP retrieval failure (403)", "TWILIO_AUTH_TOKEN"),
        (Failing(404), "11200 HTTP retrieval failure (404)", "/twilio/voice"),
        (Failing(405), "11200 HTTP retrieval failure (405)", "POST"),
        (Failing(503), "11200 HTTP retrieval failure (503)", "its own log"),
        (Failing(200, "{}", "application/json"), "", "text/xml"),
        (Failing(200, "<Response><Reject/></Response>"), "", "it is full, draining"),
        (Failing(200, "<Response><Hangup/></Response>"), "", "it is full, draining"),
        (
            Failing(200, "<Response><Connect><Stream url='ws://127.0.0.1:9/x'/></Connect></Response>"),
            "",
            "--connect-to",
        ),
    ],
)
def test_calls_that_never_come_about_say_what_to_look_at(server: Failing, reason: str, look_at: str) -> None:
    tally = generate(server, calls=2, seconds=3.0)
    assert look_at in tally.remedy
    assert not reason or list(tally.reasons) == [reason]


def test_a_load_that_nobody_answers_ends_with_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "RAMP_S", 1.0)
    with (
        pytest.raises(
            BridgeError, match=r"only 0 of 1 calls came about: .*\. Nobody answers at http://127.0.0.1:9: does"
        ),
        Load(Trunk(url="http://127.0.0.1:9/twilio/voice", auth_token="t"), JOB) as never,
    ):
        never.step(1, 1.0)


def test_a_hole_in_a_bots_speech_is_an_underrun() -> None:
    assert generate(MediaServer(faults={"underrun"}), calls=1, seconds=19.0).underruns >= 1


def test_what_one_playout_is_measured_as() -> None:
    call = Call(number="+1", called="+2", call_sid="CA", stream_sid="MZ", account="AC", seed="")
    stream = TwilioStream(call, "MZ", Stream("wss://x/y"), 0.0)
    talk = canned("Thank you for calling, how can I help you today?")

    def play(at: float, ulaw: bytes) -> None:
        payload = base64.b64encode(ulaw).decode()
        stream.receive(f'{{"event":"media","streamSid":"MZ","media":{{"payload":"{payload}"}}}}', at)

    play(0.1, talk)
    stream.receive('{"event":"clear","streamSid":"MZ"}', 1.4)
    play(4.5, talk)
    tally = measure(stream, [(1000, 3900), (25000, 26000)], 30.0)
    assert tally.first_audio_ms[0] == pytest.approx(110, abs=20)
    assert tally.stop_ms[0] == pytest.approx(400, abs=60)
    assert tally.reply_ms[0] == pytest.approx(610, abs=30)
    assert tally.unanswered == 0  # the second came too close to the end to tell


def test_the_callers_voice_is_encoded_once_with_its_times() -> None:
    voice = Voice(JOB)
    assert len(voice.frames) == 1000
    assert [round(start / 1000) for start, _ in voice.spoken_ms] == [2, 11]
    assert base64.b64decode(voice.frames[0]) == to_ulaw_silence()


def to_ulaw_silence() -> bytes:
    import numpy as np

    return to_ulaw(np.zeros(160, np.float32))


# whether to believe it


def step(calls: int = 10, **more: Any) -> Step:
    tally = LoadMeasures(
        first_audio_ms=[50.0], reply_ms=[500.0], stop_ms=[300.0], finished=10, bot_s=60.0, late_ms=[0.5]
    )
    for name, value in more.items():
        setattr(tally, name, value)
    return Step(calls=calls, seconds=30.0, tally=tally)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"reply_ms": [2000.0]}, "reply latency p95 2000 ms"),
        ({"stop_ms": [900.0]}, "stop latency"),
        ({"first_audio_ms": [1500.0]}, "first audio"),
        ({"underruns": 1}, "underruns a minute"),
        ({"failed": 1, "reasons": {"closed": 1}}, "1 of 11 calls failed"),
        ({"refused": 2}, "2 refused"),
        ({"unanswered": 5}, "went unanswered"),
        ({"silent": 2}, "2 callers heard nothing"),
    ],
)
def test_a_missed_service_level_is_named(what: dict[str, Any], words: str) -> None:
    assert list(load.missed(step(), ServiceLevel())) == []
    [missed] = load.missed(step(**what), ServiceLevel())
    assert words in missed


def test_a_step_where_the_generator_was_late_shows_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=200)
    loads = Load(Trunk(url="http://x/", auth_token="t"), JOB, limits=OwnLimits(late_p99_ms=5.0, cpu_share=0.8))
    late = step(late_ms=[9.0])
    late.generator_cpu = [0.95]
    late.void = loads._void(late)
    assert len(late.void) == 2
    assert load_report.conclude([late], console) == 3
    shown = capsys.readouterr().out
    assert "10 calls not measured: our own frames were late: p99 9.0 ms" in shown
    assert "500/500" not in shown
    assert "bottleneck" in shown
    good = step()
    good.generator_cpu = [0.2]
    good.void = loads._void(good)
    assert load_report.conclude([good], console) == 0
    assert "500/500" in capsys.readouterr().out


def test_a_step_in_which_no_call_ended_is_not_measured() -> None:
    loads = Load(Trunk(url="http://x/", auth_token="t"), JOB)
    [why] = loads._void(Step(calls=10, seconds=5.0, tally=LoadMeasures(late_ms=[0.5])))
    assert "no call came to its end" in why
    assert loads._void(step()) == []


def test_a_hold_shorter_than_a_call_is_refused_before_anybody_rings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--hold 15: .* after 30 s"):
        run_load("http://127.0.0.1:9/", "t", [CALLERS / "yes_please.wav"], tmp_path, hold_s=15.0)


def test_the_table_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    wide = step(calls=1000, reply_ms=[1500.0] * 9, first_audio_ms=[980.0], stop_ms=[790.0], underruns=1)
    wide.generator_cpu, wide.server_cpu_s, wide.server_memory, wide.idle_memory = [0.79], 600.0, 3 * 10**8, 10**8
    wide.missed = list(load.missed(wide, ServiceLevel()))
    wide.tally.call_s = 30_000.0
    assert load_report.conclude([wide], Console(width=80)) == 1
    shown = capsys.readouterr().out
    assert "1500/1500" in shown
    assert "20.00" in shown
    assert "0.20" in shown
    assert "1000 calls: 1.00 underruns a minute of speech" in shown
    assert "…" not in shown


def test_a_search_tells_a_limit_from_a_number_that_held(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [step(calls=10), step(calls=20), step(calls=40)]
    assert load_report.conclude(steps[:2], Console(width=80), search=True) == 0
    assert "held at 20 calls; the limit lies higher" in capsys.readouterr().out
    steps[2].void = ["our own frames were late"]
    assert load_report.conclude(steps, Console(width=80), search=True) == 0
    assert "held at 20 calls; the limit lies higher" in capsys.readouterr().out
    steps[2].void, steps[2].missed = [], ["reply latency"]
    assert load_report.conclude(steps, Console(width=80), search=True) == 0
    assert "highest number of calls at which the service levels held: 20" in capsys.readouterr().out


def test_the_page_shows_steps_and_distributions() -> None:
    void = step(calls=99)
    void.void = ["our own frames were late"]
    page = load_report.page([step(), void])
    assert "not measured: our own frames were late" in page
    assert page.count("<polyline") == 3
    assert b'"machine"' in load_report.json_text([step()])


@pytest.mark.parametrize(("capacity", "most"), [(37, 200), (200, 200), (500, 100), (3, 100)])
def test_the_search_closes_in_on_the_capacity(capacity: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(self: Load, calls: int, hold_s: float) -> Step:
        asked.append(calls)
        one = step(calls=calls)
        one.missed = ["too many"] if calls > capacity else []
        return one

    monkeypatch.setattr(Load, "step", measured)
    steps = list(Load(Trunk(url="http://x/", auth_token="t"), JOB).search(most, 30.0))
    best = max((one.calls for one in steps if one.passed), default=0)
    assert best <= capacity
    assert best >= min(capacity, most) - max(1, min(capacity, most) // 8)
    assert len(asked) == len(set(asked)) <= 12


@pytest.mark.parametrize("death", [BridgeError("only 35 of 40 calls came about"), KeyboardInterrupt()])
def test_a_search_that_dies_shows_what_it_measured(
    death: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measured(self: Load, calls: int, hold_s: float) -> Step:
        if calls > 20:
            raise death
        return step(calls=calls)

    monkeypatch.setattr(Load, "step", measured)
    monkeypatch.setattr(Load, "__enter__", lambda self: self)
    shown = io.StringIO()
    with pytest.raises(type(death)):
        run_load("http://x/", "t", [], tmp_path, calls=100, search=True, console=Console(file=shown, width=100))
    assert "held at 20 calls" in shown.getvalue()
    assert b'"calls": 20' in (tmp_path / "load.json").read_bytes()


def test_more_calls_than_files_may_be_open_are_told_before_they_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "most_descriptors", lambda: 256)
    load = Load(Trunk(url="http://x/", auth_token="t"), JOB, generators=2)
    with pytest.raises(BridgeError, match=r"500 calls in 2 generator processes need more than the 256 open files"):
        load.step(500, 1.0)


def test_a_server_at_its_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Trunk(url="http://x/", auth_token="t"), JOB, server_pid=os.getpid())
    assert load._at_its_limit() == ""
    monkeypatch.setattr(processes, "descriptors", lambda pid: (1020, 1024))
    assert load._at_its_limit() == "; the server has 1020 of the 1024 files open that it may have (ulimit -n)"


def test_a_process_knows_its_open_files() -> None:
    used, most = processes.descriptors()
    assert 3 <= used < most
    assert processes.most_descriptors() >= most
    assert processes.descriptors(2**22 - 3) == (0, 0)


def test_a_process_knows_its_use_and_who_listens() -> None:
    own = processes.usage(os.getpid())
    assert own.total_cpu_s > 0
    assert own.total_memory > 10_000_000
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert processes.listening_on(server.getsockname()[1]) == os.getpid()
    assert processes.usage(2**22 - 3).total_memory == 0


def test_a_generator_that_dies_is_reported() -> None:
    with (
        pytest.raises(BridgeError, match="has died"),
        Load(Trunk(url="http://127.0.0.1:9/", auth_token="t"), Job(recordings=("nowhere.wav",))),
    ):
        pass
