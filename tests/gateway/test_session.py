"""The shell does what the machine orders, in order, and one call's bug stays that call's."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.agents.base import AgentError, CallInfo, Failure, LikelyLine
from bridge.agents.script import ScriptFactory
from bridge.agents.script_load import compile_script
from bridge.call.actions import Action, Prompt, Say, Wait
from bridge.call.actions import HangUp as HangUpWanted
from bridge.call.commands import Command
from bridge.call.events import DigitPressed, EndRequested, Event, MarkEchoed, SpeechArrived
from bridge.call.record import replay
from bridge.call.settings import CallSettings
from bridge.call.states import EndReason
from bridge.carriers.base import Apologise, EndCall
from bridge.session.books import NO_FOLLOWERS, CallFollowers
from bridge.session.ports import CallServices
from bridge.session.session import CallSession
from bridge.session.timers import TimerWheel
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.telemetry.after_call.reporter import CallReporter
from bridge.telemetry.logs import JsonFormatter, Private, TextFormatter
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from tests.gateway.doubles import FRAME, Agents, Answer, PaperLine, ServiceDoubles, SetAgent, greet
from tests.speaking.doubles import FakeWorker

SETTINGS = CallSettings(listens=False, inter_digit_s=0.0)


class Phone:
    """One session between doubles, on a clock that the test moves."""

    def __init__(
        self,
        answer: Answer = greet,
        services: Callable[[ServiceDoubles], CallServices] = lambda doubles: doubles.services,
        settings: CallSettings = SETTINGS,
        followers: CallFollowers = NO_FOLLOWERS,
        spent: Mapping[str, float] | None = None,
    ) -> None:
        self.now = 1000.0
        self.doubles, self.line, self.metrics = ServiceDoubles(answer), PaperLine(), Metrics()
        self.ended = 0
        self.wheel = TimerWheel(asyncio.get_running_loop(), clock=lambda: self.now)
        self.session = CallSession(
            CallInfo(call_id="CA1"),
            settings,
            line=self.line,
            services=services(self.doubles),
            wheel=self.wheel,
            metrics=self.metrics,
            followers=followers,
            spent=spent,
            on_ended=self.count_end,
            clock=lambda: self.now,
        )

    def count_end(self) -> None:
        self.ended += 1

    async def turns(self, count: int = 5) -> None:
        """Let tasks run."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Time passes; the carrier plays what it got and echoes each mark."""
        until = self.now + seconds
        while self.now < until and not self.session.over:
            self.now = min(self.now + 0.02, until)
            self.wheel.fire_due()
            self.echo_marks()
            await self.turns()

    def echo_marks(self) -> None:
        echoed: list[str] = []
        for kind, what in list(self.line.sent):
            if kind == "mark" and isinstance(what, str):
                echoed.append(what)
        for name in echoed[self._echoed :]:
            self.session.tell(MarkEchoed(name))
        self._echoed = len(echoed)

    _echoed = 0

    def page(self) -> str:
        return self.metrics.page().decode()


async def test_a_greeting_is_sent_to_the_line_and_noted_by_the_ear() -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(1.0)
    assert phone.line.audio() == FRAME * len("hello")
    assert b"".join(phone.doubles.ears.calls[0].sounds_sent) == phone.line.audio()
    assert phone.line.flushed == len(phone.line.sent)  # nothing waits in the line


async def test_an_agent_that_is_ready_at_once_is_heard_within_a_few_turns_of_the_loop() -> None:
    phone = Phone()
    phone.session.start()
    await phone.turns(3)
    assert phone.line.audio() != b""


async def test_frames_go_to_the_ear_and_not_to_the_machine() -> None:
    phone = Phone()
    phone.session.start()
    before = len(phone.session._last_events)
    for _ in range(5):
        phone.session.hear(FRAME)
    assert phone.doubles.ears.calls[0].heard == [FRAME] * 5
    assert len(phone.session._last_events) == before


