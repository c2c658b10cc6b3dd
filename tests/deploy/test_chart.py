"""The Helm chart: every value changes what is rendered, what is rendered is valid, and the pods are shut in.

Rendered by Helm's own engine and checked against Kubernetes' schemas, both of which come with the extra `chart`.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import load_settings
from bridge.telemetry.metrics import Metrics
from bridge.worker import metrics

WITH = "comes with the extra `chart`"
helm = pytest.importorskip("helm_python", reason=f"Helm's engine {WITH}")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason=f"the schemas of Kubernetes {WITH}")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VERSIONS = ("1.27.0", "1.33.0")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CRDS = {"PodMonitor", "PrometheusRule"}

EVERYTHING: dict[str, Any] = {"ingress.enabled": True, "monitoring.podMonitors": True, "monitoring.rules": True}
FIXED: dict[str, Any] = {"gateway.autoscaling.enabled": False, "worker.autoscaling.enabled": False}
LEAST: dict[str, Any] = {"worker.enabled": False, "redis.enabled": False, "networkPolicy.enabled": False}

OTHER: dict[str, Any] = {
    "fullnameOverride": "ivr",
    "imagePullSecrets": [{"name": "registry"}],
    "labels": {"team": "voice"},
    "secret": "other",
    "publicUrl": "https://other.example.com",
    "config": {"language": "de-DE"},
    "files": {"agents/more.yaml": "start: here\n"},
    "gateway.service.type": "LoadBalancer",
    "worker.gpus": 1,
    "networkPolicy.from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
    "networkPolicy.metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
    "networkPolicy.to": [{"ports": [{"port": 8443, "protocol": "TCP"}]}],
    "redis.maxMemory": "1gb",
    "ingress.host": "calls.example.com",
}
"""Another value than the default, where the kind of value does not say one."""
BY_NAME: dict[str, Any] = {
    "resources": {"requests": {"cpu": "3"}},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "env": [{"name": "LANG", "value": "C.UTF-8"}],
    "pullPolicy": "Always",
    "scratch": "5Gi",
    "size": "5Gi",
}


def leaves(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path; what an operator fills in freely is one value."""
    for key, value in values.items():
        known = schema["properties"][key]
        if known.get("type") == "object" and "properties" in known:
            yield from leaves(value, known, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


LEAVES = dict(leaves(VALUES, SCHEMA))


def another(path: str, value: Any) -> Any:
    if path in OTHER:
        return OTHER[path]
    if (name := path.rpartition(".")[2]) in BY_NAME:
        return BY_NAME[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return {"example.com/key": "value"} if isinstance(value, dict) else f"{value}x"


ALL_OTHER = {path: another(path, value) for path, value in LEAVES.items() if not isinstance(value, bool)}
"""Every value another one at once, with nothing switched off."""


KINDS = {"default": {}, "all other": EVERYTHING | ALL_OTHER, "fixed": FIXED, "least": LEAST}


def nested(changes: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path, value in changes.items():
        *folders, name = path.split(".")
        functools.reduce(lambda at, folder: at.setdefault(folder, {}), folders, values)[name] = value
    return values


def rendered(**changes: Any) -> list[dict[str, Any]]:
    return list(_rendered(json.dumps(changes, sort_keys=True)))


@functools.cache
def _rendered(changes: str) -> tuple[dict[str, Any], ...]:
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(nested(json.loads(changes)), name="phone", namespace="calls")
    return tuple(one for _, text in sorted(files.items()) for one in yaml.load_all(text, LOADER) if one)


def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"].partition("-")[2]: one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in ("Deployment", "StatefulSet")
    }


def named(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_changes_something(path: str) -> None:
    base = FIXED if path.endswith(".replicas") else {} if path in EVERYTHING else EVERYTHING
    assert rendered(**base | {path: another(path, LEAVES[path])}) != rendered(**base)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "changes", [{}, EVERYTHING | ALL_OTHER, FIXED, LEAST], ids=["default", "all other", "fixed", "least"]
)
def test_what_is_rendered_is_valid(version: str, changes: dict[str, Any]) -> None:
    for one in rendered(**changes):
        if one["kind"] not in CRDS:
            kubernetes_validate.validate(one, version, strict=True)


def test_a_mistake_is_found_by_the_schemas() -> None:
    deployment = copy.deepcopy(named(rendered(), "Deployment")["phone-gateway"])
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


UNKNOWN = ["gatway", "gateway.replica", "worker.image.tagg", "redis.persistence.class", "ingress.tls"]
IMPOSSIBLE: list[dict[str, Any]] = [
    {"gateway.replicas": 0},
    {"gateway.autoscaling.use": 101},
    {"worker.gpus": -1},
    {"publicUrl": "bridge"},
    {"secret": ""},
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_value_is_refused(path: str) -> None:
    with pytest.raises(helm.HelmError, match=path.rpartition(".")[2]):
        rendered(**{path: 1})


@pytest.mark.parametrize("change", IMPOSSIBLE, ids=str)
def test_a_value_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        rendered(**change)


@pytest.mark.parametrize("part", ["gateway", "worker", "redis"])
def test_a_pod_can_do_nothing_but_its_work(part: str) -> None:
    pod = pods(rendered())[part]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert container["readinessProbe"]
    assert container["livenessProbe"]


@pytest.mark.parametrize(("longest_s", "leave_s"), [(3600, 10), (60, 0), (14_400, 30)])
def test_a_pod_outlives_its_calls(longest_s: int, leave_s: int) -> None:
    manifests = rendered(**{"gateway.longestCallS": longest_s, "gateway.leaveS": leave_s})
    pod = pods(manifests)["gateway"]
    settings = yaml.safe_load(named(manifests, "ConfigMap")["phone"]["data"]["bridge.yaml"])
    assert settings["gateway"]["drain_deadline_s"] == longest_s
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(leave_s)]
    defaults = load_settings(None, {}).gateway
    needed_s = leave_s + longest_s + defaults.drain_goodbye_s + defaults.after_stream_s
    assert pod["terminationGracePeriodSeconds"] > needed_s


def test_a_worker_outlives_its_utterances() -> None:
    manifests = rendered(**{"worker.drainS": 45})
    assert pods(manifests)["worker"]["terminationGracePeriodSeconds"] > 45 + 2
    assert yaml.safe_load(named(manifests, "ConfigMap")["phone"]["data"]["bridge.yaml"])["worker"]["drain_s"] == 45


@pytest.mark.parametrize("changes", [{}, LEAST], ids=["with workers", "without"])
def test_the_service_takes_the_configuration(changes: dict[str, Any], tmp_path: Path) -> None:
    manifests = rendered(**changes)
    data = named(manifests, "ConfigMap")["phone"]["data"]
    (volume,) = [one for one in pods(manifests)["gateway"]["volumes"] if one["name"] == "settings"]
    for item in volume["configMap"]["items"]:
        file = tmp_path / item["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(data[item["key"]])
    settings = load_settings(tmp_path / "bridge.yaml", {"TWILIO_AUTH_TOKEN": "x", "BRIDGE_WORKER_TOKEN": "x"})
    assert settings.gateway.public_url == "https://bridge.example.com"
    assert settings.speaking.workers == (() if changes else ("dns+ws://phone-worker:8090",))
    ports = {one["name"]: one["containerPort"] for one in pods(manifests)["gateway"]["containers"][0]["ports"]}
    assert ports == {"http": settings.gateway.port, "metrics": settings.gateway.metrics.port}


def test_bridges_find_each_worker_by_name() -> None:
    service = named(rendered(), "Service")["phone-worker"]["spec"]
    assert (service["clusterIP"], service["ports"][0]["port"]) == ("None", 8090)


def test_autoscaling_goes_by_metrics_that_exist() -> None:
    pages = Metrics().page() + metrics.page(True, 0, 0, 1.0, {}, {})
    for one in named(rendered(), "HorizontalPodAutoscaler").values():
        (metric,) = one["spec"]["metrics"]
        assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "600m"}
        assert f"# TYPE {metric['pods']['metric']['name']} gauge".encode() in pages


def test_every_pod_stands_behind_a_network_policy_and_a_budget() -> None:
    manifests = rendered()
    for kind in ("Deployment", "StatefulSet"):
        for name, one in named(manifests, kind).items():
            selected = one["spec"]["selector"]["matchLabels"]
            assert selected.items() <= one["spec"]["template"]["metadata"]["labels"].items()
            assert named(manifests, "NetworkPolicy")[name]["spec"]["podSelector"]["matchLabels"] == selected
            if kind == "Deployment":
                assert named(manifests, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == selected


def test_only_the_gateway_reaches_redis_and_redis_reaches_nobody() -> None:
    policy = named(rendered(), "NetworkPolicy")["phone-redis"]["spec"]
    (entry,) = policy["ingress"]
    assert [one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in entry["from"]] == ["gateway"]
    assert (policy["egress"], policy["policyTypes"]) == ([], ["Ingress", "Egress"])


def test_secrets_come_from_the_secret_alone() -> None:
    for container in [pod["containers"][0] for pod in pods(rendered()).values()]:
        for variable in container.get("env", []):
            if "PASSWORD" in variable["name"]:
                assert variable["valueFrom"] == {"secretKeyRef": {"name": "bridge", "key": "REDIS_PASSWORD"}}
            else:
                assert "$(REDIS_PASSWORD)" in variable["value"]


def test_a_gpu_is_asked_for_by_number() -> None:
    assert "nvidia.com/gpu" not in pods(rendered())["worker"]["containers"][0]["resources"]["limits"]
    limits = pods(rendered(**{"worker.gpus": 2}))["worker"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": "3Gi", "nvidia.com/gpu": 2}


def test_the_rules_are_those_of_this_repository() -> None:
    rules = named(rendered(**EVERYTHING), "PrometheusRule")["phone"]["spec"]
    assert rules == yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yaml").read_text())
