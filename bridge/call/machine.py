"""One phone call: events and time in, commands out. No task, socket, lock, clock or random number.

`Call.receive` is the only way in: it passes each event to the side it concerns, then does what time has made due. The
states and their moves are the tables of `states`; which event makes which move stands in `caller_side` and `bot_side`.
"""

from __future__ import annotations

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.actions import PromptKind, Spoken
from bridge.call.answering import Answering
from bridge.call.bot_side import BotSide
from bridge.call.caller_side import CallerSide
from bridge.call.commands import Command, Disconnect, Redirect, decided
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    AgentFinished,
    AgentWantsFloor,
    CallerScored,
    CallResumed,
    CallStarted,
    DigitPressed,
    EndRequested,
    Event,
    HeardOtherwise,
    MarkEchoed,
    MarkFate,
    Recognised,
    RecogniserFailed,
    SpeculationAllowed,
    SpeechArrived,
    SpeechEnded,
    SpeechFailed,
    StreamClosed,
    StreamReopened,
    TimePassed,
    TransferRequested,
    TurnJudged,
    TurnOpinion,
    VoiceActivity,
    WordsHeard,
)
from bridge.call.floor import Floor
from bridge.call.ledger import NOTHING_UNDERSTOOD, SPOKE, Ledger
from bridge.call.settings import CallSettings
from bridge.call.state import VERSION, CallState, returned, settings_hash
from bridge.call.states import Bot, Caller, Decision, EndReason
from bridge.call.turn import CallerTurn
from bridge.call.utterances import Utterances
from bridge.carriers.base import DEFAULT_PACING, Pacing

_DIGITS = frozenset("0123456789*#ABCD")
_CHANGES = frozenset(
    (DigitPressed, Recognised, RecogniserFailed, AgentActed, AgentFinished, AgentFailed, AgentWantsFloor, EndRequested)
)
"""Events that change what a state holds, whatever follows from them."""


