"""Whether a caller's voice is a machine's: gathered beside the call, judged in a thread, told as a hint alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bridge.agents.base import CallInfo
from bridge.agents.chat_prompts import as_messages
from bridge.agents.settings import ChatSettings
from bridge.audio import mulaw
from bridge.call.actions import Action, Prompt, Say
from bridge.call.events import CallerScored, Event
from bridge.errors import ConfigError
from bridge.gateway.observers import CallObservers
from bridge.listening.detectors.base import WINDOW_S, Samples, SpeechDetector
from bridge.listening.detectors.onnx_model import OnnxDetector
from bridge.listening.detectors.spectral import SpectralDetector
from bridge.listening.settings import NoDetectorSettings, OnnxDetectorSettings, SpectralDetectorSettings
from bridge.session.detecting import VoiceDetection, open_detection, spoken_blocks
from bridge.telemetry.metrics import Metrics
from tests.bench.human_clips import read_sound
from tests.gateway.carrier import running
from tests.gateway.doubles import ServiceDoubles
from tests.store.contract import until

FRAME = 160
LOUD, SILENT = bytes(mulaw.encode(np.resize(np.array([9000, -9000], np.int16), FRAME))), b"\xff" * FRAME
WINDOW_FRAMES = round(WINDOW_S * 50)
CLIPS = Path(__file__).parents[2] / "fixtures" / "human"


class Known:
    """A detector that knows what it will say."""

    name = "synthetic"

    def __init__(self, *scores: float, before: Callable[[], object] = lambda: None) -> None:
        self._scores = list(scores)
        self._before = before
        self.windows: list[Samples] = []

    def score(self, speech: Samples) -> float:
        self.windows.append(speech)
        self._before()
        return self._scores[min(len(self.windows), len(self._scores)) - 1]


class Desk:
    """One call that is judged."""

    def __init__(self, detector: SpeechDetector) -> None:
        self.metrics, self.told = Metrics(), list[Event]()
        self.detection = VoiceDetection(detector, self.metrics)
        self.tap = self.detection.open_call(self.told.append)

    def hears(self, frames: int, caller: bytes = LOUD, ours: bytes = SILENT) -> None:
        for at in range(0, frames, 10):
            self.tap.sound(at * FRAME, caller * 10, ours * 10)

    def lost(self, why: str) -> float:
        return float(self.metrics.detector_losses.labels(why)._value.get())


async def test_a_call_is_told_its_score_after_each_window_of_speech() -> None:
    known = Known(0.9, 0.5)
    desk = Desk(known)
    desk.hears(WINDOW_FRAMES)
    await until(lambda: desk.told == [CallerScored("synthetic", 0.9)])
    desk.hears(WINDOW_FRAMES)
    await until(lambda: desk.told[1:] == [CallerScored("synthetic", 0.75)])  # the mean of what speaks for a machine
    assert {len(window) for window in known.windows} == {round(WINDOW_S * 8000)}
    await desk.detection.close()


@pytest.mark.parametrize(
    ("caller", "ours"),
    [(SILENT, SILENT), (LOUD, LOUD), (SILENT, LOUD)],
    ids=["a pause", "while we speak, since it may be our own voice", "our voice alone"],
)
async def test_what_is_not_surely_the_caller_is_not_judged(caller: bytes, ours: bytes) -> None:
    known = Known(0.9)
    desk = Desk(known)
    desk.hears(3 * WINDOW_FRAMES, caller, ours)
    desk.hears(WINDOW_FRAMES - 10)
    assert not known.windows
    desk.hears(10)
    await until(lambda: len(desk.told) == 1)
    await desk.detection.close()


async def test_a_detector_that_is_slow_loses_windows_and_holds_nobody_up() -> None:
    go_on = threading.Event()
    desk = Desk(Known(0.9, before=go_on.wait))
    desk.hears(50 * WINDOW_FRAMES)
    assert desk.lost("busy") == 42, "eight wait, or are judged"
    go_on.set()
    await until(lambda: len(desk.told) == 8)
    await desk.detection.close()


async def test_a_detector_that_fails_costs_its_window() -> None:
    failing = [True, False]

    def fail() -> None:
        if failing.pop(0):
            raise RuntimeError("no model")

    desk = Desk(Known(0.9, before=fail))
    desk.hears(2 * WINDOW_FRAMES)
    await until(lambda: len(desk.told) == 1)
    assert desk.lost("failed") == 1
    await desk.detection.close()


async def test_a_call_that_is_over_is_told_nothing_more() -> None:
    go_on = threading.Event()
    desk = Desk(Known(0.9, before=go_on.wait))
    desk.hears(WINDOW_FRAMES)
    desk.tap.ended()
    go_on.set()
    await desk.detection.close()
    await asyncio.sleep(0)
    assert desk.told == []


# On the phone


def repeats(prompt: Prompt) -> list[Action]:
    return [Say("hello")] if prompt.kind == "call_started" else [Say(prompt.text)]


@pytest.mark.parametrize("detector", [Known(1.0), Known(1.0, before=lambda: 1 // 0)], ids=["sure", "failing"])
async def test_the_agent_is_told_and_the_call_goes_on_whatever_the_score(detector: Known) -> None:
    doubles = ServiceDoubles(repeats)
    metrics = Metrics()
    detection = VoiceDetection(detector, metrics)
    async with running(doubles=doubles, observers=CallObservers(detection=detection)) as carrier:
        leg = await carrier.call()
        await leg.until_audio(FRAME * 5)
        (session,) = carrier.gateway.media.sessions().values()
        detection.judge(LOUD * WINDOW_FRAMES, lambda score: session.tell(detection.scored(score)))
        judged = metrics.detector_losses.labels("failed")._value
        await until(lambda: bool(session.call._bot.answering.scores) or judged.get() == 1)
        await leg.press("7")
        await leg.until_audio(FRAME * 6)
        said = doubles.agents.calls[0].prompts[-1]
        assert said.kind == "digits"
        assert said.scores == ({"synthetic": 1.0} if not judged.get() else msgspec.UNSET)
        assert carrier.gateway.calls == 1
        await leg.stop()
    await detection.close()


def said_to_model(scores: dict[str, float]) -> str:
    prompt = Prompt("caller_said", "Send it to my new address.", scores=scores)
    told = as_messages(ChatSettings(model="small"), CallInfo(call_id="CA1"), prompt)
    return str(told)


def test_a_chat_model_is_told_of_a_high_score_alone() -> None:
    assert "machine's" in said_to_model({"synthetic": 0.93})
    assert "machine's" not in said_to_model({"synthetic": 0.6})


def test_a_web_service_gets_scores_where_there_are_any() -> None:
    assert b"scores" not in msgspec.json.encode(Prompt("caller_said", "Hello."))
    assert b'"scores":{"synthetic":0.93}' in msgspec.json.encode(Prompt("caller_said", scores={"synthetic": 0.93}))


# The detectors


def test_the_spectral_detector_tells_the_default_voice_from_people_it_was_not_fitted_on(
    default_voice: Callable[[str], Samples],
) -> None:
    """As well as it can: over many windows machines score higher than people. `tests.bench` has the rates."""
    detector = SpectralDetector()
    people = b"".join(read_sound(path) for path in sorted(CLIPS.glob("held_*.wav"))[:30])
    texts = ("Where is my parcel?", "I would like to speak to somebody about the last invoice, please.")
    machine = b"".join(mulaw.encode_float(default_voice(text) * 0.5) for text in texts * 3)
    scores = []
    for track in (people, machine):
        speech = mulaw.decode_float(b"".join(spoken_blocks(track)))
        size = round(WINDOW_S * 8000)
        scores.append(np.mean([detector.score(speech[at : at + size]) for at in range(0, len(speech) - size, size)]))
    assert scores[1] > scores[0] + 0.3


@pytest.mark.parametrize(
    "speech",
    [
        np.zeros(24_000, np.float32),
        np.zeros(10, np.float32),
        np.ones(24_000, np.float32),
        np.full(24_000, 1e-30, np.float32),
        np.eye(1, 24_000, 12_000, dtype=np.float32)[0],
        np.resize(np.array([1, -1], np.float32), 24_000),
    ],
)
def test_whatever_comes_gives_a_score(speech: Samples) -> None:
    assert 0.0 <= SpectralDetector().score(speech) <= 1.0


def onnx_file(path: Path, factor: float) -> Path:
    """A model whose score is the mean of what it hears, times something."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("ReduceMean", ["speech"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("speech", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_model_of_yours_is_loaded_from_a_file(tmp_path: Path) -> None:
    detector = OnnxDetector(onnx_file(tmp_path / "mean.onnx", 1.0))
    assert detector.score(np.full(24_000, 0.25, np.float32)) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        detector.score(np.full(24_000, 1.5, np.float32))


def test_a_file_that_is_no_detector_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "words.onnx").write_text("none")
    for name in ("words.onnx", "missing.onnx"):
        with pytest.raises(ConfigError, match=name):
            OnnxDetector(tmp_path / name)
    (tmp_path / "weights.json").write_text('{"mean": []}')
    with pytest.raises(ConfigError, match="weights"):
        SpectralDetector(tmp_path / "weights.json")


async def test_settings_say_which_detector_there_is(tmp_path: Path) -> None:
    onnx_file(tmp_path / "mine.onnx", 1.0)
    assert open_detection(NoDetectorSettings(), tmp_path, Metrics()) is None
    for settings in (SpectralDetectorSettings(), OnnxDetectorSettings(model="mine.onnx", name="mine")):
        detection = open_detection(settings, tmp_path, Metrics())
        assert detection is not None
        await detection.close()


@pytest.fixture(scope="module")
def default_voice() -> Callable[[str], Samples]:
    from bridge.simulator.voices import speak

    return speak
