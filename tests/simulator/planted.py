"""Bugs of a bridge, each switched on alone: what developers get wrong, put where they get it wrong."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from bridge.call.events import DigitPressed, Event, VoiceActivity
from bridge.call.floor import Floor, Verdict
from bridge.call.playout import Playout
from bridge.carriers import twilio
from bridge.gateway import media as gateway_media
from bridge.gateway.line import TwilioLine
from bridge.gateway.session import CallSession
from bridge.gateway.shelf import Shelf
from bridge.gateway.signatures import Signatures
from bridge.gateway.timers import TimerWheel

Patch = pytest.MonkeyPatch
Bug = Callable[[Patch], None]

BUGS: dict[str, Bug] = {}


def bug(plant: Bug) -> Bug:
    BUGS[plant.__name__] = plant
    return plant


def _sending(patch: Patch, send: Callable[[CallSession, bytes, Callable[[bytes], None], dict[str, Any]], None]) -> None:
    """Replace what a session does with a piece of audio; the dict is the session's own memory for the bug."""
    memory: weakref.WeakKeyDictionary[CallSession, dict[str, Any]] = weakref.WeakKeyDictionary()

    def planted(self: CallSession, command: Any) -> None:
        send(
            self,
            command.ulaw,
            self._line.send_audio,
            memory.setdefault(self, {"count": 0, "utterance": command.utterance}),
        )
        memory[self]["utterance"] = command.utterance
        memory[self]["count"] += 1

    patch.setattr(CallSession, "_send_audio", planted)


def _telling(patch: Patch, change: Callable[[CallSession, Event, Callable[[Event], None]], None]) -> None:
    """Replace what a session does with an event."""
    tell = CallSession.tell
    patch.setattr(CallSession, "tell", lambda self, event: change(self, event, lambda one: tell(self, one)))


# audio


@bug
def a_piece_is_dropped_now_and_then(patch: Patch) -> None:
    _sending(patch, lambda call, ulaw, send, own: None if own["count"] % 20 == 19 else send(ulaw))


@bug
def a_piece_is_sent_twice_now_and_then(patch: Patch) -> None:
    def send(call: CallSession, ulaw: bytes, send: Callable[[bytes], None], own: dict[str, Any]) -> None:
        for _ in range(4 if own["count"] % 20 == 19 else 1):
            send(ulaw)

    _sending(patch, send)


@bug
def pieces_change_places(patch: Patch) -> None:
    def send(call: CallSession, ulaw: bytes, send: Callable[[bytes], None], own: dict[str, Any]) -> None:
        if own["count"] % 10 == 8:
            own["kept"] = ulaw
            return
        send(ulaw)
        if "kept" in own:
            send(own.pop("kept"))

    _sending(patch, send)


@bug
def the_tail_of_an_utterance_is_lost(patch: Patch) -> None:
    def send(call: CallSession, ulaw: bytes, send: Callable[[bytes], None], own: dict[str, Any]) -> None:
        if "kept" in own and own["utterance"] == own["of"]:
            send(own["kept"])
        own["kept"], own["of"] = ulaw, own["utterance"]

    _sending(patch, send)


@bug
def later_utterances_are_much_quieter(patch: Patch) -> None:
    from bridge.audio.mulaw import gain_table

    def send(call: CallSession, ulaw: bytes, send: Callable[[bytes], None], own: dict[str, Any]) -> None:
        own.setdefault("first", own["utterance"])
        send(ulaw if own["utterance"] == own["first"] else ulaw.translate(gain_table(-12.0)))

    _sending(patch, send)


@bug
def ends_of_pieces_are_filled_up_with_zero_bytes(patch: Patch) -> None:
    _sending(patch, lambda call, ulaw, send, own: send(ulaw + bytes(160) if own["count"] % 5 == 4 else ulaw))


@bug
def the_sound_is_not_mu_law(patch: Patch) -> None:
    _sending(patch, lambda call, ulaw, send, own: send(bytes(byte ^ 0x55 for byte in ulaw)))


@bug
def every_piece_is_resampled_on_its_own(patch: Patch) -> None:
    _sending(patch, lambda call, ulaw, send, own: send(b"\xff" * 80 + ulaw[80:]))


@bug
def another_calls_audio_leaks_in(patch: Patch) -> None:
    calls: list[CallSession] = []

    def send(call: CallSession, ulaw: bytes, send: Callable[[bytes], None], own: dict[str, Any]) -> None:
        if call not in calls:
            calls.append(call)
        victim = calls[calls.index(call) - 1]
        (victim._line.send_audio if own["count"] % 9 == 5 and not victim.over else send)(ulaw)

    _sending(patch, send)


@bug
def one_callers_voice_is_heard_by_another(patch: Patch) -> None:
    calls: list[CallSession] = []
    hear = CallSession.hear

    def planted(self: CallSession, ulaw: bytes) -> None:
        if self not in calls:
            calls.append(self)
        hear(self, ulaw)
        other = calls[calls.index(self) - 1]
        if other is not self and not other.over and other._frames % 2:
            other._line.send_audio(ulaw)
            other._line.flush()

    patch.setattr(CallSession, "hear", planted)


# playout


@bug
def nothing_is_kept_ahead_of_the_ear(patch: Patch) -> None:
    def shallow(self: Playout, settings: Any) -> None:
        initialise(self, settings)
        self.lead_target_ms = 20.0

    initialise = Playout.__init__
    patch.setattr(Playout, "__init__", shallow)
    patch.setattr(Playout, "_adapt", lambda self, now: None)


@bug
def everything_is_sent_at_once(patch: Patch) -> None:
    def deep(self: Playout, settings: Any) -> None:
        initialise(self, settings)
        self.lead_target_ms = 8000.0

    initialise = Playout.__init__
    patch.setattr(Playout, "__init__", deep)
    patch.setattr(Playout, "_adapt", lambda self, now: None)


