"""What the listening room makes of `fixtures/floor`: onset, false activity, echo, end of turn. Prints tables.

`python -m tests.bench.floor_set [--turns] [--gate] [--json FILE]`. Deterministic: audio time is fed in, nothing is
timed. "Seen" is counted from the first sound of the clean speech to the arrival of the frame whose window reached that
probability without being our own echo.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bridge.audio.mulaw import decode_float, encode_float
from bridge.call.completion import sounds_unfinished
from bridge.call.events import VoiceActivity
from bridge.call.floor import Floor, Verdict
from bridge.call.settings import FloorSettings
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.echo import EchoGate
from bridge.listening.settings import ActivitySettings, EchoSettings, WhisperSettings

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "floor"
LEAD_BYTES = 160 * 8
MODEL = SileroModel()
Clip = dict[str, Any]


def read(name: str) -> bytes:
    """The mu-law of one of the set's WAV files."""
    raw = (FOLDER / name).read_bytes()
    start = raw.index(b"data") + 8
    return raw[start : start + int.from_bytes(raw[start - 4 : start], "little")]


def clips(which: str) -> list[Clip]:
    """The manifest's clips of one set."""
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    return [clip for clip in manifest["clips"] if clip["set"] == which]


def hear(ulaw: bytes, bot: bytes | None = None, batch: ActivityBatch | None = None) -> list[VoiceActivity]:
    """All reported windows of a clip, with their echo if a bot speaks from the clip's start."""
    gate, found = EchoGate(), []
    batch = batch or ActivityBatch(MODEL)
    row, width, sent = batch.open(), EchoSettings().window_ms * 8, 0
    for end in range(160, len(ulaw) + 1, 160):
        now = end / 8000
        while bot is not None and sent < min(len(bot), end - 160 + LEAD_BYTES):
            gate.sent(bot[sent : sent + 640], now - 0.02)
            sent += 640
        batch.write(row, ulaw[end - 160 : end], now)
        while batch.ready:
            for _, event in batch.run():
                echo = 0.0
                if bot is not None and event.probability >= 0.3 and gate.is_possible(event.at):
                    echo = gate.judge(ulaw[max(0, end - width) : end], event.at)
                found.append(VoiceActivity(event.probability, event.level_db, event.at, echo))
    return found


def confirmed_at(events: list[VoiceActivity], settings: FloorSettings) -> tuple[float | None, bool]:
    """When the floor takes it for an interruption, if it does, and whether it ever suspected one."""
    floor, suspected = Floor(settings), False
    for event in events:
        match floor.hear(event, bot_audible=True):
            case Verdict.SUSPECTED:
                suspected = True
            case Verdict.CONFIRMED:
                return event.at, True
            case Verdict.FADED:
                floor.settle()
    return None, suspected


def percentiles(values: Iterable[float]) -> str:
    """Median and 95th percentile, in whole milliseconds."""
    found = list(values)
    return f"{np.percentile(found, 50):5.0f} {np.percentile(found, 95):5.0f}" if found else "    -     -"


def floor_table() -> list[dict[str, object]]:
    """One row per kind of sound."""
    bot = read("bot.wav")
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips("floor"):
        row, onset = rows[clip["kind"]], clip["onset_ms"] / 1000
        events = hear(read(clip["file"]), bot)
        speech = [event for event in events if event.probability >= 0.5]
        own = [event for event in speech if event.at >= onset]
        row["active_ms"].append(32.0 * len(speech))
        row["echo_windows"].append(sum(event.echo >= 0.6 for event in own))
        row["speech_windows"].append(len(own))
        lively = [event.at for event in events if event.at >= onset and event.probability >= 0.3 and event.echo < 0.6]
        row["hint_ms"] += [(at - onset) * 1000 for at in lively[:1]]
        row["onset_ms"] += [(event.at - onset) * 1000 for event in own if event.echo < 0.6][:1]
        confirmed, suspected = confirmed_at(events, FloorSettings())
        row["suspected"].append(suspected)
        if confirmed is not None:
            row["confirmed_ms"].append((confirmed - onset) * 1000)
    print(
        f"{'':22}  clips  seen at 0.3 p50/p95 ms  seen at 0.5 p50/p95 ms  active p50/p95 ms  echo"
        "  suspected  confirmed p50/p95 ms"
    )
    table: list[dict[str, object]] = []
    for kind, row in rows.items():
        count, windows = len(row["active_ms"]), sum(row["speech_windows"])
        echo = sum(row["echo_windows"]) / windows if windows else 0.0
        table.append({"kind": kind, "clips": count, **{name: list(values) for name, values in row.items()}})
        print(
            f"{kind:22} {count:6} {len(row['hint_ms']):11} {percentiles(row['hint_ms'])}"
            f" {len(row['onset_ms']):11} {percentiles(row['onset_ms'])}        {percentiles(row['active_ms'])}"
            f"  {echo:4.0%} {sum(row['suspected']):10.0f} {len(row['confirmed_ms']):10}"
            f" {percentiles(row['confirmed_ms'])}"
        )
    return table


