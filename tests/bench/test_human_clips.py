"""The table of real people's clips counts what it says, and names what it cannot read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bench import human_clips
from tests.bench.human_clips import Clip, Heard, interval, read_clips, table
from tests.bench.turn_taking import CLIPS, Engines

HEADER = "file\tkind\tspeaker\tonset\tend\tpauses\tsoft_onset\tsoft_end\n"


def index(folder: Path, *rows: str) -> Path:
    shutil.copy(CLIPS / "complete_01.wav", folder)
    (folder / "INDEX.tsv").write_text(HEADER + "".join(row + "\n" for row in rows))
    return folder


def clip(kind: str, *pauses: tuple[float, float]) -> Clip:
    return Clip("one.wav", kind, "somebody", 0.5, 4.0, pauses, True, b"")


def row_of(found: list[Heard], name: str) -> dict[str, object]:
    [row] = [row for row in table(found) if row["row"].startswith(name)]
    return row


def test_an_index_says_where_the_speech_and_its_pauses_lie(tmp_path: Path) -> None:
    [found] = read_clips(index(tmp_path, "complete_01.wav\tturn\tAnna\t0.5\t2.0\t0.9:0.4;1.5:0.2\t0.5\t2.3"))
    assert (found.kind, found.speaker, found.onset_s, found.end_s) == ("turn", "Anna", 0.5, 2.0)
    assert found.pauses == ((0.9, 0.4), (1.5, 0.2))
    assert not found.sure, "on a softer line it seems to end 0.3 s later"
    assert len(found.ulaw) > 8000


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("gone.wav\tturn\tA\t0\t1\t\t\t", r"INDEX.tsv:2: gone.wav: .*No such file"),
        ("complete_01.wav\tturn\tA\tsoon\t1\t\t\t", "INDEX.tsv:2: complete_01.wav: could not convert"),
        ("complete_01.wav\tturn\tA\t0\t1\t0.4\t\t", "INDEX.tsv:2: complete_01.wav: "),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_clips(index(tmp_path, row))


def test_one_part_can_be_asked_for(tmp_path: Path) -> None:
    folder = index(tmp_path)
    rows = [f"complete_01.wav\tturn\t{who}\t0.5\t2.0\t\t\t\t{part}\n" for who, part in (("A", "tuned"), ("B", "held"))]
    (folder / "INDEX.tsv").write_text(HEADER.replace("\n", "\tpart\n") + "".join(rows))
    assert [clip.speaker for clip in read_clips(folder)] == ["A", "B"]
    assert [clip.speaker for clip in read_clips(folder, "held")] == ["B"]
    with pytest.raises(ValueError, match="no clip is of part 'other'"):
        read_clips(folder, "other")


def test_nobody_of_the_published_people_is_in_both_parts_and_each_clip_names_its_licence() -> None:
    lines = (CLIPS.parent / "human" / "INDEX.tsv").read_text(encoding="utf-8").splitlines()
    fields = lines[0].split("\t")
    rows = [dict(zip(fields, line.split("\t"), strict=True)) for line in lines[1:]]
    speakers = {part: {row["speaker"] for row in rows if row["part"] == part} for part in ("tuned", "held")}
    assert {row["part"] for row in rows} == set(speakers)
    assert not speakers["tuned"] & speakers["held"]
    assert all(row["licence"] and row["source"] for row in rows)


def test_an_index_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "INDEX.tsv").write_text("file\tkind\tonset\n")
    with pytest.raises(ValueError, match="no column end, pauses"):
        read_clips(tmp_path)


def test_each_pause_counts_in_the_row_of_its_length() -> None:
    found = [
        Heard(clip("turn", (1.0, 0.4), (2.0, 0.6)), over_bot=True, cut_in=(1,)),
        Heard(clip("pause", (1.0, 0.34), (2.0, 1.4)), over_bot=False, cut_in=(0,)),
    ]
    assert row_of(found, "cut off in a pause of 0.35")["errors"] == 0
    assert row_of(found, "cut off in a pause of 0.5")["errors"] == 1
    assert (row_of(found, "cut off in a pause of 0.9")["errors"], row_of(found, "cut off in a pause of 0.9")["of"]) == (
        0,
        1,
    )
    assert (row_of(found, "whole sentences")["errors"], row_of(found, "whole sentences")["of"]) == (1, 2)


def test_noises_must_not_stop_the_bot_and_words_must() -> None:
    found = [
        Heard(clip("laugh"), over_bot=True),
        Heard(clip("cough"), over_bot=False),
        Heard(clip("word"), over_bot=False, answered=True, reply_ms=400.0),
        Heard(clip("word"), over_bot=True, answered=False),
    ]
    assert row_of(found, "laughs")["errors"] == 1
    assert row_of(found, "coughs")["errors"] == 0
    assert row_of(found, "single words over")["errors"] == 1
    assert row_of(found, "single words while")["errors"] == 1
    assert row_of(found, "reply after a single word")["p50_p95_ms"] == [400, 400]


def test_few_tries_leave_much_unsure() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(1, 27)
    assert 0.0 < low < 1 / 27 < high < 0.2
    assert interval(10, 270)[1] < high


def test_a_sentence_is_answered_and_stops_the_bot(tmp_path: Path) -> None:
    """The whole way, with the real models."""
    folder = index(tmp_path, "complete_01.wav\tturn\tA\t0.52\t2.2\t\t\t")
    engines = Engines()
    [found] = human_clips.hear(engines, read_clips(folder))
    assert (found.over_bot, found.answered, found.cut_in) == (True, True, ())
