"""An application written for ConversationRelay answers the telephone: its own socket, a session, a clock we move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.relay import RelayFactory
from bridge.agents.settings import AnswerLimits, ConversationRelaySettings
from bridge.call.actions import HangUp, Prompt, Say, Spoken
from bridge.call.events import DigitPressed, Recognised, VoiceActivity
from bridge.call.settings import CallSettings, EndpointSettings
from bridge.call.state import CallState
from bridge.call.states import Bot, EndReason
from bridge.carriers.base import EndCall
from bridge.session.ports import CallServices
from bridge.session.session import CallSession
from bridge.session.timers import TimerWheel
from bridge.telemetry.metrics import Metrics
from tests.agents.relay_application import Caller, Handle, RelayApplication, Told, hang_up, keep_quiet
from tests.gateway.doubles import PaperLine, ServiceDoubles
from tests.gateway.test_session import Phone

HEARING = CallSettings(no_input_s=0.0, endpoint=EndpointSettings(short_ms=300), not_understood="")
PATIENCE_S = 60.0


class RelayedCall(Phone):
    """A session whose agent is the application; the ear is played by the test."""

    def __init__(
        self, factory: RelayFactory, settings: CallSettings = HEARING, resume: CallState | None = None
    ) -> None:
        self.now = 1000.0
        self.doubles, self.line, self.metrics = ServiceDoubles(), PaperLine(), Metrics()
        self.ended = 0
        self.wheel = TimerWheel(asyncio.get_running_loop(), clock=lambda: self.now)
        services = CallServices(self.doubles.ears, self.doubles.voices, factory)
        info = CallInfo(call_id="CA1", from_number="+15550142", to_number="+15550199", parameters={"ref": "7"})
        self.session = CallSession(
            info,
            settings,
            line=self.line,
            services=services,
            wheel=self.wheel,
            metrics=self.metrics,
            resume=resume,
            on_ended=self.count_end,
            clock=lambda: self.now,
        )

    async def until(self, what: Callable[[], Any], *, passing: bool = True) -> None:
        """Let messages travel, and time pass, until this is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not what():
                await asyncio.sleep(0.001)
                if passing:
                    await self.wait(0.02)

    async def says(self, text: str, seconds: float = 0.6) -> None:
        """The caller speaks, is recognised, and is silent until the turn is over."""
        await self.speaks(seconds)
        await self.falls_silent(text)

    async def speaks(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.032)):
            await self.wait(0.032)
            self.session.tell(VoiceActivity(0.95, -20.0, self.now - 1000.0))

    async def falls_silent(self, text: str, seconds: float = 1.6) -> None:
        answered = len(self.doubles.ears.calls[0].asked)
        for _ in range(round(seconds / 0.032)):
            await self.wait(0.032)
            self.session.tell(VoiceActivity(0.02, -70.0, self.now - 1000.0))
            for asked in self.doubles.ears.calls[0].asked[answered:]:
                answered += 1
                self.session.tell(Recognised(asked.revision, text))

    @property
    def texts(self) -> list[str]:
        return self.doubles.voices.calls[0].texts

    @property
    def transcript(self) -> tuple[Spoken, ...]:
        return self.session.call.transcript()


@asynccontextmanager
async def rings(
    handle: Handle = keep_quiet, *, token: str = "", settings: CallSettings = HEARING, **wanted: Any
) -> AsyncIterator[tuple[RelayApplication, RelayedCall]]:
    """A call at an application, which has been told of it."""
    async with RelayApplication(handle) as application:
        reported: list[AgentError] = []
        factory = RelayFactory(
            ConversationRelaySettings(url=application.url, **wanted), token, report=lambda _i, e: reported.append(e)
        )
        call = RelayedCall(factory, settings)
        call.reported = reported  # type: ignore[attr-defined]
        call.session.start()
        await call.until(lambda: application.callers and application.caller.of("setup"))
        try:
            yield application, call
        finally:
            call.session.stream_closed(EndReason.CALLER)
            await factory.close()


