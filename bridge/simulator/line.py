"""What happens to the caller's voice between their mouth and the server: noise, echo, loss, late and bunched frames.

Decisions only: the shell asks what a frame sounds like and when it goes out. Everything random follows the seed.
"""

from __future__ import annotations

import random

import numpy as np

from bridge.simulator import voices, watermark
from bridge.simulator.scenario import Line
from bridge.simulator.sound import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Sound, from_ulaw

SPEECH_LEVEL_DB = -20.0
"""The level callers speak at unless the scenario says otherwise; noise is set against it."""

_ROOM_SECONDS = 10


class LineConditions:
    """The conditions on one call's line."""

    def __init__(self, settings: Line, mark: str = "") -> None:
        """`mark` names the caller in a watermark under their voice (`bridge.simulator.watermark`); empty: none."""
        self._settings = settings
        self._mark = mark
        self._random = random.Random(settings.seed)
        self._room: Sound | None = None
        if settings.noise_snr_db is not None:
            level = SPEECH_LEVEL_DB - settings.noise_snr_db
            self._room = voices.room(settings.noise, _ROOM_SECONDS * RATE_HZ, level, settings.seed)
        self._gain = 10.0 ** (settings.echo_db / 20.0) if settings.echo_db is not None else 0.0
        self._free_at_ms = 0.0

    def colour(self, frame: int, voice: Sound, heard: bytearray) -> Sound:
        """The caller's frame number `frame` as the line delivers it; `heard` is all the bot's sound so far."""
        sound = voice
        if self._room is not None:
            start = frame * FRAME_SAMPLES % len(self._room)
            sound = sound + self._room[start : start + FRAME_SAMPLES]
        if self._gain:
            end = (frame + 1) * FRAME_SAMPLES - self._settings.echo_delay_ms * RATE_HZ // 1000
            echo = np.zeros(FRAME_SAMPLES, np.float32)
            if end > 0:
                part = from_ulaw(heard[max(0, end - FRAME_SAMPLES) : end])
                echo[FRAME_SAMPLES - len(part) :] = part
            sound = sound + self._gain * echo
        if self._mark:
            sound = watermark.mark(sound, self._mark, at=frame * FRAME_SAMPLES)
        return sound

    def lost(self) -> bool:
        """Whether the next frame is lost on its way to the carrier."""
        return self._settings.loss > 0 and self._random.random() < self._settings.loss

    def leaves_at_ms(self, frame: int) -> float:
        """When this frame goes out, in milliseconds on the line's clock; never out of order."""
        settings = self._settings
        due = (frame + 1) * FRAME_MS
        if settings.burst > 1:
            due = (frame // settings.burst + 1) * settings.burst * FRAME_MS
        at = due + (self._random.uniform(0.0, settings.jitter_ms) if settings.jitter_ms else 0.0)
        at = max(self.after_stall_ms(at, "to_server"), self._free_at_ms)
        self._free_at_ms = at
        return at

    def after_stall_ms(self, at_ms: float, direction: str) -> float:
        """When something that would pass at `at_ms` in this direction really passes."""
        for stall in self._settings.stalls:
            if stall.direction in (direction, "both") and stall.at_ms <= at_ms < stall.at_ms + stall.ms:
                at_ms = stall.at_ms + stall.ms
        if self._settings.half_open_at_ms is not None and at_ms >= self._settings.half_open_at_ms:
            return float("inf")
        return at_ms
