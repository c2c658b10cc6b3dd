"""What differs by the number that was dialled: settings, and how they are merged with those for all calls.

```yaml
numbers:
  "+4930123456":
    language: de
    voice: thorsten
    agent: {kind: script, file: termin.yaml}
    call: {no_input_s: 9}
```

What a number does not set is as in the rest of the file. Sections are merged key by key. An agent and a recogniser are
merged so when both are of the same kind, and replaced as a whole when they are not; lists are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.agents.settings import AgentSettings, ConversationRelaySettings
from bridge.call.settings import CallSettings
from bridge.listening.settings import NoRecogniserSettings, RecogniserSettings, WhisperSettings

if TYPE_CHECKING:
    from bridge.config import Settings


class NumberSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the calls to one number, complete: what the file does not say of it is filled in."""

    agent: AgentSettings | None = None
    """Who answers; by default that of the section `agent`."""
    voice: str = ""
    """Speaks where the agent names no voice; by default `speaking.voice`."""
    language: str = "en"
    """The language that callers are expected to speak, such as `en-US`; by default `language`."""
    recogniser: RecogniserSettings = WhisperSettings()
    """By default `listening.recogniser`; `listening.fallback_recognisers` serve every number that has a recogniser."""
    second_recogniser: RecogniserSettings = NoRecogniserSettings()
    """Listens along, to be compared; by default `listening.second_recogniser`."""
    call: CallSettings = CallSettings()
    """By default the section `call`."""


def for_all_numbers(settings: Settings) -> NumberSettings:
    """What holds for calls to numbers of which the file says nothing."""
    return completed(
        NumberSettings(
            agent=settings.agent,
            voice=settings.speaking.voice,
            language=settings.language,
            recogniser=settings.listening.recogniser,
            second_recogniser=settings.listening.second_recogniser,
            call=settings.call,
        )
    )


def completed(number: NumberSettings) -> NumberSettings:
    """Complete a number's settings with what a call must know besides: language, and whether words are recognised."""
    listens = not isinstance(number.recogniser, NoRecogniserSettings)
    call = msgspec.structs.replace(number.call, language=number.language, listens=listens)
    if isinstance(number.agent, ConversationRelaySettings):
        # The application keeps time itself: the relay that it was written for never speaks of a caller's silence.
        call = msgspec.structs.replace(call, no_input_s=0.0)
    return msgspec.structs.replace(number, call=call)


def every_profile(settings: Settings) -> Iterator[tuple[str, NumberSettings]]:
    """Each number's name in messages and its settings; the first, with an empty name, are for all other numbers."""
    yield "", for_all_numbers(settings)
    yield from settings.numbers.items()


MULTILINGUAL = "name a hosted recogniser, or the folder of a multilingual Whisper in CTranslate2 form, in `recogniser`"
"""The remedy where callers speak what the embedded recogniser does not understand."""


def not_understood(settings: Settings) -> list[str]:
    """Where callers are expected to speak what the embedded recogniser, whose model is English, does not understand."""
    profiles = [(name, its) for name, its in every_profile(settings) if its.agent is not None or not settings.numbers]
    what = "the embedded recogniser understands English only, not"
    return [
        f"{f'numbers.{name}' if name else 'language'}: {what} {its.language}"
        for name, its in profiles
        if isinstance(its.recogniser, WhisperSettings) and not its.recogniser.model and its.language[:2].lower() != "en"
    ]


def merged(own: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """A number's own data over that of the whole file, as data of `NumberSettings`."""

    def section(name: str) -> dict[str, Any]:
        found = raw.get(name)
        return found if isinstance(found, dict) else {}

    for_all = {
        "agent": raw.get("agent"),
        "voice": section("speaking").get("voice"),
        "language": raw.get("language"),
        "recogniser": section("listening").get("recogniser"),
        "second_recogniser": section("listening").get("second_recogniser"),
        "call": raw.get("call"),
    }
    found: dict[str, Any] = _over(own, {key: value for key, value in for_all.items() if value is not None})
    return found


def _over(own: Any, shared: Any) -> Any:
    """Data over shared data, key by key. Sections of another kind have nothing in common."""
    if not isinstance(own, dict) or not isinstance(shared, dict):
        return own
    if own.get("kind", shared.get("kind")) != shared.get("kind"):
        return own
    return {**shared, **{key: _over(value, shared.get(key)) for key, value in own.items()}}
