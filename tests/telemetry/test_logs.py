"""Logs tell what happened to a call, and not what was said on it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

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


def test_our_own_lines_all_pass() -> None:
    gate = logs.FloodGate(clock=lambda: 0.0)
    assert all(passed(gate, "bridge", call="CA1") is not None for _ in range(10))


def test_a_service_with_json_logs_prints_json_alone(tmp_path: Path) -> None:
    """What start-up says, and why it failed: here for want of an agent's file."""
    config = tmp_path / "bridge.yaml"
    config.write_text(
        "gateway: {development_unsigned: true}\ntelemetry: {log_format: json}\nagent: {kind: script, file: none.yaml}\n"
    )
    serve = [str(Path(sys.executable).parent / "bridge"), "serve", "-c", str(config), "--port", "0"]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any("none.yaml" in line["event"] for line in lines)
