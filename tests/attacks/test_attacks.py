"""Every attack beside callers, on a real gateway with a real voice: what they hear, and how long the loop was held.

The table of all is printed with `pytest -s`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.errors import BridgeError
from bridge.simulator import load
from bridge.simulator.load import Load, Step
from bridge.simulator.load_generator import LoadMeasures
from tests.attacks import __main__
from tests.attacks.aside import judge
from tests.attacks.attacks import ATTACKS, require_loopback
from tests.attacks.neighbours import HEADING, Harm, Neighbours, neighbours
from tests.gateway.conftest import voice_address

__all__ = ["voice_address"]


@pytest.fixture(scope="module")
def kept_phrases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where phrases are found that were made once."""
    return tmp_path_factory.mktemp("phrases")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside(voice_address: str, kept_phrases: Path) -> AsyncIterator[Neighbours]:
    """Who is on the line while others attack."""
    async with neighbours(voice_address, kept_phrases) as on_the_line:
        print("\n" + HEADING)
        yield on_the_line


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside_redis(voice_address: str, kept_phrases: Path) -> AsyncIterator[Neighbours]:
    """The same, where store and phrases are in Redis, too."""
    async with neighbours(voice_address, kept_phrases, with_redis=True) as on_the_line:
        yield on_the_line


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith("redis_")])
async def test_callers_beside_an_attack_hear_no_gap_and_another_is_taken(name: str, beside: Neighbours) -> None:
    assert not (await beside.least_harm(name, ATTACKS[name])).found


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("redis_")])
async def test_callers_hear_no_gap_and_another_is_taken_whatever_redis_does(
    name: str, beside_redis: Neighbours
) -> None:
    assert not (await beside_redis.least_harm(name, ATTACKS[name])).found


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7:8080", "https://bridge.example.com", "http://localhost.example.com", "http://192.0.2.1", "x"],
)
def test_nobody_but_this_machine_is_ever_attacked(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"])
def test_this_machines_own_addresses_may_be(url: str) -> None:
    require_loopback(url)


def by_hand(monkeypatch: pytest.MonkeyPatch, *steps: Step | BridgeError, only: str = "unsigned_forms") -> int:
    """The exit status of `python -m tests.attacks URL` where nobody listens, with loads that come to this."""
    left = list(steps)

    class Held(Load):
        def __enter__(self) -> Load:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def step(self, calls: int, hold_s: float) -> Step:
            found = left.pop(0)
            if isinstance(found, BridgeError):
                raise found
            return found

    if steps:
        monkeypatch.setattr(__main__, "Load", Held)
    monkeypatch.setattr(__main__, "sink", lambda: nullcontext("http://127.0.0.1:9"))
    monkeypatch.setattr(__main__, "again_and_again", lambda *_: asyncio.sleep(0, 7))
    monkeypatch.setattr(load, "RAMP_S", 1.0)
    monkeypatch.setattr(sys, "argv", ["attacks", "http://127.0.0.1:9/twilio/voice", "--calls", "1", "--only", only])
    return __main__.main()


def held(**told: Any) -> Step:
    return Step(calls=1, seconds=1.0, tally=LoadMeasures(**told))


def test_a_service_that_takes_no_call_is_a_verdict_with_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_hand(monkeypatch) == 2
    assert "nothing was attacked: only 0 of 1 calls came about" in (told := capsys.readouterr().err)
    assert "Nobody answers at http://127.0.0.1:9: does the server run" in told


def test_calls_that_no_longer_come_about_beside_an_attack_are_harm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_hand(monkeypatch, held(), BridgeError("only 0 of 1 calls came about")) == 1
    told = capsys.readouterr().out
    assert "unsigned_forms           only 0 of 1 calls came about\n    /healthz does not answer" in told


def test_what_was_not_measured_has_not_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "lives", lambda origin: "")
    void = held()
    void.void = ["our own frames were late"]
    assert by_hand(monkeypatch, held(), held()) == 0
    assert by_hand(monkeypatch, held(), void) == by_hand(monkeypatch, void, held()) == 3
    assert by_hand(monkeypatch, held(), held(failed=1), held()) == 1
    assert "unsigned_forms                7     0 " in capsys.readouterr().out


def test_calls_that_do_not_come_about_beside_an_attack_on_others_either_are_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "lives", lambda origin: "")
    few = BridgeError("only 18 of 20 calls came about")
    assert by_hand(monkeypatch, held(), few, few) == 3
    assert "void: only 18 of 20 calls came about, when others were attacked" in capsys.readouterr().out
    assert by_hand(monkeypatch, held(), few, held()) == 1


@pytest.mark.parametrize("harm", [{"underruns": 2}, {"refused": 1}, {"silent": 1}, {"failed": 1}])
def test_harm_that_an_attack_on_others_does_as_well_is_the_machines_and_no_pass(
    harm: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "lives", lambda origin: "")
    assert by_hand(monkeypatch, held(), held(**harm), held(**harm)) == 3
    assert ", when others were attacked" in capsys.readouterr().out
    assert by_hand(monkeypatch, held(), held(**harm), held()) == 1
    assert ", when others were attacked" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("started", "told"),
    [
        ({"PUBLIC_URL": "http://127.0.0.1:24555"}, "started with PUBLIC_URL=http://127.0.0.1:24555; start it with"),
        ({"PUBLIC_URL": "http://127.0.0.1:9/", "TWILIO_AUTH_TOKEN": "x,y"}, "another TWILIO_AUTH_TOKEN"),
        ({"PUBLIC_URL": "http://127.0.0.1:9", "TWILIO_AUTH_TOKEN": "old,a-secret"}, ""),
        ({}, ""),
    ],
)
def test_a_service_that_was_started_otherwise_is_told_apart_by_its_environment(
    started: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a-secret")
    environ = {"PATH": os.environ["PATH"]} | started
    with subprocess.Popen(
        ["sh", "-c", "echo; read line"], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as service:
        assert service.stdout is not None
        service.stdout.readline()  # before that it may not have its environment yet
        found = __main__.wrong_start(service.pid, "http://127.0.0.1:9")
        service.kill()
    assert told in found
    assert bool(found) == bool(told)


FLAT = [400.0] * 40


@pytest.mark.parametrize(
    ("during", "after", "found"),
    [
        (FLAT, 330.0, []),
        ([500.0, 450.0] * 20, 350.0, []),  # up and down
        ([*range(300, 500, 10), *([500.0] * 20)], 360.0, []),  # its buffers have come to their size
        ([300.0 + 5 * second for second in range(40)], 310.0, ["memory still grows: 50 MiB more"]),
        ([*FLAT[:20], 700.0, *FLAT[:19]], 310.0, ["400 MiB more memory at its peak"]),
        (FLAT, 400.0, ["100 MiB more memory 30 s after it"]),
        ([], 300.0, []),
    ],
)
def test_memory_is_flat_when_it_neither_grows_on_nor_stays(during: list[float], after: float, found: list[str]) -> None:
    told = judge(300.0, during, after)
    assert len(told) == len(found)
    assert all(one.startswith(wanted) for one, wanted in zip(told, found, strict=True))


def test_gaps_that_nobody_measured_have_no_length() -> None:
    assert Harm("x", gaps=[None, None]).found == ["2 gaps of unknown length heard"]
    assert Harm("x", gaps=[0.12, None, 0.3]).found == ["3 gaps of up to 300 ms heard"]
