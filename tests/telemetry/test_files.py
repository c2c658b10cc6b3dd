"""Names of the files of a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.telemetry.files import free_name


def test_a_file_that_is_finished_while_a_name_is_looked_for_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = {tmp_path / "CA1.wav"}
    there = Path.exists

    def exists(path: Path) -> bool:
        """Say what is there, and let the writing thread finish the first file right afterwards."""
        found = there(path)
        for one in list(begun):
            one.touch()
            begun.discard(one)
        return found

    monkeypatch.setattr(Path, "exists", exists)
    assert free_name(tmp_path, "CA1", ".wav", begun) == tmp_path / "CA1-2.wav"
