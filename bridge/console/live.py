"""The calls of this process as the pages show them, and what may be done to them from there."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from bridge.audio import mulaw
from bridge.call import commands as order
from bridge.call.actions import Spoken
from bridge.call.commands import Command
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    DigitPressed,
    EndRequested,
    Event,
    Recognised,
    TransferRequested,
)
from bridge.call.states import EndReason
from bridge.session.session import CallSession

_SHOWN_TEXT = 300
_SHOWN_TURNS = 40
_MOST_TOLD = 200
"""Of one block of a fifth of a second; an agent that does more is not worth reading."""


class LiveCall(msgspec.Struct, frozen=True):
    """One call in progress, as far as a list of calls shows it."""

    key: str
    """Its name among the calls of all carriers."""
    process: str
    carrier: str
    call_id: str
    from_number: str
    to_number: str
    seconds: float
    caller: str
    """What the caller does: `bridge.call.states.Caller`."""
    bot: str
    """What the bot does: `bridge.call.states.Bot`."""
    lead_ms: float
    last_caller: str
    last_bot: str
    last_reply_ms: float
    worst_reply_ms: float
    interruptions: int
    failures: int
    underruns: int


class FeedBlock(msgspec.Struct, frozen=True):
    """A fifth of a second of a call that somebody follows."""

    key: str
    at: float
    """Seconds into the call of the block's end."""
    caller_db: float
    ours_db: float
    told: tuple[dict[str, object], ...] = ()
    """What happened: `at`, `what` and `why`."""
    lines: tuple[Spoken, ...] | None = None
    """The conversation so far, its last turns, when it has changed."""
    caller: str = ""
    ours: str = ""
    """Mu-law in base64, where somebody listens in."""
    over: bool = False


class CallOrder(msgspec.Struct, frozen=True):
    """What somebody at a page wants of a call."""

    key: str
    do: Literal["hang_up", "transfer", "follow"]
    target: str = ""
    sound: bool = False


class LiveSessions(Protocol):
    """Whoever knows the sessions of the calls in progress, by their keys."""

    def sessions(self) -> dict[str, CallSession]:
        """Return every call that has begun and is not over."""
        ...


