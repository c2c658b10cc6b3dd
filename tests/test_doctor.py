"""The doctor finds what is wrong and says how to mend it."""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bridge import doctor, doctor_network
from bridge import doctor_services as services
from bridge.cli import main
from bridge.config import Settings, parse_settings
from bridge.doctor_network import Finding
from bridge.errors import ConfigError
from bridge.http import HttpClient
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.system import sockets
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.settings import ForkSettings, TraceSettings
from bridge.worker.settings import WorkerSettings
from tests.agents.relay_application import RelayApplication
from tests.doubles.listening.deepgram import DeepgramDouble
from tests.doubles.live.base import Answer
from tests.doubles.live.gemini import GeminiDouble
from tests.doubles.live.realtime import RealtimeDouble
from tests.doubles.speaking.sonic import SonicDouble
from tests.speaking.doubles import FakeWorker
from tests.telemetry.test_after_call import office
from tests.telemetry.test_fork import serving
from tests.telemetry.test_traces import collecting

ROOT = Path(__file__).parents[1]
TOKEN = {"TWILIO_AUTH_TOKEN": "12345"}


def settings(text: str = "", **environ: str) -> Settings:
    return parse_settings(text, "bridge.yaml", environ)


def test_a_missing_token_comes_with_its_remedy() -> None:
    (found,) = doctor.carriers(settings(), {})
    assert found.status == "fail"
    assert "TWILIO_AUTH_TOKEN" in found.remedy
    (found,) = doctor.carriers(settings(), TOKEN)
    assert (found.about, found.status) == ("carrier twilio", "ok")
    assert "no REST" in found.found
    (found,) = doctor.carriers(settings(), {**TOKEN, "TWILIO_ACCOUNT_SID": "AC1"})
    assert "by REST" in found.found


def test_a_carrier_whose_variable_is_not_set_is_named() -> None:
    (found,) = doctor.carriers(settings("carriers: [{kind: twilio, auth_token_env: SHOP_TOKEN}]"), TOKEN)
    assert (found.about, found.status) == ("carrier twilio", "fail")
    assert "SHOP_TOKEN" in found.found


def test_unsigned_requests_are_a_warning() -> None:
    found, *_ = doctor.carriers(settings("gateway: {development_unsigned: true}"), {})
    assert found.status == "warn"
    assert "development_unsigned" in found.remedy


def test_a_token_that_was_copied_badly() -> None:
    found = doctor.carriers(settings(), {"TWILIO_AUTH_TOKEN": "123 45"})[0]
    assert found.status == "fail"
    assert "copy it again" in found.remedy
    assert "123" not in found.found


def test_a_taken_port_is_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        found = doctor.free_port("127.0.0.1", port)
    assert found.status == "fail"
    assert f"127.0.0.1:{port} is taken" in found.found
    assert "--port" in found.remedy
    assert doctor.free_port("127.0.0.1", port).status == "ok"


def test_an_address_that_is_not_ours() -> None:
    found = doctor.free_port("192.0.2.1", 8080)
    assert found.status == "fail"
    assert "gateway.host" in found.remedy


async def test_nobody_to_answer() -> None:
    [found] = await doctor.agent(settings(), Path())
    assert found.status == "fail"


async def test_every_mistake_of_a_script_is_a_finding_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("states: {start: {say: Hi}, other: {say: Ho}}")
    broken = await doctor.agent(settings("agent: {kind: script, file: a.yaml}"), tmp_path)
    assert len(broken) >= 2
    assert all(one.status == "fail" and "script" in one.remedy and one.found.count("a.yaml") == 1 for one in broken)
    assert any("nothing leads on from here" in one.found for one in broken)


async def test_a_script_that_is_not_there_is_to_be_written(tmp_path: Path) -> None:
    [found] = await doctor.agent(settings("agent: {kind: script, file: a.yaml}"), tmp_path)
    assert found.found.endswith("a.yaml: the script cannot be read: No such file or directory")
    assert "agent.file" in found.remedy


async def test_a_script_without_a_name_is_called_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("states: {start: {say: Hi, hang_up: x}}")
    [found] = await doctor.agent(settings("agent: {kind: script, file: a.yaml}"), tmp_path)
    assert "script a.yaml" in found.found