async def test_digits_reach_the_agent_and_its_hang_up_ends_the_call_after_the_last_word() -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(1.0)
    phone.session.tell(DigitPressed("9"))
    await phone.wait(3.0)
    assert phone.doubles.agents.calls[0].prompts[-1].text == "9"
    assert phone.line.audio() == FRAME * len("hellobye")
    assert phone.line.ended == [EndCall()]
    assert 'bridge_calls_ended_total{why="agent"} 1.0' in phone.page()


async def test_what_a_call_holds_is_released_once() -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(0.5)
    phone.session.stream_closed(EndReason.CALLER)
    phone.session.stream_closed(EndReason.CALLER)
    phone.session.tell(DigitPressed("1"))
    phone.session.hear(FRAME)
    assert (phone.ended, phone.doubles.ears.calls[0].closed, phone.doubles.voices.calls[0].closed) == (1, 1, 1)
    assert "bridge_calls 0.0" in phone.page()
    assert phone.doubles.ears.calls[0].heard == []


async def test_events_born_while_commands_are_carried_out_wait_their_turn() -> None:
    phone = Phone()
    receive = phone.session.call.receive
    arrivals: list[bool] = []

    def watched(event: Event, now: float) -> list[Command]:
        if isinstance(event, SpeechArrived):
            arrivals.append(phone.doubles.voices.calls[0].pulling)
        return receive(event, now)

    phone.session.call.receive = watched  # type: ignore[method-assign]
    phone.session.start()
    await phone.wait(1.0)
    assert phone.line.audio() == FRAME * len("hello")
    assert arrivals == [False]  # delivered from within `pull`, received after it


async def test_a_bug_ends_its_call_with_an_apology_and_a_log_line_without_private_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(0.5)

    def broken(event: Event, now: float) -> list[Command]:
        raise RuntimeError("a bug")

    phone.session.call.receive = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        phone.session.tell(DigitPressed("7"))
    assert phone.line.ended == [Apologise(SETTINGS.last_apology)]
    assert phone.ended == 1
    assert "call=CA1" in caplog.text
    assert "CallStarted" in caplog.text
    assert "'7'" not in caplog.text
    assert 'bridge_call_failures_total{where="session"} 1.0' in phone.page()


async def test_an_agent_that_fails_costs_an_apology_not_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def fails(prompt: Prompt) -> list[Action]:
        if prompt.kind == "call_started":
            return [Say("hello")]
        raise AgentError(Failure.HTTP_STATUS, "the agent answered 503", "Ann's card is 4111")

    phone = Phone(fails)
    phone.session.start()
    await phone.wait(1.0)
    said = len(phone.line.audio())
    phone.session.tell(DigitPressed("7"))
    await phone.wait(0.3)
    assert len(phone.line.audio()) > said
    assert not phone.session.over
    assert 'bridge_agent_failures_total{kind="http_status"} 2.0' in phone.page()  # it was asked twice
    failed = next(record for record in caplog.records if record.getMessage() == "agent failed")
    fields = failed.__dict__["bridge_fields"]
    assert (fields["kind"], fields["why"]) == ("http_status", "the agent answered 503")
    assert isinstance(fields["quoted"], Private)
    assert fields["quoted"] == '"Ann\'s card is ####"'


async def test_a_service_is_told_that_what_was_pressed_counts() -> None:
    phone = Phone(lambda prompt: [Say("hello")])
    phone.session.start()
    await phone.wait(1.0)
    phone.session.tell(DigitPressed("7"))
    await phone.wait(1.0)
    assert phone.doubles.agents.calls[0].confirmed_turns == [2]


async def test_a_dead_agent_at_the_start_ends_the_call_with_an_apology(caplog: pytest.LogCaptureFixture) -> None:
    def fails(prompt: Prompt) -> list[Action]:
        raise AgentError(Failure.UNREACHABLE, "service unreachable")

    phone = Phone(fails)
    phone.session.start()
    await phone.wait(8.0)
    assert phone.line.audio() != b""
    assert phone.line.ended == [EndCall()]
    assert 'bridge_calls_ended_total{why="agent failed"} 1.0' in phone.page()


