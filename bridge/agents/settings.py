"""Which agent answers, and how to reach it. Secrets come from the environment, never from the file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from bridge.agents.tools.settings import ToolSettings
from bridge.carriers.conversation_relay import AUTH_TOKEN_VARIABLE, Interruptible
from bridge.variables import Variable, VariableOrNone


class TransferSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom callers may be connected to (`bridge.agents.transfers`). Numbers written in a script or here are trusted."""

    targets: dict[str, str] = {}
    """Names that an agent may use, such as `front desk`, and the number or SIP address behind each."""
    allow: list[str] = []
    """What an agent may name itself: numbers or their beginnings (`+4930`), regions (`DE`), `sip:*@example.com`."""
    region: str = ""
    """Where a number without a country code belongs (ISO 3166: `DE`, `US`); empty: such numbers are refused."""
    from_caller: bool = False
    """Whether a number that the caller named, or calls from, may be dialled at all, if `allow` has it."""


class AnswerLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The most that one answer of a service may hold; more ends that answer, and is counted as `too_much`."""

    say_characters: int = 3000
    """Characters of the text of one `say`."""
    answer_characters: int = 6000
    """In all of them together: some six minutes of speech."""
    actions: int = 200
    """Actions of one answer, of every kind but words."""
    wait_ms: int = 30_000
    """The waits of one answer, all together."""
    likely_lines: int = 32
    likely_characters: int = 500
    """Characters of one line that may come next."""
    answer_bytes: int = 4_194_304
    """As they come from the network, whatever they hold."""
    answer_s: float = 180.0
    """Of waiting for the service, however lively it is."""


class ScriptSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="script"
):
    """A scripted dialogue (`bridge.agents.script_schema` says what its file holds)."""

    file: str
    """Path of the script, relative to the configuration file."""
    transfers: TransferSettings = TransferSettings()


class SecondModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that stands in for another; what is not said here is as with the first."""

    model: str
    url: str = ""
    """Empty: the first model's own server."""
    key_env: VariableOrNone = ""
    """Empty: the first model's key if it is the same server, else none."""
    key_header: str = ""
    query: dict[str, str] | None = None
    headers: dict[str, str] | None = None
    headers_env: dict[str, Variable] | None = None
    dialect: Literal["openai", "anthropic", "gemini"] | None = None
    extra_body: dict[str, Any] | None = None
    late_ms: int = 0
    """Ask it, too, when the first model has no word after this time, and take who is first; 0: only when it fails."""


class CallBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The most that one call may use, after which it is given up (`budget_spent`). 0: no limit."""

    answers: int = 0
    """Requests to the model in one call."""
    tokens: int = 0
    """Read and written together, as the server counts them, else estimated at four characters each."""
    money: float = 0.0
    """In the currency of the prices."""
    price_read: float = 0.0
    """Of a million tokens that the model reads."""
    price_written: float = 0.0
    """Of a million tokens that it writes."""


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="chat"):
    """A chat model behind any server that speaks the OpenAI chat completions API with streaming."""

    url: str = "https://api.openai.com/v1"
    """Everything before `/chat/completions`."""
    query: dict[str, str] = {}
    """What follows the address after `?`, such as `api-version`."""
    model: str
    key_env: VariableOrNone = "OPENAI_API_KEY"
    """The environment variable that holds the API key; without the variable no key is sent."""
    key_header: str = "Authorization"
    """Where the key goes: `Authorization` sends it as a bearer token, any other header (`api-key`) as it is."""
    headers: dict[str, str] = {}
    """Further headers of each request."""
    headers_env: dict[str, Variable] = {}
    """Further headers whose values are secret: the header's name, and the environment variable with its value."""
    instructions: str = "You are answering a phone call. Speak in short, plain sentences without lists or symbols."
    instructions_role: Literal["system", "developer", "user"] = "system"
    """Some models know no system role."""
    alternating_roles: bool = False
    """For servers that insist on user and assistant in turn, beginning with the user: neighbours are joined."""
    greeting: str = ""
    """Said when the call starts, without asking the model; empty lets the model greet."""
    temperature: float | None = None
    max_tokens: int | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Reasoning models take only the second."""
    languages: tuple[str, ...] = ()
    """Languages that the model may go on in, such as `[en, de]`, by the tool `set_language`; empty: in none."""
    tools: bool = True
    """Offer the model tools for hanging up, transfers and expected answers; false for servers that refuse them."""
    extra_body: dict[str, Any] = {}
    """Further fields of the request, such as `reasoning_effort`; `null` leaves out a field that would be sent."""
    functions: list[ToolSettings] = []
    """Where further tools come from: functions in Python, HTTP, OpenAPI files, MCP servers."""
    filler: str = "One moment, please."
    """Said while tools take long that have no words of their own for it."""
    filler_after_ms: int = 700
    tool_rounds: int = 5
    """How often in one answer the model may call tools before it must have an answer."""
    result_characters: int = 4000
    """What the model gets of one tool's result."""
    history_characters: int = 100_000
    """The most that the model is told of the conversation and of what tools gave in it, some 25,000 tokens; beyond it
    the older half is left out at once, so that a server's prompt cache holds until then. 0: all is told."""
    dialect: Literal["openai", "anthropic", "gemini"] = "openai"
    """Whose requests and streams: OpenAI's chat completions, Anthropic's messages, Gemini's generateContent."""
    second: SecondModelSettings | None = None
    """Another model, which answers where this one fails before its first word, or is late."""
    budget: CallBudget = CallBudget()
    transfers: TransferSettings = TransferSettings()
    limits: AnswerLimits = AnswerLimits()
    connect_deadline_s: float = 3.0
    retry_s: float = 5.0
    """How long a server that is away (no connection, 502, 503, 504, broken off before its first word) is tried again,
    within the first deadline, unless it has been away for longer already; 0: not at all."""
    first_token_deadline_s: float = 6.0
    token_deadline_s: float = 6.0
    """The longest pause inside an answer; comments and empty events do not end a pause."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            if self.dialect != "openai" and field.name in OPENAI_ALONE and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name} belongs to `dialect: openai` and does nothing with {self.dialect}")


OPENAI_ALONE = ("instructions_role", "alternating_roles", "max_tokens_field")
"""What servers that speak OpenAI's dialect differ in, and the APIs of Anthropic and Gemini leave no choice about."""


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="web"):
    """Your own web service: it gets each prompt as JSON and streams actions back as JSON lines."""

    url: str
    secret_env: VariableOrNone = "AGENT_SECRET"
    """The environment variable whose value is sent as a bearer token; without the variable none is sent."""
    headers: dict[str, str] = {}
    """Further headers of each request."""
    headers_env: dict[str, Variable] = {}
    """Further headers whose values are secret: the header's name, and the environment variable with its value."""
    phrases: list[str] = []
    """Lines that the service often says word for word, kept ready as audio."""
    transfers: TransferSettings = TransferSettings()
    limits: AnswerLimits = AnswerLimits()
    connect_deadline_s: float = 3.0
    retry_s: float = 5.0
    """How long a service that is away (no connection, 502, 503, 504, broken off before its first word) is tried again,
    within the first deadline, unless it has been away for longer already; 0: not at all."""
    first_action_deadline_s: float = 6.0
    action_deadline_s: float = 6.0
    """The longest pause inside an answer; empty lines do not end a pause."""


class PythonSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="python"
):
    """A dialogue that is a class in Python (`bridge.agents.dialogue`), in this process."""

    class_: str = msgspec.field(name="class")
    """`package.module:Name`; the configuration file's folder is looked in first."""
    reload: bool = False
    """Load the class again for the next call when its files have changed: for development."""
    filler_after_ms: int = 700
    """When a caller hears that something takes a moment."""
    deadline_s: float = 5.0
    """How long the dialogue waits for what it looks up or carries out, where it does not say so itself."""
    transfers: TransferSettings = TransferSettings()
    limits: AnswerLimits = AnswerLimits()


class ConversationRelaySettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="conversation_relay"
):
    """An application written for ConversationRelay; settings are named as the attributes of its document are."""

    url: str
    """`wss://...` of the application."""
    auth_token_env: VariableOrNone = AUTH_TOKEN_VARIABLE
    """The environment variable of the token that signs the handshake; unset or empty: it is not signed."""
    account_id: str = ""
    """What the application is told in `accountSid`."""
    welcome_greeting: str = ""
    """Said when the call begins; empty: the application says something, or nothing."""
    welcome_interruptible: Interruptible | bool = "any"
    interruptible: Interruptible | bool = "any"
    """What breaks off our voice, where a text does not say it itself."""
    preemptible: bool = False
    """The next text cuts short what is still being said, where a text does not say it itself."""
    dtmf_detection: bool = True
    """Tell the application each key."""
    partial_prompts: bool = False
    """Tell what the caller says while they are saying it, with `last: false`."""
    events: list[Literal["speaker-events", "tokens-played"]] = []
    """Tell who speaks, and which words were heard, in `info` messages."""
    language: str = "en-US"
    tts_language: str = ""
    transcription_language: str = ""
    voices: dict[str, str] = {}
    """Who speaks each language, such as `{es-ES: maria}`; any other is spoken by the voice of the call."""
    hints: list[str] = []
    """Words that callers are likely to say, for the recogniser."""
    parameters: dict[str, str] = {}
    """`customParameters` of the `setup` message; those of the call win."""
    phrases: list[str] = []
    """Lines that the application often says word for word, kept ready as audio."""
    recordings: dict[str, str] = {}
    """What to play where the application says `play`: its `source`, and a name of `speaking.recordings`."""
    action: str = ""
    """Asked what becomes of the call when the session is over, as that of `<Connect>` is; empty: the call ends."""
    action_deadline_s: float = 5.0
    application_reconnect: bool = False
    """Reach an application again whose socket breaks; without it the session is over then."""
    transfers: TransferSettings = TransferSettings()
    limits: AnswerLimits = AnswerLimits()
    connect_deadline_s: float = 3.0
    retry_s: float = 5.0
    """How long an application that is away when a session begins is tried again; 0: not at all."""
    token_deadline_s: float = 10.0
    """The longest pause inside a talk cycle; then what came of it is a sentence, and the caller may speak."""
    heartbeat_s: float = 20.0
    """An application that does not answer a ping within half of this time is lost."""


class SpeechBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The most that one call with a speaking model may use, after which it is given up. 0: no limit."""

    answers: int = 0
    """Answers that the model was asked for."""
    tokens: int = 0
    """Read and written together, text and audio, as the service counts them."""
    money: float = 0.0
    """In the currency of the prices, which are those of a million tokens."""
    price_text_read: float = 0.0
    price_text_written: float = 0.0
    price_audio_read: float = 0.0
    price_audio_written: float = 0.0
    price_cached_read: float | None = None
    """Of what the service had read before; not set: as if it had not."""


class LiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all models have in common that listen and speak themselves (`bridge/agents/speech-to-speech.md`)."""

    model: str
    headers: dict[str, str] = {}
    """Further headers of the handshake."""
    headers_env: dict[str, Variable] = {}
    """Further headers whose values are secret: the header's name, and the environment variable with its value."""
    voice: str = ""
    """One of the service's voices; empty: its default."""
    instructions: str = (
        "You are answering a phone call. Speak in short, plain sentences. Answer in the caller's language."
    )
    greeting: str = ""
    """What the model is told to begin with, word for word; empty lets it greet as it likes."""
    languages: tuple[str, ...] = ()
    """Languages that the model may go on in, such as `[en, de]`, by the tool `set_language`; empty: none is told us."""
    tools: bool = True
    """Offer the model tools for hanging up, transfers and expected answers."""
    functions: list[ToolSettings] = []
    """Where further tools come from: functions in Python, HTTP, OpenAPI files, MCP servers."""
    filler: str = "One moment, please."
    """Said, in the call's own voice, while tools take long that have no words of their own for it; empty: nothing."""
    filler_after_ms: int = 700
    tool_rounds: int = 5
    """How often in one answer the model may call tools before it must have an answer."""
    result_characters: int = 4000
    """What the model gets of one tool's result."""
    extra: dict[str, Any] = {}
    """Further fields of the session's configuration, in the service's own words; `null` leaves one out."""
    budget: SpeechBudget = SpeechBudget()
    transfers: TransferSettings = TransferSettings()
    limits: AnswerLimits = AnswerLimits()
    longest_answer_s: float = 120.0
    """Of speech in one answer, which is held here until the caller has heard it: a second takes 8 kB or more."""
    connect_deadline_s: float = 3.0
    first_audio_deadline_s: float = 6.0
    audio_deadline_s: float = 6.0
    """The longest pause between two pieces of one answer's audio."""


