"""The person who rings: follows a scenario by what they hear and by the clock, one 20 ms frame at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bridge.simulator import scenario as steps
from bridge.simulator import voices
from bridge.simulator.scenario import Scenario, Step
from bridge.simulator.sound import FRAME_MS, FRAME_SAMPLES, Sound, at_level, from_ulaw, level_db

AUDIBLE_DB = -48.0
"""Above this a caller hears somebody talk."""

QUIET_FRAME = np.zeros(FRAME_SAMPLES, np.float32)

_PAUSE_BEFORE_RECOGNITION_MS = 500


@dataclass(slots=True)
class CallerAction:
    """One thing the caller did, on the line's clock in milliseconds; `end_ms` is -1 while it goes on."""

    step: int
    kind: str
    text: str
    start_ms: int
    end_ms: int = -1


@dataclass(slots=True)
class Frame:
    """20 ms of the caller: sound, keys pressed in it, and whether they hang up now."""

    sound: Sound
    digits: str = ""
    hang_up: bool = False


@dataclass(slots=True)
class _Hearing:
    """What the caller has heard of the bot since their own last step."""

    first_ms: int = -1
    last_ms: int = -1
    audio: bytearray = field(default_factory=bytearray)
    recognised_bytes: int = 0
    text: str = ""


class Caller:
    """Acts out a scenario. `tick` is called once per frame with what was heard meanwhile.

    Making the sounds takes a while (speech is synthesised), so build a caller off the event loop.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._sounds = [_sound(step, scenario) for step in scenario.steps]
        self._index = 0
        self._since_ms = 0
        self._now_ms = 0
        self._playing: Sound | None = None
        self._played = 0
        self._hearing = _Hearing()
        self._keys_pressed = 0
        self._tone = QUIET_FRAME[:0]
        self.done: list[CallerAction] = []
        self.heard_anything = False
        """The other side has said something, at any time."""
        self.failed = ""
        """Why the scenario could not be followed to its end."""

    @property
    def finished(self) -> bool:
        """Whether all steps of the scenario are done."""
        return self._index >= len(self._scenario.steps)

    @property
    def now_ms(self) -> int:
        """The line's clock as the caller sees it: the end of the last frame."""
        return self._now_ms

    def line_opens(self, at_ms: int) -> None:
        """A media stream begins: the time since the one before, in which nobody was on the line, was no pause."""
        gone_ms = max(at_ms - self._now_ms, 0)
        self._now_ms += gone_ms
        self._since_ms += gone_ms
        if self._hearing.first_ms >= 0:
            self._hearing.first_ms += gone_ms
            self._hearing.last_ms += gone_ms

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that are not done."""
        return self._scenario.steps[self._index :]

    @property
    def position(self) -> str:
        """The step the caller is at, for progress and errors."""
        return "finished" if self.finished else f"steps[{self._index}] {_kind(self._scenario.steps[self._index])}"

    def wants_recognition(self) -> Sound | None:
        """What the caller must understand before they can go on, when there is something new to understand."""
        if self.finished or not isinstance(self._scenario.steps[self._index], steps.WaitFor):
            return None
        new = len(self._hearing.audio) > self._hearing.recognised_bytes
        if not new or self._quiet_ms() < _PAUSE_BEFORE_RECOGNITION_MS:
            return None
        self._hearing.recognised_bytes = len(self._hearing.audio)
        return from_ulaw(bytes(self._hearing.audio))

    def recognised(self, text: str) -> None:
        """Take the answer to `wants_recognition`."""
        self._hearing.text = text

    def tick(self, heard: bytes) -> Frame:
        """Advance by 20 ms in which `heard` (mu-law) came out of the receiver."""
        self._listen(heard)
        frame = self._play() if self._playing is not None else self._act()
        self._now_ms += FRAME_MS
        return frame

    # listening

    def _listen(self, heard: bytes) -> None:
        if level_db(from_ulaw(heard)) > AUDIBLE_DB:
            self.heard_anything = True
            if self._hearing.first_ms < 0:
                self._hearing.first_ms = self._now_ms
            self._hearing.last_ms = self._now_ms
        if self._hearing.first_ms >= 0 and self._now_ms - self._hearing.last_ms <= _PAUSE_BEFORE_RECOGNITION_MS:
            self._hearing.audio += heard

    def _quiet_ms(self) -> int:
        """How long the bot has been silent after having said something; -1 if it has not."""
        return -1 if self._hearing.first_ms < 0 else self._now_ms - self._hearing.last_ms

    def _spoken_ms(self) -> int:
        """How long the bot has been talking in its current turn; -1 when it is not talking now."""
        hearing = self._hearing
        talking = hearing.first_ms >= 0 and self._now_ms - hearing.last_ms <= 200
        return self._now_ms - hearing.first_ms if talking else -1

    # acting

    def _act(self) -> Frame:
        while not self.finished:
            step = self._scenario.steps[self._index]
            waited_ms = self._now_ms - self._since_ms
            match step:
                case steps.Say():
                    return self._begin(step.utterance.text or step.utterance.recording)
                case steps.Interrupt():
                    if self._spoken_ms() >= step.after_ms:
                        return self._begin(step.utterance.text or step.utterance.recording)
                    return self._wait(waited_ms, step.timeout_s, f"the bot talking for {step.after_ms} ms")
                case steps.Noise():
                    if not step.after_ms or self._spoken_ms() >= step.after_ms:
                        return self._begin(step.text if step.kind == "backchannel" else step.kind)
                    return self._wait(waited_ms, step.timeout_s, f"the bot talking for {step.after_ms} ms")
                case steps.WaitForSilence():
                    if self._quiet_ms() < step.ms:
                        return self._wait(waited_ms, step.timeout_s, f"speech and then {step.ms} ms of silence")
                case steps.WaitFor():
                    if not all(says(self._hearing.text, phrase) for phrase in step.words):
                        return self._wait(waited_ms, step.timeout_s, f"{' and '.join(step.words)!r}")
                case steps.Digits():
                    if self._keys_pressed < len(step.keys) or len(self._tone):
                        return self._press(step, waited_ms)
                    self._keys_pressed = 0
                    self._forget_heard()
                case steps.Silence():
                    if waited_ms < step.ms:
                        return Frame(QUIET_FRAME)
                case steps.WaitForHangUp():
                    return self._wait(waited_ms, step.timeout_s, "the other side to hang up")
                case steps.HangUp():
                    self._note("hang_up", "")
                    self._next()
                    return Frame(QUIET_FRAME, hang_up=True)
            self._next()
        return Frame(QUIET_FRAME)

    def _begin(self, text: str) -> Frame:
        step = self._scenario.steps[self._index]
        self._note(_kind(step), text)
        self._playing, self._played = self._sounds[self._index], 0
        return self._play()

    def _play(self) -> Frame:
        assert self._playing is not None
        part = self._playing[self._played : self._played + FRAME_SAMPLES]
        self._played += FRAME_SAMPLES
        self.done[-1].end_ms = self._now_ms + FRAME_MS  # so far: the other side may hang up at any moment
        if self._played >= len(self._playing):
            self._playing = None
            self._next()
            self._forget_heard()
        if len(part) < FRAME_SAMPLES:
            part = np.concatenate([part, QUIET_FRAME[len(part) :]])
        return Frame(part)

    def _press(self, step: steps.Digits, waited_ms: int) -> Frame:
        if self._keys_pressed == 0:
            self._note("digits", step.keys)
        if waited_ms < self._keys_pressed * step.gap_ms or self._keys_pressed == len(step.keys):
            return Frame(self._rest_of_tone())
        key = step.keys[self._keys_pressed]
        self._keys_pressed += 1
        self.done[-1].end_ms = self._now_ms + FRAME_MS
        if not step.tone:
            return Frame(QUIET_FRAME, digits=key)
        self._tone = voices.key_tone(key)
        return Frame(self._rest_of_tone(), digits=key)

    def _rest_of_tone(self) -> Sound:
        part, self._tone = self._tone[:FRAME_SAMPLES], self._tone[FRAME_SAMPLES:]
        return np.concatenate([part, QUIET_FRAME[len(part) :]]) if len(part) < FRAME_SAMPLES else part

    def _wait(self, waited_ms: int, timeout_s: float, what: str) -> Frame:
        if waited_ms < timeout_s * 1000.0:
            return Frame(QUIET_FRAME)
        heard = f"; understood so far: {self._hearing.text!r}" if self._hearing.text else ""
        self.failed = f"{self.position}: waited {timeout_s:g} s for {what}{heard}"
        self._index = len(self._scenario.steps)
        self._note("hang_up", "lost patience")
        return Frame(QUIET_FRAME, hang_up=True)

    def _next(self) -> None:
        self._index += 1
        self._since_ms = self._now_ms

    def _forget_heard(self) -> None:
        """The caller has acted: from here on they listen for the answer."""
        self._hearing = _Hearing()

    def _note(self, kind: str, text: str) -> None:
        self.done.append(CallerAction(self._index, kind, text, self._now_ms, self._now_ms + FRAME_MS))


def says(heard: str, phrase: str) -> bool:
    """Whether a phrase occurs among the heard words; `a|b` allows either, case and punctuation don't matter."""
    words = f" {plain(heard)} "
    return any(f" {plain(choice)} " in words for choice in phrase.split("|"))


def plain(text: str) -> str:
    """Lower case words and digits, single spaces."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower().replace("-", " ")))


def _kind(step: Step) -> str:
    return step.kind if isinstance(step, steps.Noise) else str(step.__struct_config__.tag)


def _sound(step: Step, scenario: Scenario) -> Sound | None:
    folder = Path(scenario.folder)
    match step:
        case steps.Say() | steps.Interrupt():
            return voices.utterance(step.utterance, scenario.caller.voice, folder)
        case steps.Noise(kind="backchannel"):
            return at_level(voices.speak(step.text, step.voice or scenario.caller.voice), step.level_db)
        case steps.Noise(kind="cough" | "knock" as kind):
            return voices.noise(kind, step.level_db, scenario.line.seed)
        case _:
            return None