async def test_an_agent_with_a_bug_is_logged_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def fails(prompt: Prompt) -> list[Action]:
        raise KeyError("a bug in the agent")

    phone = Phone(fails)
    phone.session.start()
    await phone.wait(0.3)
    assert not phone.session.over
    assert "a bug in the agent" in caplog.text


async def test_what_an_agent_with_a_bug_says_of_the_caller_is_private(caplog: pytest.LogCaptureFixture) -> None:
    def fails(prompt: Prompt) -> list[Action]:
        return [Say(str(int(" ".join(["Ann", "4111"]))))]

    phone = Phone(fails)
    phone.session.start()
    await phone.wait(0.3)
    failed = next(record for record in caplog.records if record.getMessage() == "agent failed")
    fields = failed.__dict__["bridge_fields"]
    assert fields["kind"] == "raised"
    assert fields["why"].startswith("its code cannot answer: ValueError, ")
    assert fields["why"].endswith(" in fails")
    assert isinstance(fields["quoted"], Private)
    assert "Ann ####" in fields["quoted"]
    raised = next(record for record in caplog.records if record.exc_info)
    for formatter in (TextFormatter, JsonFormatter):
        written = formatter(show_private=False).format(raised)
        assert "in fails" in written
        assert "ValueError: <private>" in written
        assert "4111'" not in written
        assert "Ann 4111" in formatter(show_private=True).format(raised)
    assert 'bridge_agent_failures_total{kind="raised"} 1.0' in phone.page()


async def test_an_agent_that_never_stops_talking_is_stopped_and_lets_others_run() -> None:
    def endless(prompt: Prompt) -> list[Action]:
        return [Wait(0.0)] * 100_000

    phone = Phone(endless)
    phone.session.start()
    await phone.turns(3)
    assert 'kind="too_much"' not in phone.page()  # it was made to wait
    await phone.turns(2000)
    assert 'bridge_agent_failures_total{kind="too_much"} 1.0' in phone.page()


class SlowAgents(Agents):
    """An agent that waits in the middle of its answer, and notes that it was broken off."""

    def __init__(self) -> None:
        super().__init__(greet)
        self.closed = 0

    def open_call(self, info: CallInfo) -> SetAgent:
        outer = self

        class Slow(SetAgent):
            async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
                try:
                    yield Say("one moment", more=True)
                    await asyncio.Event().wait()
                finally:
                    outer.closed += 1

        return Slow(info, greet)


async def test_an_agents_answer_is_broken_off_when_the_call_is_over() -> None:
    agents = SlowAgents()
    phone = Phone(services=lambda doubles: CallServices(doubles.ears, doubles.voices, agents))
    phone.session.start()
    await phone.wait(0.1)
    phone.session.stream_closed(EndReason.CALLER)
    await phone.turns()
    assert agents.closed == 1


async def test_an_agents_answer_is_broken_off_when_its_call_fails() -> None:
    agents = SlowAgents()
    phone = Phone(services=lambda doubles: CallServices(doubles.ears, doubles.voices, agents))
    phone.session.start()
    await phone.wait(0.1)

    def broken(event: Event, now: float) -> list[Command]:
        raise RuntimeError("a bug")

    phone.session.call.receive = broken  # type: ignore[method-assign]
    phone.session.tell(DigitPressed("7"))
    await phone.turns()
    assert agents.closed == 1