class RealtimeAgentSettings(LiveSettings, frozen=True, tag_field="kind", tag="openai_realtime"):
    """A model behind OpenAI's Realtime API over WebSocket."""

    url: str = "wss://api.openai.com/v1/realtime"
    query: dict[str, str] = {}
    """What follows the address after `?`, besides `model`."""
    key_env: VariableOrNone = "OPENAI_API_KEY"
    """The environment variable that holds the API key; without the variable no key is sent."""
    key_header: str = "Authorization"
    """Where the key goes: `Authorization` sends it as a bearer token, any other header (`api-key`) as it is."""
    session_s: float = 3300.0
    """After so long a session is replaced by a new one: the service ends one after 60 minutes, without warning."""


class GeminiLiveSettings(LiveSettings, frozen=True, tag_field="kind", tag="gemini_live"):
    """A model behind Google's Gemini Live API over WebSocket."""

    url: str = (
        "wss://generativelanguage.googleapis.com/ws/"
        "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    key_env: VariableOrNone = "GEMINI_API_KEY"
    """The environment variable that holds the API key; without the variable no key is sent."""
    key_header: str = "x-goog-api-key"
    """Where the key goes: `Authorization` sends it as a bearer token, any other header as it is."""
    session_s: float = 540.0
    """After so long a session is replaced by a new one: the service ends a connection after some 10 minutes."""


MemberSettings = (
    ScriptSettings
    | ChatSettings
    | WebSettings
    | PythonSettings
    | ConversationRelaySettings
    | RealtimeAgentSettings
    | GeminiLiveSettings
)
"""Every kind of agent that answers by itself."""

COLLEAGUE = "agent:"
"""Before the name of a colleague where a transfer leads to one, and to no telephone."""


class TeamMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One agent of a team, and how it speaks and listens."""

    agent: MemberSettings
    voice: str = ""
    """Speaks where the agent names no voice; empty: that of the call."""
    language: str = ""
    """What the caller will speak with this agent; empty: the language of the call."""
    hints: list[str] = []
    """Words that callers are likely to say to this agent, for the recogniser."""


class SupervisorLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The most that a supervisor may use in one call; after it nobody is asked any more. 0: no limit."""

    answers: Annotated[int, msgspec.Meta(ge=0)] = 100
    """Exchanges that it is asked about."""
    money: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """In the currency of its prices (`budget` of a chat model)."""
    failures: Annotated[int, msgspec.Meta(ge=0)] = 3
    """So many one after the other."""


class TeamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="team"):
    """Several agents, of any kinds, who hand the caller over to each other by a transfer to a colleague's name."""

    first: str
    """Who answers when the telephone rings."""
    members: dict[str, TeamMember]
    supervisor: str = ""
    """A member who hears every exchange and whispers hints; it never has the caller."""
    supervisor_limits: SupervisorLimits = SupervisorLimits()

    def __post_init__(self) -> None:
        """Names must be those of members, and a supervisor is nobody's colleague."""
        for key, name in (("first", self.first), ("supervisor", self.supervisor)):
            if name and name not in self.members:
                raise ValueError(f"{key} {name!r}: expected one of members: {', '.join(self.members)}")
        if self.first == self.supervisor:
            raise ValueError(f"supervisor {self.supervisor!r}: expected another member than first")
        for name, member in self.members.items():
            taken = self.members.keys() & member.agent.transfers.targets.keys()
            if taken:
                raise ValueError(f"members.{name}.agent.transfers.targets: {min(taken)!r} is the name of a colleague")


AgentSettings = MemberSettings | TeamSettings
"""`kind: script`, `chat`, `web`, `python`, `conversation_relay`, `openai_realtime`, `gemini_live`, or a `team`."""
