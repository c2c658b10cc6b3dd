"""Real people at the line: any folder of clips with an `INDEX.tsv`, through the real parts, as one table of errors.

    python -m tests.bench.turn_taking --clips DIR [--part PART] [--json FILE]

`INDEX.tsv` has a header line and at least the columns file, kind, onset, end and pauses (`start:length;...`), all in
seconds of the clip; soft_onset and soft_end say where the speech lies when the line is 10 dB lower; of a column `part`,
one part can be asked for. Clips are WAV files
of one channel at 8 kHz, linear16 or mu-law. Each clip is sent as a telephone would: half a second of line noise before
it, three seconds behind it, mu-law. What a kind is tried for:

| kind | tried for |
| --- | --- |
| turn, pause, digits, letters | over the bot it stops the bot; while the bot is silent no pause is taken for the end |
| word | over the bot it stops the bot; while the bot is silent it is answered |
| bc, laugh | over the bot it does not stop the bot for good |
| cough, sneeze, breath, throat, noise | the same, as one row |

Other kinds are counted and left out.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bridge.audio import mulaw, wav
from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.settings import CallSettings
from tests.bench.turn_taking import BOT_TEXT, CALLER_DB, CLIPS, WAYS_S, Engines, Listener, read_ulaw

RATE_HZ = 8000
BEFORE_S, BEHIND_S = 0.5, 3.0
LINE_NOISE_DBFS = -66.0
OVER_BOT_S = 1.2
"""Into the bot's first words, so that nothing hangs on how a greeting is protected."""
NOTICE_S = 0.1
"""An answer that begins this shortly after a pause was decided in it."""
UNSURE_S = 0.15
"""A clip whose edges move by more when the line is softer says nothing about latencies."""
SPEECH = frozenset({"turn", "pause", "digits", "letters"})
NOISES = frozenset({"cough", "sneeze", "breath", "throat", "noise"})
EXPECTED = {"digits": "digits", "letters": "spelling"}
PAUSES_S = ((0.35, 0.5), (0.5, 0.9), (0.9, math.inf))


@dataclasses.dataclass(frozen=True)
class Clip:
    """One recording of a caller and what is known of it; times are seconds from the clip's first sample."""

    file: str
    kind: str
    speaker: str
    onset_s: float
    end_s: float
    pauses: tuple[tuple[float, float], ...]
    """Start and length of each silence inside it."""
    sure: bool
    """Its edges are clear enough to measure latencies by."""
    ulaw: bytes


@dataclasses.dataclass
class Heard:
    """What became of one clip."""

    clip: Clip
    over_bot: bool | None = None
    """It stopped the bot for good; None: not tried."""
    answered: bool | None = None
    cut_in: tuple[int, ...] = ()
    """Which pauses were taken for the end of the turn."""
    reply_ms: float | None = None
    """From the last sound to the answer, where nothing was cut off."""


