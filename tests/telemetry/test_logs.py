"""Logs tell what happened to a call, and not what was said on it."""

from __future__ import annotations

import json
import logging

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