def turn_table(after_ms: int = 120) -> list[dict[str, object]]:
    """The end-of-turn model and the rule on the words, asked `after_ms` into each pause and after each turn."""
    from bridge.listening.recognisers.whisper import Whisper
    from bridge.listening.turn_model import TurnModel

    turn, whisper = TurnModel(), Whisper(WhisperSettings())
    asked: list[dict[str, object]] = []
    for clip in clips("turn"):
        ulaw = read(clip["file"])
        points = [(start, False) for start, _ in clip["pauses_ms"]] + [(clip["end_ms"], True)]
        for at_ms, over in points:
            heard = ulaw[max(0, clip["onset_ms"] - 300) * 8 : (at_ms + after_ms) * 8]
            text = whisper.recognise(heard).text
            row = {"file": clip["file"], "kind": clip["kind"], "answer": clip["answer"], "over": over, "text": text}
            asked.append({**row, "probability": round(turn.judge(heard), 4), "unfinished": sounds_unfinished(text)})
    print(f"\nasked {after_ms} ms after the last sound     really over: taken for over    pause: taken for over")
    sentences = [row for row in asked if row["answer"] in ("open", "yes_no")]
    rules: tuple[tuple[str, Callable[[Any, float], bool]], ...] = (
        ("words alone", lambda row, _: not row["unfinished"]),
        ("model alone", lambda row, threshold: row["probability"] >= threshold),
        ("both", lambda row, threshold: row["probability"] >= threshold and not row["unfinished"]),
    )
    for name, says_over in rules:
        for threshold in (0.5, 0.8, 0.9) if name != "words alone" else (0.0,):
            shares = [
                np.mean([bool(says_over(row, threshold)) for row in sentences if row["over"] is over])
                for over in (True, False)
            ]
            print(f"{name:14} {threshold:4.1f}                 {shares[0]:24.0%} {shares[1]:24.0%}")
    return asked


def gate_table() -> list[dict[str, object]]:
    """Interruptions after six seconds of steady noise: what the silence gate spares, and what it does to the onset."""
    rows: list[dict[str, object]] = []
    print("\nnoise  above floor  windows judged  onset p50/p95")
    for noise_db in (-64.0, -50.0, -40.0):
        for above_db in (-200.0, 0.0, 3.0, 6.0):
            settings = ActivitySettings(above_floor_db=above_db, silence_db=-200.0 if above_db < 0 else -62.0)
            onsets, shares = [], []
            for clip in [clip for clip in clips("floor") if clip["kind"] == "interruption"][::2]:
                samples = decode_float(read(clip["file"]))
                noise = np.random.default_rng(1).normal(0.0, 10 ** (noise_db / 20), 48000 + len(samples))
                noise[48000:] += samples
                batch, onset = ActivityBatch(MODEL, settings), 6.0 + clip["onset_ms"] / 1000
                events = hear(encode_float(noise), batch=batch)
                onsets += [
                    (event.at - onset) * 1000 for event in events if event.at >= onset and event.probability >= 0.5
                ][:1]
                shares.append(batch.counters.judged / batch.counters.windows)
            rows.append({"noise_db": noise_db, "above_db": above_db, "judged": shares, "onset_ms": onsets})
            print(f"{noise_db:5.0f} {above_db:12.0f} {np.mean(shares):15.0%}  {percentiles(onsets)}")
    return rows


def main() -> None:
    """Print the tables; keep the raw values if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--turns", action="store_true", help="also judge the ends of turns (half a minute)")
    arguments.add_argument("--json", type=Path, help="keep the raw values here")
    arguments.add_argument("--gate", action="store_true", help="also try settings of the silence gate")
    chosen = arguments.parse_args()
    kept = {"floor": floor_table(), "turn": turn_table() if chosen.turns else []}
    kept["gate"] = gate_table() if chosen.gate else []
    if chosen.json:
        chosen.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
