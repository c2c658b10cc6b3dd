"""Audio that was kept in base64 goes out so wherever the carrier is to hear it as it was kept, and never otherwise."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.commands import Command, SendAudio, SendMark
from bridge.call.events import Encoded
from bridge.call.playout import Playout
from bridge.call.settings import PlayoutSettings

MESSAGE = 640
STEPS = ("pump", "duck", "restore", "clear", "rewind")
PHRASE = bytes(range(256)) * 40
"""1280 ms, in which no message is like another."""
PHRASE += bytes(reversed(range(256))) * 3


def kept(place: int, ulaw: bytes = PHRASE, length: int = MESSAGE) -> Encoded:
    first = -place % length
    begins = range(first, len(ulaw) - length + 1, length)
    return Encoded(place + first, length, [b64encode(ulaw[at : at + length]) for at in begins])


def sent(commands: list[Command]) -> list[SendAudio]:
    return [command for command in commands if isinstance(command, SendAudio)]


def play(playout: Playout, until_s: float, now: float = 0.0) -> list[SendAudio]:
    """A carrier that plays at once: marks come back, time goes by in steps of 20 ms."""
    audio: list[SendAudio] = []
    while now < until_s:
        commands = playout.pump(now)
        audio += sent(commands)
        for command in commands:
            if isinstance(command, SendMark):
                playout.echo(command.name, now)
        playout.listen(now)
        now += 0.02
    return audio


def test_all_of_a_kept_phrase_but_its_last_piece_goes_out_as_it_was_kept() -> None:
    playout = Playout(PlayoutSettings())
    playout.open(1)
    playout.arrived(1, PHRASE[:1600], [kept(0)])
    playout.arrived(1, PHRASE[1600:])
    playout.ended(1)
    audio = play(playout, 3.0)
    assert b"".join(one.ulaw for one in audio) == PHRASE
    whole = len(PHRASE) // MESSAGE
    assert [one.base64 for one in audio] == [b64encode(one.ulaw) for one in audio[:whole]] + [b""]


def test_a_phrase_behind_another_has_its_messages_where_the_carriers_begin() -> None:
    playout = Playout(PlayoutSettings())
    playout.open(1)
    before = b"\x10" * 1120
    playout.arrived(1, before + PHRASE, [kept(len(before))])
    playout.ended(1)
    audio = play(playout, 3.0)
    assert [one.offset_ms for one in audio if not one.base64] == [0, 80, 80 * (len(audio) - 1)]


def test_a_lowered_voice_and_messages_of_another_length_are_encoded_anew() -> None:
    playout = Playout(PlayoutSettings())
    playout.open(1)
    playout.arrived(1, PHRASE, [kept(0)])
    playout.set_gain(-18.0)
    assert all(not one.base64 for one in sent(playout.pump(0.0)))
    short = Playout(PlayoutSettings(message_ms=40))
    short.open(1)
    short.arrived(1, PHRASE, [kept(0)])
    assert all(not one.base64 for one in sent(short.pump(0.0)))


@given(
    st.integers(0, 12),
    st.lists(
        st.tuples(st.sampled_from(["pump", "duck", "restore", "clear", "rewind"]), st.integers(0, 40)), max_size=25
    ),
)
def test_whatever_happens_on_the_way_both_forms_say_the_same(frames_before: int, steps: list[tuple[str, int]]) -> None:
    playout, now = Playout(PlayoutSettings()), 0.0
    playout.open(1)
    before = b"\x10" * (160 * frames_before)
    playout.arrived(1, before + PHRASE, [kept(len(before))])
    playout.ended(1)
    for step, number in steps:
        now += number * 0.01
        playout.listen(now)
        match step:
            case "duck":
                playout.set_gain(-18.0)
            case "restore":
                playout.set_gain(0.0)
            case "clear":
                playout.clear(now)
            case "rewind":
                playout.rewind(1, number * 20)
            case _:
                for one in sent(playout.pump(now)):
                    assert one.base64 in (b"", b64encode(one.ulaw))
