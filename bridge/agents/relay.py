"""An agent that is an application written for ConversationRelay, reached by its `wss` address, unchanged.

The application is told what the caller says (`prompt`), presses (`dtmf`) and how far they heard it when they broke it
off (`interrupt`); it writes text whenever it likes. So this agent asks for the floor when text comes that nobody asked
for, which is the rule and not the exception: to a prompt it only passes on what happened.

    caller's turn over -> prompt -> application ... text, text, last -> floor wanted -> floor given -> said
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.guard import Guard
from bridge.agents.outages import Outage
from bridge.agents.relay_action import SessionAction
from bridge.agents.relay_follower import RelayFollower
from bridge.agents.relay_link import RelayLink, connect
from bridge.agents.relay_memory import RelayMemory, decode
from bridge.agents.relay_mistakes import ApplicationMistakes
from bridge.agents.relay_rest import REST_S, RestOfCycle
from bridge.agents.relay_unsaid import (
    INTERRUPTIONS,
    ApplicationLost,
    ApplicationWords,
    CycleLost,
    Unsaid,
    UnsaidMessages,
    preempts,
)
from bridge.agents.settings import ConversationRelaySettings
from bridge.agents.streaming import AnswerTimeouts
from bridge.agents.transfers import Transfers
from bridge.call.account import AgentAccount
from bridge.call.actions import KEYS, RECORDING, Action, ChangeLanguage, Expect, HangUp, Interruption, Prompt, Say
from bridge.call.commands import Command, Decided
from bridge.call.events import AgentWantsFloor, CallResumed, DigitPressed, Event
from bridge.call.machine import Call
from bridge.call.states import Decision
from bridge.carriers.conversation_relay import (
    AppDigits,
    AppEnd,
    AppLanguage,
    AppPlay,
    AppText,
    RelaySession,
    handshake_headers,
)
from bridge.carriers.relay_action import action_fields
from bridge.errors import BadMessage
from bridge.http import HttpClient
from bridge.text.spoken.languages import language

_KEYS = tuple("0123456789*#")
"""Each key is an answer by itself, and ends no number."""
_MOST_TIMES = 20
"""That a recording is played in a row."""
_SHOWN = 100


class RelayAgent:
    """One call's session with the application."""

    def __init__(self, factory: RelayFactory, info: CallInfo) -> None:
        self._factory = factory
        self._settings = settings = factory.settings
        self._info = info
        self._session = RelaySession("VX" + secrets.token_hex(16), preemptible=settings.preemptible)
        self._link = self._new_link()
        self._spoken = settings.tts_language or settings.language
        self._heard = settings.transcription_language or settings.language
        self._unsaid = UnsaidMessages()
        self._written = ApplicationWords()
        self._turn_over = asyncio.Event()
        """Set unless the caller's turn, which a prompt is a guess at, may go on."""
        self._turn_over.set()
        self._rest = RestOfCycle(self._session)
        self._handoff = ""
        self._mistakes = ApplicationMistakes(
            lambda error: factory.report(info, error),
            lambda wrong: self._link.send(self._session.error(wrong)),
            lambda why: self._link.give_up(why, orderly=False),
        )
        self._began_at = time.monotonic()
        self._speaking = False
        self._ask: Callable[[AgentWantsFloor], None] = _nobody
        self._follower = RelayFollower(settings, self._session, self._tell)

    # -- an agent ------------------------------------------------------------------------------------

    def state(self) -> bytes:
        """The session as another process goes on with it."""
        session, rest = self._session, self._rest
        told = (session.unanswered, session.cycle_open, session.said if session.cycle_open else "")
        return RelayMemory(
            session.session_id, self._spoken, self._heard, self._unsaid.all, *told, rest.turn, rest.begun
        ).encode()

    def resume(self, state: bytes) -> None:
        """Go on with the same session on a new socket. Raises BadMessage for what is no state of a session."""
        memory = decode(state)
        self._session.resume(memory.session_id, memory.unanswered, memory.said)
        self._rest.resume(memory.turn, memory.begun)
        self._spoken, self._heard = memory.spoken, memory.heard
        for message in memory.unsaid:
            self._unsaid.put(message)
        if memory.in_cycle:
            self._rest.ask(self._unsaid.put)

    def likely(self) -> list[LikelyLine]:
        """Nothing: what an application says next is its own business."""
        return []

    def confirmed(self, turn: int) -> None:
        """Nothing: the application was told of the turn when it was over."""

    def account(self) -> AgentAccount:
        """Tell what the application handed over when it ended its session."""
        return AgentAccount(handoff=self._handoff)

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Pass on what happened, and say what the application has written by now. Raises AgentError."""
        async with aclosing(self._factory.guard.answer(self._info, prompt, self._answer)) as actions:
            async for action in actions:
                yield action

    async def _answer(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        await self._turn_over.wait()
        if lost := self._rest.lost_to_move(prompt, self._settings.welcome_greeting):
            self._unsaid.put_first(AppText(token=lost))
        await self._reach(prompt)
        if prompt.kind != "floor_given":
            self._written = ApplicationWords()
        if prompt.kind in ("caller_said", "digits"):
            self._mistakes.begin_anew()
        match prompt.kind:
            case "call_started" | "handed_over" if self._settings.welcome_greeting and not prompt.so_far:
                self._written.spoken = True
                interruption = INTERRUPTIONS[self._settings.welcome_interruptible]
                yield Say(self._settings.welcome_greeting, False, interruption, cacheable=True)
            case "caller_said" if prompt.text and not self._session.owes(prompt.text, self._heard):
                self._drop_unsaid(tell=True)
                self._link.send(self._session.prompt(prompt.text, self._heard))
        yield Expect("open", tuple(self._settings.hints), self._heard, keys=_KEYS)
        async with aclosing(self._speak()) as actions:
            async for action in actions:
                yield action

    async def _reach(self, prompt: Prompt) -> None:
        """Open the session when the call begins, comes back from a transfer, or goes on in another process."""
        if self._link.opened or self._unsaid.ends:
            return
        if self._link.closed:
            if self._unsaid:
                return
            raise AgentError(Failure.SESSION_OVER, f"{self._factory.name} has left the call")
        failed = prompt.text if prompt.kind == "transfer_failed" else self._info.transfer_failed
        parameters = {**self._settings.parameters, **self._info.parameters}
        if failed:
            parameters["transferFailed"] = failed
        await self._link.open(self._setup(parameters))
        for told in self._session.again():
            self._link.send(told)

    def _setup(self, parameters: dict[str, str]) -> str:
        info = self._info
        return self._session.setup(
            call_id=info.call_id,
            account_id=self._settings.account_id,
            from_number=info.from_number,
            to_number=info.to_number,
            parameters=parameters,
        )

    async def _speak(self) -> AsyncGenerator[Action, None]:
        """What the application has written, and what it writes until its cycle is over."""
        self._speaking, said, self._rest.due = True, False, False
        settings = self._settings
        patience = AnswerTimeouts(settings.token_deadline_s, settings.token_deadline_s, settings.limits.answer_s)
        try:
            while (message := await self._unsaid.following(patience)) and not (said and preempts(message)):
                if not isinstance(message, AppText) or message.token.strip():
                    patience.lively()
                self._unsaid.forget_first()
                if isinstance(message, CycleLost):
                    patience.at_most(REST_S)
                if self._factory.action.url and isinstance(message, AppEnd | ApplicationLost):
                    for action in await self._after_session(message):
                        yield action
                    return
                for action in self._actions(message):
                    said = True
                    yield action
                self._written.add(message)
            if self._rest.due and not self._unsaid:
                raise self._rest.given_up(self._factory.name)
            if self._written.in_vain and not self._unsaid:
                self._written = ApplicationWords()
                raise AgentError(Failure.NOTHING_SAID, f"{self._factory.name} wrote nothing that can be spoken")
        finally:
            self._speaking = False
            if self._unsaid:  # what came in the very last moment, or cuts this short
                self._ask(AgentWantsFloor(preempts(self._unsaid.first)))

    async def _after_session(self, ended: AppEnd | ApplicationLost) -> list[Action]:
        """What the application wants to be done with the call, now that its session is over. Raises AgentError."""
        self._link.close()
        if isinstance(ended, AppEnd):
            self._handoff = ended.handoff
        fields = action_fields(
            account_id=self._settings.account_id,
            call_id=self._info.call_id,
            from_number=self._info.from_number,
            to_number=self._info.to_number,
            session_id=self._session.session_id,
            seconds=time.monotonic() - self._began_at,
            handoff=self._handoff,
            broken_off=ended.why if isinstance(ended, ApplicationLost) else "",
        )
        try:
            return await self._factory.action.ask(fields)
        except AgentError as error:
            self._factory.report(self._info, error)
            raise AgentError(Failure.SESSION_OVER, str(error), error.quoted) from None

    def _actions(self, message: Unsaid) -> list[Action]:
        match message:
            case AppText(token=token, last=last):
                self._unsaid.in_cycle = not last
                self._rest.said(message)
                voice = self._settings.voices.get(message.lang or self._spoken)
                return [Say(token, not last, self._interruption(message), voice)]
            case AppLanguage(tts_language=spoken, transcription_language=heard):
                self._spoken, self._heard = spoken or self._spoken, heard or self._heard
                expected = Expect("open", tuple(self._settings.hints), self._heard, keys=_KEYS)
                return [*self._changes(spoken), expected]
            case AppEnd():
                self._link.close()
                self._handoff = message.handoff
                return [HangUp("the application has ended the session")]
            case AppPlay():
                return self._plays(message)
            case AppDigits(digits):
                return [Say(f"keys {digits}", False, "protected", KEYS + digits, cacheable=False)]
            case ApplicationLost(why):
                raise AgentError(Failure.SESSION_OVER, why)
            case CycleLost(asked):
                self._unsaid.in_cycle = self._rest.due = asked
                if not asked:
                    raise self._rest.given_up(self._factory.name)
                return []

    def _changes(self, spoken: str | None) -> list[Action]:
        """Have figures and our own sentences said in another language, where that can be spoken."""
        if not spoken:
            return []
        try:
            language(spoken)
        except KeyError as error:
            wrong = f"invalid message: ttsLanguage: {error.args[0]}"
            self._mistakes.made(AgentError(Failure.BAD_ACTION, wrong, spoken[:_SHOWN]))
            return []
        return [ChangeLanguage(spoken)]

    def _plays(self, play: AppPlay) -> list[Action]:
        """Play the recording that the settings name for this source; nothing is fetched from elsewhere."""
        name = self._settings.recordings.get(play.source)
        if name is None:
            what = "invalid message: source: no recording is set for it"
            self._mistakes.made(AgentError(Failure.BAD_ACTION, what, play.source[:_SHOWN]))
            return []
        times = min(play.loop or _MOST_TIMES, _MOST_TIMES)
        return [Say(name, False, self._interruption(play), RECORDING + name)] * times

    def _interruption(self, message: AppText | AppPlay) -> Interruption:
        chosen = self._settings.interruptible if message.interruptible is None else message.interruptible
        return INTERRUPTIONS[chosen]

    # -- what the application does -------------------------------------------------------------------

    async def received(self, raw: str | bytes) -> None:
        """Read a message of the application's, and wait where it has written too far ahead."""
        try:
            message = self._session.read(raw)
        except BadMessage as error:
            quoted = raw[:_SHOWN] if isinstance(raw, str) else raw[:_SHOWN].decode("utf-8", "replace")
            self._mistakes.made(AgentError(Failure.UNREADABLE_EVENT, str(error), quoted))
            return
        if message is None:
            return
        if isinstance(message, AppText):
            message = msgspec.structs.replace(message, token=self._rest.new(message.token))
        self._put(message)
        await self._unsaid.room()

    def reopened(self) -> list[str]:
        """The application was lost, and is there again: it is told of the call anew, under the same session.

        What it has written is said all the same; what it was told last and has not answered, it is told once more.
        """
        self._rest.lost(self._put)
        return [self._setup({**self._settings.parameters, **self._info.parameters}), *self._session.again()]

    def lost(self, why: str, *, orderly: bool) -> None:
        """The application has closed the socket, which ends the session, or has broken off."""
        self._put(AppEnd() if orderly else ApplicationLost(why))

    def _put(self, message: Unsaid) -> None:
        self._unsaid.put(message)
        cuts = preempts(message)
        if cuts or not self._speaking:
            self._ask(AgentWantsFloor(cuts))

    def _drop_unsaid(self, *, tell: bool) -> None:
        """Drop the words that wait, since the caller was faster; `tell` the application, if there were any."""
        if self._unsaid.drop_words() and tell:
            self._tell(self._session.interrupt("", 0))
        if self._unsaid and not self._speaking:
            self._ask(AgentWantsFloor())

    # -- what happens on the call --------------------------------------------------------------------

    def attend(self, ask: Callable[[AgentWantsFloor], None]) -> None:
        """The call is here; text may come at any time from now on."""
        self._ask = ask

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Let the application know of interruptions at once, and of whatever else it has asked for."""
        if call.answering.held:
            self._turn_over.clear()
        else:
            self._turn_over.set()
        if any(type(command) is Decided and command.what is Decision.INTERRUPTED for command in commands):
            cut = call.utterances.resumable
            heard = " ".join(text for utterance in cut if (text := utterance.heard_text()))
            self._tell(self._session.interrupt(heard, round(sum(utterance.heard_ms for utterance in cut))))
            self._drop_unsaid(tell=False)
        if type(event) is CallResumed and not event.transfer_failed:
            self._ask(AgentWantsFloor())  # it is to be reached, and to say what it has written before
        if type(event) is DigitPressed and self._settings.dtmf_detection:
            self._tell(self._session.dtmf(event.digit))
        self._follower.saw(call, self._heard)

    def left(self) -> None:
        """The call is over: close the socket."""
        self._ask = _nobody
        self._unsaid.give_up()
        self._link.close()

    def _tell(self, message: str) -> None:
        if self._link.opened:
            self._link.send(message)

    def _new_link(self) -> RelayLink:
        settings = self._settings
        return RelayLink(
            settings.url,
            self._factory.headers,
            self._factory.http,
            self,
            connect_deadline_s=settings.connect_deadline_s,
            heartbeat_s=settings.heartbeat_s,
            reconnect=settings.application_reconnect,
            outage=self._factory.outage,
        )


class RelayFactory:
    """Opens a session with the application for each call."""

    def __init__(
        self,
        settings: ConversationRelaySettings,
        auth_token: str = "",
        *,
        http: HttpClient | None = None,
        report: Report = no_report,
    ) -> None:
        self.settings = settings
        self.report = report
        self.name = f"the application at {settings.url}"
        self.outage = Outage(settings.retry_s)
        self.http = http or HttpClient(connect_deadline_s=settings.connect_deadline_s)
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)
        self.headers = handshake_headers(auth_token, settings.url)
        self.action = SessionAction(settings.action, auth_token, self.http, settings.action_deadline_s)

    def open_call(self, info: CallInfo) -> RelayAgent:
        """Open an agent; the application is reached when the call begins."""
        return RelayAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """The greeting, and the lines that the settings name."""
        greeting = [self.settings.welcome_greeting] if self.settings.welcome_greeting else []
        return [FixedLine(text) for text in (*greeting, *self.settings.phrases)]

    async def reach(self) -> None:
        """Open a socket to the application and close it again, without a word. Raises AgentError."""
        settings = self.settings
        socket = await connect(self.http, settings.url, self.headers, settings.connect_deadline_s, settings.heartbeat_s)
        await socket.close()

    async def close(self) -> None:
        """Close what connections are left."""
        await self.http.close()


def _nobody(_event: AgentWantsFloor) -> None:
    """Stands in for whoever gives the floor, before a call begins and after it has ended."""
