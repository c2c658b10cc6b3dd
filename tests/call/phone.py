"""A phone around one `Call`: a carrier that plays, a voice that delivers, an agent that answers. Time is passed in.

Nothing here sleeps: `wait(seconds)` runs the world's agenda up to that moment. What the caller heard
is read from the carrier's side of the line, not from what the call believes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from bridge.agents.rest_of_answer import RestOfAnswer
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.actions import Action, Prompt, Say, TextAlternative
from bridge.call.commands import (
    AskAgent,
    CancelAgent,
    CancelSynthesis,
    ClearPlayout,
    Command,
    Decided,
    Disconnect,
    PullSpeech,
    Redirect,
    SendAudio,
    SendMark,
    Synthesise,
    Transcribe,
)
from bridge.call.events import (
    AgentActed,
    AgentFinished,
    CallResumed,
    CallStarted,
    DigitPressed,
    Event,
    MarkEchoed,
    MarkFate,
    Recognised,
    SpeechArrived,
    SpeechEnded,
    TimePassed,
    VoiceActivity,
    Word,
)
from bridge.call.machine import Call
from bridge.call.settings import CallSettings
from bridge.call.state import CallState, decode, encode, played_on
from bridge.carriers.base import DEFAULT_PACING, Pacing

WORD_MS = 300
WINDOW_S = 0.032
COUGH_S = 0.3


@dataclass
class Played:
    """Audio as it came out of the carrier."""

    start: float
    end: float
    utterance: int
    offset_ms: float
    audio: bytes


@dataclass
class Line:
    """The carrier: plays what arrives at real time, echoes marks when they are reached or cleared."""

    audio_format: AudioFormat = MULAW_8000
    pacing: Pacing = DEFAULT_PACING
    echoes: bool = True
    tells_fate: bool = False
    """It says which marks were played and which were cleared."""
    echoes_cleared: bool = True
    """A mark that a clear threw out comes back, too."""
    at_once: bool = False
    """Echoes a mark when it comes instead of when it is reached."""
    drift: float = 0.0
    """How much longer than ours the carrier's seconds are."""
    played: list[Played] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    plays_until: float = 0.0
    cut_at: list[float] = field(default_factory=list)
    """When something may have been thrown out unplayed."""

    def audio(self, command: SendAudio, at: float) -> None:
        start = max(at, self.plays_until)
        assert len(command.audio) % (self.audio_format.bytes_per_ms * self.pacing.frame_ms) == 0
        self.plays_until = start + self.audio_format.duration_ms(command.audio) / 1000 * (1 + self.drift)
        self.played.append(Played(start, self.plays_until, command.utterance, command.offset_ms, command.audio))

    def clear(self, at: float) -> list[str]:
        assert self.pacing.can_clear
        return self.cut(at)

    def cut(self, at: float) -> list[str]:
        """Forget what is not played, and which marks were to come."""
        self.cut_at.append(at)
        self.played = [p for p in self.played if p.start < at]
        if self.played and self.played[-1].end > at:
            self.played[-1].end = at
        self.plays_until = min(self.plays_until, at)
        cleared = [name for due, name in self.marks if due > at]
        self.marks = [(due, name) for due, name in self.marks if due <= at]
        return cleared

    def buffered_s(self, at: float) -> float:
        return max(self.plays_until - at, 0.0)


Script = Callable[[Prompt], Sequence[Action]]


