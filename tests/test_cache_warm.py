"""`bridge cache warm` against real Redis servers: what it says is ready is kept, or it says why not."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import redis

from bridge.cli import main

STATES: dict[str, list[tuple[str, ...]]] = {
    "without room": [("CONFIG", "SET", "maxmemory", "1")],
    "without enough replicas": [("CONFIG", "SET", "min-replicas-to-write", "1")],
    "a replica that is read-only": [("REPLICAOF", "127.0.0.1", "1")],
    "forbidden to write": [("ACL", "SETUSER", "default", "-@write")],
    "forbidden to run scripts": [("ACL", "SETUSER", "default", "-@scripting")],
    "forbidden these keys": [("ACL", "SETUSER", "default", "resetkeys", "~other:*")],
}
SEVERAL = "['We are closed today.', 'Please hold the line.', 'Thank you for calling.']"
SOUND = [
    ("CONFIG", "SET", "maxmemory", "0"),
    ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ("REPLICAOF", "NO", "ONE"),
    ("ACL", "SETUSER", "default", "+@all", "~*"),
]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SECRET", "the same on all machines")


def warm(folder: Path, url: str, cache: str = "", phrases: str = "['We are closed today.']") -> int:
    config = folder / "bridge.yaml"
    config.write_text(f"store: {{redis_url: '{url}'}}\nspeaking: {{cache: {{{cache}}}, warm: {phrases}}}\n")
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


def test_a_redis_that_was_emptied_is_filled_from_the_disk(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warm(tmp_path, redis_url, "disk_path: phrases") == 0
    tell(redis_url, ("FLUSHDB",))
    assert warm(tmp_path, redis_url, "disk_path: phrases") == 0
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("bridge:phrase:*"))


def test_a_tier_that_keeps_a_part_alone_is_never_said_to_be_ready(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warm(tmp_path, redis_url, "redis_mb: 0.05", SEVERAL) == 2
    said = capsys.readouterr()
    assert "ready" not in said.out
    assert re.search(r"\d+ phrases were made, and \d+ of them are not kept in redis ", said.err)


def test_a_redis_that_stops_answering_is_never_said_to_be_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert warm(tmp_path, f"redis://127.0.0.1:{silent.getsockname()[1]}/0") == 2
    said = capsys.readouterr()
    assert "ready" not in said.out
    assert "it does not answer in time" in said.err


def test_a_redis_that_is_away_is_never_said_to_be_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert warm(tmp_path, f"unix://{tmp_path}/nowhere.sock") == 2
    assert "none of them is kept in redis" in capsys.readouterr().err
