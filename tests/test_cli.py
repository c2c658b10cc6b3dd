"""The command line as a person meets it: help, mistakes, and the commands that need no service."""

from __future__ import annotations

import io
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from bridge.call.actions import Expect, HangUp, Say
from bridge.call.events import AgentActed, AgentFinished, CallStarted, Event, SpeechArrived, SpeechEnded
from bridge.call.machine import Call
from bridge.call.record import command_line, event_line, header
from bridge.call.settings import CallSettings
from bridge.cli import GROUPS, main
from bridge.commands.call import CARRIER_NAMES, plain_scenario
from bridge.simulator import scenario
from bridge.simulator.carriers import CARRIERS

ROOT = Path(__file__).parents[1]

OPTIONS = {
    "serve": ["--config", "--host", "--port", "--processes"],
    "worker": ["--config", "--host", "--port", "--unix", "--threads"],
    "doctor": ["--config", "--host", "--port", "--offline", "--json"],
    "check": ["SCRIPT", "--config", "--svg", "--strict"],
    "new": [],
    "demo": ["--config", "--scenario", "--output"],
    "call": [
        "URL",
        "--carrier",
        "--scenario",
        "--say",
        "--output",
        "--connect-to",
        "--rest",
        "--record",
        "TWILIO_AUTH",
    ],
    "load": ["URL", "--calls", "--search", "--hold", "--generators", "--say", "--output", "--server-pid"],
    "soak": ["URL", "--calls", "--minutes", "--virtual-hours", "--kill-every", "--redeploy-every", "--output"],
    "say": ["TEXT", "--output", "--voice", "--speed", "--rate", "--worker", "--times", "--words"],
    "replay": ["FILE", "--settings", "--all"],
    "transcript": ["RECORD", "--decisions"],
    "forget": ["CALL", "--config"],
    "cache": ["warm", "stats", "list", "purge", "--config", "--text", "--voice", "--tenant", "--everything", "--json"],
    "bench": ["speech", "--quick", "--streams", "--seconds", "--url", "--config", "--voice", "--chunking", "--output"],
}


def test_every_command_is_in_this_list() -> None:
    assert {name for commands in GROUPS.values() for name in commands} == set(OPTIONS)


def test_the_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for commands in GROUPS.values():
        for name, summary in commands.items():
            assert f"  {name} " in shown
            assert summary in shown
    assert "exit status" in shown


@pytest.mark.parametrize("name", OPTIONS)
def test_each_commands_help_names_its_options_and_shows_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: bridge {name} ")
    for option in OPTIONS[name]:
        assert option in shown
    assert f"examples:\n  bridge {name}" in shown or f"bridge {name} -c" in shown
    assert all(len(line) <= 120 for line in shown.splitlines())