def read_clips(folder: Path, part: str = "") -> list[Clip]:
    """Read `INDEX.tsv` and its clips, or one part of them.

    Raises ValueError, naming file and line, when something cannot be read, and when there is no such part.
    """
    index = folder / "INDEX.tsv"
    with index.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = {"file", "kind", "onset", "end", "pauses"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{index}: no column {', '.join(sorted(missing))}")
        found = []
        for number, row in enumerate(rows, start=2):
            if part and row.get("part") != part:
                continue
            try:
                found.append(_read_clip(folder, row))
            except (ValueError, OSError) as error:
                raise ValueError(f"{index}:{number}: {row.get('file')}: {error}") from None
    if part and not found:
        raise ValueError(f"{index}: no clip is of part {part!r}")
    return found


def _read_clip(folder: Path, row: dict[str, str]) -> Clip:
    onset_s, end_s = float(row["onset"]), float(row["end"])
    pauses = [pair.split(":") for pair in (row["pauses"] or "").split(";") if pair]
    edges = [
        (float(row[soft]) - hard) for soft, hard in (("soft_onset", onset_s), ("soft_end", end_s)) if row.get(soft)
    ]
    return Clip(
        row["file"],
        row["kind"],
        row.get("speaker") or "unknown",
        onset_s,
        end_s,
        tuple((float(start), float(length)) for start, length in pauses),
        all(abs(edge) <= UNSURE_S for edge in edges),
        read_sound(folder / row["file"]),
    )


def read_sound(path: Path) -> bytes:
    """A clip's samples as mu-law at 8 kHz. Raises ValueError for another rate."""
    data = path.read_bytes()
    if data[20:22] == b"\x07\x00":  # mu-law already
        return read_ulaw(path)
    sound = wav.read(data)
    if sound.rate_hz != RATE_HZ:
        raise ValueError(f"{sound.rate_hz} Hz, not {RATE_HZ}")
    return mulaw.encode(np.asarray(sound.samples).reshape(len(sound.samples), -1)[:, 0].astype(np.int16))


def on_the_line(clip: Clip) -> bytes:
    """The clip as a telephone sends it: line noise before, below and behind it."""
    random = np.random.default_rng(len(clip.ulaw))
    samples = np.concatenate(
        [np.zeros(int(BEFORE_S * RATE_HZ)), mulaw.decode(clip.ulaw).astype(float), np.zeros(int(BEHIND_S * RATE_HZ))]
    )
    samples += random.normal(0.0, 32768 * 10 ** (LINE_NOISE_DBFS / 20), len(samples))
    return mulaw.encode(np.clip(samples, -32768, 32767).astype(np.int16))


def over_the_bot(engines: Engines, clip: Clip, bot: bytes) -> bool:
    """Whether the bot gave up its words for good when the clip was said over them."""

    def script(prompt: Prompt) -> Sequence[Action]:
        return [Say(BOT_TEXT)] if prompt.kind == "call_started" else [Say("I see.")]

    phone = Listener(engines, on_the_line(clip), script, CallSettings(no_input_s=60), WAYS_S[-1], bot)
    phone.call.floor.caller_level_db = CALLER_DB
    phone.answers()
    while not phone.line.played:
        phone.wait(0.005)
    phone.wait(max(phone.line.played[0].start - phone.now, 0.0) + OVER_BOT_S - BEFORE_S)
    phone.plays_clip()
    phone.wait(len(clip.ulaw) / RATE_HZ + BEFORE_S + 6.0)
    return any(prompt.kind == "caller_said" for prompt in phone.prompts)


def while_silent(engines: Engines, clip: Clip) -> Heard:
    """What the bot, which has just asked, makes of the clip."""

    def script(prompt: Prompt) -> Sequence[Action]:
        if prompt.kind == "call_started":
            return [Expect(EXPECTED.get(clip.kind, "open"))]
        return [Say("Thank you, I have noted that.")]

    phone = Listener(engines, on_the_line(clip), script, CallSettings(no_input_s=60), WAYS_S[-1])
    phone.call.floor.caller_level_db = CALLER_DB
    phone.answers()
    phone.wait(0.5)
    phone.plays_clip()
    began = phone.now + BEFORE_S + 2 * WAYS_S[-1]
    phone.wait(BEFORE_S + len(clip.ulaw) / RATE_HZ + BEHIND_S + 2.0)
    answers = [piece.start - began for piece in phone.line.played if piece.offset_ms == 0]
    cut = tuple(
        number
        for number, (start_s, length_s) in enumerate(clip.pauses)
        if any(start_s < at <= start_s + length_s + NOTICE_S for at in answers)
    )
    early = [at for at in answers if at < clip.end_s]
    late = [at for at in answers if at >= clip.end_s]
    reply_ms = (min(late) - clip.end_s) * 1000 if late and not early and clip.sure else None
    return Heard(clip, answered=bool(late), cut_in=cut, reply_ms=reply_ms)


def hear(engines: Engines, clips: Iterable[Clip], tell: Callable[[str], None] = lambda _line: None) -> list[Heard]:
    """Every clip in every situation that its kind is tried in."""
    bot = read_ulaw(CLIPS / "bot.wav")
    found = []
    for clip in clips:
        if clip.kind in SPEECH | {"word"}:
            heard = while_silent(engines, clip)
            heard.over_bot = over_the_bot(engines, clip, bot)
        elif clip.kind in NOISES | {"bc", "laugh"}:
            heard = Heard(clip, over_bot=over_the_bot(engines, clip, bot))
        else:
            continue
        found.append(heard)
        tell(clip.file)
    return found


# -- the table ---------------------------------------------------------------------------------------------------


def interval(errors: int, tries: int) -> tuple[float, float]:
    """The share's 95 % confidence interval (Wilson 1927), 0..1."""
    if not tries:
        return 0.0, 1.0
    z, share = 1.96, errors / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(name: str, aim: float, failures: Sequence[bool]) -> dict[str, Any]:
    low, high = interval(sum(failures), len(failures))
    return {"row": name, "errors": sum(failures), "of": len(failures), "low": low, "high": high, "aim": aim}


def _latency(name: str, aims_ms: tuple[int, int], values: Sequence[float]) -> dict[str, Any]:
    found = [round(float(np.percentile(values, p))) for p in (50, 95)] if values else []
    return {"row": name, "p50_p95_ms": found, "of": len(values), "aim_ms": list(aims_ms)}


def table(found: Sequence[Heard]) -> list[dict[str, Any]]:
    """The rows: shares of errors, then latencies."""
    speech = [h for h in found if h.clip.kind in SPEECH]
    words = [h for h in found if h.clip.kind == "word"]

    def stops(*kinds: str) -> list[bool]:
        return [bool(h.over_bot) for h in found if h.clip.kind in kinds]

    rows = [
        _share("whole sentences over the bot that fail to stop it", 0.04, [not h.over_bot for h in speech]),
        _share("single words over the bot that fail to stop it", 0.12, [not h.over_bot for h in words]),
        _share("single words while the bot is silent, never answered", 0.03, [not h.answered for h in words]),
        _share("laughs that stop the bot for good", 0.15, stops("laugh")),
        _share("listener's words (bc) that stop it", 0.12, stops("bc")),
        _share("coughs, sneezes, throats, breaths, noises that stop it", 0.03, stops(*NOISES)),
    ]
    for (least_s, most_s), aim in zip(PAUSES_S, (0.2, 0.2, 0.35), strict=True):
        cut = [
            number in h.cut_in
            for h in speech
            for number, (_, length_s) in enumerate(h.clip.pauses)
            if least_s <= length_s < most_s
        ]
        name = f"cut off in a pause of {least_s:g}" + (f"-{most_s:g} s" if most_s < math.inf else " s and more")
        rows.append(_share(name, aim, cut))
    whole = [h for h in speech if h.clip.kind == "turn" and max((p[1] for p in h.clip.pauses), default=0.0) < 0.35]
    replies = [h.reply_ms for h in whole if h.reply_ms is not None]
    rows.append(_latency("reply after a sentence without pauses", (500, 900), replies))
    rows.append(
        _latency("reply after a single word", (500, 800), [h.reply_ms for h in words if h.reply_ms is not None])
    )
    return rows


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """The rows for a terminal."""
    print(f"{'':58} {'errors':>12} {'share':>7} {'95 % interval':>15} {'aim':>10}")
    for row in rows:
        if "errors" in row:
            share = f"{row['errors'] / row['of']:.0%}" if row["of"] else "-"
            sure = f"{row['low']:.0%} - {row['high']:.0%}" if row["of"] else "-"
            counted = f"{row['errors']} of {row['of']}"
            print(f"{row['row']:58} {counted:>12} {share:>7} {sure:>15} {'<= ' + format(row['aim'], '.0%'):>10}")
        else:
            shown = " / ".join(map(str, row["p50_p95_ms"])) + " ms" if row["p50_p95_ms"] else "-"
            print(f"{row['row']:58} {shown:>20} p50 / p95 of {row['of']:<3} {'/'.join(map(str, row['aim_ms'])):>11}")


def report(folder: Path, json_file: Path | None, part: str = "") -> list[dict[str, Any]]:
    """Hear a folder, print its table, and keep all of it as JSON where asked."""
    clips = read_clips(folder, part)
    counted = Counter(clip.kind for clip in clips)
    print(
        f"{len(clips)} clips in {folder}: " + ", ".join(f"{number} {kind}" for kind, number in sorted(counted.items()))
    )
    done: list[str] = []

    def tell(file: str) -> None:
        done.append(file)
        if len(done) % 20 == 0:
            print(f"  {len(done)} heard", flush=True)

    found = hear(Engines(), clips, tell)
    left_out = sorted({clip.kind for clip in clips} - {h.clip.kind for h in found})
    if left_out:
        print(f"left out, since nothing is asked of them: {', '.join(left_out)}")
    rows = table(found)
    print_table(rows)
    if json_file is not None:
        kept = [
            {
                "file": h.clip.file,
                "kind": h.clip.kind,
                "speaker": h.clip.speaker,
                "over_bot": h.over_bot,
                "answered": h.answered,
                "cut_in": h.cut_in,
                "reply_ms": h.reply_ms,
            }
            for h in found
        ]
        json_file.write_text(json.dumps({"rows": rows, "clips": kept}, indent=1) + "\n")
    return rows
