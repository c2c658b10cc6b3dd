from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from bridge.system.lifetime import die_with_parent


@pytest.fixture(scope="session")
def voice_address() -> Iterator[str]:
    """The real speech worker with its default voice, in a process of its own; the address of its socket."""
    with tempfile.TemporaryDirectory(prefix="bridge-test-") as folder:
        path = f"{folder}/worker.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge.worker", "--unix", path],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        try:
            if not any(line.startswith("speech worker ready") for line in process.stdout):
                raise RuntimeError("the speech worker did not start")
            yield f"unix:{path}"
        finally:
            process.terminate()
            process.wait(10)
