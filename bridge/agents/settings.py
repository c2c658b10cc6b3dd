"""Which agent answers, and how to reach it. Secrets come from the environment, never from the file."""

from __future__ import annotations

import msgspec


class ScriptSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="script"
):
    """A scripted dialogue (`bridge.agents.script_schema` says what its file holds)."""

    file: str
    """Path of the script, relative to the configuration file."""


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="chat"):
    """A chat model behind any server that speaks the OpenAI chat completions API with streaming."""

    url: str = "https://api.openai.com/v1"
    """Everything before `/chat/completions`."""
    model: str
    key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the API key; without the variable no key is sent."""
    instructions: str = "You are answering a phone call. Speak in short, plain sentences without lists or symbols."
    greeting: str = ""
    """Said when the call starts, without asking the model; empty lets the model greet."""
    temperature: float | None = None
    max_tokens: int | None = None
    transfer_targets: dict[str, str] = {}
    """Where the model may transfer to: a name it may use, and the number or SIP address behind it."""
    connect_deadline_s: float = 3.0
    first_token_deadline_s: float = 6.0
    token_deadline_s: float = 6.0
    """The longest pause inside an answer."""


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="web"):
    """Your own web service: it gets each prompt as JSON and streams actions back as JSON lines."""

    url: str
    secret_env: str = "AGENT_SECRET"
    """The environment variable whose value is sent as a bearer token; without the variable none is sent."""
    phrases: list[str] = []
    """Lines that the service often says word for word, kept ready as audio."""
    connect_deadline_s: float = 3.0
    first_action_deadline_s: float = 6.0
    action_deadline_s: float = 6.0
    """The longest pause inside an answer."""


AgentSettings = ScriptSettings | ChatSettings | WebSettings
"""`kind: script`, `kind: chat` or `kind: web`."""
