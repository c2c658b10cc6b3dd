from __future__ import annotations

import pytest

from bridge.worker.engines.hibari import HibariEngine


@pytest.fixture(scope="session")
def hibari() -> HibariEngine:
    """The default voice, loaded once; it keeps no state between pieces."""
    engine = HibariEngine()
    engine.warm()
    return engine
