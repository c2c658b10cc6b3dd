"""Imports point one way, and the rooms that decide touch neither clock, network, disk nor chance."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "bridge"

PURE = {"carriers", "call", "audio", "text", "understanding"}
ROOMS = {
    "carriers",
    "call",
    "audio",
    "text",
    "understanding",
    "listening",
    "speaking",
    "agents",
    "store",
    "session",
    "gateway",
    "api",
    "worker",
    "simulator",
    "telemetry",
    "system",
    "console",
} | {"bench"}

MAY_IMPORT: dict[str, set[str]] = {
    "system": set(),
    "carriers": PURE,
    "call": PURE,
    "audio": PURE,
    "text": PURE,
    "understanding": {"text"},
    "telemetry": PURE | {"system"},
    "listening": PURE | {"system"},
    "agents": PURE,
    "speaking": PURE | {"worker.protocol", "worker.protocol_client", "worker.settings", "system"},
    "worker": PURE | {"telemetry", "speaking.voices.base", "system"},
    "store": PURE | {"session", "system"},
    "session": PURE | {"telemetry", "listening", "speaking", "agents"},
    "gateway": PURE | {"telemetry", "listening", "speaking", "agents", "store", "session", "api", "system"},
    "api": PURE
    | {"telemetry", "speaking", "gateway", "worker.protocol", "worker.protocol_server", "session", "system"},
    "console": PURE | {"telemetry", "agents", "store", "session", "gateway", "carriers.browser"},
    "bench": {"audio", "text", "call", "worker", "speaking.voices.base", "listening", "simulator"},
    "simulator": {"audio", "text", "call", "speaking", "worker", "listening", "agents", "telemetry", "system"},
}
"""Besides itself and `SMALL`. A name with a dot allows that module alone."""

SMALL = {"addresses", "errors", "breaker", "dialled", "variables", "yaml_text"}
"""Small pure modules that anybody may import."""

SHARED = {"http", "grpc_client", "google_account"}
"""Modules beside the rooms that every room which touches the network may import."""

TOP = {
    "config", "config_convert", "config_ranges", "config_source", "numbers", "profiles",
    "app", "ray_app", "service", "cli", "commands", "warm_up",
    "doctor", "doctor_machine", "doctor_network", "doctor_services",
}  # fmt: skip
"""The modules that may know everybody, and that nobody else knows."""

IMPURE = {
    "aiohttp", "asyncio", "concurrent", "datetime", "logging", "multiprocessing", "os", "random", "redis", "requests",
    "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading",
    "time", "urllib.request", "uuid", "uvloop",
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "exec", "eval"}


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Every module's dotted name below `bridge`, its room, and its syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts), parts[0], ast.parse(path.read_text(encoding="utf-8"))


MODULES = list(modules())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where things come from"
            assert node.module is not None
            yield node.module
            # `from bridge.carriers import twilio` imports a module, too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("bridge"))


def ours(tree: ast.Module) -> set[str]:
    return {name.removeprefix("bridge.") for name in imports(tree) if name.startswith("bridge.")}


def allowed(target: str, room: str) -> bool:
    permitted = MAY_IMPORT[room] | SMALL | {room} | (set() if room in PURE else SHARED)
    steps = target.split(".")
    return any(".".join(steps[:length]) in permitted for length in range(1, len(steps) + 1))


def wrong_ways(room: str, tree: ast.Module) -> list[str]:
    # `from bridge.worker import protocol` also yields "worker", which says nothing by itself: go by the longest names.
    targets = ours(tree)
    longest = {one for one in targets if not any(other.startswith(one + ".") for other in targets)}
    return sorted(target for target in longest if not allowed(target, room))


@pytest.mark.parametrize(("name", "room", "tree"), [entry for entry in MODULES if entry[1] in ROOMS])
def test_imports_point_one_way(name: str, room: str, tree: ast.Module) -> None:
    assert wrong_ways(room, tree) == []


@pytest.mark.parametrize(("name", "room", "tree"), [entry for entry in MODULES if entry[1] in ROOMS])
def test_nobody_below_knows_the_composition_root(name: str, room: str, tree: ast.Module) -> None:
    assert {target.split(".")[0] for target in ours(tree)} & TOP == set()


@pytest.mark.parametrize(("name", "room", "tree"), [entry for entry in MODULES if entry[1] in PURE | SMALL])
def test_what_decides_is_pure(name: str, room: str, tree: ast.Module) -> None:
    assert impurities(tree) == []


def impurities(tree: ast.Module) -> list[str]:
    found = [name for name in imports(tree) if name in IMPURE or name.split(".")[0] in IMPURE]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            found.append(f"async def {node.name}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            found.append(f"{node.func.id}()")
    return found


NAMES = sorted(path.parent.name for path in (ROOT / "carriers").glob("*/carrier.py") if path.parent.name != "browser")
CARRIERS = re.compile("|".join([*NAMES, "nexmo|twiml|texml", r"\bncco\b|call_?sid|stream_?sid"]), re.IGNORECASE)
"""Names of carriers, and words that only one of them uses."""
MAY_NAME_CARRIERS = {"carriers", "simulator", "commands", "cli"}
"""Their own room, the doubles of the simulator, and the help of commands: the door's sides and its sign."""


@pytest.mark.parametrize("name", sorted(name for name, room, _ in MODULES if room not in MAY_NAME_CARRIERS))
def test_nobody_behind_the_door_names_a_carrier(name: str) -> None:
    source = (ROOT / name.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert CARRIERS.findall(source) == []


def test_a_carriers_name_is_seen() -> None:
    assert CARRIERS.findall("if carrier == 'telnyx': start['streamSid']") == ["telnyx", "streamSid"]
    assert {"plivo", "telnyx", "twilio", "vonage"} <= set(NAMES)


def test_every_module_belongs_to_a_room_or_to_the_top() -> None:
    known = ROOMS | TOP | SHARED | SMALL | {"__init__", "__main__"}
    strangers = {room for _, room, _ in MODULES} - known
    assert strangers == set()


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("call", "from bridge.session.session import CallSession", ["session.session.CallSession"]),
        ("call", "from bridge.errors import BadMessage", []),
        ("simulator", "from bridge.carriers import twilio", ["carriers.twilio"]),
        ("simulator", "import bridge.gateway.media", ["gateway.media"]),
        ("agents", "from bridge.http import HttpClient", []),
        ("call", "from bridge.http import HttpClient", ["http.HttpClient"]),
        ("speaking", "from bridge.worker.protocol import Open", []),
        ("speaking", "from bridge.worker.engines import hibari", ["worker.engines.hibari"]),
    ],
)
def test_these_checks_can_fail(room: str, source: str, wrong: list[str]) -> None:
    assert wrong_ways(room, ast.parse(source)) == wrong


@pytest.mark.parametrize(
    "source", ["import time", "from random import random", "import os.path", "open('x')", "async def f(): ..."]
)
def test_impurity_is_seen(source: str) -> None:
    assert impurities(ast.parse(source)) != []
