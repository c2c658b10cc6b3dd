"""What is told of a call when it is over, gathered while it lasts. No I/O.

Times are seconds since the stream began. Words of ours stand here when the caller heard them to their end, and the
time is that of the playout clock: when they were in the caller's ear.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from bridge.call.account import ToolUse
from bridge.call.actions import Spoken
from bridge.call.commands import AskAgent, Command, Decided, Redirect
from bridge.call.events import DigitPressed, Event, VoiceActivity, WordsHeard
from bridge.call.ledger import Utterance
from bridge.call.machine import Call
from bridge.call.states import Decision, EndReason
from bridge.call.turn import PREROLL_S

_MOST_CHARACTERS = 400_000
"""Of a transcript: some seven hours of talk."""
_MOST_PIECES = 500
"""Of what a live recogniser has heard lately."""

TimedWord = tuple[str, float, float]
"""A word, and when it began and ended; of the caller's words only the end is known, and stands twice."""


class ReportedTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one side said in a row."""

    speaker: Literal["caller", "agent", "bridge"]
    """`bridge`: our own words, such as an apology."""
    text: str
    """What was recognised of the caller; what the caller heard of us."""
    start_s: float | None = None
    end_s: float | None = None
    unheard: str = ""
    """What was to be said, and the caller did not hear."""
    interrupted: bool = False
    by: str = ""
    """Which agent of several it was."""
    words: tuple[TimedWord, ...] = ()


class CallOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a call ended, and with what in hand."""

    why: str
    """`bridge.call.states.EndReason`."""
    said: str = ""
    """The agent's own words for hanging up."""
    handoff: str = ""
    """What the agent hands over, such as `handoffData` of an application behind the relay."""
    transferred_to: str = ""


class CallSummary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag="call.ended"):
    """Everything that is told of one call. `id` is the same however often it is delivered."""

    id: str
    call_id: str
    carrier: str
    from_number: str
    to_number: str
    parameters: dict[str, str] = {}
    started_at: str
    ended_at: str
    seconds: float
    resumed: bool = False
    """The call began on an earlier stream: what was said there has no times."""
    outcome: CallOutcome
    transcript: tuple[ReportedTurn, ...]
    cut: bool = False
    """The transcript was too long, and has lost its beginning."""
    slots: dict[str, str] = {}
    tools: tuple[ToolUse, ...] = ()
    costs: dict[str, float] = {}
    record: str = ""
    """The file of the call's record (`telemetry.record_directory`), if there is one."""
    recording: str = ""
    """The file of its sound (`telemetry.recording`), if there is one."""


class _Times(msgspec.Struct):
    start_s: float
    end_s: float
    words: tuple[TimedWord, ...] = ()