async def test_a_script_with_oddities_is_a_warning(tmp_path: Path) -> None:
    script = "states: {start: {say: Hi, hang_up: x}, orphan: {say: Ho, hang_up: x}}"
    (tmp_path / "a.yaml").write_text(script)
    known, odd = await doctor.agent(settings("agent: {kind: script, file: a.yaml}"), tmp_path)
    assert (known.status, odd.status) == ("ok", "warn")
    assert odd.found == f"{tmp_path / 'a.yaml'}:1: state 'orphan': no way leads here"


class Server:
    """Answers every POST in one way, and keeps what it was asked."""

    def __init__(self, body: bytes, status: int = 200, content_type: str = "text/event-stream") -> None:
        self._body, self._status, self._type = body, status, content_type
        self.asked: list[bytes] = []

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.read())
        return web.Response(body=self._body, status=self._status, content_type=self._type)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_post("/{tail:.*}", self._answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


CHAT_ANSWER = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Good morning."}, "finish_reason": "stop"}]}'
    b"\n\ndata: [DONE]\n\n"
)
AGENTS = {
    "a model that answers": ("chat", CHAT_ANSWER, 200, "ok", ""),
    "a key that is refused": ("chat", b"no", 401, "fail", "agent.key_env"),
    "a model without words": ("chat", b"data: [DONE]\n\n", 200, "fail", "dialect"),
    "a web page": ("chat", b"<html>", 200, "fail", "dialect"),
    "a service that answers": ("web", b'{"type": "say", "text": "Hello."}\n', 200, "ok", ""),
    "a service that is no agent": ("web", b"<html>", 200, "fail", "dialect"),
    "a service that is broken": ("web", b"oops", 500, "fail", "log of that service"),
}


@pytest.mark.parametrize(("kind", "body", "status", "found", "remedy"), AGENTS.values(), ids=AGENTS)
async def test_models_and_web_agents_are_asked_once(
    kind: str, body: bytes, status: int, found: str, remedy: str
) -> None:
    server = Server(body, status)
    async with server.running() as url:
        model = ", model: any" if kind == "chat" else ""
        _, asked = await doctor.agent(settings(f"agent: {{kind: {kind}, url: '{url}'{model}}}"), Path())
        _, not_asked = await doctor.agent(
            settings(f"agent: {{kind: {kind}, url: '{url}'{model}}}"), Path(), offline=True
        )
    assert (asked.about, asked.status) == ("agent answers", found), asked
    assert remedy in asked.remedy or remedy in asked.found
    assert not_asked.status == "skip"
    assert 1 <= len(server.asked) <= 2  # an answer without words is asked for once more


SPEAKING_MODELS = {
    "one that speaks": ("vendor-key", Answer("hello there"), "ok", ""),
    "one without our key": ("another", Answer("hello there"), "fail", "agent.key_env"),
    "one without money": ("vendor-key", Answer(error={"code": "insufficient_quota", "type": "x"}), "fail", "account"),
}


