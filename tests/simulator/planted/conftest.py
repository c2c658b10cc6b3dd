"""The plugin's fixtures, whether or not the package's entry point has been installed; the voice and the ear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.audio import mulaw, wav
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.simulator import ear
from bridge.simulator.ear import Understand
from bridge.simulator.pytest_plugin import call, city
from tests.simulator.planted.catalogue import LINES, SERVED
from tests.simulator.planted.service import RECORDINGS
from tests.simulator.planted.studio import Studio

__all__ = ["call", "city", "recordings", "studio", "understand"]


@pytest.fixture(scope="session")
def studio() -> Studio:
    """The service's voice."""
    return Studio()


@pytest.fixture(scope="session")
def recordings(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `RECORDINGS` for each carrier, in its line's format: spoken while nothing is wrong with the voice."""
    folder = tmp_path_factory.mktemp("recordings")
    for carrier in SERVED:
        (folder / carrier).mkdir()
        line = LINES.get(carrier, MULAW_8000)
        for name, text in RECORDINGS.items():
            samples = samples_of(studio.speak(text, line).audio, line)
            (folder / carrier / name).write_bytes(wav.write(samples, line.rate_hz))
    return folder


def samples_of(audio: bytes, line: AudioFormat) -> NDArray[np.int16]:
    """Audio of a line as samples."""
    return mulaw.decode(audio) if line.codec == "mulaw" else np.frombuffer(audio, "<i2")


@pytest.fixture(scope="session")
def understand() -> Understand:
    """The ear's speech to text. In virtual time a call that is not spoilt sounds the same to the byte: heard once."""
    whisper = ear.whisper()
    known: dict[tuple[bytes, tuple[str, ...]], str] = {}

    def recognise(ulaw: bytes, hints: object) -> str:
        words = tuple(str(hint) for hint in hints) if isinstance(hints, tuple | list) else ()
        if (ulaw, words) not in known:
            known[ulaw, words] = whisper(ulaw, words)
        return known[ulaw, words]

    return recognise
