from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.speaking.phrases.disk import DiskTier
from bridge.speaking.phrases.phrase import pack
from tests.speaking.phrases import key, phrase

SIZE = len(pack(phrase("number 10000")))


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def tier(folder: Path, phrases: int = 1000, share: float = 1.0) -> DiskTier:
    limit = int(SIZE * (phrases + 0.5))
    disk = DiskTier(folder, limit, int(limit * share), Clock())
    disk.open()
    return disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskTier]:
    disk = tier(tmp_path)
    yield disk
    disk.close()


def test_a_phrase_survives_a_restart(tmp_path: Path) -> None:
    first = tier(tmp_path)
    first.put(phrase("good morning"))
    first.remember_engines({"heart": "fake-1", "": "heart"})
    first.close()
    second = tier(tmp_path)
    assert second.get(key("Good morning")) == phrase("good morning")
    assert second.get(key("good evening")) is None
    assert second.engines() == {"heart": "fake-1", "": "heart"}
    second.close()


WRITER = """
import sys
from pathlib import Path
from bridge.speaking.phrases.disk import DiskTier
from tests.speaking.phrases import phrase
disk = DiskTier(Path(sys.argv[1]), 10**9, 10**9)
disk.open()
number = 10_000
while True:
    disk.put(phrase(f"number {number}"))
    print(number, flush=True)
    number += 1
"""


def test_a_process_killed_while_writing_leaves_only_whole_phrases(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    written = [int(writer.stdout.readline()) for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    disk = tier(tmp_path, phrases=10_000)
    assert all(disk.get(key(f"number {number}")) is not None for number in written)
    entries = disk.list()
    assert len(entries) >= len(written)
    assert all(disk.get(key(entry.text)) is not None for entry in entries)
    assert disk.damaged == 0
    disk.close()


def test_a_damaged_entry_is_dropped_and_counted(tmp_path: Path, disk: DiskTier) -> None:
    disk.put(phrase("good morning"))
    disk.put(phrase("good evening"))
    with sqlite3.connect(tmp_path / "phrases.sqlite") as other:
        data = bytearray(other.execute("SELECT data FROM phrase WHERE text = 'good morning'").fetchone()[0])
        data[-1] ^= 1
        other.execute("UPDATE phrase SET data = ? WHERE text = 'good morning'", (bytes(data),))
        other.execute("UPDATE phrase SET data = x'00' WHERE text = 'good evening'")
    other.close()
    assert disk.get(key("good morning")) is None
    assert disk.get(key("good evening")) is None
    assert disk.damaged == 2
    assert disk.list() == []
    disk.put(phrase("good morning"))
    assert disk.get(key("good morning")) is not None


def test_an_entry_that_belongs_to_another_key_is_not_played(tmp_path: Path, disk: DiskTier) -> None:
    disk.put(phrase("good morning"))
    with sqlite3.connect(tmp_path / "phrases.sqlite") as other:
        other.execute("UPDATE phrase SET data = ?", (pack(phrase("good evening")),))
    other.close()
    assert disk.get(key("good morning")) is None
    assert disk.damaged == 1


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "phrases.sqlite").write_bytes(b"this was never a database" * 100)
    disk = tier(tmp_path)
    assert disk.damaged == 1
    assert disk.put(phrase("good morning"))
    assert disk.get(key("good morning")) is not None
    assert (tmp_path / "phrases.damaged").exists()
    disk.close()


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "phrases.sqlite") as other:
        other.execute("CREATE TABLE phrase (something TEXT)")
        other.execute("PRAGMA user_version = 99")
    other.close()
    disk = tier(tmp_path)
    assert disk.put(phrase("good morning"))
    assert disk.damaged == 1
    disk.close()


def test_a_disk_that_cannot_be_used_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    disk = tier(tmp_path / "file" / "folder")
    assert not disk.put(phrase("good morning"))
    assert disk.get(key("good morning")) is None
    assert disk.list() == []
    assert disk.purge() == 0
    assert disk.failures == 1
    disk.close()


def test_rubbish_is_evicted_first(tmp_path: Path) -> None:
    disk = tier(tmp_path, phrases=5)
    disk.put(phrase("good morning"))
    disk.get(key("good morning"))
    for number in range(10_000, 10_020):
        disk.put(phrase(f"number {number}"))
    assert disk.get(key("good morning")) is not None
    assert disk.stats()["bytes"] <= SIZE * 5.5
    assert next(e.text for e in disk.list()) == "good morning"
    assert disk.get(key("number 10000")) is None
    assert disk.get(key("number 10019")) is not None
    disk.close()


def test_a_tenant_over_its_share_loses_its_own_phrases_only(tmp_path: Path) -> None:
    disk = tier(tmp_path, phrases=10, share=0.5)
    disk.put(phrase("number 10000", tenant="quiet"))
    for number in range(10_000, 10_030):
        disk.put(phrase(f"number {number}", tenant="noisy"))
        disk.get(key(f"number {number}", "noisy"))
    assert len(disk.list(tenant="noisy")) <= 5
    assert len(disk.list(tenant="quiet")) == 1
    disk.close()


def test_list_and_purge_by_text_voice_and_tenant(disk: DiskTier) -> None:
    for text in ("good morning", "good evening"):
        for voice in ("heart", "joe"):
            for tenant in ("a", "b"):
                disk.put(phrase(text, tenant, voice))
    assert len(disk.list()) == 8
    assert {e.voice for e in disk.list(text="good morning", tenant="a")} == {"heart", "joe"}
    assert disk.purge(text="good morning", voice="joe", tenant="b") == 1
    assert disk.purge(voice="heart") == 4
    assert disk.purge(text="never said") == 0
    assert disk.purge() == 3


def test_two_processes_share_the_file(tmp_path: Path, disk: DiskTier) -> None:
    other = tier(tmp_path)
    other.put(phrase("good morning"))
    assert disk.get(key("good morning")) == phrase("good morning")
    assert disk.purge() == 1
    assert other.get(key("good morning")) is None
    other.close()


def test_a_full_disk_keeps_what_it_has_and_counts_what_it_refuses(disk: DiskTier) -> None:
    disk.put(phrase("good morning"))
    assert disk._db is not None
    pages = disk._db.execute("PRAGMA page_count").fetchone()[0]
    disk._db.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite then says what it says on a full disk
    kept = [number for number in range(10_000, 10_010) if disk.put(phrase(f"number {number}"))]
    assert len(kept) < 10
    assert disk.failures == 10 - len(kept)
    assert all(disk.get(key(f"number {number}")) is not None for number in kept)
    assert disk.get(key("good morning")) is not None
    assert disk.damaged == 0
    disk._db.execute("PRAGMA max_page_count = 1000000")
    assert disk.put(phrase("good evening")), "there is room again"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_torn_file_is_found_out_and_begun_anew(tmp_path: Path, share: float) -> None:
    disk = tier(tmp_path)
    for number in range(10_000, 10_050):
        disk.put(phrase(f"number {number}"))
    disk.close()
    file = tmp_path / "phrases.sqlite"
    with file.open("r+b") as torn:
        torn.truncate(int(file.stat().st_size * share))
    disk = tier(tmp_path)
    for number in range(10_000, 10_050):
        found = disk.get(key(f"number {number}"))
        assert found is None or found == phrase(f"number {number}")
    assert disk.put(phrase("good morning"))
    assert disk.get(key("good morning")) == phrase("good morning")
    assert disk.damaged == (share > 0)
    disk.close()
