"""A secret stands in the environment alone: settings name its variable, and nobody writes it down or says it."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec.inspect as shape
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import doctor, variables
from bridge.app import Application
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, EndCall
from bridge.carriers.catalogue import KINDS, build_carriers
from bridge.carriers.settings import TwilioSettings
from bridge.config import Settings, parse_settings, unset_variables
from bridge.errors import ConfigError
from bridge.store.settings import StoreSettings, redis_address
from bridge.worker.main import serve
from bridge.worker.settings import WorkerSettings
from tests.carriers.test_catalogue import REST, SECRETS


def structs(kind: shape.Type, seen: set[type]) -> Iterator[shape.StructType]:
    """Every section that can stand somewhere in a configuration file."""
    match kind:
        case shape.StructType():
            if kind.cls not in seen:
                seen.add(kind.cls)
                yield kind
                for field in kind.fields:
                    yield from structs(field.type, seen)
        case shape.UnionType(types=types):
            for one in types:
                yield from structs(one, seen)
        case shape.DictType(value_type=inner) | shape.VarTupleType(item_type=inner) | shape.ListType(item_type=inner):
            yield from structs(inner, seen)


def holds_text(kind: shape.Type) -> bool:
    match kind:
        case shape.StrType():
            return True
        case shape.UnionType(types=types):
            return any(map(holds_text, types))
        case shape.DictType(value_type=inner) | shape.VarTupleType(item_type=inner) | shape.ListType(item_type=inner):
            return holds_text(inner)
    return False


def text_in(kind: shape.Type) -> shape.StrType:
    """The text that a field takes, or each value of its list or mapping."""
    match kind:
        case shape.StrType():
            return kind
        case shape.UnionType(types=types):
            return text_in(next(one for one in types if holds_text(one)))
        case shape.DictType(value_type=inner) | shape.VarTupleType(item_type=inner) | shape.ListType(item_type=inner):
            return text_in(inner)
    raise AssertionError(f"{kind} holds no text")


FIELDS = [
    pytest.param(struct.cls, field, id=f"{struct.cls.__name__}.{field.name}")
    for struct in structs(shape.type_info(Settings), set())
    for field in struct.fields
    if holds_text(field.type)
]
NO_SECRETS = {
    "key_header": "the name of the header that carries the key",
    "accept_key": "a key of a phone",
}


def test_the_table_has_every_room() -> None:
    rooms = {str(case.values[0]).split(".")[1] for case in FIELDS}
    assert rooms >= {"agents", "carriers", "gateway", "listening", "speaking", "store", "worker"}


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_no_setting_holds_a_secret_itself(section: type, field: shape.Field) -> None:
    if variables.SECRET_NAME.search(field.name) and field.name not in NO_SECRETS:
        assert field.name.endswith("_env")


@pytest.mark.parametrize(("section", "field"), [case for case in FIELDS if "_env" in str(case.id)])
def test_what_names_a_variable_takes_nothing_that_looks_like_a_secret(section: type, field: shape.Field) -> None:
    kind = text_in(field.type)
    for secret in ("sk-proj-4f1c", "hunter2", "AC0123abcd", "A B", "redis://:x@host"):
        assert not re.search(str(kind.pattern), secret)
    assert re.search(str(kind.pattern), "SHOP_TOKEN_2")


PLAIN = {
    "gateway: {speech_api: {keys: [hunter2hunter2hunter2]}}": "gateway.speech_api.keys: ... keys_env",
    "gateway: {metrics: {token: hunter2}}": "gateway.metrics.token: ... token_env",
    "worker: {token: hunter2}": "worker.token: ... token_env",
    "worker: {voices: {tara: {engine: openai_speech, api_key: hunter2}}}": "voices.tara.api_key: ... api_key_env",
    "speaking: {worker_token: hunter2}": "speaking.worker_token: ... worker_token_env",
    "speaking: {providers: {gpu: {kind: worker, addresses: ['ws://x'], token: hunter2}}}": "gpu.token: ... token_env",
    "listening: {recogniser: {kind: openai, model: m, key: hunter2}}": "listening.recogniser.key: ... key_env",
    "listening: {fallback_recognisers: [{kind: websocket, url: 'ws://x', key: hunter2}]}": "[0].key: ... key_env",
    "agent: {kind: web, url: 'http://x', secret: hunter2}": "agent.secret: ... secret_env",
    "agent: {kind: chat, model: m, key: hunter2}": "agent.key: ... key_env",
    "agent: {kind: chat, model: m, headers: {Authorization: Bearer hunter2}}": "headers.Authorization: ... headers_env",
    "agent: {kind: web, url: 'http://x', headers: {X-Api-Key: hunter2}}": "headers.X-Api-Key: ... headers_env",
    "agent: {kind: chat, model: m, query: {key: hunter2}}": "agent.query.key: ... headers_env",
    "agent: {kind: web, url: 'https://me:hunter2@x'}": "agent.url: ... headers_env",
    "numbers: {'+15550100': {agent: {kind: web, url: x, secret: hunter2}}}": ".agent.secret: ... secret_env",
    "carriers: [{kind: plivo, auth_token: hunter2}]": "carriers[0].auth_token: ... auth_token_env",
    "store: {secret: hunter2}": "store.secret: ... secret_env",
    "store: {redis_url: 'redis://:hunter2@redis:6379/0'}": "store.redis_url: ... redis_url_env",
    "http: {proxy: 'http://me:hunter2@proxy:3128'}": "http.proxy: ... HTTPS_PROXY",
}
"""What was once a way to write a secret down, or looks like one: where it stands, and what to write instead."""


@pytest.mark.parametrize(("text", "told"), PLAIN.items())
def test_a_secret_in_the_file_is_refused_with_its_remedy(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_settings(text, "bridge.yaml")
    [line] = [line for line in str(refused.value).splitlines() if "no file may hold" in line]
    place, remedy = told.split(" ... ")
    assert place in line
    assert remedy in line
    assert "hunter2" not in str(refused.value)


NAMED = """
gateway: {public_url: "https://bridge.example.com", speech_api: {keys_env: OUR_KEYS}, metrics: {token_env: OUR_METRICS}}
carriers: [{kind: twilio, auth_token_env: SHOP_TOKEN, api_key_secret_env: SHOP_REST}]
store: {redis_url_env: OUR_REDIS, secret_env: OUR_SECRET}
speaking:
  worker_token_env: FLEET_TOKEN
  providers: {gpu: {kind: worker, addresses: ["ws://gpu"], token_env: GPU_TOKEN}}