class LiveCalls:
    """The calls of this process. `publish` is given the encoded blocks of calls that are followed."""

    def __init__(
        self,
        sockets: LiveSessions,
        process: str,
        publish: Callable[[str, bytes], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._process = process
        self._publish = publish
        self._clock = clock
        self._feeds: dict[str, _Feed] = {}

    def snapshot(self) -> list[LiveCall]:
        """Every call as it is at this moment."""
        return [self._seen(key, session) for key, session in self._sockets.sessions().items()]

    def _seen(self, key: str, session: CallSession) -> LiveCall:
        call, tally = session.call, session.tally
        spoken = call.conversation()
        last = {speaker: next((one.text for one in reversed(spoken) if one.speaker == speaker), "") for speaker in
                ("caller", "bot")}  # fmt: skip
        return LiveCall(
            key=key,
            process=self._process,
            carrier=key.partition("/")[0],
            call_id=session.info.call_id,
            from_number=session.info.from_number,
            to_number=session.info.to_number,
            seconds=round(session.seconds, 1),
            caller=str(call.caller),
            bot=str(call.bot),
            lead_ms=round(max(call.utterances.playout.clock.lead_ms(session.seconds), 0.0)),
            last_caller=last["caller"][-_SHOWN_TEXT:],
            last_bot=last["bot"][-_SHOWN_TEXT:],
            last_reply_ms=round(tally.last_reply_s * 1000),
            worst_reply_ms=round(tally.worst_reply_s * 1000),
            interruptions=tally.interruptions,
            failures=tally.failures,
            underruns=call.utterances.playout.underruns,
        )

    def carry_out(self, wanted: CallOrder) -> bool:
        """Do what somebody wants of a call of this process; False when there is no such call here."""
        session = self._sockets.sessions().get(wanted.key)
        if session is None:
            return False
        if wanted.do == "hang_up":
            session.tell(EndRequested(EndReason.OPERATOR))
        elif wanted.do == "transfer":
            session.tell(TransferRequested(wanted.target))
        else:
            self._follow(wanted, session)
        return True

    def _follow(self, wanted: CallOrder, session: CallSession) -> None:
        feed = self._feeds.get(wanted.key)
        if feed is None or feed.over:
            feed = self._feeds[wanted.key] = _Feed(wanted.key, session, self._publish)
            feed.stop = session.add_tap(feed)
        now = self._clock()
        feed.until = max(feed.until, now + FOLLOWED_S)
        if wanted.sound:
            feed.sound_until = max(feed.sound_until, now + FOLLOWED_S)
        feed.now = now

    def beat(self) -> None:
        """Let go of the calls that nobody follows any more; to be called about once a second."""
        now = self._clock()
        for key, feed in list(self._feeds.items()):
            feed.now = now
            if feed.over or now >= feed.until:
                feed.stop()
                del self._feeds[key]


FOLLOWED_S = 12.0
"""Whoever follows a call says so again within this time."""


class _Feed:
    """A tap that publishes what it is told."""

    def __init__(self, key: str, session: CallSession, publish: Callable[[str, bytes], None]) -> None:
        self.until = self.sound_until = self.now = 0.0
        self.over = False
        self.stop: Callable[[], None] = lambda: None
        self._key = key
        self._session = session
        self._publish = publish
        self._told: list[dict[str, object]] = []
        self._lines: tuple[Spoken, ...] | None = None

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Publish a block of both tracks, and what has happened since the last."""
        lines = self._session.call.conversation()[-_SHOWN_TURNS:]
        listened = self.now < self.sound_until
        block = FeedBlock(
            key=self._key,
            at=round((place + len(caller)) / mulaw.RATE_HZ, 2),
            caller_db=round(mulaw.level_dbfs(caller), 1),
            ours_db=round(mulaw.level_dbfs(ours), 1),
            told=tuple(self._told),
            lines=None if lines == self._lines else lines,
            caller=b64encode(caller).decode() if listened else "",
            ours=b64encode(ours).decode() if listened else "",
        )
        self._lines, self._told = lines, []
        self._publish(self._key, msgspec.json.encode(block))

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """Note what is worth showing."""
        told = [what for what in (_of_event(event), *map(_of_command, commands)) if what is not None]
        for what, why in told[: _MOST_TOLD - len(self._told)]:
            self._told.append({"at": round(at, 3), "what": what, "why": why})

    def ended(self) -> None:
        """Tell that the call is over."""
        self.over = True
        lines = self._session.call.conversation()[-_SHOWN_TURNS:]
        block = FeedBlock(
            self._key, round(self._session.seconds, 2), -100.0, -100.0, tuple(self._told), lines, over=True
        )
        self._publish(self._key, msgspec.json.encode(block))


_Told = tuple[str, dict[str, object]]


def _of_event(event: Event) -> _Told | None:
    match event:
        case DigitPressed(digit):
            return "key pressed", {"key": digit}
        case Recognised(_, text, confidence):
            return "recognised", {"text": text[:_SHOWN_TEXT], "confidence": round(confidence, 2)}
        case AgentActed(_, action):
            return f"agent: {type(action).__name__.lower()}", _short(msgspec.to_builtins(action))
        case AgentFailed(_, reason):
            return "agent failed", {"reason": reason}
        case TransferRequested(target):
            return "operator transfers", {"target": target}
        case EndRequested(reason):
            return "asked to end", {"reason": str(reason)}
    return None


def _of_command(command: Command) -> _Told | None:
    match command:
        case order.Decided(what, why):
            return str(what), _short(why)
        case order.Disconnect(reason, said):
            return "hang up", _short({"reason": str(reason), "said": said})
        case order.Redirect(target):
            return "transfer", {"target": target}
        case order.ClearPlayout():
            return "playout cleared", {}
    return None


def _short(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value[:_SHOWN_TEXT] if isinstance(value, str) else round(value, 3) if isinstance(value, float) else value
        for name, value in values.items()
        if value not in ("", None, (), {}, [])
    }
