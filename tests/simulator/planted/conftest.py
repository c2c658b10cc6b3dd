"""The plugin's fixtures, whether or not the package's entry point has been installed; the voice and the ear."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.simulator import ear
from bridge.simulator.ear import Understand
from bridge.simulator.pytest_plugin import call, city
from bridge.simulator.sound import from_ulaw, wav_bytes
from tests.simulator.planted.service import RECORDINGS
from tests.simulator.planted.studio import Studio

__all__ = ["call", "city", "recordings", "studio", "understand"]


@pytest.fixture(scope="session")
def studio() -> Studio:
    """The service's voice."""
    return Studio()


@pytest.fixture(scope="session")
def recordings(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `RECORDINGS`, spoken while nothing is wrong with the voice."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, text in RECORDINGS.items():
        (folder / name).write_bytes(wav_bytes(from_ulaw(studio.speak(text).audio)))
    return folder


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