@pytest.mark.parametrize(("key", "answer", "found", "remedy"), SPEAKING_MODELS.values(), ids=SPEAKING_MODELS)
@pytest.mark.parametrize("kind", ["openai_realtime", "gemini_live"])
async def test_models_that_speak_themselves_are_asked_for_a_sound(
    kind: str, key: str, answer: Answer, found: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = RealtimeDouble([answer] * 2) if kind == "openai_realtime" else GeminiDouble([answer] * 2)
    if kind == "gemini_live" and answer.error is not None:
        double.refuses = 402
    monkeypatch.setenv("MODEL_KEY", key)
    async with double.serve() as at:
        url = f"ws://{at}{double.path}"
        agent = settings(f"agent: {{kind: {kind}, url: '{url}', model: any, key_env: MODEL_KEY}}")
        known, asked = await doctor.agent(agent, Path())
        offline, skipped = await doctor.agent(agent, Path(), offline=True)
    assert "speaking model" in known.found == offline.found
    assert (asked.status, skipped.status) == (found, "skip"), asked
    assert remedy in asked.remedy


async def test_an_application_behind_the_relay_is_reached_and_told_nothing() -> None:
    async with RelayApplication() as application:
        found = settings(f'agent: {{kind: conversation_relay, url: "{application.url}"}}')
        known, answers = await doctor.agent(found, ROOT)
        assert (known.status, answers.status) == ("ok", "ok")
        assert "behind the relay" in known.found
        assert [caller.told for caller in application.callers] == [[]]
        application.refuses = 403
        _, answers = await doctor.agent(found, ROOT)
    assert (answers.status, "403" in answers.found) == ("fail", True)


async def test_an_agent_that_cannot_be_reached() -> None:
    _, asked = await doctor.agent(settings("agent: {kind: web, url: 'http://127.0.0.1:9/'}"), Path())
    assert asked.status == "fail"
    assert "agent.url" in asked.remedy


@pytest.mark.parametrize(
    ("body", "status", "found", "remedy"),
    [
        (b'{"text": ""}', 200, "ok", ""),
        (b"{}", 401, "fail", "key_env"),
        (b"<html>", 200, "fail", "listening.recogniser"),
    ],
)
async def test_a_recogniser_elsewhere_is_asked_once(body: bytes, status: int, found: str, remedy: str) -> None:
    server = Server(body, status, "application/json")
    async with server.running() as url:
        text = f"listening: {{recogniser: {{kind: openai, url: '{url}/v1', model: any}}}}"
        [asked] = await doctor.recognisers(settings(text), {})
    assert asked.status == found, asked
    assert remedy in asked.remedy
    assert len(server.asked) >= 1


async def test_a_worker_must_speak_and_have_the_voice() -> None:
    async with FakeWorker(voices=("heart",)) as worker:
        text = f"speaking: {{workers: ['{worker.address}'], voice: VOICE}}"
        [good] = await doctor_network.workers(settings(text.replace("VOICE", "heart")), {})
        [bad] = await doctor_network.workers(settings(text.replace("VOICE", "joe")), {})
    assert (good.status, "speaks" in good.found) == ("ok", True), good
    assert (bad.status, "only heart" in bad.found) == ("fail", True), bad
    assert "speaking.voice" in bad.remedy


async def test_one_mistake_in_the_file_does_not_make_others_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    config = tmp_path / "bridge.yaml"
    good = "gateway: {public_url: 'https://bridge.example.com', port: 0}\nagent: {kind: script, file: a.yaml}\n"
    (tmp_path / "a.yaml").write_text("states: {start: {say: Hi, hang_up: x}}")
    config.write_text(good + "call: {no_input_s: [1]}")
    found = await doctor.examine(config, TOKEN, offline=True)
    [failed] = [finding for finding in found if finding.status == "fail"]
    assert "no_input_s" in failed.found
    assert "[" not in failed.found, "no Python"
    assert not any("not set" in finding.found for finding in found)
    config.write_text(good.replace("port: 0", "prt: 0").replace("kind: script", "kind: scrpt"))
    found = await doctor.examine(config, {}, port=0, offline=True)
    assert [finding.about for finding in found if finding.status == "fail"] == ["configuration"] * 2 + ["carriers"]


async def test_a_file_that_is_not_yaml_leaves_little_to_say(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text("a: [")
    found = await doctor.examine(tmp_path / "bridge.yaml", {}, offline=True)
    assert [finding.about for finding in found if finding.status == "fail"] == ["configuration"]
    assert any(finding.status == "skip" and "once the configuration" in finding.found for finding in found)


@pytest.mark.parametrize(
    ("text", "about", "status"),
    [
        ("telemetry: {record_directory: file/records}", "call records", "fail"),
        ("telemetry: {record_directory: new/records}", "call records", "ok"),
        ("telemetry: {recording: {directory: file/sound}}", "recordings", "fail"),
        ("telemetry: {recording: {directory: sound}}", "recordings", "ok"),
        ("speaking: {cache: {disk_path: file/kept}}", "phrase cache", "fail"),
        ("speaking: {cache: {disk_path: kept, disk_mb: 1e12}}", "phrase cache", "warn"),
    ],
)
def test_folders_that_can_and_cannot_be_written(text: str, about: str, status: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {finding.about: finding.status for finding in doctor.folders(settings(text), tmp_path)}
    assert found == dict.fromkeys(("call records", "recordings", "phrase cache"), "skip") | {about: status}


async def test_a_long_folder_for_temporary_files_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 20) / ("longer" * 20)
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    [found] = await doctor_network.workers(settings(), {})
    assert found.status == "ok"
    assert str(folder) not in found.found


@pytest.mark.parametrize("place", ["too long", "cannot be written", "none"])
async def test_no_place_for_a_socket_is_told_before_the_start(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match place:
        case "too long":
            monkeypatch.setattr(sockets, "LONGEST_PATH", 20)
        case "cannot be written":
            monkeypatch.setattr(os, "access", lambda *_: False)
        case "none":
            monkeypatch.setattr(os, "access", lambda *_: False)
            monkeypatch.setattr(sockets, "temporary_folder", lambda: "")
    [found] = await doctor_network.workers(settings(), {})
    assert found.status == "fail"
    assert "no folder for a local socket" in found.found
    assert found.remedy.startswith("set TMPDIR")
    with pytest.raises(ConfigError, match="set TMPDIR"):
        LocalWorker(WorkerSettings())


@pytest.mark.parametrize("setting", ["workers: ['{}']", "providers: {{more: {{kind: worker, addresses: ['{}']}}}}"])
def test_a_workers_socket_whose_path_is_too_long_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"a socket's path may have {sockets.LONGEST_PATH} bytes"):
        settings(f"speaking: {{{setting.format('unix:/' + 'x' * 120)}}}")


def test_engines_are_really_tried() -> None:
    found = {finding.about: finding for finding in doctor.engines(settings())}
    assert {about: finding.status for about, finding in found.items()} == {
        "voice activity": "ok",
        "recogniser": "ok",
        "end of turn": "ok",
        "voice": "ok",
    }
    broken = doctor.engines(
        settings(
            "worker: {voices: {heart: {engine: hibari, voice: nobody}}}\n"
            "listening: {recogniser: {kind: whisper, model: /no}}"
        )
    )
    assert {finding.about for finding in broken if finding.status == "fail"} == {"recogniser", "voice"}
    assert all(finding.remedy for finding in broken if finding.status == "fail")


async def test_a_worker_that_does_not_answer() -> None:
    [found] = await doctor_network.workers(settings("speaking: {workers: ['ws://127.0.0.1:9']}"), {})
    assert found.status == "fail"
    assert "bridge worker" in found.remedy


async def test_every_speech_provider_is_asked_and_named() -> None:
    text = "speaking: {providers: {gpu: {kind: worker, addresses: ['ws://127.0.0.1:9']}}}"
    own, gpu = await doctor_network.workers(settings(text), {})
    assert (own.about, own.status) == ("speech worker", "ok")
    assert (gpu.about, gpu.status) == ("speech provider gpu", "fail")
    assert "speaking.providers.gpu" in gpu.remedy


async def test_a_redis_that_does_not_answer_only_slows_us_down() -> None:
    found = await doctor_network.redis(settings(), {"REDIS_URL": "redis://:secret@127.0.0.1:9/0"})
    assert found.status == "warn"
    assert "secret" not in found.found


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("", "fail", "not set"),
        ("http://bridge.example.com", "fail", "is not https"),
        ("http://127.0.0.1:8080", "warn", "this machine alone"),
        ("https://bridge.example.com", "skip", "not asked"),
    ],
)
async def test_public_addresses_judged_by_their_looks(url: str, status: str, says: str) -> None:
    first, *_ = await doctor_network.public_address(
        settings(PUBLIC_URL=url) if url else settings(), Path(), offline=True
    )
    assert first.status == status
    assert says in first.found