listening: {recogniser: {kind: openai, model: m, key_env: STT_KEY}}
worker:
  token_env: VOICE_TOKEN
  voices: {tara: {engine: openai_speech, url: "http://x", model: m, api_key_env: TTS_KEY}}
agent: {kind: chat, model: m, key_env: MODEL_KEY, headers_env: {X-Team: TEAM_KEY}}
numbers: {"+15550100": {agent: {kind: web, url: "http://x", secret_env: WEB_SECRET, headers_env: {X-Shop: SHOP_KEY}}}}
"""
VARIABLES = {
    "OUR_KEYS", "OUR_METRICS", "SHOP_TOKEN", "SHOP_REST", "OUR_REDIS", "OUR_SECRET", "FLEET_TOKEN", "GPU_TOKEN",
    "STT_KEY", "VOICE_TOKEN", "TTS_KEY", "MODEL_KEY", "TEAM_KEY", "WEB_SECRET", "SHOP_KEY",
}  # fmt: skip
SECRET = "hunter2-hunter2-hunter2"


async def test_every_variable_that_the_file_names_must_be_set_to_serve() -> None:
    with pytest.raises(ConfigError) as refused:
        Application(parse_settings(NAMED, "bridge.yaml"), environ={})
    lines = str(refused.value).splitlines()
    assert {line.split("'")[1] for line in lines} == VARIABLES
    assert "agent.headers_env.X-Team: 'TEAM_KEY': expected an environment variable that is set" in lines
    assert "carriers[0].auth_token_env: 'SHOP_TOKEN': expected an environment variable that is set" in lines


@pytest.mark.parametrize("missing", sorted(VARIABLES))
def test_one_that_is_empty_counts_as_unset(missing: str) -> None:
    environ = dict.fromkeys(VARIABLES, SECRET) | {missing: " "}
    [(_, name)] = unset_variables(parse_settings(NAMED, "bridge.yaml"), environ)
    assert name == missing


def test_default_names_may_be_unset_and_an_empty_name_means_none() -> None:
    assert unset_variables(Settings(), {}) == []
    none = "agent: {kind: chat, model: m, key_env: ''}\nspeaking: {worker_token_env: ''}"
    assert unset_variables(parse_settings(none, "bridge.yaml"), {}) == []
    assert variables.value("", {"": SECRET}) == ""


def test_nobody_asks_for_what_is_not_used() -> None:
    elsewhere = parse_settings(NAMED.replace("speaking:", "speaking:\n  workers: ['ws://x']"), "bridge.yaml")
    assert VARIABLES - {name for _, name in unset_variables(elsewhere, {})} == {"VOICE_TOKEN", "TTS_KEY"}
    unsigned = parse_settings(NAMED.replace("gateway: {", "gateway: {development_unsigned: true, "), "bridge.yaml")
    assert VARIABLES - {name for _, name in unset_variables(unsigned, {})} == {"SHOP_TOKEN", "SHOP_REST"}


async def test_a_worker_that_lacks_a_variable_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICE_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=r"worker.token_env: 'VOICE_TOKEN': expected an environment variable"):
        await serve(WorkerSettings(token_env="VOICE_TOKEN", port=0), lambda _line: None)


async def test_the_doctor_names_what_is_unset_and_never_says_what_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    config = tmp_path / "bridge.yaml"
    config.write_text(NAMED.replace('addresses: ["ws://gpu"]', 'addresses: ["ws://127.0.0.1:9"]'), encoding="utf-8")
    environ = dict.fromkeys(VARIABLES - {"GPU_TOKEN"}, SECRET) | {"OUR_REDIS": f"redis://:{SECRET}@127.0.0.1:9/0"}
    found = await doctor.examine(config, environ, port=0, offline=True)
    [unset] = [one for one in found if one.about == "secrets"]
    assert (unset.status, unset.found) == ("fail", "speaking.providers.gpu.token_env names GPU_TOKEN, which is not set")
    assert "set GPU_TOKEN" in unset.remedy
    assert SECRET not in f"{found} {caplog.text}"


def test_settings_and_carriers_can_be_printed() -> None:
    known = SECRETS | REST
    no_secrets = [name for name in known if name.endswith(("_ID", "_SID"))]
    keys = ("TELNYX_PUBLIC_KEY", "VONAGE_PRIVATE_KEY")  # for which not any text will do
    environ = dict.fromkeys([*VARIABLES, *known], SECRET) | {name: known[name] for name in (*no_secrets, *keys)}
    settings = parse_settings(NAMED, "bridge.yaml", environ)
    kinds = [*settings.carriers, *(kind() for kind in KINDS if kind is not TwilioSettings)]
    carriers = build_carriers(kinds, environ)
    calls = [
        carrier.request(EndCall(), CallReference("c", "a"), Addresses("https://b/x"), now=0.0, nonce="n")
        for carrier in carriers
    ]
    assert any(calls)
    apis = [getattr(carrier, "_api", None) for carrier in carriers]
    assert all(apis)
    printed = f"{settings!r} {carriers!r} {apis!r} {calls!r}"
    assert SECRET not in printed
    assert base64.b64encode(f"MA1:{SECRET}".encode()).decode() not in printed


HOSTS = st.from_regex(r"[a-z][a-z0-9.-]{0,20}(:[0-9]{1,4})?", fullmatch=True)
USERS = st.from_regex(r"[A-Za-z0-9%._~-]{0,8}", fullmatch=True)
PASSWORDS = st.from_regex(r"[A-Z0-9%._~!$&'()*+,;=:-]{4,20}", fullmatch=True)


@given(
    st.sampled_from(["redis", "rediss", "http", "https", "wss"]),
    USERS,
    PASSWORDS,
    HOSTS,
    st.sampled_from(["", "/0", "?a=b@c"]),
)
def test_a_password_in_an_address_is_seen_and_left_out(
    scheme: str, user: str, password: str, host: str, rest: str
) -> None:
    address = f"{scheme}://{user}:{password}@{host}{rest}"
    assert variables.holds_password(address)
    assert variables.without_password(address) == f"{scheme}://{host}{rest}"
    assert not variables.holds_password(f"{scheme}://{host}{rest}")
    assert variables.without_password(f"{scheme}://{host}{rest}") == f"{scheme}://{host}{rest}"


def test_an_address_of_no_redis_is_refused_without_saying_it() -> None:
    with pytest.raises(ConfigError, match="environment variable REDIS_URL: expected an address") as refused:
        redis_address(StoreSettings(), {"REDIS_URL": SECRET})
    assert SECRET not in str(refused.value)
    assert redis_address(StoreSettings(redis_url="redis://file"), {"REDIS_URL": "redis://env"}) == "redis://env"
    assert redis_address(StoreSettings(redis_url="redis://file"), {}) == "redis://file"


@pytest.mark.parametrize("odd", ["two\nlines", "ümlaut", "bell\a"])
def test_a_secret_that_no_header_can_carry_is_refused_without_saying_it(odd: str) -> None:
    for read in (variables.header, variables.values):
        with pytest.raises(ConfigError, match="environment variable KEY: has ") as refused:
            read("KEY", {"KEY": odd})
        assert odd not in str(refused.value)
