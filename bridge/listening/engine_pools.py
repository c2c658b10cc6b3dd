"""The engine processes: one pool for each embedded recogniser that calls have, one for the end-of-turn model.

Both are asked at the same moment, at a caller's pause, and the answer to the caller waits for the later of the two. In
one process the second would begin only when the first had ended, and behind other callers' words at that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from bridge.listening.engine_messages import EngineSetup
from bridge.listening.engine_pool import EngineCounters, EngineFailed, EnginePool, SpareEngine
from bridge.listening.settings import RecogniserSettings, SmartTurnSettings, WhisperSettings

_RECOGNISERS_A_JUDGE = 3
"""An opinion about the tone takes a quarter of the time that a recogniser needs for the words."""


class EnginePools:
    """The pools of a process: none where every recogniser is elsewhere and no end-of-turn model is asked."""

    def __init__(self) -> None:
        self._recognisers: dict[WhisperSettings, EnginePool] = {}
        self._judges: EnginePool | None = None

    async def start(
        self,
        orders: Sequence[Sequence[RecogniserSettings]],
        turn: SmartTurnSettings | None,
        *,
        processes: int,
        spare: SpareEngine = "light",
    ) -> None:
        """Start what these orders of recognisers need, and wait until it is warm. Raises ConfigError."""
        for model in dict.fromkeys(one for ranked in orders for one in ranked if isinstance(one, WhisperSettings)):
            self._recognisers[model] = EnginePool(
                EngineSetup(model, None), processes=processes, deadline_s=model.deadline_s, spare=spare
            )
        if turn is not None:  # while a lost one starts again, turns end by their words
            judges = -(-processes // _RECOGNISERS_A_JUDGE)
            self._judges = EnginePool(EngineSetup(None, turn), processes=judges, spare="light")
        try:
            async with asyncio.TaskGroup() as starting:
                for pool in self._all():
                    starting.create_task(pool.start())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def close(self) -> None:
        """End the engine processes of every pool."""
        for pool in self._all():
            await pool.close()
        self._recognisers.clear()
        self._judges = None

    def _all(self) -> list[EnginePool]:
        return [*self._recognisers.values(), *([self._judges] if self._judges else [])]

    def of(self, model: WhisperSettings) -> EnginePool:
        """The pool whose processes hold this model."""
        return self._recognisers[model]

    async def judge(self, ulaw: bytes) -> float:
        """Probability that the caller has finished. Raises EngineFailed."""
        if self._judges is None:
            raise EngineFailed("no end-of-turn model was started")
        return await self._judges.judge(ulaw)

    @property
    def crowding(self) -> float:
        """Jobs that wait for each process, in the fullest queue."""
        return max((pool.waiting / pool.processes for pool in self._all()), default=0.0)

    def stats(self) -> dict[str, float]:
        """Counters of all pools together, and the jobs that wait in the fullest queue."""
        pools = self._all()
        if not pools:
            return {}
        counted = [msgspec.structs.asdict(pool.counters) for pool in pools]
        found: dict[str, float] = {
            f"engine_{name}": sum(each[name] for each in counted) for name in EngineCounters.__struct_fields__
        }
        found["engine_waiting"] = max(pool.waiting for pool in pools)
        return found
