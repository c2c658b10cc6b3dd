"""What machine this is, for every result that is kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def describe() -> dict[str, Any]:
    """Processor, cores, memory, versions."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("aiohttp", "uvloop", "numpy", "onnxruntime", "msgspec", "hibari-tts")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_gib, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def commit() -> str:
    """The commit that was measured, with a `+` when the tree differed."""
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "bridge"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def keep(name: str, result: dict[str, Any]) -> Path:
    """Write one run's result with its machine, commit and command line; the file's path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    command = "python -m tests.bench." + " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
    run = {
        "when": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": command,
        "machine": describe(),
        **result,
    }
    path.write_text(json.dumps(run, indent=1) + "\n")
    return path