@bug
def what_was_sent_counts_as_heard(patch: Patch) -> None:
    def listen(self: Playout, now: float) -> list[Any]:
        self._spans.clear()
        done = []
        while self._tracks and self._tracks[0].all_sent:
            self._tracks[0].heard_ms = self._tracks[0].sent_ms
            done.append(self._tracks.popleft())
        return done

    patch.setattr(Playout, "listen", listen)


@bug
def a_mark_follows_every_frame(patch: Patch) -> None:
    send = CallSession._send_audio

    def planted(self: CallSession, command: Any) -> None:
        send(self, command)
        for index in range(3):
            self._line.send_mark(f"frame {index}")

    patch.setattr(CallSession, "_send_audio", planted)


@bug
def timers_come_late(patch: Patch) -> None:
    set_timer = TimerWheel.set
    patch.setattr(TimerWheel, "set", lambda self, timer, at: set_timer(self, timer, None if at is None else at + 0.25))


# interruption


@bug
def the_carrier_is_never_told_to_clear(patch: Patch) -> None:
    patch.setattr(TwilioLine, "clear", lambda self: None)
    everything_is_sent_at_once(patch)


@bug
def audio_is_sent_after_the_clear(patch: Patch) -> None:
    last: weakref.WeakKeyDictionary[CallSession, list[bytes]] = weakref.WeakKeyDictionary()
    send, clear = CallSession._send_audio, CallSession._clear_playout

    def sending(self: CallSession, command: Any) -> None:
        last.setdefault(self, []).append(command.ulaw)
        send(self, command)

    def clearing(self: CallSession, command: Any) -> None:
        clear(self, command)
        for ulaw in last.get(self, [])[-12:]:
            self._line.send_audio(ulaw)

    patch.setattr(CallSession, "_send_audio", sending)
    patch.setattr(CallSession, "_clear_playout", clearing)


@bug
def the_bot_does_not_hear_that_it_is_talked_over(patch: Patch) -> None:
    _telling(patch, lambda call, event, tell: None if isinstance(event, VoiceActivity) else tell(event))


@bug
def the_lowered_voice_is_never_restored(patch: Patch) -> None:
    from bridge.audio.mulaw import gain_table

    low: set[int] = set()
    shaped = Playout._shaped

    def stuck(self: Playout, ulaw: bytes) -> bytes:
        if self._gain_db < 0.0:
            low.add(id(self))
        made = shaped(self, ulaw)
        return made.translate(gain_table(-18.0)) if id(self) in low and self._gain_db == 0.0 else made

    patch.setattr(Playout, "_shaped", stuck)


@bug
def any_noise_takes_the_floor(patch: Patch) -> None:
    hear = Floor.hear

    def hasty(self: Floor, window: VoiceActivity, *, bot_audible: bool) -> Verdict:
        verdict = hear(self, window, bot_audible=bot_audible)
        return Verdict.CONFIRMED if verdict is Verdict.SUSPECTED else verdict

    patch.setattr(Floor, "hear", hasty)


# keypad, time, end


@bug
def a_key_is_lost(patch: Patch) -> None:
    seen: weakref.WeakKeyDictionary[CallSession, int] = weakref.WeakKeyDictionary()

    def change(call: CallSession, event: Event, tell: Callable[[Event], None]) -> None:
        if isinstance(event, DigitPressed):
            seen[call] = seen.get(call, 0) + 1
            if seen[call] == 4:
                return
        tell(event)

    _telling(patch, change)


@bug
def a_key_counts_twice(patch: Patch) -> None:
    def change(call: CallSession, event: Event, tell: Callable[[Event], None]) -> None:
        tell(event)
        if isinstance(event, DigitPressed) and event.digit == "7":
            tell(event)

    _telling(patch, change)


@bug
def the_greeting_comes_late(patch: Patch) -> None:
    start = CallSession.start
    patch.setattr(CallSession, "start", lambda self: asyncio.get_running_loop().call_later(1.5, start, self) and None)


@bug
def the_call_is_never_ended(patch: Patch) -> None:
    patch.setattr(CallSession, "_hang_up", lambda self, command: None)


@bug
def the_goodbye_is_not_waited_for(patch: Patch) -> None:
    patch.setattr(Playout, "empty", property(lambda self: all(track.all_sent for track in self._tracks)))


@bug
def ended_calls_are_kept(patch: Patch) -> None:
    patch.setattr(gateway_media.MediaSocket, "_release", lambda self, call_sid: None)


# wire and trust


@bug
def the_stream_is_named_wrongly(patch: Patch) -> None:
    encode = twilio.encode_media
    patch.setattr(twilio, "encode_media", lambda sid, ulaw: encode("MZ" + "0" * 32, ulaw))


@bug
def media_messages_have_a_field_too_many(patch: Patch) -> None:
    encode = twilio.encode_media
    patch.setattr(
        twilio,
        "encode_media",
        lambda sid, ulaw: encode(sid, ulaw).replace(b'{"payload"', b'{"track":"outbound","payload"'),
    )


@bug
def webhooks_are_not_checked(patch: Patch) -> None:
    async def trusting(self: Signatures, request: Any, route: str) -> dict[str, str]:
        return {str(key): str(value) for key, value in (await request.post()).items()}

    patch.setattr(Signatures, "check_webhook", trusting)


@bug
def sockets_are_not_checked(patch: Patch) -> None:
    patch.setattr(Signatures, "check_socket", lambda self, request: None)


@bug
def a_ticket_is_good_twice(patch: Patch) -> None:
    async def always(self: Shelf, key: str, ttl_s: float) -> bool:
        return True

    patch.setattr(Shelf, "add", always)
