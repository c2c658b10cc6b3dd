"""The ear: both directions of a call as they were really played, and what can be measured from that sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import fftconvolve

from bridge.simulator.caller import CallerAction
from bridge.simulator.result import Fault, Turn
from bridge.simulator.seams import seams
from bridge.simulator.sound import (
    FRAME_SAMPLES,
    RATE_HZ,
    Sound,
    between,
    level_db,
    levels_db,
    speech_level_db,
    stretches,
)

Understand = Callable[[bytes, Sequence[str]], str]
"""Speech to text: mu-law and hints in, words out. Blocks."""

DIGIT_HINTS = ("1, 2, 3", "4, 5, 6", "7, 8, 9, 0")
"""Told so, the recogniser writes digits one by one instead of as a telephone number it half makes up."""

AUDIBLE_DB = -45.0
DUCKED_DB = 12.0
"""A voice this much lower than before counts as ducked."""
ONE_TURN_MS = 2500
"""Silence up to this long, with nothing from the caller in it, belongs to one turn of the bot."""
_REPEATABLE_DB = -42.0
"""A voice that was lowered by 18 dB is above this: what it said may be heard again when it is restored."""
TOGETHER_MS = 300
"""Who begins this soon after the other has begun at the same time: nobody can know better."""
STOPPED_MS = 400
"""The bot has stopped when nothing is heard for this long."""


class Track:
    """One direction, addressed by frame of the line's clock; what was never written is silence."""

    def __init__(self) -> None:
        self._sound = np.zeros(8 * RATE_HZ, np.float32)
        self._length = 0

    def write(self, first_sample: int, sound: Sound) -> None:
        """Put sound at its place."""
        if first_sample < 0:
            sound, first_sample = sound[-first_sample:], 0
        end = first_sample + len(sound)
        while end > len(self._sound):
            self._sound = np.concatenate([self._sound, np.zeros_like(self._sound)])
        self._sound[first_sample:end] = sound
        self._length = max(self._length, end)

    @property
    def sound(self) -> Sound:
        """Return the whole track's sound from its first frame on."""
        return self._sound[: self._length]


@dataclass(slots=True)
class Recording:
    """What went over the line."""

    caller: Track = field(default_factory=Track)
    """What was sent to the server: voice, noise, echo."""
    voice: Track = field(default_factory=Track)
    """The caller's voice alone, the truth to measure against."""
    bot: Track = field(default_factory=Track)
    """What came out of the caller's receiver."""

    def frame(self, index: int, voice: Sound, sent: Sound) -> None:
        """The caller's side of one frame."""
        self.voice.write(index * FRAME_SAMPLES, voice)
        self.caller.write(index * FRAME_SAMPLES, sent)


def listen(
    recording: Recording,
    did: Sequence[CallerAction],
    *,
    clears_ms: Sequence[float] = (),
    understand: Understand | None = None,
    ulaw: Callable[[Sound], bytes] | None = None,
) -> list[Turn]:
    """The turns of a call in order, with latencies measured from sound; words where `understand` is given."""
    bot = recording.bot.sound
    callers = [turn for action in did if (turn := _caller_turn(action, recording.voice.sound)) is not None]
    bots = _bot_turns(bot, callers)
    for turn in callers:
        _measure_interruption(turn, bots, bot, clears_ms)
    _measure_replies(bots, callers)
    if understand is not None and ulaw is not None:
        for turn in bots:
            keyed = _after_digits(turn, callers)
            sound = ulaw(between(bot, turn.start_ms - 100, turn.end_ms + 100))
            turn.text = understand(sound, DIGIT_HINTS if keyed else ()).strip()
    return sorted([*callers, *bots], key=lambda turn: turn.start_ms)


def _after_digits(turn: Turn, callers: list[Turn]) -> bool:
    before = [caller for caller in callers if caller.start_ms < turn.start_ms]
    return bool(before) and before[-1].kind == "digits"


def _caller_turn(did: CallerAction, voice: Sound) -> Turn | None:
    if did.kind == "hang_up":
        return None
    kind = "speech" if did.kind == "say" else did.kind
    turn = Turn(speaker="caller", kind=kind, start_ms=did.start_ms, end_ms=did.end_ms, text=did.text)
    if kind != "digits":
        spoken = stretches(between(voice, did.start_ms, did.end_ms), threshold_db=AUDIBLE_DB, shortest_ms=10)
        if not spoken:
            return None
        turn.start_ms, turn.end_ms = did.start_ms + spoken[0][0], did.start_ms + spoken[-1][1]
        turn.level_db = round(speech_level_db(between(voice, turn.start_ms, turn.end_ms)), 1)
    return turn


