from __future__ import annotations

from tests.gateway.conftest import voice_address

__all__ = ["voice_address"]
