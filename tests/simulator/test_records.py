"""The server's own record beside what the ear heard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.simulator import report
from bridge.simulator.ear import Recording
from bridge.simulator.records import beside, of_call
from bridge.simulator.result import BridgeTurn, CallResult, Turn

OLD = Path(__file__).parents[1] / "call" / "records" / "version_1_agent.jsonl"


def record(folder: Path, name: str, call_id: str, lines: int | None = None) -> None:
    head, *rest = OLD.read_bytes().splitlines(keepends=True)
    fields = json.loads(head)
    fields["about"]["call_id"] = call_id
    (folder / name).write_bytes(json.dumps(fields).encode() + b"\n" + b"".join(rest[:lines]))


async def test_the_record_of_this_call_is_found_in_a_folder(tmp_path: Path) -> None:
    record(tmp_path, "a.jsonl", "CA1")
    record(tmp_path, "b.jsonl", "CA2")
    (tmp_path / "c.jsonl").write_text("not a record")
    turns = await of_call(tmp_path, "CA2")
    assert [turn.speaker for turn in turns] == ["bot", "caller", "bot", "caller", "bot"]
    assert turns[0].unheard == "you need or key in your number."
    assert await of_call(tmp_path / "a.jsonl", "another") == turns


async def test_a_record_of_another_call_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.simulator.records._WRITTEN_WITHIN_S", 0.0)
    record(tmp_path, "a.jsonl", "CA1")
    with pytest.raises(ConfigError, match="no record of call CA2"):
        await of_call(tmp_path, "CA2")


def test_each_turn_stands_beside_the_nearest_of_its_speaker() -> None:
    turns = [
        Turn(speaker="bot", start_ms=50, end_ms=900, text="thank you"),
        Turn(speaker="caller", start_ms=1000, end_ms=2000, text="an appointment"),
        Turn(speaker="bot", start_ms=2500, end_ms=4000, text="certainly"),
    ]
    own = [
        BridgeTurn(at_ms=40, speaker="bot", text="Thank you", unheard="for calling"),
        BridgeTurn(at_ms=1100, speaker="caller", text="a pointment"),
        BridgeTurn(at_ms=2400, speaker="bot", text="Certainly."),
        BridgeTurn(at_ms=3000, speaker="bot", text="When?"),
    ]
    assert beside(turns, own) == ["Thank you [not heard: for calling]", "a pointment", "Certainly. / When?"]
    assert beside(turns, []) == ["", "", ""]
    assert beside([], own) == []


def test_the_page_shows_both() -> None:
    result = CallResult(name="x", call_sid="CA", url="u", connected=True)
    result.turns = [Turn(speaker="caller", start_ms=0, end_ms=500, text="an appointment")]
    assert "the server's record" not in report.page([(result, Recording())])
    result.bridge = [BridgeTurn(at_ms=10, speaker="caller", text="a <pointment>")]
    page = report.page([(result, Recording())])
    assert "the server's record" in page
    assert "a &lt;pointment&gt;" in page