async def bill_payer(caller: Caller, told: Told) -> None:
    """The flow of the documentation's sample: greet on setup, answer prompts in tokens, count keys, say goodbye."""
    match told:
        case {"type": "setup", "customParameters": {"ref": ref}}:
            await caller.says("Hello", ", customer ", f"{ref}", ".")
        case {"type": "prompt", "voicePrompt": words} if "agent" in words:
            await caller.says("I'll connect you.")
            await caller.send(type="end", handoffData='{"reason":"live-agent"}')
        case {"type": "prompt", "last": True}:
            await caller.says("Sure, ", "which ", "account?")
        case {"type": "dtmf", "digit": digit}:
            await caller.says(f"You pressed {digit}.")


async def test_a_whole_call_as_the_documentation_tells_it() -> None:
    async with rings(bill_payer) as (application, call):
        await call.until(lambda: Spoken("bot", "Hello, customer 7.") in call.transcript)
        await call.says("I want to pay my bill")
        await call.until(lambda: call.transcript[-1].text == "Sure, which account?")
        call.session.tell(DigitPressed("4"))
        await call.until(lambda: call.transcript[-1].text == "You pressed 4.")
        await call.says("Give me an agent")
        await call.until(lambda: call.session.over)
        told = application.caller.told
    assert [one["type"] for one in told] == ["setup", "prompt", "dtmf", "prompt"]
    assert told[1] == {"type": "prompt", "voicePrompt": "I want to pay my bill", "lang": "en-US", "last": True}
    assert call.line.ended == [EndCall()]
    assert call.transcript == (
        Spoken("bot", "Hello, customer 7."),
        Spoken("caller", "I want to pay my bill"),
        Spoken("bot", "Sure, which account?"),
        Spoken("caller", "4"),
        Spoken("bot", "You pressed 4."),
        Spoken("caller", "Give me an agent"),
        Spoken("bot", "I'll connect you."),
    )
    assert call.session._abilities.account().handoff == '{"reason":"live-agent"}'


async def test_the_handshake_is_signed_and_the_setup_names_the_call() -> None:
    async with rings(token="12345") as (application, _):
        setup, headers = application.caller.told[0], application.caller.headers
        assert (setup["callSid"], setup["from"], setup["to"]) == ("CA1", "+15550142", "+15550199")
        assert setup["sessionId"].startswith("VX")
        assert setup["customParameters"] == {"ref": "7"}
        assert len(headers["x-twilio-signature"]) == 28


async def test_a_welcome_is_said_by_the_relay_itself() -> None:
    async with rings(welcome_greeting="Welcome.", welcome_interruptible="none") as (_, call):
        await call.until(lambda: call.transcript == (Spoken("bot", "Welcome."),))
        assert call.session.call.ledger[1].interruption == "protected"


async def test_text_that_nobody_asked_for_is_said_when_both_are_silent() -> None:
    async with rings(welcome_greeting="Welcome.") as (application, call):
        await call.until(lambda: call.transcript)
        await call.wait(3.0)
        await application.caller.says("Are you still there?")
        await call.until(lambda: call.transcript[-1].text == "Welcome. Are you still there?")


async def test_text_waits_for_the_caller_who_is_speaking_and_is_not_said_after_the_next_prompt() -> None:
    async with rings(welcome_greeting="Welcome.") as (application, call):
        await call.until(lambda: call.transcript and call.session.call.bot is Bot.IDLE)
        await call.speaks(0.6)
        await application.caller.says("I'm talking over you.")
        await call.falls_silent("I want to pay")
        await call.until(lambda: application.caller.of("prompt"))
        await call.wait(0.5)
        assert [one["type"] for one in application.caller.told] == ["setup", "interrupt", "prompt"]
        assert call.transcript == (Spoken("bot", "Welcome."), Spoken("caller", "I want to pay"))


async def test_an_interruption_tells_what_was_heard_and_for_how_long() -> None:
    async with rings() as (application, call):
        await application.caller.says("a" * 20, " ", "b" * 200, last=False)
        await call.until(lambda: call.session.call.bot is Bot.THINKING or call.texts)
        await application.caller.says("", last=True)
        await call.until(lambda: call.line.audio())
        await call.wait(1.0)
        await call.speaks(0.8)
        await call.until(lambda: application.caller.of("interrupt"))
        told = application.caller.of("interrupt")[0]
        heard_ms = call.session.call.ledger[1].heard_ms
        assert told["durationUntilInterruptMs"] == round(heard_ms)
        assert 800 < heard_ms < 2500
        assert told["utteranceUntilInterrupt"] == call.session.call.ledger[1].heard_text()


