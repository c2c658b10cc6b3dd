"""Nothing leaves a machine that the operator did not name: every process of the service is watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("watch.c")
OUTSIDE = {"connects", "sends", "looks_up"}
ASKED_FOR = {
    "ORT_DISABLE_TELEMETRY": "0",
    "HF_HUB_DISABLE_TELEMETRY": "0",
    "RAY_USAGE_STATS_ENABLED": "1",
    "DO_NOT_TRACK": "0",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4318",
}
"""Variables that an environment may hold for other programs, and with which the operator has named nobody."""


@pytest.fixture
def watch(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that are watched."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("watching a process's sockets needs Linux and a C compiler")
    library = tmp_path / "watch.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return os.environ | ASKED_FOR | {"LD_PRELOAD": str(library), "SOCKET_WATCH": str(tmp_path / "seen")}


def seen(watch: dict[str, str]) -> list[list[str]]:
    """What the processes did: number, what, whom."""
    return [line.split(maxsplit=2) for line in Path(watch["SOCKET_WATCH"]).read_text().splitlines()]


def outside(watch: dict[str, str]) -> list[list[str]]:
    return [line for line in seen(watch) if line[1] in OUTSIDE]


def test_the_demo_with_all_its_processes_tries_to_reach_nobody_outside(watch: dict[str, str], tmp_path: Path) -> None:
    scenario = tmp_path / "silent.yaml"
    scenario.write_text("name: Hangs up\nsteps: [wait_for_silence, hang_up]\n")
    command = [sys.executable, "-m", "bridge.cli", "demo", "-s", str(scenario), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, env=watch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert outside(watch) == []
    # The demo, the service, its speech worker, its engine process: each was watched.
    assert len({number for number, what, _ in seen(watch) if what == "started"}) >= 4


def test_a_process_that_uses_onnx_runtime_alone_tries_to_reach_nobody(watch: dict[str, str]) -> None:
    program = (
        "from bridge.listening.activity import SileroModel\n"
        "import time\n"
        "SileroModel()\n"
        "time.sleep(6)\n"  # its uploader begins after some seconds
    )
    subprocess.run([sys.executable, "-c", program], env=watch, check=True, timeout=120)
    assert outside(watch) == []


def test_what_the_extras_load_tries_to_reach_nobody(watch: dict[str, str]) -> None:
    program = (
        "import contextlib, importlib, time\n"
        "import bridge.cli\n"
        "for name in ('ctranslate2', 'tokenizers', 'onnxruntime', 'mcp', 'opentelemetry.sdk.trace', 'grpc', 'redis',\n"
        "             'opentelemetry.exporter.otlp.proto.http.trace_exporter', 'google.cloud.speech', 'ray'):\n"
        "    with contextlib.suppress(ImportError):\n"
        "        importlib.import_module(name)\n"
        "time.sleep(6)\n"
    )
    subprocess.run([sys.executable, "-c", program], env=watch, check=True, timeout=300)
    assert outside(watch) == []


def test_the_watch_sees_who_does_reach_out(watch: dict[str, str]) -> None:
    program = (
        "import socket\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"  # sends nothing: it is UDP
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b''], [], 0, ('192.0.2.2', 9))\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b''], [], 0, ('127.0.0.1', 9))\n"
        "socket.getaddrinfo('127.0.0.1', 80)\n"
    )
    subprocess.run([sys.executable, "-c", program], env=watch)  # where nothing leads out, sending fails
    assert [line[1:] for line in outside(watch)] == [["connects", "192.0.2.1"], ["sends", "192.0.2.2"]]
