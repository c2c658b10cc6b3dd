from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.speaking.phrases.memory import MemoryTier
from tests.speaking.phrases import key, phrase

COST = phrase("number 10000").cost
"""What every phrase in these tests costs, near enough."""


def room_for(phrases: int, share: float = 1.0) -> MemoryTier:
    return MemoryTier(int(COST * (phrases + 0.5)), int(COST * (phrases + 0.5) * share))


def has(memory: MemoryTier, text: str, tenant: str = "default") -> bool:
    return memory.peek(tenant, key(text, tenant).digest) is not None


def use(memory: MemoryTier, text: str, tenant: str = "default") -> bool:
    return memory.get(tenant, key(text, tenant).digest) is not None


def test_texts_said_once_do_not_push_out_the_greeting() -> None:
    memory = room_for(10)
    memory.put(phrase("good morning"))
    assert use(memory, "good morning")
    for number in range(10_000, 10_100):
        memory.put(phrase(f"number {number}"))
    assert has(memory, "good morning")
    assert has(memory, "number 10099")
    assert not has(memory, "number 10050")
    assert memory.bytes <= int(COST * 10.5)


def test_among_texts_used_alike_the_least_recent_goes() -> None:
    memory = room_for(3)
    for text in ("one two", "three four", "five six"):
        memory.put(phrase(text))
        use(memory, text)
    use(memory, "one two")
    memory.put(phrase("seven eight"))
    memory.put(phrase("nine ten"))
    assert has(memory, "one two")
    assert not has(memory, "three four")


def test_a_tenant_over_its_share_loses_its_own_phrases_only() -> None:
    memory = room_for(10, share=0.5)
    for number in range(10_000, 10_003):
        memory.put(phrase(f"number {number}", tenant="quiet"))
    for number in range(10_000, 10_100):
        memory.put(phrase(f"number {number}", tenant="noisy"))
        use(memory, f"number {number}", "noisy")
    assert all(has(memory, f"number {number}", "quiet") for number in range(10_000, 10_003))
    assert sum(held.phrase.key.tenant == "noisy" for held in memory) <= 5


def test_tenants_never_see_each_others_phrases() -> None:
    memory = room_for(10)
    memory.put(phrase("good morning", tenant="a"))
    assert memory.get("b", key("good morning", "a").digest) is None
    assert not use(memory, "good morning", "b")


def test_pinned_phrases_stay_whatever_comes() -> None:
    memory = room_for(3)
    memory.put(phrase("we are sorry"), pinned=True)
    for number in range(10_000, 10_020):
        memory.put(phrase(f"number {number}"))
        use(memory, f"number {number}")
    memory.put(phrase("we are sorry"))  # made again, by a newer worker say
    for number in range(10_000, 10_020):
        memory.put(phrase(f"number {number}"))
    assert has(memory, "we are sorry")


def test_a_phrase_larger_than_half_the_room_is_not_kept() -> None:
    memory = room_for(1)
    assert not memory.put(phrase("a very long one " * 10))
    assert (len(memory), memory.bytes, memory.refused) == (0, 0, 1)


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "drop", "pin"]), st.integers(0, 12), st.sampled_from("ab"))))
def test_the_bytes_are_always_those_of_what_is_held(steps: list[tuple[str, int, str]]) -> None:
    memory = room_for(5, share=0.7)
    for step, number, tenant in steps:
        text = f"number {10_000 + number}"
        digest = key(text, tenant).digest
        match step:
            case "put":
                memory.put(phrase(text, tenant))
            case "get":
                memory.get(tenant, digest)
            case "drop":
                memory.drop(tenant, digest)
            case _:
                if number == 0:
                    memory.pin(tenant, digest)
        held = list(memory)
        assert memory.bytes == sum(h.phrase.cost for h in held)
        assert len(held) == len({h.phrase.key.digest for h in held}) == len(memory)
        assert memory.bytes <= COST * 5.5
