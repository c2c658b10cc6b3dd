"""The shell around a call: it tells the machine what happened and does what the machine orders. No decisions.

```
line (carrier) ---- hear ----> ear ---\\
line (carrier) --- tell(mark) -------> tell(event) -> Call.receive -> commands -> carried out in order
voice, agent, timer wheel -- tell ---/
```

`tell` may be called from inside itself, since carrying out a command can produce events at once: those
wait until the running event's commands are all carried out. A frame of audio takes the short way, `hear`,
and never meets the machine.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bridge.agents.base import CallInfo
from bridge.agents.guard import folded
from bridge.audio.formats import MULAW_8000
from bridge.call import commands as order
from bridge.call.commands import Command
from bridge.call.events import (
    CallResumed,
    CallStarted,
    Event,
    StreamClosed,
    StreamReopened,
    TimePassed,
)
from bridge.call.machine import Call
from bridge.call.settings import CallSettings
from bridge.call.state import CallState, encode, settings_hash
from bridge.call.states import EndReason
from bridge.carriers.base import Apologise, EndCall, ForwardCall, Outcome
from bridge.session.abilities import AgentAbilities
from bridge.session.books import NO_FOLLOWERS, CallBooks, CallFollowers
from bridge.session.failures import report_raised
from bridge.session.ports import PHONE_LINE, CallServices, KeptCall, Line, LineAudio
from bridge.session.replies import AgentReplies
from bridge.session.taps import CallTap, Taps
from bridge.session.timers import Timer, TimerWheel
from bridge.session.transcoding import transcoder
from bridge.telemetry import logs
from bridge.telemetry.meter import CallTally
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_LAST_EVENTS = 24


class CallSession:
    """One call in progress. All methods belong to the event loop's thread; none of them waits."""

    def __init__(
        self,
        info: CallInfo,
        settings: CallSettings,
        *,
        line: Line,
        services: CallServices,
        wheel: TimerWheel,
        metrics: Metrics,
        audio: LineAudio = PHONE_LINE,
        followers: CallFollowers = NO_FOLLOWERS,
        resume: CallState | None = None,
        spent: Mapping[str, float] | None = None,
        on_changed: Callable[[], None] = lambda: None,
        on_ended: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.info = info
        self.over = False
        self._resumes = resume is not None
        self.call = (
            Call(settings, audio.ours, audio.pacing)
            if resume is None
            else Call.resume(resume, settings, audio.ours, audio.pacing)
        )
        self._line, self._wheel, self._metrics = line, wheel, metrics
        self._settings = settings
        self._on_changed, self._on_ended = on_changed, on_ended
        self._clock = clock
        self._started_at = self.last_frame_at = clock()
        self._books = CallBooks(self.call, metrics, followers, spent)
        self._taps = Taps(self.call.utterances.playout.clock, metrics.call_failures.labels("tap").inc, followers.taps)
        self._timer = Timer(self._wake)
        self._waiting: deque[Event] = deque()
        self._changes_told = 0
        self._busy = False
        self._last_events: deque[tuple[float, Event]] = deque(maxlen=_LAST_EVENTS)
        self._frames = 0
        self._our_format = audio.ours
        self._caller_to_ear = transcoder(audio.caller, MULAW_8000)
        self._ours_to_ear = transcoder(audio.ours, MULAW_8000)
        self._why = EndReason.FAILURE
        self._agent_said = ""
        agent = services.agents.open_call(info)
        self._abilities = AgentAbilities(agent, info, metrics)
        self._voice = services.speech.open_call(self.tell, audio_format=audio.ours)
        self._replies = AgentReplies(agent, info, metrics, deliver=self.tell, expect=self._voice.expect)
        if resume is not None:
            self._remind_agent(resume)
        self._abilities.joins(self._voice, audio.ours)
        try:
            self._ear = services.listening.open_call(self.tell, started_at=self._started_at)
        except BaseException:
            self._voice.close()
            raise
        self._carry_out = self._orders()

    def _orders(self) -> dict[type[Command], Callable[[Any], None]]:
        """Who carries out each kind of command."""
        return {
            order.SendAudio: self._send_audio,
            order.SendMark: self._send_mark,
            order.ClearPlayout: self._clear_playout,
            order.Synthesise: self._voice.synthesise,
            order.PullSpeech: self._voice.pull,
            order.CancelSynthesis: self._cancel_synthesis,
            order.AskAgent: self._replies.ask,
            order.ConfirmAnswer: self._replies.confirm,
            order.CancelAgent: self._replies.cancel,
            order.Transcribe: self._ear.transcribe,
            order.ExpectSpeech: self._ear.expect,
            order.Disconnect: self._hang_up,
            order.Redirect: self._transfer,
            order.Decided: self._nothing,
        }

    def start(self) -> None:
        """The stream is open and trusted: let the call begin, or go on."""
        (self._metrics.calls_resumed if self._resumes else self._metrics.calls_started).inc()
        self._metrics.calls.inc()
        self._abilities.attend(self.tell)
        happened = CallResumed if self._resumes else CallStarted
        self.tell(happened(self.info.transfer_failed))

    @property
    def seconds(self) -> float:
        """How long the call lasts already."""
        return self._clock() - self._started_at

    @property
    def tally(self) -> CallTally:
        """What the call has come to so far."""
        return self._books.tally

    @property
    def changes(self) -> int:
        """Counts what makes the call's state worth writing again."""
        return self.call.changes

    def state(self) -> CallState:
        """The call as it will be if its stream ends now, its agent's memory included, to go on with elsewhere."""
        return msgspec.structs.replace(self.call.state(self._clock() - self._started_at), agent=self._replies.state())

    def _remind_agent(self, state: CallState) -> None:
        """Give the agent its memory back, whatever has changed in the settings meanwhile."""
        if state.settings_hash != settings_hash(self._settings):
            logs.event(logger, "call goes on under other settings", call=self.info.call_id)
        self._replies.remind(state.agent)

    def hear(self, audio: bytes) -> None:
        """Audio from the caller in the line's format, any number of samples."""
        if self.over:
            return
        self.last_frame_at = self._clock()
        now = self.last_frame_at - self._started_at
        self._frames += 1
        if self._caller_to_ear is not None:
            audio = self._caller_to_ear.feed(audio)
        self._ear.hear(audio, now)
        if self._abilities.hears:
            self._abilities.hear(audio, now)
        if self._taps:
            self._taps.heard(audio, now)

    def add_tap(self, tap: CallTap) -> Callable[[], None]:
        """Let somebody follow the call from now on; returns how to stop that."""
        if not self.over:
            self._taps.add(tap, self._clock() - self._started_at)
        return lambda: self._taps.remove(tap)

    def tell(self, event: Event) -> None:
        """Something happened: let the machine decide, and carry out what it orders."""
        if self.over:
            return
        if self._busy:
            self._waiting.append(event)
            return
        self._busy = True
        try:
            self._advance(event)
            while self._waiting and not self.over:
                self._advance(self._waiting.popleft())
        except Exception:
            self._fail()
        finally:
            self._busy = False
        if self.over or self.call.ended:
            self._release()
        else:
            if self.call.changes != self._changes_told:
                self._changes_told = self.call.changes
                self._on_changed()
            wake_at = self.call.wake_at
            self._wheel.set(self._timer, None if wake_at is None else self._started_at + wake_at)

    def stream_reopened(self) -> None:
        """The carrier has replaced its socket by another, on which the call goes on."""
        self.last_frame_at = self._clock()
        self.tell(StreamReopened())

    def stream_closed(self, reason: EndReason) -> None:
        """The carrier's socket is gone."""
        if not self.over:
            self._why = reason
        self.tell(StreamClosed(reason))
        if not self._busy:  # else whoever tells the call of something now will see that it has ended
            self._release()

    def _advance(self, event: Event) -> None:
        now = self._clock() - self._started_at
        self._last_events.append((now, event))
        tapped = bool(self._taps)
        if tapped:
            self._taps.settled()
        commands = self.call.receive(event, now)
        if tapped:
            self._taps.moment(now, event, commands)
        self._books.saw(event, commands, now)
        self._abilities.saw(event, commands, self.call)
        for command in commands:
            self._carry_out[type(command)](command)
        if commands:
            self._line.flush()

    def _wake(self) -> None:
        self.tell(TimePassed())

    # Commands, in the order of `bridge.call.commands`.

    def _send_audio(self, command: order.SendAudio) -> None:
        audio = command.audio
        self._line.send_audio(audio)
        heard = audio if self._ours_to_ear is None else self._ours_to_ear.feed(audio)
        self._ear.sent(heard, self._clock() - self._started_at)
        if self._taps:
            self._taps.sent(heard)

    def _send_mark(self, command: order.SendMark) -> None:
        self._line.send_mark(command.name)

    def _clear_playout(self, _command: order.ClearPlayout) -> None:
        self._line.clear()
        if self._ours_to_ear is not None:
            self._ours_to_ear = transcoder(self._our_format, MULAW_8000)
        now = self._clock() - self._started_at
        self._ear.cleared(now)
        self._taps.cleared(now)

    def _cancel_synthesis(self, command: order.CancelSynthesis) -> None:
        self._voice.cancel(command.utterance)

    def _hang_up(self, command: order.Disconnect) -> None:
        self._agent_said = command.said
        self._end(EndCall(), command.reason)

    def _transfer(self, command: order.Redirect) -> None:
        outcome = ForwardCall(
            command.target,
            come_back=True,
            call_id=self.info.call_id,
            summary=command.summary,
            language=command.language,
        )
        self._end(outcome, EndReason.TRANSFER, self.kept())

    def kept(self) -> KeptCall | None:
        """The call as its caller finds it who comes back; None where the agent has no state to give."""
        info = self.info
        try:
            state = encode(self.state())
            costs = self._books.costs(self._voice.savings(), self._ear.costs())
            return KeptCall(state, info.from_number, info.to_number, info.parameters, costs=costs)
        except Exception as error:
            report_raised(self._metrics, info, error, "could not tell its state")
            return None

    def _nothing(self, _command: order.Decided) -> None:
        """A why record is for the recorder and the meter, which have had it."""

    # The end.

    def _end(self, outcome: Outcome, why: EndReason, kept: KeptCall | None = None) -> None:
        self._why = why
        self.over = True
        self._line.end(outcome, kept)

    def _fail(self) -> None:
        """A bug of ours, in this call alone: say so in the log, and let the carrier apologise."""
        self._metrics.call_failures.labels("session").inc()
        logger.exception("call failed, call=%s, last events: %s", self.info.call_id, self._tale())
        self._end(Apologise(self._settings.last_apology), EndReason.FAILURE)

    def _tale(self) -> str:
        """The call's last events without audio, words or digits."""
        return ", ".join(f"{at:.3f} {type(event).__name__}" for at, event in self._last_events)

    def _release(self) -> None:
        if self._on_ended is _released:
            return
        on_ended, self._on_ended = self._on_ended, _released
        self.over = True
        self._wheel.set(self._timer, None)
        self._waiting.clear()
        self._replies.close()
        length_s = self._clock() - self._started_at
        closers = (self._ear.close, self._voice.close, self._sum_up, self._abilities.left)
        for close in (*closers, lambda: self._taps.end(length_s)):
            try:
                close()
            except Exception:
                self._metrics.call_failures.labels("release").inc()
                logger.exception("could not release a call's resources, call=%s", self.info.call_id)
        self._metrics.calls.dec()
        self._metrics.frames_in.inc(self._frames)
        self._metrics.calls_ended.labels(self._why).inc()
        self._metrics.call_seconds.observe(length_s)
        logs.event(
            logger,
            "call ended",
            call=self.info.call_id,
            why=self._why,
            agent_said=logs.private(f'"{folded(self._agent_said)}"'),
            seconds=round(length_s, 1),
        )
        on_ended()

    def _sum_up(self) -> None:
        """After the voice has closed, so that what was being said counts, too."""
        self._books.close(
            self.seconds,
            self._why,
            self._agent_said,
            savings=self._voice.savings(),
            heard=self._ear.costs(),
            account=self._abilities.account,
        )


def _released() -> None:
    """Stands in for `on_ended` once it was called."""
