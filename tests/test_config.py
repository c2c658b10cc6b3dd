"""A configuration is either right, or every mistake in it is named with its place and what was expected."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec.inspect as shape
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.settings import ScriptSettings
from bridge.carriers.settings import TwilioSettings
from bridge.config import Settings, load_settings, parse_settings
from bridge.config_convert import convert
from bridge.errors import ConfigError
from bridge.worker.voice_settings import PiperVoiceSettings


def mistakes(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_settings(text, "bridge.yaml", environment)
    return str(error.value).splitlines()


def test_no_file_gives_the_defaults() -> None:
    assert load_settings(None, {}) == Settings()


def test_an_empty_file_and_empty_sections_give_the_defaults() -> None:
    assert parse_settings("", "bridge.yaml") == Settings()
    assert parse_settings("call:\n  floor:\ngateway:\ncarriers:\n", "bridge.yaml") == Settings()


def test_settings_are_read_with_their_types(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(
        """
        gateway: {public_url: "https://bridge.example.com", max_calls: 50}
        carriers: [{kind: twilio, auth_token_env: SHOP_TOKEN}]
        call: {no_input_s: 5, floor: {on_suspicion: hold}}
        agent: {kind: script, file: menu.yaml}
        """,
        encoding="utf-8",
    )
    settings = load_settings(file, {})
    assert settings.carriers == (TwilioSettings(auth_token_env="SHOP_TOKEN"),)
    assert settings.gateway.max_calls == 50
    assert settings.call.no_input_s == 5.0
    assert settings.call.floor.on_suspicion == "hold"
    assert settings.agent == ScriptSettings(file="menu.yaml")


def test_the_environment_wins_over_the_file() -> None:
    settings = parse_settings(
        "gateway: {public_url: 'https://file.example.com'}",
        "bridge.yaml",
        {"PUBLIC_URL": "https://env.example.com"},
    )
    assert settings.gateway.public_url == "https://env.example.com"


def test_empty_environment_variables_count_as_unset() -> None:
    assert load_settings(None, {"PUBLIC_URL": " "}) == Settings()


def test_a_key_that_is_nearly_right_is_suggested() -> None:
    assert mistakes("call:\n  floor:\n    confrm_ms: 300\n") == [
        "bridge.yaml:3: call.floor.confrm_ms: unknown key, did you mean confirm_ms?"
    ]


def test_a_key_that_is_nothing_like_any_other_lists_what_there_is() -> None:
    (line,) = mistakes("frobnicate: 1\n")
    assert line.startswith("bridge.yaml:1: frobnicate: unknown key, expected one of after_call, agent, call, carriers,")


def test_a_wrong_type_names_value_and_expectation() -> None:
    assert mistakes("call:\n  no_input_s: soon\n") == ["bridge.yaml:2: call.no_input_s: is 'soon', expected a number"]


def test_a_wrong_choice_lists_the_choices() -> None:
    (line,) = mistakes("call:\n  floor:\n    on_suspicion: whisper\n")
    assert line.startswith("bridge.yaml:3: call.floor.on_suspicion: is 'whisper'")
    for choice in ("duck", "hold", "ignore"):
        assert choice in line


def test_a_number_out_of_range_says_the_range() -> None:
    assert mistakes("gateway:\n  max_calls: 0\n") == [
        "bridge.yaml:2: gateway.max_calls: is 0, expected a whole number of at least 1"
    ]


def test_an_unknown_kind_of_agent_lists_the_kinds() -> None:
    (line,) = mistakes("agent:\n  kind: parrot\n")
    assert line.startswith("bridge.yaml:2: agent.kind: is 'parrot'")
    for kind in ("script", "chat", "web"):
        assert kind in line


def test_an_unknown_key_of_an_agent_is_found_by_its_kind() -> None:
    assert mistakes("agent:\n  kind: script\n  file: a.yaml\n  modle: x\n")[0].startswith(
        "bridge.yaml:4: agent.modle: unknown key"
    )


def test_something_missing_is_named() -> None:
    assert mistakes("agent:\n  kind: script\n") == ["bridge.yaml:1: agent: missing required field file"]


def test_silence_that_nobody_reports_cannot_end_a_turn() -> None:
    assert mistakes("call:\n  endpoint:\n    ceiling_ms: 3000\n") == [
        "bridge.yaml:3: call.endpoint.ceiling_ms: is 3000, but after speech, silence is told from late audio only for "
        "listening.activity.linger_s, 2.5 s"
    ]
    both = "call:\n  endpoint:\n    ceiling_ms: 3000\nlistening:\n  activity:\n    linger_s: 3.5\n"
    assert parse_settings(both, "bridge.yaml").call.endpoint.ceiling_ms == 3000


def test_all_mistakes_of_a_file_are_reported_at_once() -> None:
    lines = mistakes("call:\n  no_input_s: soon\n  no_input_limt: 2\ngateway:\n  port: 99999\n")
    assert [line.split(": ")[1] for line in lines] == ["call.no_input_limt", "call.no_input_s", "gateway.port"]


@pytest.mark.parametrize(
    "url",
    [
        "bridge.example.com",
        "https://",
        "https://h:99999",
        "https://a b/",
        "https://[::1",
        "wss://h",
        "https://h/?a=1",
        "https://h/#a",
    ],
)
def test_a_bad_public_url_says_what_one_looks_like(url: str) -> None:
    (line,) = mistakes(f"gateway:\n  public_url: '{url}'\n")
    assert line.startswith(f"bridge.yaml:2: gateway.public_url: is '{url}', expected an address such as")


def test_a_mistake_from_the_environment_names_the_variable() -> None:
    (line,) = mistakes("", {"PUBLIC_URL": "ftp://x"})
    assert line.startswith("environment variable PUBLIC_URL: is 'ftp://x', expected an address")


def test_secrets_are_never_shown() -> None:
    (line,) = mistakes("carriers:\n  - kind: twilio\n    auth_token_env: hunter2\n")
    assert "hunter2" not in line
    assert line.startswith(
        "bridge.yaml:3: carriers[0].auth_token_env: is <hidden>, expected the name of an environment"
    )


def test_a_carrier_that_is_none_and_a_setting_it_has_not_are_named() -> None:
    (line,) = mistakes("carriers:\n  - kind: twillio\n")
    assert line.startswith("bridge.yaml:2: carriers[0].kind: is 'twillio', which is none of the allowed values: twilio")
    (line,) = mistakes("carriers:\n  - kind: twilio\n    auth_tokn_env: X\n")
    assert line == "bridge.yaml:3: carriers[0].auth_tokn_env: unknown key, did you mean auth_token_env?"
    (line,) = mistakes("carriers:\n  - {kind: telnyx, auth_token_env: X}\n")
    assert "carriers[0].auth_token_env: unknown key" in line


def test_a_key_that_is_set_twice_is_refused() -> None:
    assert mistakes("call:\n  no_input_s: 5\n  no_input_s: 6\n") == [
        "bridge.yaml:3: call.no_input_s: is set twice, first in line 2"
    ]


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    (line,) = mistakes("call:\n  - [unclosed\n")
    assert line.startswith("bridge.yaml:")
    assert "not YAML" in line


def test_a_list_at_the_top_is_refused() -> None:
    assert mistakes("- a\n- b\n") == ["bridge.yaml: is a list, expected sections such as `gateway:`"]


def test_a_section_that_is_no_section_is_refused() -> None:
    assert mistakes("call: 5\n") == ["bridge.yaml:1: call: is 5, expected a section"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load_settings(tmp_path / "nowhere.yaml", {})


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_keys = st.sampled_from(
    ["call", "floor", "gateway", "carriers", "agent", "kind", "worker", "voices", "auth_token_env", "x"]
)
_trees = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(_keys, _trees, max_size=4))
def test_any_data_at_all_is_either_settings_or_a_named_mistake(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree)
    try:
        settings = parse_settings(text, "bridge.yaml")
    except ConfigError:
        assert all(line.startswith("bridge.yaml") for line in mistakes(text))
    else:
        assert isinstance(settings, Settings)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("speaking: {voice: joe}", "bridge.yaml:1: speaking.voice: is 'joe', which is none of worker.voices: heart"),
        (
            "gateway: {speech_api: {voices: {alloy: joe}}}",
            "bridge.yaml:1: gateway.speech_api.voices.alloy: is 'joe', which is none of worker.voices: heart",
        ),
        (
            "worker: {default_voice: heart}",
            "bridge.yaml:1: worker.default_voice: is the first of worker.voices now; calls have `speaking.voice`",
        ),
        ("worker: {voices: {}}", "bridge.yaml:1: worker.voices: is empty, expected at least one voice"),
    ],
)
def test_a_voice_that_the_worker_will_not_have_is_named_with_those_that_it_has(text: str, line: str) -> None:
    assert mistakes(text) == [line]


PIPER = "engine: piper, model: joe.onnx"
SERVED = "engine: openai_speech, url: 'http://x', model: m"


@pytest.mark.parametrize(
    ("voice", "told"),
    [
        ("engine: hibari, model: joe.onnx", "model: unknown key, expected one of chunking, gain_db, language, "),
        ("engine: hibari, device: cpu", "device: unknown key"),
        ("engine: hibari, precision: float16", "precision: unknown key"),
        ("engine: hibari_torch, url: 'http://x'", "url: unknown key"),
        (f"{PIPER}, requests: 3", "requests: unknown key"),
        (f"{PIPER}, precision: float64", "precision: is 'float64', which is none of the allowed values: , bfloat16, "),
        ("engine: kokoro, model: k, precision: float16", "precision: unknown key"),
        ("engine: kokoro, model: k, rate_hz: 8000", "rate_hz: unknown key"),
        (f"{SERVED}, device: cpu", "device: unknown key"),
        ("engine: kokoro", "voices.v: missing required field model"),
        ("engine: piper, model: ''", "model: is '', expected text of at least 1 character"),
        ("engine: openai_speech, model: m", "voices.v: missing required field url"),
        (
            "engine: openai_speech, url: '127.0.0.1:80', model: m",
            "url: is '127.0.0.1:80', expected an address that starts with http:// or https://",
        ),
        ("engine: openai_speech, url: 'http://x', model: ''", "model: is '', expected text of at least 1 character"),
        ("engine: espeak", "engine: is 'espeak', which is none of the allowed values: hibari, hibari_torch, piper, "),
        ("gain_db: 3", "voices.v: missing required field engine: hibari, hibari_torch, piper, kokoro"),
    ],
)
def test_a_voice_takes_what_belongs_to_its_engine_and_nothing_else(voice: str, told: str) -> None:
    (line,) = mistakes(f"worker:\n  voices:\n    heart: {{engine: hibari}}\n    v: {{{voice}}}\n")
    assert line.startswith("bridge.yaml:4: worker.voices.v")
    assert told in line


def test_the_voices_of_workers_elsewhere_are_theirs_to_know() -> None:
    text = "speaking: {voice: joe, workers: ['ws://10.0.0.7:8090']}"
    assert parse_settings(text, "bridge.yaml").speaking.voice == "joe"


def test_paths_of_voices_are_relative_to_the_file() -> None:
    text = "worker: {voices: {joe: {engine: piper, model: voices/joe.onnx}, amy: {engine: piper, model: /amy.onnx}}}"
    voices = parse_settings(text, "/etc/bridge/bridge.yaml").worker.voices
    assert [voice.model for voice in voices.values() if isinstance(voice, PiperVoiceSettings)] == [
        "/etc/bridge/voices/joe.onnx",
        "/amy.onnx",
    ]


def numeric_settings() -> dict[str, tuple[type, str, float | None]]:
    """Every setting that is a number, wherever it stands: its section's class, its name, and its default."""
    found: dict[str, tuple[type, str, float | None]] = {}

    def look(expected: shape.Type) -> None:
        match expected:
            case shape.StructType(cls=cls, fields=fields) if f"{cls.__name__}." not in found:
                found[f"{cls.__name__}."] = (cls, "", None)
                for field in fields:
                    kinds = field.type.types if isinstance(field.type, shape.UnionType) else (field.type,)
                    if any(isinstance(kind, shape.IntType | shape.FloatType) for kind in kinds):
                        default = field.default if isinstance(field.default, int | float) else None
                        found[f"{cls.__name__}.{field.name}"] = (cls, field.name, default)
                    look(field.type)
            case shape.UnionType(types=types):
                for one in types:
                    look(one)
            case (
                shape.DictType(value_type=inner) | shape.VarTupleType(item_type=inner) | shape.ListType(item_type=inner)
            ):
                look(inner)

    look(shape.type_info(Settings))
    return {name: one for name, one in found.items() if one[1]}


