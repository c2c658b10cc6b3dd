"""Models that speak themselves, without a call: the example configuration, what goes to another process, what costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.factory import build_agents
from bridge.agents.live.account import LiveMemory, memory_of
from bridge.agents.live.factory import LiveFactory
from bridge.agents.live.wire import TokensUsed, kind_of_words
from bridge.agents.settings import RealtimeAgentSettings, SpeechBudget
from bridge.call.account import ToolUse
from bridge.config import parse_settings
from bridge.errors import BadMessage

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "speech_to_speech.yaml"


async def test_the_example_can_be_served() -> None:
    settings = parse_settings(EXAMPLE.read_text("utf-8"), str(EXAMPLE))
    assert settings.agent is not None
    agents = build_agents(settings.agent, EXAMPLE.parent, {"OPENAI_API_KEY": "key"})
    assert isinstance(agents, LiveFactory)
    assert agents.phrases() == []
    await agents.close()


async def test_what_tools_gave_and_what_it_cost_goes_to_another_process() -> None:
    factory = LiveFactory(RealtimeAgentSettings(model="gpt-realtime"))
    agent, other = factory.open_call(CallInfo(call_id="a")), factory.open_call(CallInfo(call_id="a"))
    agent._memory.spent(TokensUsed(text_read=10, audio_read=100, text_written=5, audio_written=50))
    agent._memory.used(ToolUse("look_up", '{"day":"Monday"}', "nine"))
    other.resume(agent.state())
    assert other.account() == agent.account()
    assert other.account().costs["prompt_tokens"] == 110
    assert '"Monday"' in other._memory.notes()[0]
    with pytest.raises(BadMessage):
        other.resume(b"nonsense")
    await factory.close()


def test_the_state_of_a_long_call_stays_small() -> None:
    memory = LiveMemory()
    for _ in range(500):
        memory.used(ToolUse("look_up", "x" * 200, "y" * 800))
    assert len(memory.state()) < 16 * 1024
    assert len(memory_of(memory.state()).uses) == 12


def test_a_call_costs_what_its_tokens_cost_and_no_more_than_it_may() -> None:
    prices = SpeechBudget(
        money=1.0, price_text_read=4, price_audio_read=32, price_audio_written=64, price_cached_read=0.4
    )
    memory = LiveMemory()
    memory.check(prices)
    memory.spent(TokensUsed(text_read=1000, audio_read=10_000, audio_written=10_000, cached=2000))
    assert memory.cost(prices) == pytest.approx((2000 * 0.4 + 9000 * 32 + 10_000 * 64) / 1e6)
    memory.spent(TokensUsed(audio_written=10_000))
    with pytest.raises(AgentError) as spent:
        memory.check(prices)
    assert spent.value.kind is Failure.BUDGET_SPENT


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("invalid_api_key", "auth"),
        ("API key not valid. Please pass a valid API key.", "auth"),
        ("insufficient_quota", "quota"),
        ("You exceeded your current quota, please check your plan and billing details.", "quota"),
        ("rate_limit_exceeded", "busy"),
        ("RESOURCE_EXHAUSTED", "busy"),
        ("session_expired", "idle"),
        ("The session has reached its maximum duration.", "idle"),
        ("models/none is not found for API version v1beta", "rejected"),
        ("invalid_value", "rejected"),
        ("Internal error encountered.", "internal"),
        ("", None),
    ],
)
def test_failures_are_sorted_by_the_services_own_words(said: str, kind: str | None) -> None:
    assert kind_of_words(said) == kind