def _bot_turns(bot: Sound, callers: list[Turn]) -> list[Turn]:
    turns: list[Turn] = []
    ends = [turn.end_ms for turn in callers]
    starts = [turn.start_ms for turn in callers if turn.kind in ("speech", "interrupt")]
    for start, end in stretches(bot, threshold_db=AUDIBLE_DB, join_ms=250):
        before_ms = turns[-1].end_ms if turns else 0
        spoke = any(before_ms - 200 < at <= start for at in ends) or any(
            before_ms <= at <= start - TOGETHER_MS for at in starts
        )
        if turns and start - before_ms <= ONE_TURN_MS and not spoke:
            turns[-1].end_ms = end
        else:
            turns.append(Turn(speaker="bot", start_ms=start, end_ms=end))
    for turn in turns:
        turn.level_db = round(speech_level_db(between(bot, turn.start_ms, turn.end_ms)), 1)
    return turns


def _measure_replies(bots: list[Turn], callers: list[Turn]) -> None:
    """An answer belongs to the last thing the caller said before it, unless they were still talking."""
    answered: set[int] = set()
    for index, turn in enumerate(bots):
        asked = [caller for caller in callers if caller.end_ms <= turn.start_ms and caller.kind in _ASKING]
        if index == 0 and not asked:
            turn.latency_ms = turn.start_ms
        elif asked and id(asked[-1]) not in answered:
            answered.add(id(asked[-1]))
            turn.latency_ms = turn.start_ms - asked[-1].end_ms


_ASKING = ("speech", "interrupt", "digits")


def _measure_interruption(turn: Turn, bots: list[Turn], bot: Sound, clears_ms: Sequence[float]) -> None:
    """Duck and stop latency of a caller's turn that began while the bot was talking."""
    over = next((one for one in bots if one.start_ms < turn.start_ms < one.end_ms - 100), None)
    if over is None:
        return
    onset = turn.start_ms
    spoken = stretches(between(bot, onset, over.end_ms), threshold_db=AUDIBLE_DB, join_ms=STOPPED_MS, shortest_ms=10)
    stopped = spoken[0][1] if spoken and spoken[0][0] < STOPPED_MS else 0
    went_on = any(onset + start < turn.end_ms for start, _ in spoken[1:])  # a pause between sentences is no stop
    if turn.kind in ("interrupt", "speech") and not went_on and stopped + onset <= turn.end_ms + 1000:
        turn.stop_ms = stopped
        over.interrupted = True
    if turn.kind != "digits":
        turn.duck_ms = _ducked_ms(bot, onset, clears_ms)


