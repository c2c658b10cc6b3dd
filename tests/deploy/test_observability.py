"""Rules and board of `deploy/` against the metrics that the service really has."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bridge.telemetry.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
PROMTOOL = shutil.which("promtool") or ""


def metrics() -> set[str]:
    """Every series of the page, by its name on it."""
    page = Metrics().page().decode()
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE)
    found = set()
    for name, kind in kinds:
        found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return found


def labels() -> dict[str, set[str]]:
    """The labels of each metric, by its name without a suffix."""
    registry = Metrics()._registry
    return {
        metric._name: set(metric._labelnames)  # type: ignore[attr-defined]
        for metric in registry._collector_to_names
        if hasattr(metric, "_name")
    }


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def board() -> ModuleType:
    spec = importlib.util.spec_from_file_location("board", DEPLOY / "grafana" / "board.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expressions() -> list[str]:
    lines = [expression for *_, panel in board().PANELS for expression, _ in panel]
    return [*(rule["expr"] for rule in rules()), *lines]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_that_is_asked_for_exists(expression: str) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = set(re.findall(r"bridge_[a-z_]+", expression))
    assert asked <= metrics()
    assert set(re.findall(r"bridge:[a-z_]+:\w+", expression)) <= recorded
    assert asked or "bridge:" in expression


@pytest.mark.parametrize("expression", expressions())
def test_every_label_that_is_asked_for_exists(expression: str) -> None:
    known = {"le", "instance"}.union(*labels().values())
    asked = re.findall(r"by \(([^)]*)\)|(\w+)=~?\"", expression)
    assert {label for pair in asked for names in pair if names for label in names.split(", ")} <= known


def test_the_ends_of_calls_that_count_as_failures_are_ends_of_calls() -> None:
    from bridge.call.states import EndReason

    [rule] = [rule for rule in rules() if rule.get("record") == "bridge:calls_failed:ratio"]
    (named,) = re.findall(r'why=~"([^"]*)"', rule["expr"])
    assert set(named.split("|")) <= set(EndReason)


def test_every_alert_says_what_it_means_and_what_helps() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) > 5
    for rule in alerts:
        assert {"summary", "remedy"} <= set(rule["annotations"])


def test_the_board_is_what_its_code_writes() -> None:
    module = board()
    assert json.loads(module.BOARD.read_text()) == module.board()
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in module.board()["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.skipif(not PROMTOOL, reason="there is no promtool here")
def test_good_and_bad_minutes_raise_what_they_should() -> None:
    for command in (["check", "rules", RULES.name], ["test", "rules", "rules_test.yaml"]):
        ran = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, cwd=RULES.parent)
        assert ran.returncode == 0, ran.stdout + ran.stderr
