"""An echo gate whose faults cost its own call the gate and nobody anything else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.listening.echo import EchoGate
from bridge.listening.settings import EchoSettings

log = logging.getLogger(__name__)


class GuardedEchoGate:
    """An `EchoGate` until it raises; after that nothing of this call is an echo. `on_failure` is told once."""

    def __init__(self, settings: EchoSettings, on_failure: Callable[[], None]) -> None:
        self._gate: EchoGate | None = EchoGate(settings)
        self._on_failure = on_failure

    def sent(self, ulaw: bytes, now: float) -> None:
        """Take note of audio sent to the caller, as `EchoGate.sent` does."""
        if self._gate is not None:
            try:
                self._gate.sent(ulaw, now)
            except Exception:
                self._failed()

    def cleared(self, now: float) -> None:
        """Take note that unplayed audio was dropped, as `EchoGate.cleared` does."""
        if self._gate is not None:
            try:
                self._gate.cleared(now)
            except Exception:
                self._failed()

    def judge(self, read: Callable[[], bytes], at: float, noise_db: float) -> float:
        """How much of the caller's audio that ended then is our own voice, 0..1; read only where needed."""
        if self._gate is None:
            return 0.0
        try:
            return self._gate.judge(read(), at, noise_db) if self._gate.is_possible(at) else 0.0
        except Exception:
            self._failed()
            return 0.0

    def _failed(self) -> None:
        self._gate = None
        self._on_failure()
        log.exception("the echo gate of a call failed; the call goes on without one")
