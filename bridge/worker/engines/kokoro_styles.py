"""Kokoro's voices: small tables of styles, kept when the network is unloaded, and mixed to make new voices."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.engines.kokoro_config import KokoroConfig
from bridge.worker.engines.kokoro_weights import load_style

DEFAULT = "af_heart"
_PART = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?:\s*\*\s*(?P<share>\d+(?:\.\d+)?|\.\d+))?")


class Styles:
    """The voices of a folder, read when they are first asked for."""

    def __init__(self, folder: Path, config: KokoroConfig, kept: Mapping[str, Samples]) -> None:
        self._folder, self._config = folder, config
        self.read: dict[str, Samples] = dict(kept)
        """Each [510, 256]: for a piece of n phonemes row n - 1; the decoder's half, then the prosody's."""

    def style(self, voice: str) -> Samples:
        """Return the style of a voice, or of a blend such as `af_heart*0.7+am_michael*0.3`. Raises ConfigError."""
        if voice not in self.read:
            shares = blend(voice)
            mixed = sum((self._one(name) * share for name, share in shares.items()), start=np.float32(0))
            self.read[voice] = np.asarray(mixed, np.float32)
        return self.read[voice]

    def _one(self, name: str) -> Samples:
        if name in self.read:
            return self.read[name]
        files = [self._folder / f"{name}{suffix}" for suffix in (".pt", ".bin")]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            known = sorted({path.stem for path in self._folder.glob("*") if path.suffix in (".pt", ".bin")})
            raise ConfigError(f"{self._folder}: has no voice {name!r}; there are: {', '.join(known) or 'none'}")
        return load_style(file, self._config)


LANGUAGES = {
    "a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "j": "ja", "p": "pt-br", "z": "zh",
}  # fmt: skip
"""By the first letter of a voice's name, as the publisher has it."""
UNREAD = frozenset(("ja", "zh"))
"""Languages for which the publisher uses front ends of their own."""


def blend(voice: str) -> dict[str, float]:
    """Voices and their shares, which add up to 1; a voice without a number has the weight 1. Raises ConfigError."""
    weights: dict[str, float] = {}
    for part in (voice or DEFAULT).split("+"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ConfigError(
                f"voice {voice!r}: {part.strip()!r} is no part of a blend such as af_heart*0.7+am_adam*0.3"
            )
        weights[match["name"]] = weights.get(match["name"], 0.0) + float(match["share"] or 1.0)
    total = math.fsum(weights.values())
    if not 0 < total < math.inf:
        raise ConfigError(f"voice {voice!r}: its weights add up to {total:g}")
    return {name: weight / total for name, weight in weights.items()}


def language_of(voice: str) -> str:
    """The language of a voice by the first letter of the name of its largest part: `b` is British, `e` Spanish."""
    shares = blend(voice)
    return LANGUAGES.get(max(shares, key=lambda name: shares[name])[:1], "en-us")