def test_help_loads_nothing_heavy() -> None:
    heavy = "aiohttp numpy msgspec yaml rich onnxruntime torch hibari twilio jinja2"
    program = (
        "import sys, bridge.cli; bridge.cli.build_parser().format_help(); "
        f"print(*(m for m in {heavy.split()!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "take calls:" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bridge ")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["serve", "-c", "absent.yaml"], "absent.yaml: cannot be read"),
        (["serve", "-c", "absent.yaml", "--processes", "0"], "--processes: 0: expected 1 or more"),
        (["say", " ", "-o", "out.wav"], "there is nothing to say"),
        (["say", "Hello.", "-o", "out.mp3"], "out.mp3: cannot be written: the formats are .wav"),
        (["replay", "absent.jsonl"], "absent.jsonl: cannot be read"),
        (["call", "http://127.0.0.1:9/voice"], "set TWILIO_AUTH_TOKEN"),
        (["call", "http://127.0.0.1:9/plivo/voice"], "set PLIVO_AUTH_TOKEN"),
        (["call", "http://127.0.0.1:9/voice", "--carrier", "telnyx"], "set TELNYX_PRIVATE_KEY"),
        (["transcript", "absent.jsonl"], "absent.jsonl: cannot be read"),
        (["transcript", "empty.yaml"], "empty.yaml: line 1: not"),
        (["demo", "-c", "absent.yaml"], "absent.yaml: there is no such file"),
        (["demo", "-s", "wrong.yaml"], "wrong.yaml: "),
        (["cache", "stats", "-c", "empty.yaml"], "neither speaking.cache.disk_path nor"),
        (["cache", "purge", "-c", "away.yaml", "--everything"], "Redis does not answer at unix:///nowhere/redis.sock"),
        (["cache", "purge", "-c", "cache.yaml"], "purge: name --text, --voice or --tenant, or say --everything"),
        (["serve", "-c", "empty.yaml", "--port", "80000"], "--port: 80000: expected a port, 0 to 65535"),
        (["serve", "-c", "empty.yaml", "--port", "-1"], "--port: -1: expected a port, 0 to 65535"),
        (["serve", "-c", "empty.yaml", "--port", "http"], "--port: http: expected a port, 0 to 65535"),
        (["serve", "-c", "empty.yaml", "--processes", "2.5"], "--processes: 2.5: expected 1 or more"),
        (["worker", "--port", "65536"], "--port: 65536: expected a port, 0 to 65535"),
        (["worker", "--threads", "0"], "--threads: 0: expected 1 or more"),
        (["doctor", "-c", "empty.yaml", "--port", "99999"], "--port: 99999: expected a port, 0 to 65535"),
        (["say", "Hello.", "-o", "out.wav", "--speed", "nan"], "--speed: nan: expected a number over 0"),
        (
            ["say", "Hello.", "-o", "out.wav", "--worker", "ws://[::1"],
            "no speech worker at ws://[::1: that is no address",
        ),
        (["load", "http://127.0.0.1:9/voice", "--calls", "0"], "--calls: 0: expected 1 or more"),
        (["load", "http://127.0.0.1:9/voice", "--hold", "nan"], "--hold: nan: expected a number over 0"),
        (["load", "http://127.0.0.1:9/voice", "--ramp", "inf"], "--ramp: inf: expected a number over 0"),
        (["load", "http://127.0.0.1:99999/voice"], "URL: http://127.0.0.1:99999/voice: expected http://host or"),
        (["load", "127.0.0.1:9/voice"], "URL: 127.0.0.1:9/voice: expected http://host or https://host"),
        (["call", "http://[::1/voice"], "'http://[::1/voice': expected a webhook that starts with http://"),
        (["call", "http://127.0.0.1:1x/voice"], "'http://127.0.0.1:1x/voice': expected a webhook that starts with"),
        (["call", "http:///voice"], "'http:///voice': expected a webhook that starts with http://"),
        (["bench", "speech", "--seconds", "nan"], "--seconds: nan: expected a number over 0"),
        (["bench", "speech", "--streams", "0"], "--streams: 0: expected 1 or more"),
        (["bench", "speech", "--chunking", "--url", "ws://127.0.0.1:9"], "--chunking needs workers of its own"),
        (["bench", "speech", "--url", "ws://127.0.0.1:9"], "no speech worker at ws://127.0.0.1:9"),
        (["worker", "-c", "wrong.yaml"], "worker.prot: unknown key, did you mean port?"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    command: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("TWILIO_AUTH_TOKEN", "TELNYX_PRIVATE_KEY", "PLIVO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIDGE_SECRET", "the same on all machines")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "cache.yaml").write_text("speaking: {cache: {disk_path: kept}}")
    (tmp_path / "away.yaml").write_text(
        "{speaking: {cache: {disk_path: kept}}, store: {redis_url: 'unix:///nowhere/redis.sock'}}"
    )
    (tmp_path / "wrong.yaml").write_text("worker: {prot: 1}")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("bridge: ")
    assert complaint in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def test_ctrl_c_is_status_130_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.commands.replay.run", interrupted)
    assert main(["replay", str(tmp_path)]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_say_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "opening.wav"
    assert main(["say", "I have an opening on Tuesday.", "-o", str(file), "--rate", "16000", "--times"]) == 0
    with wave.open(str(file)) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (1, 16000, 2)
        assert 1.0 < wav.getnframes() / 16000 < 4.0
    words = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert words == "I have an opening on Tuesday.".split()


def _record(path: Path) -> Path:
    """The record of a short call: a greeting, then the agent hangs up."""
    settings = CallSettings()
    call = Call(settings)
    lines = [header(settings)]
    events: list[tuple[float, Event]] = [
        (0.0, CallStarted()),
        (0.0, AgentActed(1, Expect("open"))),
        (0.0, AgentActed(1, Say("See you."))),
        (0.0, AgentActed(1, HangUp("done"))),
        (0.0, AgentFinished(1)),
        (0.1, SpeechArrived(1, b"\xff" * 4000)),
        (0.1, SpeechEnded(1)),
    ]
    for at, event in events:
        lines.append(event_line(event, at))
        lines += [command_line(command, at) for command in call.receive(event, at)]
    path.write_bytes(b"".join(lines))
    return path


def test_replay_finds_the_same_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = _record(tmp_path / "call.jsonl")
    assert main(["replay", str(record)]) == 0
    assert "7 events" in capsys.readouterr().out


def test_replay_shows_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = _record(tmp_path / "call.jsonl")
    record.write_text(record.read_text().replace("See you.", "Good night.", 1))
    assert main(["replay", str(record)]) == 1
    shown = capsys.readouterr().out
    assert "See you." in shown
    assert "Good night." in shown
    assert "1 events answered differently" in shown


def test_replay_with_other_settings_asks_what_they_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = _record(tmp_path / "call.jsonl")
    (tmp_path / "far.yaml").write_text("call: {playout: {lead_ms: 400}}")
    assert main(["replay", str(record), "--settings", str(tmp_path / "far.yaml")]) == 1
    assert "answered differently" in capsys.readouterr().out


def test_every_carrier_can_be_named() -> None:
    assert set(CARRIER_NAMES) == set(CARRIERS)


def test_a_record_is_printed_as_a_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcript", str(ROOT / "tests/call/records/version_1_agent.jsonl")]) == 0
    shown = capsys.readouterr().out
    assert "0.05 s  bot     Thank you for calling, please tell me what — [not heard: you need or key in" in shown
    assert "caller  I would like an appointment please." in shown


def test_the_callers_words_become_a_scenario_that_the_simulator_understands() -> None:
    read = scenario.parse(plain_scenario(["Hello.", 'It\'s "quoted": {fine}']))
    assert [type(step) for step in read.steps] == [
        scenario.WaitForSilence,
        scenario.Say,
        scenario.WaitForSilence,
        scenario.Say,
        scenario.WaitForSilence,
        scenario.HangUp,
    ]


def test_the_cache_is_filled_listed_and_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "cache.yaml"
    config.write_text(f"speaking: {{cache: {{disk_path: {tmp_path / 'kept'}}}, warm: ['We are closed today.']}}")
    assert main(["cache", "warm", "-c", str(config)]) == 0
    assert main(["cache", "list", "-c", str(config)]) == 0
    assert "closed today" in capsys.readouterr().out
    assert main(["cache", "purge", "-c", str(config), "--text", "we are closed today ."]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 phrases gone from disk\n"
    assert "in memory" in shown.err, "without Redis a running service is not told"
    assert main(["cache", "list", "-c", str(config), "--text", "We are closed today."]) == 0
    assert capsys.readouterr().out == "nothing matches\n"
    assert main(["cache", "purge", "-c", str(config), "--voice", "nobody"]) == 0
    assert capsys.readouterr().out == "0 phrases gone from disk\n"
    assert main(["cache", "purge", "-c", str(config), "--everything"]) == 0
    capsys.readouterr()
    assert main(["cache", "stats", "-c", str(config), "--json"]) == 0
    assert '"phrases": 0' in capsys.readouterr().out


def test_say_prints_the_words_of_a_text_or_of_each_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["say", "--words", "Say yes or no. Your PIN is 0042."]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("press #\nat 9:30 a.m.\n"))
    assert main(["say", "--words", "--language", "en-GB"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "Say yes or no. Your PIN is zero zero four two.",
        "press hash",
        "at nine thirty A M.",
    ]


def test_say_names_the_languages_that_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["say", "--words", "hello", "--language", "tlh"]) == 2

    assert "'tlh' is not a language that can be spoken; known are en-US" in capsys.readouterr().err
