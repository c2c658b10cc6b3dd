"""Having the lines that a service says word for word as audio before the first caller hears one."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.agents.base import FixedLine
from bridge.speaking.speech import Progress, SpeechService


async def warm_up(
    speech: SpeechService, lines: Sequence[FixedLine], *, tenant: str = "default", progress: Progress = lambda *_: None
) -> None:
    """Make the lines, or find them in a tier of the cache. Raises VoiceError."""
    for done, line in enumerate(lines, 1):
        await speech.warm([line.text], voice=line.voice, tenant=tenant, language=line.language)
        progress(done, len(lines), line.text)
