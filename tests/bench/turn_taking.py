"""Who has the floor, and has the caller finished? The published clips of `fixtures/floor` through the real parts.

    python -m tests.bench.turn_taking
    python -m tests.bench.turn_taking --clips DIR [--json FILE]     any folder of real people's recordings

Each clip is a caller's side of the line at 8 kHz mu-law. The real voice model, echo gate, recogniser and
end-of-turn model hear it frame by frame; the call machine decides; a carrier with a network delay plays
what is sent. Time is virtual, so that nothing depends on the machine but the recogniser's answers, which
are given the delays below. Printed are a confusion matrix, the latencies at the ear, and the curve of
cut-offs against reply latency.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw
from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.commands import ClearPlayout, Command, SendAudio, Transcribe
from bridge.call.events import Recognised, SpeechArrived, SpeechEnded, TurnJudged, VoiceActivity, Word
from bridge.call.settings import CallSettings, EndpointSettings, FloorSettings
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.echo import EchoGate
from bridge.listening.prosody import prosody
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import EchoSettings, WhisperSettings
from bridge.listening.turn_model import TurnModel, weigh
from tests.bench.machine import keep
from tests.call.phone import Phone

CLIPS = Path(__file__).parents[2] / "fixtures" / "floor"
FRAME_S = 0.02
WAYS_S = (0.0, 0.025)
"""One way over the network; the ear lies at the carrier."""
TICK_S = 0.005
"""From a window's last frame to the voice model's answer."""
RECOGNISER_S, TURN_MODEL_S = 0.2, 0.09
"""What the embedded engines take for an utterance of 2 s on one thread."""
ECHO_BYTES = 8 * EchoSettings().window_ms
JUDGED_BYTES = 8 * 8000
"""The end-of-turn model hears so much, and a recogniser all."""
CALLER_DB = -22.0
"""The caller has spoken before; so loudly do they speak."""
DUCKED_DB = 15.0
BOT_TEXT = "I have an opening on Tuesday morning at half past nine with Doctor Patel, or on Thursday afternoon."


def read_ulaw(path: Path) -> bytes:
    """A mu-law WAV's samples, which the standard library does not read."""
    data = path.read_bytes()
    at = data.index(b"data", 12)
    return data[at + 8 : at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")]


class Recognition(NamedTuple):
    """What the engines make of one stretch of a caller's audio."""

    text: str
    confidence: float
    tone: float
    """Smart Turn's probability."""


class Engines:
    """The real models, shared by all clips."""

    def __init__(self) -> None:
        self.voice = SileroModel()
        self.turn = TurnModel()
        self.whisper = Whisper(WhisperSettings())
        self._known: dict[bytes, Recognition] = {}

    def heard(self, ulaw: bytes) -> Recognition:
        """Text, confidence and tone; remembered, since settings are swept."""
        if ulaw not in self._known:
            heard = self.whisper.recognise(ulaw)
            self._known[ulaw] = Recognition(heard.text, heard.confidence, self.turn.tone(ulaw[-JUDGED_BYTES:]))
        return self._known[ulaw]

    def finished(self, ulaw: bytes) -> float:
        """How likely the turn is over, by its sound."""
        return weigh(self.heard(ulaw).tone, prosody(ulaw[-JUDGED_BYTES:]))


class Listener(Phone):
    """A phone whose caller is a recording, heard by the real models."""

    def __init__(
        self, engines: Engines, clip: bytes, script: Any, settings: CallSettings, way_s: float, bot: bytes = b""
    ) -> None:
        super().__init__(script, settings, way_s=way_s, synthesis_s=0.04)
        self._engines, self._clip, self._bot = engines, clip, bot
        self._clip_at: float | None = None
        self._batch = ActivityBatch(engines.voice)
        self._row = self._batch.open()
        self._gate = EchoGate()
        self._heard = bytearray()
        self._position = 0

    def plays_clip(self) -> None:
        """The clip's first sample leaves the caller's telephone now."""
        self._clip_at = self.now

    def _next_window(self) -> None:
        """A frame of the caller reaches us every 20 ms, one way later than it was spoken."""
        self.later(FRAME_S, self._next_window)
        frame = b""
        if self._clip_at is not None and self.now - self._way_s >= self._clip_at:
            frame = self._clip[self._position : self._position + 160]
            self._position += 160
        frame = self._frame(frame.ljust(160, b"\xff"))
        self._heard += frame
        if self._batch.write(self._row, frame, self.now):
            for _, window in self._batch.run():
                self._judge(window)

    def _frame(self, spoken: bytes) -> bytes:
        """What reaches us of a frame that the caller spoke."""
        return spoken

    def _judge(self, window: VoiceActivity) -> None:
        if window.probability >= 0.3 and self._gate.is_possible(window.at):
            until = len(self._heard) - round((self.now - window.at) * 8000)
            inbound = bytes(self._heard[max(until - ECHO_BYTES, 0) : until])
            window = msgspec.structs.replace(window, echo=self._gate.judge(inbound, window.at, window.noise_db))
        self.later(TICK_S, lambda: self._tell(window))

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, SendAudio):
            self._gate.sent(command.audio, self.now)
        elif isinstance(command, ClearPlayout):
            self._gate.cleared(self.now)
        elif isinstance(command, Transcribe):
            start = max(int((command.since - 0.2) * 8000), 0)
            ulaw = bytes(self._heard[start:])
            heard = self._engines.heard(ulaw)
            judged = TurnJudged(command.revision, self._engines.finished(ulaw))
            recognised = Recognised(command.revision, heard.text, heard.confidence)
            self.later(TURN_MODEL_S, lambda: self._tell(judged))
            self.later(RECOGNISER_S, lambda: self._tell(recognised))
            return
        super()._carry_out(command)

    def _deliver(self, utterance: int) -> None:
        if utterance != 1 or not self._bot:
            super()._deliver(utterance)
            return
        done = int(self._delivered.get(utterance, 0.0))
        upto = min(self._pulls.get(utterance, 0) // 20 * 20, len(self._bot) // 160 * 20)
        if utterance in self._cancelled or upto <= done:
            return
        self._delivered[utterance] = upto
        words = tuple(w for w in self.words_of(1) if done <= w.start_ms < upto)
        self.tell(SpeechArrived(utterance, self._bot[done * 8 : upto * 8], words))
        if upto == len(self._bot) // 160 * 20:
            self.tell(SpeechEnded(utterance))

    def words_of(self, utterance: int) -> list[Word]:
        """The bot's recorded words lie evenly over its audio, which is close enough to count them."""
        if utterance != 1 or not self._bot:
            return super().words_of(utterance)
        tokens = self.texts.get(1, "").split()
        each = len(self._bot) / 8 / max(len(tokens), 1)
        return [Word(t, int(i * each), int((i + 1) * each)) for i, t in enumerate(tokens)]

    def ear(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the caller's ear got of the bot's recording, and the same at full voice, on the clip's time line."""
        assert self._clip_at is not None
        length = int((self.now - self._clip_at) * 8000) + 8000
        got, full = np.zeros(length, np.float32), np.zeros(length, np.float32)
        for piece in self.line.played:
            at = int((piece.start - self._clip_at) * 8000)
            size = min(int((piece.end - piece.start) * 8000), len(piece.audio))
            if at < 0 or piece.utterance != 1 or size <= 0:
                continue
            got[at : at + size] = mulaw.decode_float(piece.audio[:size])
        start = next(p.start - p.offset_ms / 1000 for p in self.line.played if p.utterance == 1)
        at = int((start - self._clip_at) * 8000)
        whole = mulaw.decode_float(self._bot)[max(-at, 0) :]
        full[max(at, 0) : max(at, 0) + len(whole)] = whole[: length - max(at, 0)]
        return got, full


@dataclasses.dataclass
class Outcome:
    """What became of one clip."""

    kind: str
    interrupts: bool
    stopped: bool
    """The bot gave up its words for good: the agent was asked for others."""
    suspected: bool
    down_ms: float | None
    """From the first sound to 15 dB less of our voice at the ear."""
    silent_ms: float | None


def first_drop_ms(got: NDArray[np.float32], full: NDArray[np.float32], onset_ms: float, drop_db: float) -> float | None:
    """When, after the onset, the bot's voice at the ear is first this far below its full level, for 40 ms."""
    step = 80
    frames = min(len(got), len(full)) // step
    level = [np.sqrt((x[: frames * step].reshape(frames, step) ** 2).mean(axis=1) + 1e-12) for x in (got, full)]
    audible = level[1] > 10 ** (-45 / 20)
    dropped = level[0] < level[1] * 10 ** (-drop_db / 20)
    for i in range(int(onset_ms / 10), frames - 8):
        window = audible[i : i + 8]
        if window.any() and dropped[i : i + 8][window].all() and dropped[i : i + 4].any():
            return i * 10 - onset_ms
    return None


def floor_outcome(engines: Engines, entry: dict[str, Any], bot: bytes, floor: FloorSettings, way_s: float) -> Outcome:
    """One clip against the bot's recording."""
    settings = CallSettings(floor=floor, no_input_s=60)
    script = lambda prompt: [Say(BOT_TEXT)] if prompt.kind == "call_started" else [Say("I see.")]  # noqa: E731
    phone = Listener(engines, read_ulaw(CLIPS / entry["file"]), script, settings, way_s, bot)
    phone.call.floor.caller_level_db = CALLER_DB
    phone.answers()
    while not phone.line.played:
        phone.wait(0.005)
    phone.wait(phone.line.played[0].start - phone.now if phone.line.played[0].start > phone.now else 0.0)
    phone.plays_clip()
    phone.wait(len(phone._clip) / 8000 + 6.0)
    stopped = any(prompt.kind == "caller_said" for prompt in phone.prompts)
    got, full = phone.ear()
    onset_ms = float(entry["onset_ms"])
    return Outcome(
        entry["kind"],
        entry["interrupts"],
        stopped,
        bool({"suspected", "interrupted"} & set(phone.decided())),
        first_drop_ms(got, full, onset_ms, DUCKED_DB),
        first_drop_ms(got, full, onset_ms, 60.0),
    )


def turn_outcome(engines: Engines, entry: dict[str, Any], endpoint: EndpointSettings) -> tuple[bool, float | None]:
    """Whether the caller was cut off in a pause, and the reply latency after the last sound."""

    def script(prompt: Prompt) -> Sequence[Action]:
        if prompt.kind == "call_started":
            return [Expect(entry["answer"])]
        return [Say("Thank you, I have noted that.")]

    settings = CallSettings(endpoint=endpoint, no_input_s=60)
    phone = Listener(engines, read_ulaw(CLIPS / entry["file"]), script, settings, WAYS_S[-1])
    phone.call.floor.caller_level_db = CALLER_DB
    phone.answers()
    phone.wait(0.5)
    phone.plays_clip()
    began = phone.now
    phone.wait(len(phone._clip) / 8000 + 4.0)
    heard = [piece.start - began for piece in phone.line.played]
    end_s = entry["end_ms"] / 1000
    cut = any(at < end_s for at in heard)
    after = [at for at in heard if at >= end_s]
    return cut, (min(after) - end_s) * 1000 if after and not cut else None


def percentiles(values: list[float]) -> str:
    """p50 / p95."""
    return f"{np.percentile(values, 50):.0f} / {np.percentile(values, 95):.0f} ms" if values else "-"


def floor_report(engines: Engines, entries: list[dict[str, Any]], floor: FloorSettings, way_s: float) -> dict[str, Any]:
    """The confusion matrix and latencies for one policy."""
    bot = read_ulaw(CLIPS / "bot.wav")
    outcomes = [floor_outcome(engines, entry, bot, floor, way_s) for entry in entries if entry["set"] == "floor"]
    print(f"\nfloor: {floor.on_suspicion}, confirm {floor.confirm_ms} ms, network {way_s * 1000:.0f} ms each way")
    print(f"  {'kind':24} {'n':>4} {'stopped':>8} {'restored':>9} {'untouched':>10}")
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.kind].append(outcome)
    for kind, found in sorted(kinds.items(), key=lambda item: (not item[1][0].interrupts, item[0])):
        stopped = sum(o.stopped for o in found)
        touched = sum(not o.stopped and o.suspected for o in found)
        print(f"  {kind:24} {len(found):4} {stopped:8} {touched:9} {len(found) - stopped - touched:10}")
    true, false = [o for o in outcomes if o.interrupts], [o for o in outcomes if not o.interrupts]
    down = [o.down_ms for o in true if o.down_ms is not None]
    silent = [o.silent_ms for o in true if o.silent_ms is not None and o.stopped]
    result = {
        "policy": floor.on_suspicion,
        "way_ms": way_s * 1000,
        "true": len(true),
        "missed": sum(not o.stopped for o in true),
        "false": len(false),
        "restored": sum(not o.stopped for o in false),
        "down_15_db_ms": [round(float(np.percentile(down, p))) for p in (50, 95)],
        "silent_ms": [round(float(np.percentile(silent, p))) for p in (50, 95)],
        "by_kind": {k: {"n": len(v), "stopped": sum(o.stopped for o in v)} for k, v in kinds.items()},
    }
    print(f"  missed {result['missed']} of {len(true)} interruptions, restored {result['restored']} of {len(false)}")
    print(f"  voice down 15 dB p50/p95 {percentiles(down)}, silent {percentiles(silent)}")
    return result


def turn_report(engines: Engines, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The curve of cut-offs against reply latency."""
    print("\nend of turn: silences that end a turn which sounds finished / unfinished")
    print(
        f"  {'short/long ms':>14} {'complete p50/p95':>18} {'cut off: unfinished':>20} {'declared':>10} {'whole':>10}"
    )
    curve = []
    for short_ms, long_ms in (
        (200, 1000),
        (260, 1200),
        (320, 1200),
        (380, 1250),
        (450, 1300),
        (520, 1300),
        (600, 600),
        (1000, 1000),
    ):
        endpoint = EndpointSettings(short_ms=short_ms, long_ms=long_ms)
        replies, cuts = defaultdict(list), defaultdict(list)
        for entry in entries:
            if entry["set"] == "turn":
                cut, reply_ms = turn_outcome(engines, entry, endpoint)
                cuts[entry["kind"]].append(cut)
                if reply_ms is not None:
                    replies[entry["kind"]].append(reply_ms)
        complete = replies["complete"]
        row = {
            "short_ms": short_ms,
            "long_ms": long_ms,
            "reply_ms": [round(float(np.percentile(complete, p))) for p in (50, 95)] if complete else [],
            **{f"cut_{kind}": f"{sum(found)} of {len(found)}" for kind, found in cuts.items()},
        }
        curve.append(row)
        print(
            f"  {short_ms:>6} / {long_ms:<5} {percentiles(complete):>18} {row.get('cut_unfinished', '-'):>20}"
            f" {row.get('cut_declared', '-'):>10} {row.get('cut_complete', '-'):>10}",
            flush=True,
        )
    return curve


def main() -> None:
    """Run both and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["floor", "turn"])
    parser.add_argument("--clips", type=Path, help="a folder with an INDEX.tsv (tests/bench/human_clips.py)")
    parser.add_argument("--part", default="", help="with --clips: only clips whose column `part` says so")
    parser.add_argument("--json", type=Path, help="with --clips: keep rows and every clip's outcome here")
    arguments = parser.parse_args()
    if arguments.clips is not None:
        from tests.bench import human_clips

        human_clips.report(arguments.clips, arguments.json, arguments.part)
        return
    engines = Engines()
    entries = json.loads((CLIPS / "manifest.json").read_text())["clips"]
    result: dict[str, Any] = {}
    if arguments.only != "turn":
        result["floor"] = [
            floor_report(engines, entries, FloorSettings(), WAYS_S[0]),
            floor_report(engines, entries, FloorSettings(), WAYS_S[1]),
            floor_report(engines, entries, FloorSettings(on_suspicion="hold"), WAYS_S[0]),
        ]
    if arguments.only != "floor":
        result["turn"] = turn_report(engines, entries)
    print("\nkept in", keep("turn_taking", result))


if __name__ == "__main__":
    main()
