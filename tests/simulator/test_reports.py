"""Results as files: JUnit, JSON, recording, one page without outside references."""

from __future__ import annotations

import re
import wave
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bridge.simulator import report
from bridge.simulator.ear import Recording
from bridge.simulator.main import progress
from bridge.simulator.plots import cumulative_plot, waveform_path
from bridge.simulator.result import CallResult, Fault, Happening, Turn, Verdict
from bridge.simulator.voices import key_tone


def made() -> tuple[CallResult, Recording]:
    recording = Recording()
    recording.bot.write(0, key_tone("5", 1500))
    recording.caller.write(8000, key_tone("7", 500))
    result = CallResult(
        name="a <call>", call_sid="CA1", url="http://x/", duration_ms=3000, hung_up_by="server", ended="x"
    )
    result.turns = [
        Turn(speaker="bot", start_ms=0, end_ms=1500, text="Hello & welcome", latency_ms=40, interrupted=True),
        Turn(speaker="caller", kind="interrupt", start_ms=1000, end_ms=1500, text="wait", duck_ms=80, stop_ms=500),
        Turn(speaker="bot", start_ms=2000, end_ms=2800, text="Yes?", latency_ms=500),
    ]
    result.first_audio_ms = 40
    result.leads_ms = [120, 160]
    result.happenings = [
        Happening(at_ms=-30, kind="dialled", text=""),
        Happening(at_ms=1080, kind="clear", text="100 ms"),
    ]
    result.verdicts = [
        Verdict(what="good", expected="1", heard="1", passed=True),
        Verdict(what="bad", expected="1", heard="2", passed=False),
    ]
    result.faults = [Fault(at_ms=700, kind="dropout", text="50 ms missing", ms=50.0)]
    return result, recording


def test_everything_is_written(tmp_path: Path) -> None:
    written = report.write_all(tmp_path, [made(), made()])
    assert {path.name for path in written} == {
        "call.html",
        "call.json",
        "junit.xml",
        "recording.wav",
        "recording-2.wav",
    }
    [first, _] = msgspec.json.decode((tmp_path / "call.json").read_bytes(), type=list[CallResult])
    assert first == made()[0]
    with wave.open(str(tmp_path / "recording.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 12000)


@pytest.mark.parametrize("kind", report.CARRIER_FAULTS)
def test_what_the_carrier_did_wrong_on_purpose_is_shown(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    result, recording = made()
    happening = Happening(at_ms=1200, kind=kind, text="refused: 403")
    result.happenings.append(happening)
    assert f'<div class="tick {kind} fault_played"' in report.page([(result, recording)])
    progress(happening, Console(width=120))
    assert kind.replace("_", " ") in capsys.readouterr().out


def test_junit_counts_what_failed() -> None:
    root = ElementTree.fromstring(report.junit([made()[0]]))
    [suite] = root.iter("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("2", "1", "3.000")
    [failure] = root.iter("failure")
    assert failure.get("message") == "expected 1, heard 2"


def test_the_page_stands_alone_and_escapes_what_it_shows() -> None:
    page = report.page([made()])
    assert "a &lt;call&gt;" in page
    assert "Hello &amp; welcome" in page
    assert "data:audio/wav;base64," in page
    outside = [link for link in re.findall(r"""(?:src|href)=["']([^"']+)""", page) if not link.startswith("data:")]
    assert outside == []
    assert "1 not met" in page
    assert "500 ms" in page


def test_the_terminal_shows_turns_latencies_and_what_failed() -> None:
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        report.show(made()[0], console)
        progress(Happening(at_ms=1500, kind="bot", text="Yes?"), console)
        progress(Happening(at_ms=1500, kind="mark", text="m"), console)
    text = captured.get()
    assert "ducked 80 ms, stopped 500 ms" in text
    assert "✗ bad: 2 (expected: 1)" in text
    assert "dropout at 0.70 s" in text
    assert text.count("1.50 s") == 1


def test_measures_are_collected_over_calls() -> None:
    values = report.measured([made()[0], made()[0]])
    assert values["reply latency"] == [500, 500]
    assert values["duck latency"] == [80, 80]
    assert values["first audio"] == [40, 40]


def test_drawings() -> None:
    path = waveform_path(key_tone("1", 100), 1600, 40)
    assert path.startswith("M0,")
    assert path.endswith("Z")
    assert len(re.findall(r"\d+,", path)) == 80
    plot = cumulative_plot([100, 200, 300], "t")
    assert "<polyline" in plot
    assert plot.count("<circle") == 3
    assert "p50 200 ms" in plot


@pytest.mark.parametrize("milliseconds", [0, 100])
def test_an_empty_call_has_a_page_too(milliseconds: int) -> None:
    result = CallResult(name="x", call_sid="CA", url="u", duration_ms=milliseconds)
    assert "<svg" in report.page([(result, Recording())])
