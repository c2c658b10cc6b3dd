"""The sound of the voice, and its way to the right caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bridge.audio import resample
from bridge.audio.formats import AudioFormat
from bridge.audio.resample import Resampler
from bridge.call.commands import SendAudio
from bridge.call.events import Event, SpeechArrived
from bridge.call.playout import Playout
from bridge.call.track import Track
from bridge.session.session import CallSession
from tests.simulator.planted.catalogue import (
    LINES,
    SERVED,
    SOUND,
    Memory,
    Patch,
    Send,
    bug,
    line_format,
    sending,
    telling,
    to_line,
)

# -- the sound of the voice ------------------------------------------------------------------------


NARROW = tuple(name for name in SERVED if name not in LINES)
"""Carriers whose lines carry no more than a phone does. A filter to 16 kHz tears mostly above what a phone lets
through: what is heard of it there lies 19 to 38 dB below the voice."""


@bug("booth/patient", reported_as=(SOUND, "clicks"), in_the_voice=True, carriers=NARROW)
def resampler_begins_anew_with_every_chunk(patch: Patch) -> None:
    """The filter's memory is thrown away after every 20 ms of one utterance."""
    _by_frames(patch, lambda self, made: np.concatenate([made, self.flush()]))


@bug("booth/patient", reported_as=(SOUND, "clicks"), in_the_voice=True)
def resampler_loses_the_end_of_every_chunk(patch: Patch) -> None:
    """After every 20 ms the filter is a new one, and what the old one still held is forgotten."""

    def lose(self: Resampler, made: resample.Samples) -> resample.Samples:
        self.flush()
        return made

    _by_frames(patch, lose)


def _by_frames(patch: Patch, end: Callable[[Resampler, resample.Samples], resample.Samples]) -> None:
    feed = Resampler.feed

    def planted(self: Resampler, samples: resample.Samples) -> resample.Samples:
        frames = [samples[first : first + 480] for first in range(0, len(samples), 480)]
        return np.concatenate([end(self, feed(self, frame)) for frame in frames])

    patch.setattr(Resampler, "feed", planted)


@bug("booth/patient", reported_as=(SOUND,))
def wav_header_is_played(patch: Patch) -> None:
    """A voice that delivers WAV files is taken at its word: each begins with 58 bytes of header."""
    header = (
        b"RIFF\xff\xff\xff\xffWAVEfmt \x12\0\0\0\7\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0\0\0fact\4\0\0\0\0\0\0\0data"
    )

    def change(event: Event, own: Memory) -> Iterator[Event]:
        if isinstance(event, SpeechArrived) and str(event.utterance) not in own:
            own[str(event.utterance)] = True
            event = SpeechArrived(event.utterance, header + event.audio[len(header) :], event.words)
        yield event

    telling(patch, change)


@bug("booth/patient", reported_as=(SOUND, "clicks"))
def silence_is_of_another_format(patch: Patch) -> None:
    """Pieces are filled up with what is silence elsewhere and a bang here: in mu-law 0x00, in linear16 0x80."""

    def send(one: SendAudio, send: Send, own: Memory) -> None:
        line: AudioFormat = own["format"]
        bang = (b"\0" if line.codec == "mulaw" else b"\x80") * line.frame_bytes
        send(one.audio + bang if own["count"] % 5 == 4 else one.audio)

    sending(patch, send)


@bug("booth/patient", reported_as=(SOUND, "speech level"))
def another_encoding_is_spoken(patch: Patch) -> None:
    """A-law where mu-law was announced: every second bit is turned over. Or linear16 with the high byte first."""

    def send(one: SendAudio, send: Send, own: Memory) -> None:
        mulaw = own["format"].codec == "mulaw"
        send(
            bytes(byte ^ 0x55 for byte in one.audio) if mulaw else np.frombuffer(one.audio, "<i2").byteswap().tobytes()
        )

    sending(patch, send)


