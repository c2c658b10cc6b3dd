"""The files of deploy/compose, deploy/ray and the images: they lead to each other, and the service takes them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from bridge.agents.script_load import load_script
from bridge.config import load_settings
from bridge.worker.ray_serve import RayFleetSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
ENVIRONMENT = {"TWILIO_AUTH_TOKEN": "x", "BRIDGE_WORKER_TOKEN": "x", "PUBLIC_URL": "https://bridge.example.com"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_nothing_but_its_work(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_there(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, target, *how = mount.split(":")
        if source.startswith("."):
            assert (DEPLOY / "compose" / source).exists(), mount
            assert how == ["ro"], mount
        else:
            assert source in COMPOSE["volumes"], mount
        assert target.startswith("/")


def test_the_images_are_built_from_targets_that_exist() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE))
    assert {"gateway", "worker", "worker-gpu"} <= targets
    assert {one["build"]["target"] for one in SERVICES.values() if "build" in one} <= targets


def test_the_service_takes_its_settings() -> None:
    settings = load_settings(DEPLOY / "compose" / "settings" / "bridge.yaml", ENVIRONMENT)
    assert settings.speaking.workers == ("dns+ws://worker:8090",)
    load_script(DEPLOY / "compose" / "settings" / "agents" / "agent.yaml")
    patience_s = settings.gateway.drain_deadline_s + settings.gateway.drain_goodbye_s + settings.gateway.after_stream_s
    assert float(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > patience_s
    assert float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > settings.worker.drain_s
    (scrape,) = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["static_configs"][0]["targets"] == [f"gateway:{settings.gateway.metrics.port}"]


def test_every_secret_is_named_in_the_example() -> None:
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    named = dict(
        line.split("=", 1)
        for line in (DEPLOY / "compose" / "environment.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= named.keys()
    assert named.keys() >= ENVIRONMENT.keys() | {"BRIDGE_SECRET"}
    assert {name for name, value in named.items() if value} == {"PUBLIC_URL"}


def test_the_ray_serve_application_takes_its_arguments() -> None:
    (application,) = yaml.safe_load((DEPLOY / "ray" / "serve.yaml").read_text())["applications"]
    fleet = msgspec.convert(application["args"], RayFleetSettings)
    assert (fleet.min_workers, fleet.num_gpus) == (2, 1)
    assert application["import_path"] == "bridge.ray_app:application"
    assert application["route_prefix"] == "/workers"