async def test_what_is_left_of_a_broken_off_cycle_is_never_said() -> None:
    async with rings(welcome_greeting="Welcome.") as (application, call):
        await call.until(lambda: call.transcript and call.session.call.bot is Bot.IDLE)
        await application.caller.says("x" * 100, last=False)
        await call.until(lambda: len(call.texts) == 2)
        await call.speaks(0.8)
        await call.until(lambda: application.caller.of("interrupt"))
        await application.caller.says("late tail", last=True)
        await call.falls_silent("Stop")
        await call.until(lambda: application.caller.of("prompt"))
        await application.caller.says("Stopped.")
        await call.until(lambda: call.texts[-1] == "Stopped.")
        assert not any("late" in text for text in call.texts)


async def test_a_text_that_may_cut_short_the_one_before_does() -> None:
    async with rings(preemptible=True) as (application, call):
        await application.caller.says("y" * 400)
        await call.until(lambda: call.line.audio())
        await call.wait(0.5)
        await application.caller.says("Found it.")
        await call.until(lambda: call.transcript and call.transcript[-1].text.endswith("Found it."))
        assert call.session.call.ledger[1].cut
        assert application.caller.of("interrupt") == []


async def test_words_that_nothing_breaks_off() -> None:
    async with rings() as (application, call):
        await application.caller.says("z" * 60, interruptible="none")
        await call.until(lambda: call.line.audio())
        await call.wait(0.3)
        await call.speaks(0.6)
        await call.until(lambda: call.transcript and call.transcript[-1].text == "z" * 60)
        assert application.caller.of("interrupt") == []


@pytest.mark.parametrize(("by", "told"), [("speech", ["dtmf"]), ("any", ["interrupt", "dtmf"])])
async def test_keys_break_off_what_they_may(by: str, told: list[str]) -> None:
    async with rings(interruptible=by) as (application, call):
        await application.caller.says("z" * 100)
        await call.until(lambda: call.line.audio())
        await call.wait(0.5)
        call.session.tell(DigitPressed("1"))
        await call.wait(0.2)
        await call.until(lambda: len(application.caller.told) == 1 + len(told), passing=False)
        assert [one["type"] for one in application.caller.told[1:]] == told


async def test_each_key_is_told_at_once_and_not_at_all_where_keys_are_not_detected() -> None:
    async with rings() as (application, call):
        for key in "12#":
            call.session.tell(DigitPressed(key))
        await call.until(lambda: len(application.caller.of("dtmf")) == 3)
        assert "".join(one["digit"] for one in application.caller.of("dtmf")) == "12#"
    async with rings(dtmf_detection=False) as (application, call):
        call.session.tell(DigitPressed("1"))
        await call.says("Hello")
        await call.until(lambda: application.caller.of("prompt"))
        assert application.caller.of("dtmf") == []


async def test_a_guess_that_the_caller_goes_on_from_is_no_prompt() -> None:
    """The answer is begun early, the caller goes on, and the application hears of one turn."""
    eager = EndpointSettings(guess_ms=120, short_ms=900, doubtful_ms=900, unheard_ms=900, long_ms=900, ceiling_ms=1500)
    async with rings(settings=CallSettings(no_input_s=0.0, endpoint=eager)) as (application, call):
        await call.speaks(0.6)
        await call.falls_silent("I want to pay.", 0.5)
        assert call.session.call.answering.held
        await call.speaks(0.6)
        await call.falls_silent("I want to pay. My bill.")
        await call.until(lambda: application.caller.of("prompt"))
        assert [one["voicePrompt"] for one in application.caller.of("prompt")] == ["I want to pay. My bill."]


async def test_first_words_speakers_and_heard_words_are_told_to_those_who_ask() -> None:
    wanted: list[Any] = ["speaker-events", "tokens-played"]
    async with rings(welcome_greeting="Welcome.", partial_prompts=True, events=wanted) as (application, call):
        await call.until(lambda: len(application.caller.of("info")) >= 3)
        await call.says("Pay my bill")
        await call.until(lambda: any(one["last"] for one in application.caller.of("prompt")))
        info = [(one["name"], one["value"]) for one in application.caller.of("info")]
        assert ("tokensPlayed", "Welcome.") in info
        assert [value for name, value in info if name == "agentSpeaking"] == ["on", "off"]
        assert [value for name, value in info if name == "clientSpeaking"] == ["on", "off"]
        assert [one["last"] for one in application.caller.of("prompt")] == [False, True]


