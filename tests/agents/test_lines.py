"""Lines and server-sent events, wherever the network cuts them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, Failure
from bridge.agents.lines import LONGEST_LINE, EventReader, LineSplitter, readable


def lines(*pieces: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.close()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\r", [b"a", b"b"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"a\r\rb", [b"a", b"", b"b"]),
        (b"\xef\xbb\xbfa\nb", [b"a", b"b"]),
        (b"a\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"]),  # a mark only at the beginning
        (b"", []),
        (b"\xef\xbb\xbf", []),
    ],
)
def test_lines_end_in_any_of_three_ways_wherever_they_are_cut(raw: bytes, expected: list[bytes]) -> None:
    assert lines(raw) == expected
    assert lines(*(raw[i : i + 1] for i in range(len(raw)))) == expected


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"data: "]), max_size=30), st.data())
def test_no_cut_changes_a_line(parts: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert lines(*pieces) == lines(raw)


def test_a_line_without_end_is_refused_when_it_is_too_long() -> None:
    splitter = LineSplitter()
    splitter.feed(b"x" * LONGEST_LINE)
    with pytest.raises(AgentError, match="longer than") as refused:
        splitter.feed(b"x")
    assert refused.value.kind is Failure.TOO_MUCH


def events(*raw: bytes) -> list[tuple[str, object]]:
    reader = EventReader()
    found = [reader.line(line) for line in raw] + [reader.close()]
    return [(event.name, event.value if event.data != "[DONE]" else "done") for event in found if event]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([b'data: {"a": 1}', b""], [("", {"a": 1})]),
        ([b'data:{"a": 1}', b""], [("", {"a": 1})]),
        ([b'data: {"a": 1}', b'data: {"a": 2}'], [("", {"a": 1}), ("", {"a": 2})]),  # no empty lines between
        ([b"data: {", b'data: "a": 1', b"data: }", b""], [("", {"a": 1})]),  # one event on several lines
        ([b"data: [DONE]", b""], [("", "done")]),
        ([b"data:[DONE]"], [("", "done")]),
        ([b"data: [DONE] ", b""], [("", "done")]),
        ([b"data:", b"", b"data: ", b"", b"data"], []),
        ([b": a comment", b": ping - 2026", b"", b"id: 7", b"retry: 100", b"event: x", b""], []),
        ([b"event: error", b"data: no luck", b""], [("error", None)]),
        ([b"event: error", b'data: {"message": "x"}', b""], [("error", {"message": "x"})]),
        ([b'error: {"code": 500}'], [("error", {"code": 500})]),
        ([b"event: ping", b"", b'data: {"a": 1}', b""], [("", {"a": 1})]),  # a name lasts until the empty line
        ([b"event: error", b"", b'data: {"a": 1}', b""], [("error", None), ("", {"a": 1})]),  # an error without words
        ([b"event: error", b"data:", b""], [("error", None)]),
        ([b"event: ERROR", b"data: {}"], [("error", {})]),
        ([b"event: stream_error", b"data: x"], [("error", None)]),
        ([b"event: exception", b"data: x"], [("error", None)]),
        ([b'data: "[DONE]"'], [("", "done")]),
        ([b"data: [done]"], [("", "done")]),
        ([b'data: data: {"a": 1}'], [("", {"a": 1})]),
        ([b'\xef\xbb\xbfdata: {"a": 1}', b'\xef\xbb\xbfdata: \xef\xbb\xbf{"a": 2}'], [("", {"a": 1}), ("", {"a": 2})]),
        ([b"\xef\xbb\xbf", b'data: {"a": "x\ty"}'], [("", {"a": "x\ty"})]),
    ],
)
def test_events(raw: list[bytes], expected: list[tuple[str, object]]) -> None:
    assert events(*raw) == expected


def test_data_that_never_becomes_json_is_named() -> None:
    with pytest.raises(AgentError, match="not JSON") as refused:
        events(b"data: {", b"")
    assert (refused.value.kind, refused.value.quoted) == (Failure.UNREADABLE_EVENT, "{")


def test_an_event_without_end_is_refused() -> None:
    reader = EventReader()
    for _ in range(4):
        reader.line(b"data: {" + b"-" * 250_000)
    with pytest.raises(AgentError, match="an event of more than") as refused:
        reader.line(b"data: " + b"-" * 250_000)
    assert refused.value.kind is Failure.TOO_MUCH


def test_what_is_no_event_is_kept_for_a_look_but_not_all_of_it() -> None:
    reader = EventReader()
    for _ in range(1000):
        assert reader.line(b"<p>" + b"x" * 1000) is None
    assert reader.strange.startswith(b"<p>x")
    assert len(reader.strange) == 64 * 1024


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb'{"a": "\ud83d"}', {"a": ""}),
        (rb'{"a": "x\ude00y"}', {"a": "xy"}),
        (rb'[{"a": ["\ud83d"]}]', [{"a": [""]}]),
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\xff"}', {"a": "�"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "x\ny\x00"}', {"a": "x\ny\x00"}),
    ],
)
def test_broken_characters_do_not_spoil_the_rest(raw: bytes, expected: object) -> None:
    assert readable(raw) == (True, expected)


@pytest.mark.parametrize("raw", [b"", b"{", b"hello", b"[" * 100_000, b"{" * 100_000])
def test_what_is_no_json_is_said_to_be_none(raw: bytes) -> None:
    assert readable(raw) == (False, None)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_lines_are_events_or_named(raw: list[bytes]) -> None:
    with suppress(AgentError):
        events(*raw)
