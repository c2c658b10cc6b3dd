from __future__ import annotations

from importlib.util import find_spec

import pytest

from bridge.worker.engines.hibari import HibariEngine

collect_ignore_glob = [] if find_spec("torch") else ["*_torch.py", "test_piper.py"]
"""The torch engines are an extra."""


@pytest.fixture(scope="session")
def hibari() -> HibariEngine:
    """The default voice, loaded once; it keeps no state between pieces."""
    engine = HibariEngine()
    engine.warm()
    return engine
