"""The meter reads latencies off a call as it passes."""

from __future__ import annotations

from bridge.call.actions import Expect, Prompt, Say
from bridge.call.commands import AskAgent, ClearPlayout, Command, Decided, SendAudio, Synthesise
from bridge.call.events import AgentActed, CallStarted, Event, SpeechArrived, SpeechFailed, TimePassed
from bridge.call.machine import Call
from bridge.call.settings import CallSettings
from bridge.call.states import Decision
from bridge.telemetry.meter import CallMeter
from bridge.telemetry.metrics import Metrics

AUDIO = SendAudio(1, 0, b"\xff" * 480)


class Watched:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.meter = CallMeter(self.metrics, Call(CallSettings()))

    def at(self, now: float, *commands: Command, event: Event | None = None) -> None:
        self.meter.saw(event or TimePassed(), list(commands), now)

    def sum(self, name: str) -> float:
        return self._line(f"{name}_sum")

    def count(self, name: str) -> float:
        return self._line(f"{name}_count")

    def _line(self, name: str) -> float:
        lines = self.metrics.page().decode().splitlines()
        return float(next(line.split()[-1] for line in lines if line.split()[0].split("{")[0] == name))


def test_first_audio_is_timed_once_from_the_calls_start() -> None:
    call = Watched()
    call.at(0.0, event=CallStarted())
    call.at(0.25, AUDIO)
    call.at(0.31, AUDIO)
    assert call.sum("bridge_first_audio_seconds") == 0.25
    assert call.count("bridge_first_audio_seconds") == 1


def test_reply_latency_runs_from_the_callers_last_sound_to_the_answers_first() -> None:
    call = Watched()
    call.at(5.3, Decided(Decision.TURN_OVER, {"silence_ms": 300}), AskAgent(2, Prompt("caller_said", "hello")))
    call.at(5.5, AUDIO)
    call.at(5.6, AUDIO)
    assert abs(call.sum("bridge_reply_latency_seconds") - 0.5) < 1e-9
    assert call.count("bridge_reply_latency_seconds") == 1


def test_an_agents_first_word_is_timed_from_its_prompt_and_once() -> None:
    call = Watched()
    call.at(5.0, AskAgent(2, Prompt("caller_said", "hello")))
    call.at(5.1, event=AgentActed(1, Say("too late")))
    call.at(5.2, event=AgentActed(2, Expect("digits")))
    call.at(5.4, event=AgentActed(2, Say("One", more=True)))
    call.at(5.6, event=AgentActed(2, Say(" more.")))
    assert abs(call.sum("bridge_agent_first_word_seconds") - 0.4) < 1e-9
    assert call.count("bridge_agent_first_word_seconds") == 1


def test_an_answer_that_the_caller_prevents_is_no_reply() -> None:
    call = Watched()
    call.at(5.3, Decided(Decision.TURN_OVER, {"silence_ms": 300}))
    call.at(5.4, Decided(Decision.INTERRUPTED, {"state": "thinking"}))
    call.at(9.0, AUDIO)
    assert call.count("bridge_reply_latency_seconds") == 0


def test_stop_latency_runs_from_the_first_suspicious_sound_to_the_clear() -> None:
    call = Watched()
    call.at(2.1, Decided(Decision.SUSPECTED, {"since": 2.05}))
    call.at(2.35, Decided(Decision.INTERRUPTED, {"since": 2.05}), ClearPlayout())
    assert abs(call.sum("bridge_duck_latency_seconds") - 0.05) < 1e-9
    assert abs(call.sum("bridge_stop_latency_seconds") - 0.30) < 1e-9


def test_a_clear_that_only_lowers_the_voice_is_no_stop() -> None:
    call = Watched()
    call.at(2.1, Decided(Decision.SUSPECTED, {"since": 2.05}), ClearPlayout(), AUDIO)
    assert call.count("bridge_stop_latency_seconds") == 0


def test_speech_first_audio_is_timed_per_utterance() -> None:
    call = Watched()
    call.at(1.0, Synthesise(1, "Good", final=False))
    call.at(1.1, Synthesise(1, " morning.", final=True))
    call.at(1.2, event=SpeechArrived(1, b"\xff" * 160))
    call.at(1.3, event=SpeechArrived(1, b"\xff" * 160))
    assert abs(call.sum("bridge_speech_first_audio_seconds") - 0.2) < 1e-9
    assert call.count("bridge_speech_first_audio_seconds") == 1


def test_failures_and_underruns_are_counted() -> None:
    call = Watched()
    call.at(1.0, Decided(Decision.UNDERRUN, {"utterance": 1}), event=SpeechFailed(1, "worker gone"))
    page = call.metrics.page().decode()
    assert "bridge_underruns_total 1.0" in page
    assert "bridge_speech_failures_total 1.0" in page
    assert 'bridge_decisions_total{what="underrun"} 1.0' in page