NUMERIC = numeric_settings()


def said_of(name: str, value: float) -> list[str]:
    """What is said of a setting with this value, by the mistakes of its section."""
    section, key, _ = NUMERIC[name]
    told: list[str] = []
    tag = shape.type_info(section)
    assert isinstance(tag, shape.StructType)
    raw = {key: value} | ({tag.tag_field: tag.tag} if tag.tag_field else {})
    convert(raw, section, lambda path, what: told.append(what) if path == (key,) else None)
    return told


def test_there_are_numbers_in_every_room() -> None:
    sections = {name.partition(".")[0] for name in NUMERIC}
    assert {"CallSettings", "GatewaySettings", "DeepgramSettings", "ElevenLabsSettings", "ChatSettings"} <= sections
    assert len(NUMERIC) > 200


@pytest.mark.parametrize("name", NUMERIC)
def test_no_number_is_less_than_nothing_or_without_end(name: str) -> None:
    levels = name.endswith(("_db", ".minimum_score"))
    (said,) = said_of(name, -1) if not levels else said_of(name, math.inf)
    assert "expected" in said
    assert "number" in said
    for endless in (math.nan, math.inf, -math.inf):
        (said,) = said_of(name, endless)
        assert said.startswith(f"is {endless!r}, expected ")
    default = NUMERIC[name][2]
    assert default is None or not said_of(name, default)


