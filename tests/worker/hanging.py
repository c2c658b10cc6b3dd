"""A worker process that hangs at "forever", and at "alone" lets nothing else run: no thread, no loop.

It is started as `python -m tests.worker.hanging --supervised`.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

import msgspec

from bridge.worker.engines.base import Job, Step
from bridge.worker.main import run_worker, settings_from_parent
from bridge.worker.voices import LoadedVoice
from tests.worker.test_server import Tone, ToneEngine


@dataclass(eq=False)
class HangingEngine(ToneEngine):
    """A tone engine with steps that never come back."""

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        if any(job.text == "forever" for job in jobs if isinstance(job, Tone)):
            threading.Event().wait()
        if any(job.text == "alone" for job in jobs if isinstance(job, Tone)):
            re.match("(a+)+b", "a" * 80)  # longer than the universe, holding the interpreter's lock
        return super().run(jobs)


if __name__ == "__main__":
    voices = {"tone": LoadedVoice(HangingEngine(), "", 1.0)}
    settings = msgspec.structs.replace(settings_from_parent(sys.stdin.buffer), step_s=1.0)
    with patch("bridge.worker.main.load_sound_voices", lambda _: (voices, {})):
        sys.exit(run_worker(settings))
