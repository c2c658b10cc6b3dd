"""One pool of engine processes for each embedded model that calls are recognised with; the first also judges turns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bridge.listening.engine_messages import EngineSetup
from bridge.listening.engine_pool import EngineCounters, EngineFailed, EnginePool, SpareEngine
from bridge.listening.settings import RecogniserSettings, SmartTurnSettings, WhisperSettings


class EnginePools:
    """The pools of a process: none where every recogniser is elsewhere and no end-of-turn model is asked."""

    def __init__(self) -> None:
        self._pools: dict[WhisperSettings | None, EnginePool] = {}

    async def start(
        self,
        orders: Sequence[Sequence[RecogniserSettings]],
        turn: SmartTurnSettings | None,
        *,
        processes: int,
        spare: SpareEngine = "light",
    ) -> None:
        """Start what these orders of recognisers need, and wait until it is warm. Raises ConfigError."""
        models: list[WhisperSettings | None] = []
        for ranked in orders:
            models += [one for one in ranked if isinstance(one, WhisperSettings)]
        if turn is not None and not models:
            models = [None]
        for model in dict.fromkeys(models):
            deadline_s = WhisperSettings().deadline_s if model is None else model.deadline_s
            pool = EnginePool(EngineSetup(model, turn), processes=processes, deadline_s=deadline_s, spare=spare)
            turn = None
            self._pools[model] = pool
            await pool.start()

    async def close(self) -> None:
        """End the engine processes of every pool."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    def of(self, model: WhisperSettings) -> EnginePool:
        """The pool whose processes hold this model."""
        return self._pools[model]

    async def judge(self, ulaw: bytes) -> float:
        """Probability that the caller has finished. Raises EngineFailed."""
        first = next(iter(self._pools.values()), None)
        if first is None:
            raise EngineFailed("no engine process was started")
        return await first.judge(ulaw)

    @property
    def waiting(self) -> int:
        """Jobs that wait in the fullest queue."""
        return max((pool.waiting for pool in self._pools.values()), default=0)

    def stats(self) -> dict[str, float]:
        """Counters of all pools together."""
        if not self._pools:
            return {}
        counted = [msgspec.structs.asdict(pool.counters) for pool in self._pools.values()]
        found: dict[str, float] = {
            f"engine_{name}": sum(each[name] for each in counted) for name in EngineCounters.__struct_fields__
        }
        found["engine_waiting"] = self.waiting
        return found