async def test_languages_are_changed_for_both_sides() -> None:
    async with rings(voices={"es-ES": "maria"}) as (application, call):
        await application.caller.send(type="language", ttsLanguage="es-ES", transcriptionLanguage="es-MX")
        await application.caller.says("Hola.")
        await call.until(lambda: call.texts == ["Hola."])
        await call.says("Buenos dias")
        await call.until(lambda: application.caller.of("prompt"))
        assert application.caller.of("prompt")[0]["lang"] == "es-MX"
        assert call.doubles.ears.calls[0].expected.language == "es-MX"
        assert call.session.call.ledger[1].voice == "maria"
        assert call.session.call.language == "es-ES", "of figures and of our own sentences"


async def test_a_language_that_nobody_can_speak_is_named_to_the_application_and_the_call_stays_in_its_own() -> None:
    async with rings() as (application, call):
        await application.caller.send(type="language", ttsLanguage="xx-XX")
        await call.until(lambda: application.caller.of("error"))
        assert "'xx-XX' is not a language that can be spoken" in application.caller.of("error")[0]["description"]
        await application.caller.says("Still here.")
        await call.until(lambda: call.texts == ["Still here."])
        assert call.session.call.language == "en"


@pytest.mark.parametrize(
    "raw", ["nonsense", "{}", '{"type":"text"}', '{"type":"text","token":null,"last":true}', "[" * 1000]
)
async def test_a_message_that_cannot_be_read_is_named_to_the_application_and_the_call_goes_on(raw: str) -> None:
    async with rings() as (application, call):
        await application.caller.socket.send_str(raw)
        await call.until(lambda: application.caller.of("error"))
        assert application.caller.of("error")[0]["description"].startswith("64107: invalid message")
        await application.caller.says("Still here.")
        await call.until(lambda: call.texts == ["Still here."])
        assert [error.kind for error in call.reported] == [Failure.UNREADABLE_EVENT]  # type: ignore[attr-defined]


MISTAKES = [
    "nonsense",
    "{}",
    '{"type":"text","token":null}',
    '{"type":"play","source":"https://example.com/none.wav"}',
    '{"type":"language","ttsLanguage":"xx-XX"}',
]


@pytest.mark.parametrize("raw", MISTAKES)
async def test_an_application_that_answers_every_error_with_another_mistake_has_failed(raw: str) -> None:
    async def garbage(caller: Caller, told: Told) -> None:
        if told["type"] in ("setup", "error"):
            await caller.socket.send_str(raw)

    async with rings(handle=garbage) as (application, call):
        await call.until(lambda: call.ended)
        assert 10 < len(application.caller.of("error")) < 100
        assert "something went wrong" in call.texts[-1], "as when any agent has failed"


@pytest.mark.parametrize("raw", MISTAKES)
async def test_a_mistake_or_two_in_every_turn_of_a_long_call_end_nothing(raw: str) -> None:
    async def careless(caller: Caller, told: Told) -> None:
        if told["type"] == "prompt":
            await caller.socket.send_str(raw)
            await caller.says("Yes?")

    async with rings(handle=careless) as (_application, call):
        for turn in range(1, 30):
            await call.says(f"This is number {turn}.")
            await call.until(lambda turn=turn: len(call.texts) == turn)  # type: ignore[misc]
        assert not call.ended


async def test_the_application_that_closes_its_socket_ends_the_session() -> None:
    async with rings() as (application, call):
        await application.caller.says("Goodbye.")
        await hang_up(application.caller)
        await call.until(lambda: call.session.over)
        assert call.line.ended == [EndCall()]
        assert call.transcript == (Spoken("bot", "Goodbye."),)


async def test_an_application_that_breaks_off_leaves_the_caller_to_the_fallback() -> None:
    async with rings(settings=CallSettings(no_input_s=0.0, last_apology="Sorry.")) as (application, call):
        application.breaks(application.caller)
        await call.until(lambda: call.session.over)
        assert call.texts == ["Sorry."]
        assert 'bridge_agent_failures_total{kind="session_over"} 1.0' in call.page()


