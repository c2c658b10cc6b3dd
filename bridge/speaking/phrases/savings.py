"""What the cache has done for one call, and what its speech has cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bridge.speaking.phrases.phrase import Phrase
from bridge.speaking.phrases.synthesis import Synthesis


class Savings:
    """Counts a call's phrases, what those that were not made for it would have cost, and what the others did cost.

    prices  per million characters of each hosted voice, 0 where it has none
    """

    def __init__(self, price_per_million_chars: float, prices: Mapping[str, float] | None = None) -> None:
        self._price = price_per_million_chars
        self._prices = prices or {}
        self._billed: Counter[str] = Counter()
        self.phrases = 0
        self.hits = 0
        self.audio_ms = 0.0
        """Of the hits, as is `synthesis_ms` and `chars`."""
        self.synthesis_ms = 0.0
        self.chars = 0

    def heard(self, source: Phrase | Synthesis, *, shared: bool) -> Synthesis | None:
        """A phrase that the caller has begun to hear is over; return it if it was shared while it was made.

        shared  somebody else had asked for it before
        """
        self.phrases += 1
        if isinstance(source, Synthesis) and source.found is None:
            if not shared:
                self._billed += source.billed
                return None
            buffer = source.buffer
            self._hit(len(buffer.text), buffer.format.duration_ms(buffer.audio), source.taken_ms)
            return source
        phrase = source.found if isinstance(source, Synthesis) else source
        if phrase is not None:
            self._hit(len(phrase.key.text), phrase.audio_ms, phrase.synthesis_ms)
        return None

    def report(self) -> dict[str, float]:
        """Return what was saved as `phrases`, `hits`, `hit_rate`, `saved_audio_s`, `saved_synthesis_s` and
        `saved_money`; what was paid as `cost`, and of each hosted voice as `chars_...` and `cost_...`."""
        costs = {name: self._billed[name] * price / 1e6 for name, price in self._prices.items() if self._billed[name]}
        return {
            **{f"chars_{name}": self._billed[name] for name in costs},
            **{f"cost_{name}": cost for name, cost in costs.items() if cost},
            "cost": sum(costs.values()),
            "phrases": self.phrases,
            "hits": self.hits,
            "hit_rate": self.hits / self.phrases if self.phrases else 0.0,
            "saved_audio_s": self.audio_ms / 1000,
            "saved_synthesis_s": self.synthesis_ms / 1000,
            "saved_money": self.chars * self._price / 1e6,
        }

    def _hit(self, chars: int, audio_ms: float, synthesis_ms: float) -> None:
        self.hits += 1
        self.chars += chars
        self.audio_ms += audio_ms
        self.synthesis_ms += synthesis_ms