@bug("booth/patient", reported_as=("level spread",))
def level_differs_from_line_to_line(patch: Patch) -> None:
    """Only the first utterance went through the level control."""

    def send(one: SendAudio, send: Send, own: Memory) -> None:
        first = own.setdefault("first", one.utterance)
        send(one.audio if one.utterance == first else own["format"].scaled(one.audio, -10.0))

    sending(patch, send)


@bug("booth/patient", reported_as=(SOUND,))
def tail_of_an_utterance_is_lost(patch: Patch) -> None:
    """The last fifth of a second still lay in a buffer when the utterance was declared complete."""
    ended = Playout.ended

    def planted(self: Playout, utterance: int) -> Track | None:
        track = ended(self, utterance)
        if track is not None and track.waiting_ms > 300:
            del track.audio[-240 * track.audio_format.bytes_per_ms :]  # the last 40 ms are silent anyway
        return track

    patch.setattr(Playout, "ended", planted)


# -- the way of the audio ----------------------------------------------------------------------------


@bug("booth/patient", reported_as=(SOUND,))
def piece_is_dropped_now_and_then(patch: Patch) -> None:
    """A full queue loses its newest piece without a word."""
    sending(patch, lambda one, send, own: None if own["count"] % 15 == 14 else send(one.audio))


@bug("booth/patient", reported_as=(SOUND, "repeats"))
def piece_is_sent_twice_now_and_then(patch: Patch) -> None:
    """A write that was thought lost is repeated."""

    def send(one: SendAudio, send: Send, own: Memory) -> None:
        own["last"] = own.get("last", b"")[-300 * own["format"].bytes_per_ms :] + one.audio
        send(own["last"] if own["count"] % 15 == 14 else one.audio)

    sending(patch, send)


@bug("booth/patient", reported_as=(SOUND, "clicks"))
def pieces_overtake_each_other(patch: Patch) -> None:
    """Two tasks send, and the second piece is sometimes quicker."""

    def send(one: SendAudio, send: Send, own: Memory) -> None:
        if own["count"] % 4 == 2:
            own["late"] = one.audio
            return
        send(one.audio)
        if "late" in own:
            send(own.pop("late"))

    sending(patch, send)


@bug("booth/patient", "booth/hurried", reported_as=(SOUND, "repeats"))
def calls_share_a_buffer(patch: Patch) -> None:
    """A mutable default: all calls' utterances lie in one buffer."""
    initialise = Track.__init__
    shared = bytearray()

    def planted(self: Track, utterance: int, *arguments: Any, **named: Any) -> None:
        initialise(self, utterance, *arguments, **named)
        self.audio = shared
        self.dropped_ms = -len(shared) / self.audio_format.bytes_per_ms

    patch.setattr(Track, "__init__", planted)


@bug("booth/patient", "booth/hurried", reported_as=(SOUND,))
def piece_goes_to_another_call(patch: Patch) -> None:
    """Now and then a piece of one call's answer goes out on another call's socket."""
    calls: list[CallSession] = []

    def planted(self: CallSession, command: SendAudio) -> None:
        if self not in calls:
            calls.append(self)
        other = calls[calls.index(self) - 1]
        long = len(command.audio) > 2 * line_format(self).frame_bytes
        astray = command.utterance % 2 and long and not other.over
        to_line(other if astray else self, command.audio)

    patch.setattr(CallSession, "_send_audio", planted)


@bug("booth/patient", "booth/hurried", reported_as=("another call's audio",))
def caller_is_heard_by_another_caller(patch: Patch) -> None:
    """Every other second of a caller's goes out on another call's socket."""
    calls: list[CallSession] = []
    hear = CallSession.hear

    def planted(self: CallSession, audio: bytes) -> None:
        if self not in calls:
            calls.append(self)
        hear(self, audio)
        other = calls[calls.index(self) - 1]
        if other is not self and not other.over and other._frames % 100 < 50:
            other._line.send_audio(audio)  # in the line's format already
            other._line.flush()

    patch.setattr(CallSession, "hear", planted)