async def test_an_application_that_is_to_be_reached_again_is_told_of_the_call_anew() -> None:
    async with rings(application_reconnect=True) as (application, call):
        application.breaks(application.caller)
        await call.until(lambda: len(application.callers) == 2 and application.caller.told)
        first, second = (caller.told[0] for caller in application.callers)
        assert first["sessionId"] == second["sessionId"]
        await application.caller.says("I'm back.")
        await call.until(lambda: call.texts == ["I'm back."])


async def test_an_application_that_dies_over_a_prompt_is_told_it_once_more() -> None:
    async with rings(application_reconnect=True) as (application, call):
        await call.says("Tuesday, please.")
        call.session.tell(DigitPressed("5"))
        await call.until(lambda: application.caller.of("dtmf"))
        application.breaks(application.caller)
        await call.until(lambda: len(application.callers) == 2 and application.caller.of("dtmf"))
        first, second = application.callers
        assert [(told["type"], told.get("again")) for told in first.told] == [
            ("setup", None),
            ("prompt", None),
            ("dtmf", None),
        ]
        assert second.told == [first.told[0], *({**told, "again": True} for told in first.told[1:])]
        await second.says("At nine.")
        await call.until(lambda: call.texts == ["At nine."])
        application.breaks(second)
        await call.until(lambda: len(application.callers) == 3 and application.caller.told)
        await application.caller.says("Anything else?")
        await call.until(lambda: call.texts == ["At nine.", "Anything else?"])
        assert [told["type"] for told in application.caller.told] == ["setup"], "what is answered is not asked again"


async def test_what_an_application_has_written_before_it_dies_is_said() -> None:
    async with rings(application_reconnect=True) as (application, call):
        await call.speaks(0.3)
        await application.caller.says("While you speak.")
        await call.until(lambda: len(call.session.call.utterances.playout.tracks) == 0, passing=False)
        application.breaks(application.caller)
        await call.until(lambda: len(application.callers) == 2 and application.caller.told, passing=False)
        await call.falls_silent("")
        await call.until(lambda: call.texts == ["While you speak."])


async def test_an_application_that_dies_in_the_middle_of_its_words_is_excused() -> None:
    settings = CallSettings(no_input_s=0.0, endpoint=HEARING.endpoint, apology="Sorry, again?")
    async with rings(application_reconnect=True, token_deadline_s=0.3, settings=settings) as (application, call):
        await call.says("Tuesday, please.")
        await call.until(lambda: application.caller.of("prompt"))
        await application.caller.says("I have an opening at", last=False)
        await call.until(lambda: call.texts)
        application.breaks(application.caller)
        await call.until(lambda: len(application.callers) == 2 and application.caller.of("prompt"), passing=False)
        assert [told["type"] for told in application.caller.told] == ["setup", "prompt"]
        assert application.caller.of("prompt")[0]["again"]
        await call.until(lambda: call.texts[-1] == "Sorry, again?")
        assert 'bridge_agent_failures_total{kind="broken_stream"} 1.0' in call.page()
        await application.caller.says("I'm back.")
        await call.until(lambda: call.texts[-1] == "I'm back.")


@pytest.mark.parametrize("reconnects", [True, False])
async def test_an_application_that_is_stopped_for_a_new_one_is_waited_for_where_that_is_set(reconnects: bool) -> None:
    async with rings(application_reconnect=reconnects) as (application, call):
        await application.caller.socket.close(code=1001)
        if reconnects:
            await call.until(lambda: len(application.callers) == 2 and application.caller.told)
            await application.caller.says("I'm back.")
            await call.until(lambda: call.texts == ["I'm back."])
        else:
            await call.until(lambda: call.session.over)
            assert len(application.callers) == 1


@pytest.mark.parametrize("status", [403, 500])
async def test_an_application_that_refuses_the_handshake_is_given_up(status: int) -> None:
    async with RelayApplication() as application:
        application.refuses = status
        factory = RelayFactory(ConversationRelaySettings(url=application.url))
        call = RelayedCall(factory, CallSettings(last_apology="Sorry."))
        call.session.start()
        await call.until(lambda: call.session.over)
        assert call.texts == ["Sorry."]
        assert 'bridge_agent_failures_total{kind="http_status"}' in call.page()
        await factory.close()