async def _asked(answer_status: int, ahead_s: float) -> list[Finding]:
    """What the doctor finds at a public address that answers like this, its clock so far behind ours."""

    async def healthz(request: web.Request) -> web.Response:
        import time

        date = email.utils.formatdate(time.time() - ahead_s, usegmt=True)
        return web.json_response({"alive": True}, status=answer_status, headers={"Date": date})

    application = web.Application()
    application.router.add_get("/prefix/healthz", healthz)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/prefix"
        found = await doctor_network.public_address(settings(PUBLIC_URL=url), Path(), offline=False)
        return found[1:]  # the first says that it is this machine's own
    finally:
        await runner.cleanup()


async def test_a_public_address_that_leads_here_with_a_good_clock() -> None:
    assert [finding.status for finding in await _asked(200, 0.0)] == ["ok", "ok"]


async def test_a_log_in_page_in_the_way() -> None:
    address, _ = await _asked(302, 0.0)
    assert address.status == "fail"
    assert "without redirects" in address.remedy


async def test_a_proxy_without_a_service_behind_it() -> None:
    address, _ = await _asked(502, 0.0)
    assert address.status == "ok"
    assert "not running" in address.found


async def test_a_clock_that_is_wrong() -> None:
    _, clock = await _asked(200, 90.0)
    assert clock.status == "fail"
    assert "ahead of" in clock.found
    assert "ntp" in clock.remedy