@pytest.mark.parametrize("reason", EndReason)
async def test_each_reason_for_a_closed_stream_is_counted_by_its_own_name(reason: EndReason) -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(0.1)
    phone.session.stream_closed(reason)
    assert f'bridge_calls_ended_total{{why="{reason}"}} 1.0' in phone.page()


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("done", '"done"'),
        ("", '""'),
        ("drain", '"drain"'),
        ("caller", '"caller"'),
        ("the caller's name is Ann", '"the caller\'s name is Ann"'),
        ("bye\n2026-11-27 error forged", '"bye ####-##-## error forged"'),
        ("card 4111 1111 1111 1111\x1b[2J", '"card #### #### #### #### [#J"'),
        ("x" * 5000, f'"{"x" * 60}"'),
    ],
)
async def test_whatever_an_agent_says_about_its_hang_up_it_counts_as_the_agents(
    said: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    phone = Phone(lambda prompt: [Say("bye"), HangUpWanted(said)])
    phone.session.start()
    await phone.wait(3.0)
    assert phone.line.ended == [EndCall()]
    assert 'bridge_calls_ended_total{why="agent"} 1.0' in phone.page()
    ended = next(record for record in caplog.records if record.getMessage() == "call ended")
    assert ended.__dict__["bridge_fields"]["agent_said"] == logged


async def test_a_line_that_gives_up_while_it_is_written_to_ends_its_call_with_the_reason(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    phone = Phone(followers=CallFollowers(recorder.open_call("CA1", SETTINGS)))
    flush = phone.line.flush

    def giving_up() -> None:
        flush()
        if phone.line.audio():
            phone.session.stream_closed(EndReason.NOT_READING)

    phone.line.flush = giving_up  # type: ignore[method-assign]
    phone.session.start()
    await phone.wait(1.0)
    recorder.close()
    assert phone.ended == 1
    assert 'bridge_calls_ended_total{why="not reading"} 1.0' in phone.page()
    found = replay((tmp_path / "CA1.jsonl").read_bytes().splitlines())
    assert found.differences == []
    assert found.call.end_reason is EndReason.NOT_READING


async def test_a_drain_ends_a_call_politely() -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(0.04)
    phone.session.tell(EndRequested(EndReason.DRAIN))
    await phone.wait(30.0)
    assert phone.doubles.voices.calls[0].texts[-1] == SETTINGS.shutdown
    goodbye = FRAME * len(SETTINGS.shutdown)
    assert phone.line.audio().endswith(goodbye)  # to its last word
    assert len(phone.line.audio()) <= len(goodbye) + len(FRAME) * len("hello")
    assert phone.line.ended == [EndCall()]
    assert 'bridge_calls_ended_total{why="drain"} 1.0' in phone.page()


async def test_without_a_text_for_it_a_drain_ends_a_call_once_what_was_begun_is_finished() -> None:
    phone = Phone(settings=msgspec.structs.replace(SETTINGS, shutdown=""))
    phone.session.start()
    await phone.wait(0.04)
    phone.session.tell(EndRequested(EndReason.DRAIN))
    await phone.wait(3.0)
    assert phone.line.audio() == FRAME * len("hello")
    assert phone.line.ended == [EndCall()]


async def test_a_drain_does_not_talk_over_a_goodbye_that_was_begun() -> None:
    phone = Phone()
    phone.session.start()
    await phone.wait(0.04)
    phone.session.tell(DigitPressed("9"))
    await phone.turns()
    phone.session.tell(EndRequested(EndReason.DRAIN))
    await phone.wait(3.0)
    assert phone.line.audio() == FRAME * len("hellobye")


async def test_after_each_answer_speech_hears_what_the_agent_will_probably_say_next() -> None:
    phone = Phone()
    agent, voice = phone.doubles.agents.calls[0], phone.doubles.voices.calls[0]
    agent.next_lines = [LikelyLine("bye", 0.5)]
    phone.session.start()
    await phone.wait(0.5)
    assert voice.expected == [LikelyLine("bye", 0.5)]
    agent.next_lines = []
    phone.session.tell(DigitPressed("1"))
    await phone.wait(1.0)
    assert voice.expected == []


async def test_an_agent_that_cannot_look_ahead_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    phone = Phone()

    def broken() -> list[LikelyLine]:
        raise RuntimeError("a bug")

    phone.doubles.agents.calls[0].likely = broken  # type: ignore[method-assign]
    phone.session.start()
    await phone.wait(1.0)
    assert phone.line.audio() == FRAME * len("hello")
    assert not phone.session.over
    assert "call=CA1" in caplog.text


async def test_a_scripts_next_line_is_ready_before_the_caller_has_answered() -> None:
    """A script, a session, real speech with a worker on a socket: the answer is made while the caller thinks."""
    script = compile_script(
        "start: ask\nstates:\n  ask:\n    say: Shall I?\n    on_yes: {say: 'Very well then, goodbye.', hang_up: x}\n",
        "test",
    )
    async with FakeWorker() as worker:
        speech = SpeechService(SpeakingSettings(workers=(worker.address,)))
        await speech.start()
        try:
            phone = Phone(services=lambda doubles: CallServices(doubles.ears, speech, ScriptFactory(script)))
            phone.session.start()
            async with asyncio.timeout(60):
                while "Very well then, goodbye." not in worker.texts:
                    await phone.wait(0.02)
            phone.session.stream_closed(EndReason.CALLER)
            assert speech.stats()["prefetch_waiting"] == 0
        finally:
            await speech.close()


async def test_what_the_cache_spared_a_call_is_in_its_record_and_in_the_metrics(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    phone = Phone(followers=CallFollowers(recorder.open_call("CA1", SETTINGS)))
    phone.session.start()
    await phone.wait(0.5)
    phone.session.stream_closed(EndReason.CALLER)
    recorder.close()
    lines = (tmp_path / "CA1.jsonl").read_bytes().splitlines()
    assert json.loads(lines[-1])["summary"]["phrases"]["saved_money"] == 0.25
    assert replay(lines).differences == []
    assert "bridge_saved_synthesis_seconds_total 1.5" in phone.page()
    assert "bridge_saved_money_total 0.25" in phone.page()
    assert 'bridge_call_phrase_hit_rate_bucket{le="0.7"} 0.0' in phone.page()
    assert 'bridge_call_phrase_hit_rate_bucket{le="0.8"} 1.0' in phone.page()


class Letterbox:
    """Keeps the reports that are posted."""

    def __init__(self) -> None:
        self.reports: list[bytes] = []

    def put(self, identifier: str, body: bytes) -> None:
        self.reports.append(body)


async def reported_costs(folder: Path, spent: Mapping[str, float]) -> Any:
    """What the report of a call says it has cost whose vendors were paid for, and for this much on earlier streams."""
    recorder, letterbox = Recorder(folder, Metrics()), Letterbox()
    reporter = CallReporter(letterbox, lambda: 1_800_000_000.0, call_id="CA1")
    phone = Phone(followers=CallFollowers(recorder.open_call("CA1", SETTINGS), reporter), spent=spent)
    phone.doubles.voices.calls[0].spent = {"chars_acme": 40.0, "cost_acme": 0.5}
    phone.doubles.ears.calls[0].spent = {"seconds_acme": 3.0, "cost_acme": 0.25}
    phone.session.start()
    await phone.wait(0.5)
    phone.session.stream_closed(EndReason.CALLER)
    recorder.close()
    (report,) = letterbox.reports
    return json.loads(report)["costs"]


COSTS = {"speech_saved_money": 0.25, "chars_acme": 40.0, "cost_acme": 0.75, "seconds_acme": 3.0}


async def test_what_services_were_paid_to_speak_and_to_hear_is_in_the_report(tmp_path: Path) -> None:
    assert await reported_costs(tmp_path, {}) == COSTS
    summary = json.loads((tmp_path / "CA1.jsonl").read_bytes().splitlines()[-1])["summary"]
    assert summary["listening"] == {"seconds_acme": 3.0, "cost_acme": 0.25}


async def test_what_a_call_has_cost_goes_with_it_to_its_next_stream(tmp_path: Path) -> None:
    first = Phone()
    first.doubles.voices.calls[0].spent = {"chars_acme": 40.0, "cost_acme": 0.5}
    first.session.start()
    await first.wait(0.5)
    kept = first.session.kept()
    assert kept is not None
    both = {"speech_saved_money": 0.5, "chars_acme": 80.0, "cost_acme": 1.25, "seconds_acme": 3.0}
    assert await reported_costs(tmp_path, kept.costs) == both
