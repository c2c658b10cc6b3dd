"""Records of calls replay to the same commands, those of earlier versions among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.call.record import VERSION, header, moments, replay
from bridge.call.settings import CallSettings
from bridge.call.states import EndReason
from bridge.errors import BadMessage

RECORDS = Path(__file__).parent / "records"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("version_1_agent", EndReason.AGENT),
        ("version_1_drain", EndReason.DRAIN),
        ("version_1_not_reading", EndReason.NOT_READING),
    ],
)
def test_a_record_of_version_1_replays_to_the_same_commands(name: str, reason: EndReason) -> None:
    """Written by the release before reasons were an enum: an interrupted prompt, a false alarm, keys, an end."""
    found = replay((RECORDS / f"{name}.jsonl").read_bytes().splitlines())
    assert found.differences == []
    assert found.commands > 90
    assert found.call.end_reason is reason


def test_a_difference_in_an_old_record_is_still_seen() -> None:
    lines = (RECORDS / "version_1_agent.jsonl").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if '"hang_up"' in line and '"command"' in line)
    lines[place] = lines[place].replace("booked", "sold out")
    assert len(replay(lines).differences) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (json.dumps({"bridge_record": VERSION + 1, "settings": {}}), f"version {VERSION + 1}"),
        (json.dumps({"bridge_record": 0, "settings": {}}), "versions 1 and 2 can be replayed"),
        (json.dumps({"event": {"type": "call_started"}, "at": 0.0}), "not the beginning of a call's record"),
        ("", "not JSON"),
        ("[]", "expected an object"),
    ],
)
def test_what_cannot_be_replayed_says_why(line: str, complaint: str) -> None:
    with pytest.raises(BadMessage, match=complaint):
        replay([line])


def test_settings_that_replace_the_recorded_ones_do_not_make_the_version_unimportant() -> None:
    with pytest.raises(BadMessage, match="version 9"):
        replay([json.dumps({"bridge_record": 9, "settings": {}})], CallSettings())


def test_an_empty_file_is_no_record() -> None:
    with pytest.raises(BadMessage, match="not the beginning"):
        replay([])


def test_a_header_is_read_back() -> None:
    settings = CallSettings(no_input_s=3.0)
    assert replay([header(settings)]).call.settings == settings


def test_settings_that_came_later_do_as_was_done_before() -> None:
    """Without a recogniser the short silence ended a turn, until that case got a silence of its own."""
    lines = header(CallSettings(listens=False)).decode().replace('"unheard_ms":650,', "")
    assert "unheard_ms" not in lines
    call, _ = moments([lines])
    assert call.settings.endpoint.unheard_ms == call.settings.endpoint.short_ms
    call, _ = moments([header(CallSettings(listens=False))])
    assert call.settings.endpoint.unheard_ms == 650


def test_lone_words_of_a_record_made_before_they_were_looked_at_are_waited_for_as_they_were() -> None:
    lines = header(CallSettings()).decode()
    for later in ('"lone_ms":640,', '"voice_probability":0.75,', ',"voice_ms":64'):
        assert later in lines
        lines = lines.replace(later, "")
    endpoint = moments([lines])[0].settings.endpoint
    assert endpoint.lone_ms == endpoint.long_ms
    assert (endpoint.voice_probability, endpoint.voice_ms) == (0.9, 190)
