"""`bridge cache warm` against real Redis servers: what it says is ready is kept, or it says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from bridge.cli import main

STATES: dict[str, list[tuple[str, ...]]] = {
    "without room": [("CONFIG", "SET", "maxmemory", "1")],
    "without enough replicas": [("CONFIG", "SET", "min-replicas-to-write", "1")],
    "a replica that is read-only": [("REPLICAOF", "127.0.0.1", "1")],
    "forbidden to write": [("ACL", "SETUSER", "default", "-@write")],
}
SOUND = [
    ("CONFIG", "SET", "maxmemory", "0"),
    ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ("REPLICAOF", "NO", "ONE"),
    ("ACL", "SETUSER", "default", "+@all"),
]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SECRET", "the same on all machines")


def warm(folder: Path, url: str) -> int:
    config = folder / "bridge.yaml"
    config.write_text(f"store: {{redis_url: '{url}'}}\nspeaking: {{warm: ['We are closed today.']}}\n")
    return main(["cache", "warm", "-c", str(config)])


def tell(url: str, *commands: tuple[str, ...]) -> None:
    with redis.Redis.from_url(url) as client:
        for command in commands:
            client.execute_command(*command)


def test_what_is_said_to_be_ready_is_kept(tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert warm(tmp_path, redis_url) == 0
    assert "phrases are ready" in capsys.readouterr().out
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("bridge:*"))


@pytest.mark.parametrize("state", STATES)
def test_a_redis_that_keeps_nothing_is_never_said_to_be_ready(
    state: str, tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(redis_url, *STATES[state])
    try:
        assert warm(tmp_path, redis_url) == 2
    finally:
        tell(redis_url, *SOUND)
    said = capsys.readouterr()
    assert "ready" not in said.out
    assert "none of them is kept in redis" in said.err


def test_a_redis_that_is_away_is_never_said_to_be_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert warm(tmp_path, f"unix://{tmp_path}/nowhere.sock") == 2
    assert "none of them is kept in redis" in capsys.readouterr().err