class Call:
    """The machine of one call. Times are seconds on any monotonic clock.

    `audio_format` is that of all audio to the caller, `pacing` how the carrier wants it.
    """

    def __init__(
        self, settings: CallSettings, audio_format: AudioFormat = MULAW_8000, pacing: Pacing = DEFAULT_PACING
    ) -> None:
        self.settings = settings
        self.wake_at: float | None = None
        self._started_at: float | None = None
        self.changes = 0
        """Counts what would be missing from a state that was written before: it is worth writing again."""
        self._settings_hash = ""
        """Made when it is first asked for."""
        self._resuming: CallState | None = None
        self._seen: tuple[Bot, Caller, int] = (Bot.IDLE, Caller.SILENT, 0)
        self._bot = BotSide(settings, audio_format, pacing)
        self._caller = CallerSide(settings, self._bot)

    @property
    def bot(self) -> Bot:
        """What the bot does at this moment."""
        return self._bot.state

    @property
    def caller(self) -> Caller:
        """What the caller does at this moment."""
        return self._caller.state

    @property
    def may_speculate(self) -> bool:
        """Whether answers may be begun before the caller's turn is over, where the settings have them begun."""
        return self._caller.may_speculate

    @property
    def caller_words(self) -> str:
        """What is known of the caller's turn while it lasts."""
        return self._caller.words_so_far

    @property
    def language(self) -> str:
        """In which the bot speaks now, a tag such as `en`."""
        return self._bot.language

    @property
    def utterances(self) -> Utterances:
        """What is said, sent and heard."""
        return self._bot.utterances

    @property
    def ledger(self) -> Ledger:
        """Every word of both sides."""
        return self._bot.ledger

    @property
    def turn(self) -> CallerTurn | None:
        """The caller's turn so far, while they have the floor."""
        return self._caller.turn

    @property
    def floor(self) -> Floor:
        """What is known of the caller's voice and of the room."""
        return self._caller.floor

    @property
    def answering(self) -> Answering:
        """The agent's answer of the moment."""
        return self._bot.answering

    @property
    def ended(self) -> bool:
        """True once the call is over for us; events are then ignored."""
        return self._bot.state is Bot.GONE

    @property
    def end_reason(self) -> EndReason | None:
        """Why the call is over, or will be."""
        return self._bot.end_reason

    def transcript(self) -> tuple[Spoken, ...]:
        """What both sides really heard."""
        return self._bot.ledger.history()

    def conversation(self) -> tuple[Spoken, ...]:
        """The transcript for people: it shows, too, where the caller spoke and not a word was understood."""
        return self._bot.ledger.history(wordless=NOTHING_UNDERSTOOD if self.settings.listens else SPOKE)

    @classmethod
    def resume(
        cls,
        state: CallState,
        settings: CallSettings,
        audio_format: AudioFormat = MULAW_8000,
        pacing: Pacing = DEFAULT_PACING,
    ) -> Call:
        """A call that goes on from this state with `CallResumed`, on a line and under settings of its own."""
        call = cls(settings, audio_format, pacing)
        call._resuming = state
        return call

    def state(self, now: float) -> CallState:
        """The call as it will be if its stream ends now, for another process. Changes nothing."""
        if self._resuming is not None:
            return self._resuming
        self._settings_hash = self._settings_hash or settings_hash(self.settings)
        return CallState(
            VERSION,
            self._settings_hash,
            0.0 if self._started_at is None else now - self._started_at,
            self._bot.written(now, guessing=self._caller.guessing),
            self._caller.written(),
        )

    def receive(self, event: Event, now: float) -> list[Command]:
        """Advance the call and say what to do about it, in order.

        Late and foreign events (an old mark, audio of a cancelled utterance, anything before
        `CallStarted`) are normal and change nothing.
        """
        if self._bot.state is Bot.GONE:
            return []
        commands: list[Command] | None
        if isinstance(event, VoiceActivity) and self._started_at is not None:
            commands = self._caller.hear(event, now)
            quiet = commands is None
        else:
            commands = self._happened(event, now)
            # A mark on the way only corrects the clock.
            quiet = (
                isinstance(event, MarkEchoed)
                and event.fate is not MarkFate.CLEARED
                and self._bot.utterances.playout.amid
            )
        if quiet and self.wake_at is not None and now < self.wake_at:
            return commands or []
        commands = (commands or []) + self._settle(now)
        self._note_change(event)
        return commands

    def _note_change(self, event: Event) -> None:
        bot, caller, queued = self._bot.state, self._caller.state, self._bot.utterances.playout.queued
        before = self._seen
        moved = bot is not before[0] or caller is not before[1] or queued != before[2]
        if moved or type(event) in _CHANGES or (type(event) is SpeechArrived and event.words):
            self._seen = (bot, caller, queued)
            self.changes += 1

    def _happened(self, event: Event, now: float) -> list[Command]:
        bot, caller = self._bot, self._caller
        match event:
            case TimePassed():
                pass  # the commonest of all: what is due is seen to afterwards
            case CallStarted(transfer_failed):
                return self._start(transfer_failed, now)
            case CallResumed(transfer_failed):
                return self._resume(transfer_failed, now)
            case StreamClosed(reason):
                return bot.gone(reason)
            case StreamReopened():
                bot.utterances.emptied(now)
            case MarkEchoed():
                bot.utterances.echoed(event, now)
            case SpeechArrived():
                bot.utterances.arrived(event)
            case SpeechEnded(utterance, partial):
                bot.utterances.ended(utterance, partial=partial)
            case SpeechFailed(utterance, reason):
                return bot.speech_failed(utterance, reason, now)
            case AgentActed(turn, action) if bot.answering.counts(turn):
                return bot.acts(action, now)
            case AgentFinished(turn) if bot.answering.counts(turn):
                return bot.agent_done(now)
            case AgentFailed(turn, reason) if bot.answering.counts(turn):
                return bot.agent_failed(reason, now)
            case AgentWantsFloor(cut):
                return bot.wants_floor(now, cut=cut)
            case Recognised(revision) if caller.awaits(revision):
                return caller.recognised(event, now)
            case RecogniserFailed(revision, reason) if caller.awaits(revision):
                return caller.recogniser_failed(reason)
            case WordsHeard():
                return caller.words_heard(event, now)
            case TurnOpinion():
                return caller.engine_thinks(event, now)
            case HeardOtherwise():
                pass  # for whoever reads the record
            case TurnJudged(revision, probability) if caller.awaits(revision):
                caller.judged(probability)
            case DigitPressed(digit) if digit in _DIGITS and bot.state is not Bot.CLOSING:
                return caller.presses(digit, now)
            case SpeculationAllowed(allowed):
                caller.may_speculate = allowed
            case CallerScored(detector, score):
                bot.answering.scores = {**(bot.answering.scores or {}), detector: score}
            case EndRequested(reason):
                return self._asked_to_end(reason, now)
            case TransferRequested(target) if bot.ending is None and self._started_at is not None:
                return [*bot.break_off(now)[0], *bot.close(Redirect(target))]
            case _:
                pass  # what belongs to something already cancelled
        return []

    def _asked_to_end(self, reason: EndReason, now: float) -> list[Command]:
        """Say so in place of what is being said: the time left is short. Without a text, only finish what was begun."""
        bot = self._bot
        if bot.ending is not None or not self.settings.shutdown or self._started_at is None:
            return [*bot.cancel_agent(taken_back=False), *bot.close(Disconnect(reason))]
        return [*bot.break_off(now)[0], *bot.last_words("shutdown", Disconnect(reason), now)]

    def _start(self, transfer_failed: str, now: float) -> list[Command]:
        if self._started_at is not None or self._resuming is not None:
            return []
        self._started_at = now
        self._bot.await_caller(now)
        expected = [self._bot.expected] if self.settings.listens else []
        kind: PromptKind = "transfer_failed" if transfer_failed else "call_started"
        return [*expected, *self._bot.utterances.playout.probe(now), *self._bot.ask(kind, transfer_failed, now)]

    def _resume(self, transfer_failed: str, now: float) -> list[Command]:
        state, self._resuming = self._resuming, None
        if state is None:
            return []
        if transfer_failed:
            state = returned(state)
        self._started_at = now - state.length_s
        commands = [*self._bot.utterances.playout.probe(now), *self._bot.resume(state.bot, now)]
        self._caller.resume(state.caller, now)
        expected = [self._bot.expected] if self.settings.listens else []
        why = decided(
            Decision.RESUMED,
            after_s=round(state.length_s, 3),
            utterances=len(state.bot.rest),
            asked_again=state.bot.pending is not None,
            turn_so_far=state.caller.turn is not None,
        )
        if transfer_failed:
            commands += self._bot.ask("transfer_failed", transfer_failed, now)
        return [why, *expected, *commands]

    def _settle(self, now: float) -> list[Command]:
        """Do what time and the event have made due, then say when to be woken."""
        bot = self._bot
        if bot.state is Bot.GONE or self._started_at is None:
            return []
        commands: list[Command]
        if bot.utterances.playout.stalled(now):
            commands = [Disconnect(EndReason.CARRIER_STALLED), *bot.gone(EndReason.CARRIER_STALLED)]
        else:
            commands = self._due(now)
            if bot.state is Bot.CLOSING and not bot.can_be_held:
                self._caller.leave()
            commands += bot.listen(now)
            commands += self._give_floor(now)
            commands += bot.utterances.pump(now)
            if not (bot.can_be_held and self._caller.state is Caller.SUSPECTED):
                commands += bot.end_if_heard()
        self.wake_at = None if self.ended else self._next_wake(now)
        return commands

    def _due(self, now: float) -> list[Command]:
        assert self._started_at is not None
        commands = self._bot.due(now)
        if self._bot.ending is not None:
            return commands + (self._caller.due(now) if self._bot.can_be_held else [])
        if now >= self._started_at + self.settings.longest_call_s:
            commands += self._bot.break_off(now)[0]
            return commands + self._bot.last_words("time_is_up", Disconnect(EndReason.LONGEST_CALL), now)
        return commands + self._caller.due(now)

    def _give_floor(self, now: float) -> list[Command]:
        """Let an agent speak that has asked to, when neither side has anything to say or to hear."""
        bot, caller = self._bot, self._caller
        if not bot.floor_wanted or bot.state is not Bot.IDLE or not caller.leaves_floor:
            return []
        return bot.ask("floor_given", "", now)

    def _next_wake(self, now: float) -> float:
        assert self._started_at is not None
        bot = self._bot
        times = [
            self._started_at + self.settings.longest_call_s if bot.ending is None else None,
            bot.utterances.playout.wake_at(now),
            bot.utterances.due_at(self.settings.speech_deadline_s),
            bot.answering.due,
            *self._caller.wake_times(now),
        ]
        return max(min(t for t in times if t is not None), now + 0.001)