async def test_an_address_where_nobody_listens() -> None:
    *_, found = await doctor_network.public_address(settings(PUBLIC_URL="http://127.0.0.1:9"), Path(), offline=False)
    assert found.status == "warn"
    assert "cannot be reached" in found.found


def test_the_command_says_it_all_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    config = tmp_path / "bridge.yaml"
    config.write_text("gateway: {prot: 8080}\ncall: {no_input_s: soon}")
    assert main(["doctor", "-c", str(config), "--offline", "--json", "--port", "0"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["healthy"] is False
    wrong = [finding for finding in report["findings"] if finding["about"] == "configuration"]
    assert len(wrong) == 2
    assert any("did you mean port?" in finding["found"] for finding in wrong)
    assert all(finding["remedy"] for finding in report["findings"] if finding["status"] == "fail")


def test_a_healthy_set_up_is_status_0(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    monkeypatch.setenv("PUBLIC_URL", "https://bridge.example.com")
    config = ROOT / "fixtures" / "demo.yaml"
    assert main(["doctor", "-c", str(config), "--offline", "--port", "0"]) == 0
    assert "0 problems" in capsys.readouterr().out


def test_one_mistake_is_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    monkeypatch.setenv("PUBLIC_URL", "https://bridge.example.com")
    config = tmp_path / "bridge.yaml"
    config.write_text(
        (ROOT / "fixtures" / "demo.yaml").read_text().replace("file: ", f"file: {ROOT}/fixtures/")
        + "\nstore: {redis_deadline_ms: 0}\n"
    )
    main(["doctor", "-c", str(config), "--offline", "--port", "0"])
    assert re.search(r"^1 problem, ", capsys.readouterr().out, re.MULTILINE)


async def test_reports_after_calls_are_looked_at(tmp_path: Path) -> None:
    secret = {"AFTER_CALL_SECRET": "a-long-random-text"}
    async with office(tmp_path) as post:
        post.receiver.answer = lambda _request: web.Response()

        async def look(environ: dict[str, str], *, url: str = post.post.settings.url, offline: bool = False) -> Finding:
            wanted = AfterCallSettings(url=url)
            (found,) = await services.after_call(wanted, tmp_path, environ, HttpClient, offline=offline)
            return found

        unsigned = await look({})
        assert (unsigned.status, "AFTER_CALL_SECRET" in unsigned.found) == ("fail", True)
        assert (await look(secret)).status == "ok"
        await post.keeps("call_1")
        waiting = await look(secret, offline=True)
        assert (waiting.status, "1 wait" in waiting.found) == ("skip", True)
        assert (await look(secret, url="http://127.0.0.1:9/hook")).status == "fail"
        assert post.receiver.got == [], "no report was sent for it"
    assert await services.after_call(AfterCallSettings(), tmp_path, {}, HttpClient, offline=False) == []


async def test_servers_that_are_to_hear_calls_are_looked_at() -> None:
    async def look(url: str, *, offline: bool = False, **environ: str) -> Finding:
        wanted = [ForkSettings(url=url, token_env="FORK_TOKEN")]
        (found,) = await services.forks(wanted, environ, HttpClient, offline=offline)
        return found

    async with serving() as server:
        good = await look(server.url, FORK_TOKEN="a-token")
        assert (good.status, "takes a socket" in good.found) == ("ok", True)
        assert server.streams == [[]], "it is told of no call"
        missing = await look(server.url.replace("/calls", "/else"))
        assert (missing.status, "404" in missing.found) == ("fail", True)
        assert (await look(server.url, FORK_TOKEN="a\nb")).status == "fail"
        assert (await look(server.url, offline=True)).status == "skip"
    gone = await look(server.url)
    assert (gone.status, "start the server" in gone.remedy) == ("fail", True)
    assert await services.forks((), {}, HttpClient, offline=False) == []


async def test_the_collector_of_traces_is_looked_at() -> None:
    async def look(url: str, *, offline: bool = False, **environ: str) -> Finding:
        wanted = TraceSettings(url=url, token_env="OTLP_TOKEN")
        (found,) = await services.traces(wanted, environ, HttpClient, offline=offline)
        return found

    async with collecting() as collector:
        good = await look(collector.url, OTLP_TOKEN="a-token")
        assert (good.status, "takes spans" in good.found) == ("ok", True)
        assert collector.spans == []
        assert collector.headers[0]["Authorization"] == "Bearer a-token"
        missing = await look(collector.url.replace("/v1/traces", "/"))
        assert (missing.status, "/v1/traces" in missing.remedy) == ("fail", True)
        assert (await look(collector.url, OTLP_TOKEN="a\nb")).status == "fail"
        assert (await look(collector.url, offline=True)).status == "skip"
    gone = await look(collector.url)
    assert (gone.status, "start the collector" in gone.remedy) == ("fail", True)
    assert await services.traces(TraceSettings(), {}, HttpClient, offline=False) == []


async def test_every_member_of_a_team_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text("start: hello\nstates: {hello: {say: Hello., transfer: coach}}")
    text = "agent: {kind: team, first: desk, members: {desk: {agent: {kind: script, file: desk.yaml}}, "
    team = settings(text + "coach: {agent: {kind: web, url: 'http://127.0.0.1:9/x'}}}}")
    found = await doctor.agent(team, tmp_path)
    assert [(one.about, one.status) for one in found] == [
        ("agent", "ok"),
        ("agent desk", "ok"),
        ("agent coach", "ok"),
        ("agent answers coach", "fail"),
    ]


@pytest.mark.parametrize(
    ("key", "refuses", "status", "says", "remedy"),
    [
        ("vendor-key", None, "ok", "spoke one word", ""),
        ("", None, "fail", "VENDOR_KEY is not set", "key_env"),
        ("stolen", None, "fail", "auth", "key_env"),
        ("vendor-key", 402, "fail", "quota", "top it up"),
        ("vendor-key", 500, "fail", "internal", "speaking.providers.sonic"),
    ],
)
async def test_a_hosted_voice_is_asked_for_one_word(
    key: str, refuses: int | None, status: str, says: str, remedy: str
) -> None:
    double = SonicDouble()
    double.refuses = refuses
    async with double.serve() as url:
        text = (
            f"speaking: {{providers: {{sonic: {{kind: cartesia, url: '{url}{double.path}', voices: [ada],"
            " key_env: VENDOR_KEY}}}"
        )
        [found] = await doctor.hosted_voices(settings(text), {"VENDOR_KEY": key})
        [offline] = await doctor.hosted_voices(settings(text), {"VENDOR_KEY": "x"}, offline=True)
    assert (found.status, says in found.found) == (status, True), found
    assert remedy in found.remedy
    assert double.texts == (["Okay."] if status == "ok" else [])
    assert offline.status == "skip"


@pytest.mark.parametrize(
    ("key", "status", "says"), [("vendor-key", "ok", "tried in"), ("stolen", "fail", "401"), ("", "fail", "not set")]
)
async def test_a_hosted_recogniser_is_given_half_a_second_of_silence(key: str, status: str, says: str) -> None:
    double = DeepgramDouble()
    async with double.serve() as url:
        text = f"listening: {{recogniser: {{kind: deepgram, url: '{url}{double.path}', key_env: VENDOR_KEY}}}}"
        [found] = await doctor.recognisers(settings(text), {"VENDOR_KEY": key})
        [offline] = await doctor.recognisers(settings(text), {"VENDOR_KEY": key}, offline=True)
    assert (found.status, says in found.found) == (status, True), found
    assert offline.status == ("skip" if key else "fail")
