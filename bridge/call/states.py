"""The two floors of a call and every legal move between their states. The table is the rule.

`python -m bridge.call.states` prints it as a Mermaid diagram.
"""

from __future__ import annotations

from enum import StrEnum

from bridge.errors import UnexpectedEvent


class Caller(StrEnum):
    """What the caller does."""

    SILENT = "silent"
    SUSPECTED = "suspected"
    SPEAKING = "speaking"
    PAUSED = "paused"


class Bot(StrEnum):
    """What the bot does."""

    IDLE = "idle"
    THINKING = "thinking"
    SPEAKING = "speaking"
    DUCKED = "ducked"
    CLOSING = "closing"
    GONE = "gone"


CALLER_MOVES: dict[tuple[Caller, str], Caller] = {
    (Caller.SILENT, "activity"): Caller.SUSPECTED,
    (Caller.SUSPECTED, "confirmed"): Caller.SPEAKING,
    (Caller.SUSPECTED, "faded"): Caller.SILENT,
    (Caller.SPEAKING, "went quiet"): Caller.PAUSED,
    (Caller.SPEAKING, "turn over"): Caller.SILENT,
    (Caller.PAUSED, "activity"): Caller.SPEAKING,
    (Caller.PAUSED, "turn over"): Caller.SILENT,
}

BOT_MOVES: dict[tuple[Bot, str], Bot] = {
    (Bot.IDLE, "asked"): Bot.THINKING,
    (Bot.IDLE, "has words"): Bot.SPEAKING,
    (Bot.IDLE, "last words"): Bot.CLOSING,
    (Bot.THINKING, "asked"): Bot.THINKING,
    (Bot.THINKING, "has words"): Bot.SPEAKING,
    (Bot.THINKING, "nothing to say"): Bot.IDLE,
    (Bot.THINKING, "interrupted"): Bot.IDLE,
    (Bot.THINKING, "last words"): Bot.CLOSING,
    (Bot.SPEAKING, "all heard"): Bot.IDLE,
    (Bot.SPEAKING, "suspicion"): Bot.DUCKED,
    (Bot.SPEAKING, "interrupted"): Bot.IDLE,
    (Bot.SPEAKING, "last words"): Bot.CLOSING,
    (Bot.DUCKED, "false alarm"): Bot.SPEAKING,
    (Bot.DUCKED, "interrupted"): Bot.IDLE,
    (Bot.DUCKED, "all heard"): Bot.IDLE,
    (Bot.DUCKED, "last words"): Bot.CLOSING,
    **{(state, "gone"): Bot.GONE for state in Bot},
}


def next_caller(state: Caller, happening: str) -> Caller:
    """The caller's state after `happening`. Raises UnexpectedEvent for a move that is not in the table."""
    try:
        return CALLER_MOVES[state, happening]
    except KeyError:
        raise UnexpectedEvent(f"caller: '{happening}' while {state}") from None


def next_bot(state: Bot, happening: str) -> Bot:
    """The bot's state after `happening`. Raises UnexpectedEvent for a move that is not in the table."""
    try:
        return BOT_MOVES[state, happening]
    except KeyError:
        raise UnexpectedEvent(f"bot: '{happening}' while {state}") from None


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
