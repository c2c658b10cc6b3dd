"""Addresses of servers in configuration files and on command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.addresses import is_address
from bridge.agents.factory import build_agents
from bridge.agents.settings import AgentSettings, ChatSettings, ConversationRelaySettings, WebSettings
from bridge.errors import ConfigError

ODD = [
    "",
    "host:80",
    "ftp://a",
    "http://",
    "http://:80",
    "http://[::1",
    "http://a:99999/",
    "http://a:b/",
    "http://a b/",
]


@pytest.mark.parametrize("url", ODD)
def test_what_leads_nowhere_is_no_address(url: str) -> None:
    assert not is_address(url)


@pytest.mark.parametrize("url", ["http://a", "HTTPS://a:1/b c", "http://[::1]:80/x", "https://bücher.example/{slot}"])
def test_what_leads_to_a_host_is_an_address(url: str) -> None:
    assert is_address(url)


@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize(
    "kind",
    [
        lambda url: WebSettings(url=url),
        lambda url: ChatSettings(url=url, model="m"),
        lambda url: ConversationRelaySettings(url=url.replace("http", "ws", 1)),
    ],
)
def test_an_agent_at_no_address_is_refused_before_a_call_begins(kind: object, url: str, tmp_path: Path) -> None:
    settings: AgentSettings = kind(url)  # type: ignore[operator]
    with pytest.raises(ConfigError, match="expected an address that starts with"):
        build_agents(settings, tmp_path, {})
