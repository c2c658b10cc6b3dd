from pathlib import Path

import msgspec
import pytest

from bridge.agents.base import FixedLine
from bridge.agents.chat import ChatFactory
from bridge.agents.factory import build_agents
from bridge.agents.settings import AgentSettings, ChatSettings, ScriptSettings, WebSettings
from bridge.agents.web import WebFactory
from bridge.errors import ConfigError

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_a_script_is_found_beside_the_configuration() -> None:
    agents = build_agents(ScriptSettings(file="agents/menu.yaml"), FIXTURES)
    assert FixedLine("Is there anything else?") in agents.phrases()


@pytest.mark.parametrize(
    ("yaml", "settings"),
    [
        (b"{kind: script, file: a.yaml}", ScriptSettings(file="a.yaml")),
        (b"{kind: chat, model: small}", ChatSettings(model="small")),
        (b"{kind: web, url: 'http://localhost/agent'}", WebSettings(url="http://localhost/agent")),
    ],
)
def test_the_kind_chooses_the_settings(yaml: bytes, settings: AgentSettings) -> None:
    assert msgspec.yaml.decode(yaml, type=AgentSettings) == settings


async def test_secrets_come_from_the_environment() -> None:
    chat = build_agents(ChatSettings(model="small", key_env="KEY"), FIXTURES, {"KEY": "k"})
    web = build_agents(WebSettings(url="https://example.com", secret_env="KEY"), FIXTURES, {"KEY": "k"})
    assert isinstance(chat, ChatFactory)
    assert isinstance(web, WebFactory)
    assert chat.headers["Authorization"] == web.headers["Authorization"] == "Bearer k"
    await chat.close()
    await web.close()


@pytest.mark.parametrize("kind", ["chat", "web"])
async def test_secret_headers_come_from_the_environment(kind: str) -> None:
    own = {"chat": {"model": "small"}, "web": {"url": "https://example.com"}}[kind]
    named = {"kind": kind, "headers": {"X-Shop": "7"}, "headers_env": {"X-Team": "TEAM"}}
    settings: AgentSettings = msgspec.convert(own | named, AgentSettings)
    agents = build_agents(settings, FIXTURES, {"TEAM": "t"})
    assert isinstance(agents, ChatFactory | WebFactory)
    assert (agents.headers["X-Shop"], agents.headers["X-Team"]) == ("7", "t")
    await agents.close()
    with pytest.raises(ConfigError, match=r"agent.headers_env.X-Team: 'TEAM': expected an environment variable"):
        build_agents(settings, FIXTURES, {"TEAM": " "})


def test_what_cannot_be_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"agent.url: 'localhost': expected an address"):
        build_agents(WebSettings(url="localhost"))


def test_a_broken_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("states: {start: {say: Hi}}")
    with pytest.raises(ConfigError, match=r"a.yaml:1: state 'start': nothing leads on from here"):
        build_agents(ScriptSettings(file="a.yaml"), tmp_path)
