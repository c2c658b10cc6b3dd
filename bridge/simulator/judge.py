"""Expectations against what was heard: each becomes a verdict a person can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from bridge.simulator.caller import plain, says
from bridge.simulator.ear import TOGETHER_MS
from bridge.simulator.result import CallResult, Verdict
from bridge.simulator.scenario import Expect

_DIGIT_WORDS = {
    "zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip


_LAST_SOUND_MS = 150
"""An answer that comes this close to the end of what it answers has guessed well, and cuts nothing off."""


def judge(
    result: CallResult,
    expect: Expect,
    *,
    failed: str = "",
    refusal: str = "",
    warnings: int = 0,
    spread_db: float = 0.0,
    sounds: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """All verdicts on a call.

    failed  why the caller could not follow the scenario
    refusal how the server said no, "" when it did not
    sounds  what became of each recording that was expected, "" where nothing is to be said against it
    """
    if expect.refused:
        return list(_refused(result, refusal))
    return [
        *_conduct(result, expect, failed, warnings),
        *_words(result, expect),
        *_recordings(sounds or {}),
        *_latencies(result, expect),
        *_sound(result, expect, spread_db),
        *_ending(result, expect),
    ]


def _refused(result: CallResult, refusal: str) -> Iterator[Verdict]:
    talked = [turn for turn in result.turns if turn.speaker == "bot"]
    accepted = bool(result.leads_ms)
    heard = "talked to" if talked or accepted else refusal or f"no refusal: {result.ended}"
    yield _verdict("refused", "no word from the bot", heard, bool(refusal) and not accepted and not talked)


_THIEVES = {"second_stream": "second stream on one ticket", "stolen_ticket": "another call's ticket"}


def _conduct(result: CallResult, expect: Expect, failed: str, warnings: int) -> Iterator[Verdict]:
    if not (result.connected or (expect.transferred_to and result.transferred_to)):
        yield _verdict("caller was connected", "a media stream", result.ended or "none", False)
    yield _verdict("caller followed the scenario", "to the end", failed or "to the end", not failed)
    for happening in result.happenings:
        if happening.kind == "stream_error":
            yield _verdict("media stream opened", "yes", happening.text, False)
        if happening.kind in _THIEVES:
            refused = happening.text.startswith("refused")
            yield _verdict(_THIEVES[happening.kind], "refused", happening.text, refused)
    complaints = [happening.text for happening in result.happenings if happening.kind == "warning"]
    heard = f"{warnings}: {complaints[0]}" if complaints else str(warnings)
    yield _verdict("carrier warnings", f"at most {expect.carrier_warnings}", heard, warnings <= expect.carrier_warnings)
    if expect.lead_ms is not None:
        most = max(result.leads_ms, default=0)
        yield _verdict("audio waiting", f"at most {expect.lead_ms:g} ms", f"{most} ms", most <= expect.lead_ms)
    if expect.marks_per_s is not None:
        marks = sum(one.kind in ("mark", "mark_cleared") for one in result.happenings)
        rate = 1000.0 * marks / max(result.duration_ms, 1000)
        yield _verdict("marks", f"at most {expect.marks_per_s:g} a second", f"{rate:.1f}", rate <= expect.marks_per_s)


def _words(result: CallResult, expect: Expect) -> Iterator[Verdict]:
    rest = plain(result.heard())
    for phrase in expect.words:
        found = min((at for choice in phrase.split("|") if (at := _after(rest, choice)) >= 0), default=-1)
        shown = f"…{rest[:90]}" if rest else "nothing more"
        yield _verdict(f"says {phrase!r}", "in this order", "heard" if found >= 0 else shown, found >= 0)
        rest = rest[max(found, 0) :]
    for phrase in expect.never_words:
        said = says(result.heard(), phrase)
        yield _verdict(f"never says {phrase!r}", "not heard", "heard" if said else "not heard", not said)
    if expect.digits_confirmed:
        said_digits = [spoken_digits(turn.text) for turn in result.turns if turn.speaker == "bot"]
        passed = any(expect.digits_confirmed in digits for digits in said_digits)
        longest = max(said_digits, key=len, default="")
        heard = expect.digits_confirmed if passed else longest or "none"
        yield _verdict("digits read back", expect.digits_confirmed, heard, passed)
    if expect.bot_turns is not None:
        turns = sum(turn.speaker == "bot" for turn in result.turns)
        yield _verdict("turns of the bot", f"at least {expect.bot_turns}", str(turns), turns >= expect.bot_turns)
    if expect.stays_silent:
        turns = sum(turn.speaker == "bot" for turn in result.turns)
        yield _verdict("bot stays silent", "nothing heard", f"{turns} turns", turns == 0)


def _recordings(sounds: Mapping[str, str]) -> Iterator[Verdict]:
    for name, told in sounds.items():
        yield _verdict(f"sounds like {PurePath(name).name}", "untouched", told or "untouched", not told)


def _latencies(result: CallResult, expect: Expect) -> Iterator[Verdict]:
    first = [] if result.first_audio_ms is None else [result.first_audio_ms]
    for what, limit, values in (
        ("first audio", expect.first_audio_ms, first),
        ("reply latency", expect.reply_latency_ms, result.reply_latencies_ms),
        ("stop latency", expect.stop_ms, result.stops_ms),
        ("duck latency", expect.duck_ms, result.ducks_ms),
    ):
        if limit is not None:
            heard = f"{max(values)} ms" if values else "never happened"
            yield _verdict(what, f"at most {limit:g} ms", heard, bool(values) and max(values) <= limit)


def _sound(result: CallResult, expect: Expect, spread_db: float) -> Iterator[Verdict]:
    dropouts = [fault.ms for fault in result.faults if fault.kind == "dropout"]
    if expect.longest_gap_ms is not None:
        longest = max(dropouts, default=0.0)
        yield _verdict(
            "longest gap",
            f"at most {expect.longest_gap_ms:g} ms",
            f"{longest:.0f} ms",
            longest <= expect.longest_gap_ms,
        )
    for what, kinds, limit in (
        ("underruns", ("dropout",), expect.underruns),
        ("repeats", ("repeat",), expect.repeats),
        ("clicks", ("click", "seam"), expect.clicks),
    ):
        if limit is not None:
            found = [fault for fault in result.faults if fault.kind in kinds]
            where = f", first at {found[0].at_ms / 1000:.2f} s" if found else ""
            yield _verdict(what, f"at most {limit}", f"{len(found)}{where}", len(found) <= limit)
    if expect.cut_offs is not None:
        cut_offs = list(_cut_offs(result))
        heard = f"{len(cut_offs)}, first at {cut_offs[0] / 1000:.2f} s" if cut_offs else "0"
        yield _verdict("caller cut off", f"at most {expect.cut_offs}", heard, len(cut_offs) <= expect.cut_offs)
    if expect.level_spread_db is not None:
        passed = spread_db <= expect.level_spread_db
        yield _verdict("level spread", f"at most {expect.level_spread_db:g} dB", f"{spread_db:.1f} dB", passed)
    if expect.level_db is not None:
        low, high = expect.level_db
        levels = [turn.level_db for turn in result.turns if turn.speaker == "bot"]
        passed = bool(levels) and low <= min(levels) and max(levels) <= high
        heard = f"{min(levels):.1f} to {max(levels):.1f} dBFS" if levels else "nothing heard"
        yield _verdict("speech level", f"{low:g} to {high:g} dBFS", heard, passed)


def _cut_offs(result: CallResult) -> Iterator[int]:
    """When the bot began to talk into a sentence of the caller."""
    spoken = [turn for turn in result.turns if turn.speaker == "caller" and turn.kind in ("speech", "interrupt")]
    for turn in result.turns:
        if turn.speaker == "bot" and any(
            one.start_ms + TOGETHER_MS <= turn.start_ms < one.end_ms - _LAST_SOUND_MS for one in spoken
        ):
            yield turn.start_ms


def _ending(result: CallResult, expect: Expect) -> Iterator[Verdict]:
    if expect.hung_up_by is not None:
        yield _verdict("hung up by", expect.hung_up_by, result.hung_up_by, result.hung_up_by == expect.hung_up_by)
        if expect.hung_up_by == "server":
            cut = result.unheard_ms
            yield _verdict("last words heard", "nothing left unheard", f"{cut} ms left", cut <= 20)
    if expect.transferred_to is not None:
        heard = result.transferred_to or "nobody"
        yield _verdict("transferred to", expect.transferred_to, heard, heard == expect.transferred_to)
    for phrase in expect.announced:
        told = result.announced or "nothing"
        yield _verdict("announced", phrase, told, phrase.casefold() in told.casefold())
    if expect.music is not None:
        yield _verdict("music", str(expect.music), result.music or "none", bool(result.music) == expect.music)
    if expect.ends_within_s is not None:
        seconds = result.duration_ms / 1000.0
        yield _verdict(
            "call ends", f"within {expect.ends_within_s:g} s", f"{seconds:.1f} s", seconds <= expect.ends_within_s
        )


def spoken_digits(text: str) -> str:
    """The digits in recognised words, however they were written: `five 5-5, oh` is `5550`."""
    found = []
    for word in plain(text).split():
        if word in _DIGIT_WORDS:
            found.append(_DIGIT_WORDS[word])
        elif re.fullmatch(r"[0-9]+", word):
            found.append(word)
    return "".join(found)


def _after(words: str, phrase: str) -> int:
    at = f" {words} ".find(f" {plain(phrase)} ")
    return -1 if at < 0 else at + len(plain(phrase))


def _verdict(what: str, expected: str, heard: str, passed: bool) -> Verdict:
    return Verdict(what=what, expected=expected, heard=heard, passed=passed)