def _ducked_ms(bot: Sound, onset_ms: int, clears_ms: Sequence[float]) -> int | None:
    """When the voice became lower for 100 ms, after `onset_ms`; a pause between words is not taken for it."""
    step_ms = 10
    before = levels_db(between(bot, onset_ms - 1000, onset_ms), step_ms)
    loud = before[before > AUDIBLE_DB]
    if not len(loud):
        return None
    limit = float(np.percentile(loud, 80)) - DUCKED_DB
    # A voice that is lowered within what was already sent needs a clear first: where there is one, begin there.
    clears = [at for at in clears_ms if onset_ms <= at <= onset_ms + 1500]
    begin = max(onset_ms, int(clears[0]) // step_ms * step_ms) if clears else onset_ms
    after = levels_db(between(bot, begin, onset_ms + 1500), step_ms)
    # Without a clear only a long low stretch is told from a pause.
    lasting = 10 if clears else 30
    low = np.concatenate([after <= limit, np.ones(lasting, bool)])
    for index in range(len(after)):
        if low[index : index + lasting].all():
            return begin + index * step_ms - onset_ms
    return None


# what an ear objects to


def faults(
    bot: Sound,
    idle: Sequence[tuple[int, int]] = (),
    quiet_ms: Sequence[float] = (),
    joints: Sequence[int] = (),
    *,
    natural: bool = True,
) -> list[Fault]:
    """Dropouts, repeats, clicks and seams in the bot's sound; of a voice that is not `natural`, dry buffers alone.

    `idle` are the stretches (samples) where the carrier had nothing to play; `quiet_ms` are times of deliberate
    cuts (clears), around which an edge is no click; `joints` are samples where one message follows another.
    """
    found = _underruns(bot, idle)
    if natural:
        found += [*_holes(bot, idle), *_repeats(bot), *_clicks(bot, quiet_ms, idle), *seams(bot, joints)]
    return sorted(found, key=lambda fault: fault.at_ms)


def _underruns(bot: Sound, idle: Sequence[tuple[int, int]]) -> list[Fault]:
    """The buffer ran dry in the middle of a sound."""
    dry = [(first, end) for first, end in idle if end - first < 2 * RATE_HZ and _loud(bot[first - 160 : first])]
    return [_missing(first, end) for first, end in dry]


def _holes(bot: Sound, idle: Sequence[tuple[int, int]]) -> list[Fault]:
    """Zeros put in between two loud samples; speech closes and opens more gently."""
    exact = np.abs(bot) < 1e-4
    edges = np.flatnonzero(np.diff(np.concatenate(([0], exact.astype(np.int8), [0]))))
    found = []
    for first, end in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        inside = 40 <= end - first < RATE_HZ and _loud(bot[max(0, first - 80) : first], -35.0)
        if inside and _loud(bot[end : end + 80], -35.0) and not any(a < end and first < b for a, b in idle):
            found.append(_missing(first, end))
    return found


def _missing(first: int, end: int) -> Fault:
    length_ms = (end - first) / 8.0
    return Fault(at_ms=first // 8, kind="dropout", ms=length_ms, text=f"{length_ms:.0f} ms missing")


def _loud(sound: Sound, above_db: float = AUDIBLE_DB) -> bool:
    return level_db(sound) > above_db


def _repeats(bot: Sound, *, block_ms: int = 300, within_ms: int = 2500, alike: float = 0.95) -> list[Fault]:
    """The same sound twice in a short time: a normalised cross-correlation of each block with what follows."""
    block, reach = block_ms * 8, within_ms * 8
    found: list[Fault] = []
    power = np.concatenate(([0.0], np.cumsum(np.square(bot, dtype=np.float64))))
    for start in range(0, len(bot) - 2 * block, block // 3):
        piece = bot[start : start + block]
        if not _loud(piece, _REPEATABLE_DB):
            continue
        later = bot[start + block : start + block + reach]
        if len(later) < block:
            break
        match = fftconvolve(later, piece[::-1], mode="valid")
        offsets = start + block + np.arange(len(match))
        energy = power[offsets + block] - power[offsets]
        likeness = match / np.sqrt(np.maximum(energy * float(np.sum(piece**2)), 1e-9))
        best = int(np.argmax(likeness))
        if likeness[best] < alike:
            continue
        lag_ms = (best + block) / 8.0
        at_ms = start // 8
        if found and at_ms <= found[-1].at_ms + found[-1].ms and abs(lag_ms - _lag(found[-1])) < 20:
            found[-1].ms = at_ms + block_ms - found[-1].at_ms
        else:
            found.append(Fault(at_ms=at_ms, kind="repeat", ms=block_ms, text=f"heard again {lag_ms:.0f} ms later"))
    return found


def _lag(fault: Fault) -> float:
    return float(fault.text.split()[2])


def _clicks(bot: Sound, quiet_ms: Sequence[float], idle: Sequence[tuple[int, int]]) -> list[Fault]:
    """Single jumps far beyond what the sound around them does. Deliberate cuts and dry buffers are told elsewhere."""
    if len(bot) < 400:
        return []
    jumps = np.abs(np.diff(bot, n=2))
    # A plosive's burst rings for milliseconds; a click is one edge with nothing like it 0.5 to 5 ms around it.
    around = maximum_filter1d(jumps, 9)
    near = maximum_filter1d(jumps, 37)
    before = np.concatenate([np.zeros(23), near[:-23]])
    after = np.concatenate([near[23:], np.zeros(23)])
    spots = np.flatnonzero((jumps > 0.28) & (jumps == around) & (jumps > 5.0 * np.maximum(before, after)))
    excused = [at * 8 for at in quiet_ms] + [edge for pair in idle for edge in pair]
    found: list[Fault] = []
    for spot in spots.tolist():
        if any(abs(spot - at) < 160 for at in excused):
            continue
        if not found or spot // 8 - found[-1].at_ms > 20:
            found.append(
                Fault(at_ms=spot // 8, kind="click", text=f"a jump of {100 * jumps[spot]:.0f} % of full scale")
            )
    return found


def level_spread_db(turns: Sequence[Turn], bot: Sound, clears_ms: Sequence[float]) -> tuple[float, int]:
    """Largest difference in level between stretches of speech, and where the odd one is; ducked speech left out."""
    measured = []
    for turn in turns:
        if turn.speaker != "bot":
            continue
        for start, end in stretches(between(bot, turn.start_ms, turn.end_ms), threshold_db=AUDIBLE_DB):
            at, until = start + turn.start_ms, end + turn.start_ms
            until = int(min([until, *(clear for clear in clears_ms if at - 1000 <= clear)]))  # what follows is ducked
            if until - at >= 500:
                measured.append((speech_level_db(between(bot, at, until)), at))
    if len(measured) < 2:
        return 0.0, 0
    middle = float(np.median([level for level, _ in measured]))
    odd = max(measured, key=lambda pair: abs(pair[0] - middle))
    return max(measured)[0] - min(measured)[0], odd[1]


def whisper() -> Understand:
    """The embedded recogniser as an ear. Loads a model: about half a second."""
    from bridge.listening.recognisers.whisper import Whisper
    from bridge.listening.settings import WhisperSettings

    model = Whisper(WhisperSettings())
    return lambda ulaw, hints: model.recognise(ulaw, hints=hints).text