async def test_nobody_at_the_address() -> None:
    factory = RelayFactory(ConversationRelaySettings(url="ws://127.0.0.1:9/relay", connect_deadline_s=0.5))
    call = RelayedCall(factory, CallSettings(last_apology="Sorry."))
    call.session.start()
    await call.until(lambda: call.session.over)
    assert call.texts == ["Sorry."]
    await factory.close()


async def test_endless_text_is_cut_off_and_is_not_read_into_memory() -> None:
    limits = AnswerLimits(answer_characters=2000, say_characters=1000)
    async with rings(limits=limits) as (application, call):
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await application.caller.says("word " * 100, last=False)
                sent += 500

        flooding = asyncio.create_task(flood())
        agent: Any = call.session._replies._agent
        await call.until(lambda: agent._unsaid.size > 20_000)
        await call.wait(1.0)
        assert agent._unsaid.size < 22_000
        flooding.cancel()
        assert "agent_failed" not in call.page()


async def test_an_application_that_stalls_in_a_sentence_gives_the_floor_back() -> None:
    async with rings(token_deadline_s=0.05) as (application, call):
        await application.caller.says("One moment ", last=False)
        await call.until(lambda: call.transcript and call.session.call.bot is Bot.IDLE)
        assert call.transcript[0].text == "One moment"
        await application.caller.says("thank you.")
        await call.until(lambda: call.transcript[-1].text == "One moment thank you.")


async def test_the_call_that_is_over_closes_its_socket() -> None:
    async with rings() as (application, call):
        call.session.stream_closed(EndReason.CALLER)
        await call.until(lambda: application.caller.closed_with == 1000, passing=False)


async def test_what_an_application_has_written_is_said_and_done_in_another_process() -> None:
    async with rings() as (application, call):
        agent: Any = call.session._replies._agent
        await application.caller.says("One moment, ", "I connect you.")
        await call.until(lambda: call.texts)
        await application.caller.says("Goodbye.")
        await application.caller.send(type="end", handoffData="agent")
        await call.until(lambda: agent._unsaid.ends, passing=False)
        factory = RelayFactory(ConversationRelaySettings(url=application.url))
        other = factory.open_call(call.session.info)
        other.resume(agent.state())
        actions = [one async for one in other.reply(Prompt("floor_given", turn=9))]
        assert [one.text for one in actions if isinstance(one, Say)][-1] == "Goodbye."
        assert isinstance(actions[-1], HangUp)
        assert len(application.callers) == 1, "a session that has ended is not opened again"
        other.left()
        await factory.close()


async def test_an_application_is_reached_again_in_another_process_and_told_what_it_has_not_answered() -> None:
    async with rings() as (application, call):
        for digit in "51":
            call.session.tell(DigitPressed(digit))
        await call.until(lambda: len(application.caller.of("dtmf")) == 2)
        agent: Any = call.session._replies._agent
        goes_on = RelayedCall(agent._factory, HEARING, resume=call.session.state())
        goes_on.session.start()
        goes_on.session.tell(DigitPressed("2"))
        await goes_on.until(lambda: len(application.callers) == 2 and len(application.caller.of("dtmf")) == 3)
        assert [(one["digit"], one["again"]) for one in application.caller.of("dtmf")] == [
            ("5", True),
            ("1", True),
            ("2", True),
        ]
        await application.caller.says("Thank you.")
        await goes_on.until(lambda: goes_on.transcript and goes_on.transcript[-1].text == "Thank you.")
        goes_on.session.stream_closed(EndReason.CALLER)


async def test_an_application_that_was_in_the_middle_of_its_words_is_not_waited_for_in_another_process() -> None:
    async with rings() as (application, call):
        agent: Any = call.session._replies._agent
        await application.caller.says("One moment, ", last=False)
        await call.until(lambda: agent._session.cycle_open)
        other = agent._factory.open_call(call.session.info)
        other.resume(agent.state())
        with pytest.raises(AgentError, match="broke off in the middle of its words"):
            [one async for one in other.reply(Prompt("floor_given", turn=9))]
        other.left()


ANSWER = "I have an opening at nine. Shall I book it for you?"
TOKENS = [f" {word}" if number else word for number, word in enumerate(ANSWER.split())]
WHOLE = ANSWER.split()


