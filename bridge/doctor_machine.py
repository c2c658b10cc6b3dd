"""The doctor's look at the machine: Python, the system, its cores, and whether there is a GPU."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys

from bridge.doctor_network import Finding


def machine() -> Finding:
    """Look at Python, the system and its cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    if cores < 2:
        return Finding("machine", "warn", found, "give the bridge and its speech worker a core each")
    return Finding("machine", "ok", found)


def accelerator() -> Finding:
    """Whether the torch engines would find a GPU; none is needed."""
    if importlib.util.find_spec("torch") is None:
        if shutil.which("nvidia-smi"):
            return Finding(
                "accelerator",
                "warn",
                "there is an NVIDIA driver, but no torch",
                "to use the GPU: pip install 'bridge[torch]'",
            )
        return Finding("accelerator", "ok", "none, none needed: the default voice runs on the CPU")
    # In a process of its own: torch takes seconds to import and a broken driver may take the interpreter with it.
    ask = (
        "import torch; c = torch.cuda\n"
        "print(torch.__version__, c.get_device_name(0) if c.is_available() else '', sep='|')"
    )
    try:
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return Finding("accelerator", "warn", "torch does not answer", "run nvidia-smi; a hung driver needs a reboot")
    version, _, name = done.stdout.strip().partition("|")
    if done.returncode or not version:
        what = (done.stderr.strip().splitlines() or ["it died"])[-1]
        return Finding(
            "accelerator",
            "warn",
            f"torch cannot be imported: {what}",
            "reinstall it: pip install --force-reinstall torch",
        )
    if name:
        return Finding("accelerator", "ok", f"{name}, torch {version}")
    if shutil.which("nvidia-smi"):
        remedy = "install a torch built for the driver's CUDA version: https://pytorch.org/get-started/locally/"
        return Finding("accelerator", "warn", f"there is an NVIDIA driver, but torch {version} sees no GPU", remedy)
    return Finding("accelerator", "ok", f"none, torch {version} on the CPU; the default voice needs none")
