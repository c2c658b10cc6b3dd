"""The lines that a service says word for word, and having them as audio before the first caller hears one."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.agents.base import AgentFactory, FixedLine
from bridge.config import Settings
from bridge.speaking.speech import Progress, SpeechService


def fixed_lines(settings: Settings, agents: AgentFactory | None) -> list[FixedLine]:
    """What `speaking.warm` names, the agent's fixed lines, our own apologies and goodbyes; without repeats."""
    call = settings.call
    last = call.fallback.text if call.fallback.transfer else call.last_apology
    own = (call.not_understood, call.apology, last, call.goodbye, call.time_is_up, call.shutdown)
    lines = [FixedLine(text) for text in (*settings.speaking.warm, *own) if text]
    return list(dict.fromkeys([*(agents.phrases() if agents else ()), *lines]))


async def warm_up(
    speech: SpeechService, lines: Sequence[FixedLine], *, tenant: str = "default", progress: Progress = lambda *_: None
) -> None:
    """Make the lines, or find them in a tier of the cache. Raises VoiceError."""
    for done, line in enumerate(lines, 1):
        await speech.warm([line.text], voice=line.voice, tenant=tenant)
        progress(done, len(lines), line.text)
