"""Logs tell what happened to a call, and not what was said on it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from bridge.telemetry import logs
from bridge.telemetry.logs import JsonFormatter, TextFormatter, event, private

NUMBER = "+15005550006"


def logged(**fields: str | int) -> logging.LogRecord:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.Logger("bridge.test")
    logger.addHandler(Keep())
    event(logger, "call started", logging.INFO, **fields)
    return records[0]


def test_private_fields_are_hidden_by_default() -> None:
    record = logged(call="CA1", caller=private(NUMBER))
    for formatter in (TextFormatter(show_private=False), JsonFormatter(show_private=False)):
        line = formatter.format(record)
        assert NUMBER not in line
        assert "CA1" in line


def test_private_fields_are_shown_where_that_is_asked_for() -> None:
    record = logged(caller=private(NUMBER))
    assert f"caller={NUMBER}" in TextFormatter(show_private=True).format(record)
    assert json.loads(JsonFormatter(show_private=True).format(record))["caller"] == NUMBER


def test_a_text_line_reads_from_left_to_right() -> None:
    line = TextFormatter(show_private=False).format(logged(call="CA1", seconds=3))
    assert line.endswith("Z info call started call=CA1 seconds=3")


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\x1b[2K\x1b[1G"])
@pytest.mark.parametrize("private", [False, True])
def test_nobody_elses_words_forge_a_line(end: str, private: bool) -> None:
    told = f"busy{end}2026-01-01T00:00:00.000Z info ready port=8080"
    record = logged(error=logs.private(told) if private else told, call="CA1")
    line = TextFormatter(show_private=True).format(record)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert line.endswith(" call=CA1")
    assert len(JsonFormatter(show_private=True).format(record).split("\n")) == 1


def test_an_exception_is_part_of_its_line() -> None:
    try:
        raise ValueError("the cause")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), (type(error), error, None))
    assert "the cause" in json.loads(JsonFormatter(show_private=False).format(record))["exception"]
    assert "the cause" in TextFormatter(show_private=False).format(record)


def passed(
    gate: logs.FloodGate, name: str, error: BaseException | None = None, **fields: str
) -> logging.LogRecord | None:
    """The line as it is written, or None."""
    info = None if error is None else (type(error), error, None)
    record = logging.LogRecord(name, logging.WARNING, "", 0, "refused", (), info)
    record.bridge_fields = fields
    return record if gate.filter(record) else None


def test_what_outsiders_cause_at_will_is_one_line_a_second_and_address() -> None:
    now = [0.0]
    gate = logs.FloodGate(clock=lambda: now[0])
    assert passed(gate, "bridge", remote="a") is not None
    assert [passed(gate, "bridge", remote="a") for _ in range(1000)] == [None] * 1000
    assert passed(gate, "bridge", remote="b") is not None, "another address has a line of its own"
    now[0] = 1.0
    line = passed(gate, "bridge", remote="a")
    assert line is not None
    assert logs.TextFormatter(show_private=False).format(line).endswith("refused remote=a left_out=1000")


def test_a_flood_from_many_addresses_keeps_the_memory_bounded() -> None:
    gate = logs.FloodGate(clock=lambda: 0.0)
    for number in range(5000):
        passed(gate, "bridge", remote=str(number))
    assert len(gate._kinds) <= 1024


def test_the_http_servers_tracebacks_about_bad_requests_are_one_line() -> None:
    gate = logs.FloodGate(clock=lambda: 0.0)
    line = passed(gate, "aiohttp.server", BadHttpMessage("no\nsense"))
    assert line is not None
    assert "\n" not in logs.TextFormatter(show_private=False).format(line)
    assert passed(gate, "aiohttp.server", BadHttpMessage("again")) is None
    gate = logs.FloodGate(clock=lambda: 0.0)
    ours = passed(gate, "aiohttp.server", ZeroDivisionError("a bug of ours"))
    assert ours is not None
    assert ours.exc_info is not None


def test_a_program_that_is_no_mcp_server_and_never_stops_talking_is_one_line() -> None:
    gate = logs.FloodGate(clock=lambda: 0.0)
    line = passed(gate, "mcp.client.stdio", ValueError("1 validation error\n  Invalid JSON"))
    assert line is not None
    assert "\n" not in logs.TextFormatter(show_private=False).format(line)
    assert [passed(gate, "mcp.client.stdio", ValueError("y")) for _ in range(1000)] == [None] * 1000


def test_our_own_lines_all_pass() -> None:
    gate = logs.FloodGate(clock=lambda: 0.0)
    assert all(passed(gate, "bridge", call="CA1") is not None for _ in range(10))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [("agent: {kind: script, file: none.yaml}", "none.yaml"), ("gatway: {}\ncall: {no_input_s: soon}", "gatway")],
)
def test_a_service_with_json_logs_prints_json_alone(wrong: str, named: str, tmp_path: Path) -> None:
    """What start-up says, and why it failed: here for want of an agent's file, or for what the settings hold."""
    config = tmp_path / "bridge.yaml"
    config.write_text(f"gateway: {{development_unsigned: true}}\ntelemetry: {{log_format: json}}\n{wrong}\n")
    serve = [str(Path(sys.executable).parent / "bridge"), "serve", "-c", str(config), "--port", "0"]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any(named in line["event"] for line in lines)