class Phone:
    """One call with everything around it."""

    def __init__(
        self,
        script: Script | None = None,
        settings: CallSettings | None = None,
        *,
        way_s: float = 0.02,
        jitter_s: float = 0.0,
        synthesis_s: float = 0.03,
        line: Line | None = None,
        seed: int = 0,
    ) -> None:
        self.settings = settings or CallSettings()
        self.line = line or Line()
        self.call = Call(self.settings, self.line.audio_format, self.line.pacing)
        self.now = 0.0
        self.commands: list[tuple[float, Command]] = []
        self.log: list[tuple[float, Event, list[Command]]] = []
        self.prompts: list[Prompt] = []
        self.recognises: Callable[[float], str | None] = self._words_if_long_enough
        self.confidence = 1.0
        self.other_readings: tuple[TextAlternative, ...] = ()
        self.texts: dict[int, str] = {}
        self._script = script or (lambda prompt: [Say("Thank you for calling, how can I help you today?")])
        self._way_s, self._jitter_s, self._synthesis_s = way_s, jitter_s, synthesis_s
        self._random = Random(seed)
        self._out_until = self._back_until = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._tie = itertools.count()
        self._delivered: dict[int, float] = {}
        self._complete: set[int] = set()
        self._cancelled: set[int] = set()
        self._pulls: dict[int, int] = {}
        self.lively: list[tuple[float, float]] = []
        self.voice_works = True
        self.judged_late_s = 0.0
        """How far the voice model is behind."""
        self.echo_after_s: float | None = None
        """Our voice comes back so much later than the caller hears it."""
        self.echo_score = 0.9
        """How well it is recognised as ours."""
        self.thinks_s = 0.0
        """The agent's first action comes so long after the prompt, and each further one so long after the last."""
        self.clock_began = 0.0
        """When the clock of the process that has the call stood at zero."""
        self.broken_off = False
        """A key broke off what was said, or was about to be."""
        self._process = self._stream = 0

    # -- the story -------------------------------------------------------------------------------

    def answers(self) -> None:
        self.tell(CallStarted())
        self._next_window()

    def caller_speaks(self, seconds: float) -> None:
        self.lively.append((self.now, self.now + seconds))

    def _words_if_long_enough(self, _since: float) -> str:
        """A sound as short as a cough holds no words; anything longer is a sentence."""
        started, ended = self.lively[-1] if self.lively else (0.0, 0.0)
        return "" if ended - started < COUGH_S else "I would like an appointment please."

    def presses(self, digits: str, gap_s: float = 0.3) -> None:
        for digit in digits:
            self.tell(DigitPressed(digit))
            self.wait(gap_s)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            wake = None if self.call.wake_at is None else self.call.wake_at + self.clock_began
            due = self._agenda[0][0] if self._agenda else None
            if wake is not None and wake <= until and (due is None or wake < due):
                self.now = max(self.now, wake)
                self.tell(TimePassed())
            elif due is not None and due <= until:
                self.now = max(self.now, due)
                heapq.heappop(self._agenda)[2]()
            else:
                break
        self.now = until

    def crashes(self, stale_s: float) -> CallState:
        """The process is killed so long after it has written the call down for the last time."""
        state = decode(encode(self.call.state(self.now - self.clock_began)))
        self.wait(stale_s)
        return self.moves(state=played_on(state, stale_s))

    def moves(
        self, gap_s: float = 0.3, settings: CallSettings | None = None, *, state: CallState | None = None
    ) -> CallState:
        """The process stops, whatever was going on; another reads the call's state and goes on with it.

        The old stream closes, what lies in the carrier's buffer is gone, and after a gap the new stream begins.
        """
        state = state or decode(encode(self.call.state(self.now - self.clock_began)))
        self._process += 1
        closes_at = max(self.now + self._way_s, self._out_until)
        self._world_does(closes_at - self.now, self._stream_closes)
        self.wait_for_nobody(closes_at - self.now + gap_s)
        self.settings = settings or self.settings
        self.call = Call.resume(state, self.settings, self.line.audio_format, self.line.pacing)
        self.clock_began = self.now - 7.0
        self.tell(CallResumed())
        self._next_window()
        return state

    def wait_for_nobody(self, seconds: float) -> None:
        """Time passes for the carrier and the caller alone."""
        self.call = Call(self.settings)
        self.wait(seconds)

    def _stream_closes(self) -> None:
        self._stream += 1
        self.line.cut(self.now)

    def wait_until_heard(self, limit_s: float = 60.0) -> None:
        until = self.now + limit_s
        while not self.call.utterances.silent and self.now < until:
            self.wait(0.05)

    # -- what came of it -------------------------------------------------------------------------

    def heard(self) -> list[tuple[int, float, float]]:
        """Stretches of our utterances in the order the caller heard them: (utterance, from ms, to ms)."""
        stretches: list[tuple[int, float, float]] = []
        for piece in self.line.played:
            end = min(piece.end, self.now)
            if end <= piece.start:
                continue
            until_ms = piece.offset_ms + (end - piece.start) * 1000
            if stretches and stretches[-1][0] == piece.utterance and abs(stretches[-1][2] - piece.offset_ms) < 1.5:
                stretches[-1] = (piece.utterance, stretches[-1][1], until_ms)
            else:
                stretches.append((piece.utterance, piece.offset_ms, until_ms))
        return stretches

    def heard_words(self) -> list[str]:
        """Words that came out of the carrier to their end."""
        words = []
        for utterance, start_ms, end_ms in self.heard():
            for word in self.words_of(utterance):
                if start_ms <= word.start_ms and word.end_ms <= end_ms + 1:
                    words.append(word.text)
        return words

    def words_of(self, utterance: int) -> list[Word]:
        tokens = self.texts.get(utterance, "").split()
        return [Word(t, i * WORD_MS, (i + 1) * WORD_MS) for i, t in enumerate(tokens)]

    def ordered(self, kind: type[Command]) -> list[Command]:
        return [c for _, c in self.commands if isinstance(c, kind)]

    def decided(self) -> list[str]:
        return [c.what for _, c in self.commands if isinstance(c, Decided)]

    @property
    def hung_up(self) -> str | None:
        """Why, in the agent's own words where it was the agent."""
        return next((c.said or c.reason for _, c in self.commands if isinstance(c, Disconnect)), None)

    # -- the world -------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Command]:
        now = self.now - self.clock_began
        commands = self.call.receive(event, now)
        self.log.append((now, event, commands))
        self.commands += [(self.now, c) for c in commands]
        for command in commands:
            self._carry_out(command)
        return commands

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this then, if the process that has the call now still has it."""
        process = self._process
        self._world_does(seconds, lambda: action() if process == self._process else None)

    def _world_does(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._tie), action))

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendAudio() | SendMark() | ClearPlayout():
                arrives = max(self.now + self._way(), self._out_until)  # a socket keeps the order
                self._out_until = arrives
                stream = self._stream
                self._world_does(arrives - self.now, lambda: self._at_carrier(command, stream))
            case Synthesise(utterance, text):
                self.texts[utterance] = self.texts.get(utterance, "") + text
                if command.final:
                    self._complete.add(utterance)
                self.later(self._synthesis_s, lambda: self._deliver(utterance))
            case PullSpeech(utterance, upto_ms):
                self._pulls[utterance] = upto_ms
                self.later(self._synthesis_s, lambda: self._deliver(utterance))
            case CancelSynthesis(utterance):
                self._cancelled.add(utterance)
            case AskAgent(turn, prompt):
                self.prompts.append(prompt)
                self.later(0.0, lambda: self._reply(turn, prompt))
            case Transcribe(revision, since):
                words = self.recognises(since)
                if words is not None:
                    answer = Recognised(revision, words, self.confidence, self.other_readings)
                    self.later(0.08, lambda: self._tell(answer))
            case CancelAgent() | Decided() | Disconnect() | Redirect() | PullSpeech():
                pass

    def _tell(self, event: Event) -> None:
        self.tell(event)

    def _way(self) -> float:
        return self._way_s + self._random.uniform(0.0, self._jitter_s)

    def _at_carrier(self, command: SendAudio | SendMark | ClearPlayout, stream: int) -> None:
        if stream != self._stream:
            return
        match command:
            case SendAudio():
                self.line.audio(command, self.now)
            case SendMark(name):
                due = self.now if self.line.at_once else max(self.now, self.line.plays_until)
                assert self.line.pacing.marks != "none"
                self.line.marks.append((due, name))
                self.later(due - self.now, lambda: self._reached(name))
            case ClearPlayout():
                self._cleared(self.line.clear(self.now))

    def _reached(self, name: str) -> None:
        due = next((m for m in self.line.marks if m[1] == name), None)
        if due is not None:
            self.line.marks.remove(due)
            self._echo(name, MarkFate.PLAYED)

    def _cleared(self, names: list[str]) -> None:
        for name in names if self.line.echoes_cleared else ():
            self._echo(name, MarkFate.CLEARED)

    def carrier_empties_its_buffer(self) -> None:
        """Without having been asked to."""
        self._cleared(self.line.clear(self.now))

    def _echo(self, name: str, fate: MarkFate) -> None:
        if self.line.echoes:
            told = fate if self.line.tells_fate else MarkFate.UNKNOWN
            arrives = max(self.now + self._way(), self._back_until)
            self._back_until = arrives
            self.later(arrives - self.now, lambda: self._tell(MarkEchoed(name, told)))

    def _deliver(self, utterance: int) -> None:
        if utterance in self._cancelled or not self.voice_works:
            return
        words = self.words_of(utterance)
        total = len(words) * WORD_MS
        done = self._delivered.get(utterance, 0.0)
        upto = min(self._pulls.get(utterance, 0) // 20 * 20, total)
        if utterance not in self._complete and upto < total:
            upto = min(upto, total)
        if upto > done:
            self._delivered[utterance] = upto
            new = tuple(w for w in words if done <= w.start_ms < upto)
            self.tell(SpeechArrived(utterance, b"\x80" * int((upto - done) * self.line.audio_format.bytes_per_ms), new))
        if upto == total and utterance in self._complete:
            self._complete.discard(utterance)
            self.tell(SpeechEnded(utterance))

    def _reply(self, turn: int, prompt: Prompt) -> None:
        rest = RestOfAnswer(prompt.so_far or (), words_alone=True)
        actions = [new for action in self._script(prompt) if (new := rest.new(action)) is not None]
        events: list[Event] = [AgentActed(turn, action) for action in actions]
        self._next_of(iter([*events, AgentFinished(turn)]))

    def _next_of(self, events: Iterator[Event]) -> None:
        if self.thinks_s:
            self.later(self.thinks_s, lambda: self._tell_next(events))
            return
        for event in events:
            self.tell(event)

    def _tell_next(self, events: Iterator[Event]) -> None:
        event = next(events, None)
        if event is not None:
            self.tell(event)
            self._next_of(events)

    def _next_window(self) -> None:
        """The voice model's windows, 32 ms apart, reported while anything lively is near."""
        at = self.now
        lively = any(start <= at - WINDOW_S / 2 <= end for start, end in self.lively)
        near = any(start <= at <= end + 2.0 for start, end in self.lively)
        echo = not lively and self._comes_back(at - WINDOW_S / 2)
        if near or echo:
            sounds = lively or echo
            window = VoiceActivity(
                0.95 if sounds else 0.02,
                -25.0 if sounds else -70.0,
                at - self.clock_began,
                self.echo_score if echo else 0.0,
            )
            if self.judged_late_s:
                self.later(self.judged_late_s, lambda: self._tell(window))
            else:
                self.tell(window)
        if not self.call.ended:
            self.later(WINDOW_S, self._next_window)

    def _comes_back(self, at: float) -> bool:
        if self.echo_after_s is None:
            return False
        return any(piece.start <= at - self.echo_after_s <= piece.end for piece in self.line.played)
