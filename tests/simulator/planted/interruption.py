"""Falling silent, lowering the voice, and going on."""

from __future__ import annotations

import asyncio

from bridge.call import ledger
from bridge.call.commands import ClearPlayout, Command, SendAudio
from bridge.call.events import VoiceActivity
from bridge.call.floor import Floor, Verdict
from bridge.call.playout import Playout
from bridge.call.utterances import Utterances
from bridge.gateway.line import CarrierLine
from bridge.listening.echo import EchoGate
from bridge.session.session import CallSession
from tests.simulator.planted.catalogue import WORDS, Patch, bug, line_format, per_call, to_line
from tests.simulator.planted.playout import lead


@bug("booth/interrupter", reported_as=("stop latency",))
def carrier_is_never_told_to_clear(patch: Patch) -> None:
    """We stop sending, and the carrier plays on what it has."""
    patch.setattr(CarrierLine, "clear", lambda self: None)
    lead(patch, 3000.0)


@bug("booth/interrupter", reported_as=("stop latency",))
def cancelled_utterance_is_still_sent(patch: Patch) -> None:
    """After the clear comes what was on its way: half a second of the utterance that was broken off."""
    memory = per_call()
    send, clear = CallSession._send_audio, CallSession._clear_playout

    def sending(self: CallSession, command: SendAudio) -> None:
        own = memory(self)
        own["last"] = own.get("last", b"")[-500 * line_format(self).bytes_per_ms :] + command.audio
        send(self, command)

    def clearing(self: CallSession, command: ClearPlayout) -> None:
        clear(self, command)
        asyncio.get_running_loop().call_later(0.5, late, self, memory(self)["last"])

    def late(self: CallSession, audio: bytes) -> None:
        to_line(self, audio)
        self._line.flush()

    patch.setattr(CallSession, "_send_audio", sending)
    patch.setattr(CallSession, "_clear_playout", clearing)


@bug("booth/interrupter", reported_as=("stop latency",))
def bot_does_not_hear_that_he_is_talked_over(patch: Patch) -> None:
    """While the bot speaks nobody listens."""
    hear = Floor.hear

    def planted(self: Floor, window: VoiceActivity, *, bot_audible: bool) -> Verdict:
        return Verdict.NOTHING if bot_audible else hear(self, window, bot_audible=bot_audible)

    patch.setattr(Floor, "hear", planted)


@bug("booth/hiccup", reported_as=("duck latency",))
def voice_is_not_lowered(patch: Patch) -> None:
    """A suspicion changes nothing until it is confirmed."""
    patch.setattr(Utterances, "duck", lambda self, now, gain_db: [])


@bug("booth/hiccup", reported_as=("level spread",))
def lowered_voice_stays_low(patch: Patch) -> None:
    """The false alarm is noted, and the gain forgotten."""
    set_gain = Playout.set_gain
    patch.setattr(Playout, "set_gain", lambda self, gain_db: set_gain(self, gain_db) if gain_db < 0.0 else None)


@bug("booth/hiccup", reported_as=(WORDS,))
def restored_voice_skips_a_word(patch: Patch) -> None:
    """After a false alarm the voice goes on from where synthesis was, not from where the ear was."""
    _restored(patch, 700.0)


@bug("booth/hiccup", reported_as=("repeats",))
def restored_voice_says_a_word_twice(patch: Patch) -> None:
    """After a false alarm the voice goes back further than to what was heard."""
    _restored(patch, -700.0)


def _restored(patch: Patch, shift_ms: float) -> None:
    restore = Utterances.restore

    def planted(self: Utterances, now: float) -> list[Command]:
        commands = restore(self, now)
        for track in self.playout.tracks[:1]:
            track.sent_ms = max(0.0, min(track.sent_ms + shift_ms, track.arrived_ms))
        return commands

    patch.setattr(Utterances, "restore", planted)


@bug("booth/hiccup", reported_as=(WORDS,))
def any_noise_takes_the_floor(patch: Patch) -> None:
    """The first window that may be speech stops the bot."""
    hear = Floor.hear

    def planted(self: Floor, window: VoiceActivity, *, bot_audible: bool) -> Verdict:
        verdict = hear(self, window, bot_audible=bot_audible)
        return Verdict.CONFIRMED if verdict is Verdict.SUSPECTED else verdict

    patch.setattr(Floor, "hear", planted)


@bug("booth/echo", reported_as=(WORDS,))
def own_echo_interrupts(patch: Patch) -> None:
    """What comes back of our own voice is taken for the caller's."""
    patch.setattr(EchoGate, "judge", lambda self, ulaw, at: 0.0)


@bug("months/interrupter", reported_as=(WORDS,))
def agent_believes_that_all_was_heard(patch: Patch) -> None:
    """The history holds what was said to the synthesiser."""
    patch.setattr(ledger.Utterance, "heard_text", lambda self: self.text)
