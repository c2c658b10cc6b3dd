"""A script is drawn as it is, and what is wrong with its ways is found before anybody rings it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.script_drawing import drawing
from bridge.agents.script_graph import Way, ways, without_end
from bridge.agents.script_load import examined
from bridge.agents.script_states import Script
from bridge.cli import main

ROOT = Path(__file__).parents[2]
CLINIC = """
name: Clinic <test>
start: hello
intents: {booking: [book]}
states:
  hello:
    say: Welcome to the clinic, what can I do for you today?
    when: {booking: book}
    digits: {"0": {transfer: "+15550100"}, "1": book}
    on_speech: hello
  book:
    say: Is that right?
    expect: yes_no
    on_yes: {say: Goodbye., hang_up: done}
    on_no: hello
"""


def script_of(text: str) -> Script:
    script, _ = examined(text, "s.yaml")
    assert script is not None
    return script


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_way_is_found() -> None:
    found = [(way.source, way.by, way.target, way.end) for way in ways(script_of(CLINIC)) if way.by != "gives up"]
    assert found == [
        ("hello", "says book", "book", None),
        ("hello", "presses 0", "+15550100", "transfer"),
        ("hello", "presses 1", "book", None),
        ("hello", "anything else", "hello", None),
        ("book", "yes", "done", "hang up"),
        ("book", "no", "hello", None),
    ]


def test_a_drawing_has_a_box_for_each_state_and_end_and_an_arrow_for_each_way() -> None:
    script = script_of(CLINIC)
    svg = drawing(script)
    said = texts(svg)
    for shown in ("hello", "book", "transfer", "+15550100", "hang up", "done", "says book / presses 1", "yes", "no"):
        assert shown in said
    assert svg.count("<rect") == len({way.target for way in ways(script)} | {"hello", "book"})
    leads_on = {("hello", "book"), ("hello", "+15550100"), ("book", "done")}
    assert leads_on <= {(way.source, way.target) for way in ways(script)}
    assert svg.count("<path d=") - 1 == len(leads_on), "one path is the arrow's tip; ways back are told by rows alone"
    assert "stays here" in said
    assert "hello \N{LEFTWARDS ARROW}" in said


def test_boxes_never_lie_on_each_other() -> None:
    for name in ("appointment", "menu"):
        svg = drawing(script_of((ROOT / f"fixtures/agents/{name}.yaml").read_text("utf-8")))
        found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
        boxes = [tuple(map(float, one)) for one in found]
        for place, (x, y, width, height) in enumerate(boxes):
            for other_x, other_y, other_width, other_height in boxes[place + 1 :]:
                beside = x + width <= other_x or other_x + other_width <= x
                assert beside or y + height <= other_y or other_y + other_height <= y


ROUND = """
  round: {say: Round., goto: about}
  about: {say: About., goto: round}
"""
TRAPPED = """
start: a
give_up: a
states:
  a: {say: "Again?", on_speech: b}
  b: {say: "And again?", on_speech: a}
"""
LOST = "  lost: {say: Nobody hears this., goto: hello}\n"
ALONE = "  alone: {say: Hm.}\n"
BROKEN = {
    "a dead end": (CLINIC + ALONE, 1, "nothing leads on"),
    "no way leads there": (CLINIC + LOST, 0, "'lost': no way leads here"),
    "a ring that never listens": (
        CLINIC.replace("on_no: hello", "on_no: round") + ROUND,
        1,
        "never waits for the caller",
    ),
    "no way to the end": (TRAPPED, 0, "no way leads from here to the end"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_with_the_ways_of_a_script(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, status, named = BROKEN[what]
    (tmp_path / "script.yaml").write_text(text)
    assert main(["check", str(tmp_path / "script.yaml"), "--svg", str(tmp_path / "out.svg")]) == status
    said = capsys.readouterr().out.splitlines()
    place = rf"{re.escape(str(tmp_path))}/script\.yaml:\d+: {'' if status else 'warning: '}state '"
    assert [line for line in said if named in line and re.match(place, line)], said
    assert main(["check", str(tmp_path / "script.yaml"), "--strict"]) == 1
    assert ElementTree.parse(tmp_path / "out.svg").getroot().tag.endswith("svg"), "drawn all the same"


def test_published_scripts_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("appointment", "menu"):
        assert main(["check", str(ROOT / f"fixtures/agents/{name}.yaml"), "--strict"]) == 0
    assert "states" in capsys.readouterr().out


def test_a_file_that_is_no_script_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    (tmp_path / "list.yaml").write_text("[1, 2]")
    assert main(["check", str(tmp_path / "list.yaml")]) == 1
    capsys.readouterr()


def test_a_colleague_of_a_team_is_somebody_to_transfer_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "desk.yaml").write_text("start: a\nstates: {a: {say: Hello., transfer: billing}}")
    (tmp_path / "billing.yaml").write_text("start: a\nstates: {a: {say: Hello., hang_up: done}}")
    (tmp_path / "bridge.yaml").write_text(
        "agent: {kind: team, first: desk, members: {desk: {agent: {kind: script, file: desk.yaml}}, "
        "billing: {agent: {kind: script, file: billing.yaml}}}}"
    )
    assert main(["check", str(tmp_path / "desk.yaml")]) == 1
    assert main(["check", str(tmp_path / "desk.yaml"), "-c", str(tmp_path / "bridge.yaml")]) == 0
    assert main(["check", str(ROOT / "fixtures/agents/menu.yaml"), "-c", str(tmp_path / "bridge.yaml")]) == 2
    assert "no agent has the script" in capsys.readouterr().err


def test_a_state_and_an_end_of_one_name_are_told_apart() -> None:
    script = script_of("start: done\nstates: {done: {say: Bye., hang_up: done}}")
    assert ways(script) == [Way("done", "done", "", "hang up")]
    assert drawing(script).count("<rect") == 2
    assert without_end(script) == []


names = st.sampled_from(["a", "b", "c", "d", "e"])


@given(st.dictionaries(names, st.tuples(st.lists(names, max_size=3), st.booleans()), min_size=1))
def test_any_script_is_drawn_as_well_formed_svg(states: dict[str, tuple[list[str], bool]]) -> None:
    lines = ["start: a", "states:"]
    for name, (targets, ends) in states.items():
        keys = {str(key): target for key, target in enumerate(targets)}
        digits = ", ".join(f'"{key}": {target}' for key, target in keys.items())
        lines += [f"  {name}:", '    say: "<&> words"', f"    digits: {{{digits}}}"]
        lines += ["    on_speech: {hang_up: done}"] if ends else []
    script, _ = examined("\n".join(lines), "s.yaml")
    assert script is not None
    if "a" in states or states:
        ElementTree.fromstring(drawing(script))