def told(process: subprocess.Popen[str], until: str) -> list[dict[str, str]]:
    """What a process says until a line holds these words, each line being an object."""
    lines: list[dict[str, str]] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(json.loads(line))
        if until in lines[-1]["event"]:
            return lines
    raise AssertionError(f"it ended without saying {until!r}: {lines}")


VOICES = "worker: {voices: {heart: {engine: hibari}, broken: {engine: piper, model: none.onnx}}}\n"
SERVICES = {
    "in one process": (["serve", "--port", "0"], "ready for calls"),
    "in two": (["serve", "--port", "0", "--processes", "2"], "ready for calls"),
    "the worker alone": (["worker", "--port", "0"], "speech worker ready"),
}


@pytest.mark.parametrize(("arguments", "ready"), SERVICES.values(), ids=SERVICES)
def test_all_processes_of_a_service_with_json_logs_write_json_alone(
    arguments: list[str], ready: str, tmp_path: Path
) -> None:
    """The worker's own complaint keeps its level, though another process writes it down."""
    (tmp_path / "agent.yaml").write_text("start: only\nstates: {only: {say: Hello., hang_up: true}}\n")
    config = tmp_path / "bridge.yaml"
    config.write_text(
        "gateway: {development_unsigned: true}\ntelemetry: {log_format: json}\n"
        "listening: {recogniser: {kind: none}}\n"
        "agent: {kind: script, file: agent.yaml}\n" + VOICES
    )
    command = [str(Path(sys.executable).parent / "bridge"), *arguments, "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as service:
        try:
            lines = told(service, ready)
        finally:
            service.terminate()
        assert service.stdout is not None
        lines += [json.loads(line) for line in service.stdout]
        assert service.wait() == 0
    refused = [line["level"] for line in lines if "voice 'broken' is refused" in line["event"]]
    assert refused == ["error"]


def test_the_worker_obeys_the_level_of_the_logs(tmp_path: Path) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text("telemetry: {log_level: error}\n" + VOICES)
    command = [str(Path(sys.executable).parent / "bridge"), "worker", "--port", "0", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert worker.stdout.readline().startswith("speech worker ready")
        worker.terminate()
        assert [line.split()[1] for line in worker.stderr] == ["error"]


@pytest.mark.parametrize("format", ["json", "text"])
def test_what_nobody_caught_and_warnings_of_libraries_are_lines_of_the_log(format: str) -> None:
    program = f"""
import threading, warnings
from bridge.telemetry.logs import configure_logs
from bridge.telemetry.settings import TelemetrySettings
configure_logs(TelemetrySettings(log_format="{format}"))
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise KeyError("odd")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    if format == "json":
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert [line["level"] for line in lines] == ["warning", "critical", "critical"]
        said = zip(("old", "ZeroDivisionError", "KeyError"), lines, strict=True)
        assert all(word in line["event"] + line.get("exception", "") for word, line in said)
    else:
        assert done.stderr.count(" critical not caught\nTraceback") == 2