@pytest.mark.parametrize(
    "name",
    [
        "CallSettings.longest_call_s",
        "CallSettings.agent_deadline_s",
        "CallSettings.failure_limit",
        "CallSettings.no_input_limit",
        "EndpointSettings.longest_turn_s",
        "PlayoutSettings.lead_ms",
        "PlayoutSettings.stalled_s",
        "ActivitySettings.tick_ms",
        "ActivitySettings.rows",
        "WhisperSettings.threads",
        "DeepgramSettings.connect_s",
        "ListeningSettings.processes",
        "SpeakingSettings.speed",
        "SpeakingSettings.worker_sockets",
        "ChunkSettings.longest_chars",
        "ElevenLabsSettings.concurrency",
        "ChatSettings.max_tokens",
        "ChatSettings.first_token_deadline_s",
        "AnswerLimits.answer_bytes",
        "ConversationRelaySettings.heartbeat_s",
        "StoreSettings.redis_deadline_ms",
        "GatewaySettings.max_calls",
    ],
)
def test_deadlines_and_sizes_are_not_zero(name: str) -> None:
    (said,) = said_of(name, 0)
    assert said.startswith("is 0, expected ")
    assert "above 0" in said or "at least 1" in said


@pytest.mark.parametrize("name", [name for name in NUMERIC if name.endswith(("probability", "_threshold", "_ratio"))])
def test_shares_end_at_one(name: str) -> None:
    assert said_of(name, 1.5) == ["is 1.5, expected a number of at most 1"]
    assert not said_of(name, 1)


def test_a_number_out_of_range_is_named_with_its_place() -> None:
    text = """
call:
  no_input_s: -1
listening:
  prices_per_minute: {desk: -2.5}
numbers:
  "+15550100":
    call: {agent_deadline_s: 0}
"""
    assert mistakes(text) == [
        "bridge.yaml:3: call.no_input_s: is -1, expected a number of at least 0",
        "bridge.yaml:5: listening.prices_per_minute.desk: is -2.5, expected a number of at least 0",
        'bridge.yaml:8: numbers."+15550100".call.agent_deadline_s: is 0, expected a number above 0',
    ]
    assert parse_settings("call: {no_input_s: 0, floor: {duck_db: -30, words_ms: 0}}", "bridge.yaml")