def in_the_middle(begun: int, then: str) -> Handle:
    """An application that is lost after so many tokens of its answer to two keys, and what it says when told again."""
    keys: dict[int, int] = {}

    async def handle(caller: Caller, told: Told) -> None:
        if told["type"] != "dtmf":
            return
        keys[id(caller)] = keys.get(id(caller), 0) + 1
        if keys[id(caller)] < 2:
            return  # it remembers nothing: one key is no answer
        if not told.get("again"):
            await caller.says(*TOKENS[:begun], last=False)
        elif then == "repeats":
            await caller.says(*TOKENS)
        elif then == "repeats, otherwise cut":
            await caller.says(ANSWER[:9], ANSWER[9:30], ANSWER[30:])
        elif then == "goes on":
            await caller.says(*TOKENS[begun:], "")

    return handle


TOLD_AGAIN = ["repeats", "repeats, otherwise cut", "goes on"]


@pytest.mark.parametrize("then", TOLD_AGAIN)
@pytest.mark.parametrize("begun", range(1, 12))
async def test_an_application_that_is_lost_in_the_middle_says_the_rest(begun: int, then: str) -> None:
    async with rings(in_the_middle(begun, then), application_reconnect=True) as (application, call):
        for digit in "51":
            call.session.tell(DigitPressed(digit))
        await call.until(lambda: " ".join(call.texts).split() == WHOLE[:begun])
        application.breaks(application.caller)
        await call.until(lambda: " ".join(call.texts).split()[-1] == WHOLE[-1] and call.session.call.bot is Bot.IDLE)
        assert " ".join(call.texts).split() == WHOLE
        assert "bridge_agent_failures_total{" not in call.page()


@pytest.mark.parametrize("seconds", [0.0, 0.7])
@pytest.mark.parametrize("then", TOLD_AGAIN)
@pytest.mark.parametrize("begun", range(1, 12))
async def test_the_rest_comes_in_another_process_too(begun: int, then: str, seconds: float) -> None:
    async with rings(in_the_middle(begun, then), application_reconnect=True) as (application, call):
        for digit in "51":
            call.session.tell(DigitPressed(digit))
        await call.until(lambda: " ".join(call.texts).split() == WHOLE[:begun])
        await call.wait(seconds)
        state = call.session.state()
        agent: Any = call.session._replies._agent
        call.session.stream_closed(EndReason.DRAIN)
        goes_on = RelayedCall(agent._factory, HEARING, resume=state)
        heard = [word for turn in state.bot.history if turn.speaker == "bot" for word in turn.text.split()]
        goes_on.session.start()

        def words() -> list[str]:
            return [*heard, *" ".join(goes_on.texts).split()]

        await goes_on.until(lambda: len(application.callers) == 2 and words() and words()[-1] == WHOLE[-1])
        await goes_on.wait(0.5)
        assert words() == WHOLE
        goes_on.session.stream_closed(EndReason.CALLER)


async def test_a_session_goes_on_in_another_process_under_its_name() -> None:
    async with rings() as (application, call):
        state = call.session._replies._agent.state()
        factory = RelayFactory(ConversationRelaySettings(url=application.url))
        other = factory.open_call(call.session.info)
        other.resume(state)
        await other._link.open(other._setup({}))
        await call.until(lambda: len(application.callers) == 2 and application.caller.told)
        assert application.callers[0].told[0]["sessionId"] == application.caller.told[0]["sessionId"]
        other.left()
        await factory.close()


async def test_recordings_and_keys_are_played() -> None:
    source = "https://app.example.com/hold.mp3"
    async with rings(recordings={source: "hold"}) as (application, call):
        await application.caller.send(type="play", source=source, loop=2, interruptible="none")
        await application.caller.send(type="sendDigits", digits="12w#")
        await application.caller.send(type="play", source="https://elsewhere.example.com/x.mp3")
        await call.until(lambda: application.caller.of("error") and len(call.texts) == 3)
        said = [call.session.call.ledger[number] for number in (1, 2, 3)]
        assert [one.voice for one in said] == ["recording:hold", "recording:hold", "keys:12w#"]
        assert [one.interruption for one in said] == ["protected"] * 3
        assert "no recording is set" in application.caller.of("error")[0]["description"]
