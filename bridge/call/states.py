"""The words of a call's life, in one place: states and every legal move between them, decisions, reasons for the end.

The tables of moves are the rule. `python -m bridge.call.states` prints them as a Mermaid diagram.
"""

from __future__ import annotations

from enum import StrEnum

from bridge.errors import UnexpectedEvent


class Caller(StrEnum):
    """What the caller does at a moment of the call."""

    SILENT = "silent"
    SUSPECTED = "suspected"
    SPEAKING = "speaking"
    PAUSED = "paused"


class CallerMove(StrEnum):
    """What changes the caller's state."""

    ACTIVITY = "activity"
    CONFIRMED = "confirmed"
    FADED = "faded"
    WENT_QUIET = "went quiet"
    TURN_OVER = "turn over"


class Bot(StrEnum):
    """What the bot does at a moment of the call."""

    IDLE = "idle"
    THINKING = "thinking"
    SPEAKING = "speaking"
    DUCKED = "ducked"
    CLOSING = "closing"
    GONE = "gone"


class BotMove(StrEnum):
    """What changes the bot's state."""

    ASKED = "asked"
    HAS_WORDS = "has words"
    NOTHING_TO_SAY = "nothing to say"
    ALL_HEARD = "all heard"
    SUSPICION = "suspicion"
    FALSE_ALARM = "false alarm"
    INTERRUPTED = "interrupted"
    LAST_WORDS = "last words"
    HELD = "held"
    GONE = "gone"


class Decision(StrEnum):
    """What a why record is about (`bridge.call.commands.Decided`)."""

    SUSPECTED = "suspected"
    FALSE_ALARM = "false alarm"
    INTERRUPTED = "interrupted"
    WENT_ON = "went on"
    TURN_OVER = "turn over"
    SPECULATION_WASTED = "speculation wasted"
    NO_INPUT = "no input"
    RECOGNISER_FAILED = "recogniser failed"
    NOT_UNDERSTOOD = "not understood"
    AGENT_FAILED = "agent failed"
    SPEECH_FAILED = "speech failed"
    UNDERRUN = "underrun"
    SHADOW = "shadow"
    RESUMED = "resumed"


class EndReason(StrEnum):
    """Who or what ended a call. What an agent says about its own hang-up is data beside it, never one of these."""

    CALLER = "caller"
    CARRIER_COMPLETED = "carrier completed"
    CARRIER_STALLED = "carrier stalled"
    LOST = "lost"
    """The media socket closed or broke without a word."""
    NO_MEDIA = "no media"
    """Nothing more arrived on the media socket."""
    NOT_READING = "not reading"
    """The carrier took nothing more off the media socket."""
    PROTOCOL = "protocol"
    """The carrier broke the media protocol."""
    AGENT = "agent"
    TRANSFER = "transfer"
    NO_INPUT = "no input"
    LONGEST_CALL = "longest call"
    AGENT_FAILED = "agent failed"
    SPEECH_FAILED = "speech failed"
    DRAIN = "drain"
    MOVED = "moved"
    """Another process goes on with the call."""
    OPERATOR = "operator"
    """Somebody who looks after the service ended it."""
    FAILURE = "failure"
    """A bug of ours."""


CALLER_MOVES: dict[tuple[Caller, CallerMove], Caller] = {
    (Caller.SILENT, CallerMove.ACTIVITY): Caller.SUSPECTED,
    (Caller.SUSPECTED, CallerMove.CONFIRMED): Caller.SPEAKING,
    (Caller.SUSPECTED, CallerMove.FADED): Caller.SILENT,
    (Caller.SPEAKING, CallerMove.WENT_QUIET): Caller.PAUSED,
    (Caller.SPEAKING, CallerMove.TURN_OVER): Caller.SILENT,
    (Caller.PAUSED, CallerMove.ACTIVITY): Caller.SPEAKING,
    (Caller.PAUSED, CallerMove.TURN_OVER): Caller.SILENT,
}

BOT_MOVES: dict[tuple[Bot, BotMove], Bot] = {
    (Bot.IDLE, BotMove.ASKED): Bot.THINKING,
    (Bot.IDLE, BotMove.HAS_WORDS): Bot.SPEAKING,
    (Bot.IDLE, BotMove.LAST_WORDS): Bot.CLOSING,
    (Bot.THINKING, BotMove.ASKED): Bot.THINKING,
    (Bot.THINKING, BotMove.HAS_WORDS): Bot.SPEAKING,
    (Bot.THINKING, BotMove.NOTHING_TO_SAY): Bot.IDLE,
    (Bot.THINKING, BotMove.INTERRUPTED): Bot.IDLE,
    (Bot.THINKING, BotMove.LAST_WORDS): Bot.CLOSING,
    (Bot.SPEAKING, BotMove.ALL_HEARD): Bot.IDLE,
    (Bot.SPEAKING, BotMove.SUSPICION): Bot.DUCKED,
    (Bot.SPEAKING, BotMove.INTERRUPTED): Bot.IDLE,
    (Bot.SPEAKING, BotMove.LAST_WORDS): Bot.CLOSING,
    (Bot.DUCKED, BotMove.FALSE_ALARM): Bot.SPEAKING,
    (Bot.DUCKED, BotMove.INTERRUPTED): Bot.IDLE,
    (Bot.DUCKED, BotMove.ALL_HEARD): Bot.IDLE,
    (Bot.DUCKED, BotMove.LAST_WORDS): Bot.CLOSING,
    (Bot.CLOSING, BotMove.HELD): Bot.SPEAKING,
    **{(state, BotMove.GONE): Bot.GONE for state in Bot},
}


def next_caller(state: Caller, move: CallerMove) -> Caller:
    """The caller's state after `move`. Raises UnexpectedEvent for a move that is not in the table."""
    try:
        return CALLER_MOVES[state, move]
    except KeyError:
        raise UnexpectedEvent(f"caller: '{move}' while {state}") from None


def next_bot(state: Bot, move: BotMove) -> Bot:
    """The bot's state after `move`. Raises UnexpectedEvent for a move that is not in the table."""
    try:
        return BOT_MOVES[state, move]
    except KeyError:
        raise UnexpectedEvent(f"bot: '{move}' while {state}") from None


def diagram() -> str:
    """Both tables as one Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for title, moves in (("caller", CALLER_MOVES), ("bot", BOT_MOVES)):
        lines.append(f"  state {title} {{")
        lines += [f"    {title}_{old} --> {title}_{new}: {why}" for (old, why), new in moves.items() if old != new]
        lines.append("  }")
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