class CallFollower:
    """Follows one call for its report: who said what when. Costs a look at each event."""

    def __init__(self, *, words: bool = True) -> None:
        self._words_wanted = words
        self._oldest = 1
        self._heard: dict[int, list[TimedWord]] = {}
        self._caller: dict[int, tuple[Spoken, _Times]] = {}
        """By the identity of the caller's turn in the ledger, which is kept here so that it stays what it is."""
        self._asked_early: _Times | None = None
        """The times of a turn that was answered before it was over."""
        self._keys_since: float | None = None
        self._words: tuple[TimedWord, ...] = ()
        self._transferred_to = ""

    def saw(self, event: Event, commands: list[Command], call: Call, now: float) -> None:
        """Take note of one event and what was ordered because of it."""
        if type(event) is VoiceActivity and not commands:
            return
        if type(event) is DigitPressed and self._keys_since is None:
            self._keys_since = now
        elif type(event) is WordsHeard and self._words_wanted:
            self._words = tuple((piece.text, *_twice(piece.until_at)) for piece in event.pieces[-_MOST_PIECES:])
        over: _Times | None = None
        for command in commands:
            if type(command) is Decided and command.what is Decision.TURN_OVER:
                over = self._turn_over(command, now)
            elif type(command) is Decided and command.what is Decision.SPECULATION_WASTED:
                self._asked_early = None
            elif type(command) is AskAgent and command.prompt.kind in ("caller_said", "digits"):
                self._asked(command, over, call, now)
            elif type(command) is Redirect:
                self._transferred_to = command.target
        self._listen(call, now)

    def outcome(self, why: EndReason, said: str, handoff: str) -> CallOutcome:
        """How the call ended, with whom it was connected if it was."""
        return CallOutcome(str(why), said, handoff, self._transferred_to if why is EndReason.TRANSFER else "")

    def transcript(self, call: Call, now: float) -> tuple[tuple[ReportedTurn, ...], bool]:
        """What was said and heard, and whether that has lost its beginning."""
        self._listen(call, now)
        turns = [turn for entry in call.ledger.entries if (turn := self._turn_of(entry)) is not None]
        room, first = _MOST_CHARACTERS, len(turns)
        while first and room >= len(turns[first - 1].text):
            first -= 1
            room -= len(turns[first].text)
        return tuple(turns[first:]), first > 0

    def _turn_over(self, decision: Decided, now: float) -> _Times:
        silence_ms, length_ms = decision.why.get("silence_ms", 0), decision.why.get("length_ms", 0)
        end_s = now - float(silence_ms) / 1000
        spoken_s = max(float(length_ms) / 1000 - PREROLL_S, 0.0)
        times = _Times(end_s - spoken_s, end_s, self._words)
        early, self._asked_early = self._asked_early, None
        if early is not None:
            early.start_s, early.end_s, early.words = times.start_s, times.end_s, times.words
        return times

    def _asked(self, command: AskAgent, over: _Times | None, call: Call, now: float) -> None:
        """The caller's turn stands in the ledger now: remember when it was said or pressed."""
        spoken = next((entry for entry in reversed(call.ledger.entries) if isinstance(entry, Spoken)), None)
        if spoken is None or spoken.speaker != "caller":
            return
        if command.prompt.kind == "digits":
            since, self._keys_since = self._keys_since, None
            times = _Times(now if since is None else since, now)
        elif over is not None:
            times = over
        else:
            times = self._asked_early = _Times(now, now, self._words)
        self._caller[id(spoken)] = (spoken, times)

    def _listen(self, call: Call, now: float) -> None:
        """Note the words that were heard to their end since the last look."""
        for number in range(self._oldest, call.utterances.number + 1):
            if number not in call.ledger:
                continue
            entry = call.ledger[number]
            known = self._heard.setdefault(number, [])
            while len(known) < len(entry.words) and entry.words[len(known)].end_ms <= entry.heard_ms:
                word = entry.words[len(known)]
                end_s = now - (entry.heard_ms - word.end_ms) / 1000
                known.append((word.text, _rounded(end_s - (word.end_ms - word.start_ms) / 1000), _rounded(end_s)))
            if number == self._oldest and (entry.all_heard or entry.cut):
                self._oldest += 1

    def _turn_of(self, entry: Utterance | Spoken) -> ReportedTurn | None:
        if isinstance(entry, Utterance):
            return self._ours(entry)
        if not entry.text:
            return None
        if entry.speaker == "bot":
            return ReportedTurn(
                "bridge" if entry.by_bridge else "agent", entry.text, interrupted=entry.interrupted, by=entry.by or ""
            )
        _, times = self._caller.get(id(entry), (entry, None))
        if times is None:
            return ReportedTurn("caller", entry.text)
        words = tuple(word for word in times.words if times.start_s - 0.5 <= word[2] <= times.end_s + 0.5)
        return ReportedTurn("caller", entry.text, _rounded(times.start_s), _rounded(times.end_s), words=words)

    def _ours(self, entry: Utterance) -> ReportedTurn | None:
        if not entry.text.strip():
            return None
        words = self._heard.get(entry.number, [])
        return ReportedTurn(
            "bridge" if entry.by_bridge else "agent",
            entry.heard_text(),
            words[0][1] if words else None,
            words[-1][2] if words else None,
            unheard=entry.rest_text() if not entry.all_heard else "",
            interrupted=entry.cut,
            by=entry.by or "",
            words=tuple(words) if self._words_wanted else (),
        )


def when(epoch_s: float) -> str:
    """A time as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(report: CallSummary) -> bytes:
    """The report as it is sent."""
    return msgspec.json.encode(report)


def _twice(at: float) -> tuple[float, float]:
    return _rounded(at), _rounded(at)


def _rounded(seconds: float) -> float:
    return round(max(seconds, 0.0), 3)
