"""What each feature costs: milliseconds of CPU for one second of one call, each part alone in one process.

    python -m tests.bench.features

The workload is a call with the bot speaking all the time and a caller who talks over it now and then; parts
that run per frame, per window, per message or per event are scaled to how often a call needs them.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable

import numpy as np

from bridge.audio import mulaw
from bridge.call.actions import Say
from bridge.call.commands import Decided, SendAudio
from bridge.call.machine import Call
from bridge.call.record import command_line, event_line
from bridge.call.settings import CallSettings, FloorSettings
from bridge.carriers.twilio.messages import TwilioStream
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.echo import EchoGate
from bridge.listening.settings import ActivitySettings
from bridge.listening.sound import AudioMemory
from tests.bench.machine import keep
from tests.bench.states import state_costs_ms
from tests.call.phone import Phone

CALLS = 128
SECONDS = 20.0
FRAMES, WINDOWS = 50.0, 31.25


def time_us(work: Callable[[], object], times: int) -> float:
    """Microseconds a time, the best of five rounds."""
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - began) / times)
    return best * 1e6


def conversation(shadow: FloorSettings | None = None) -> tuple[Phone, CallSettings]:
    """A bot that talks for 20 s, and a caller who coughs over it every 2 s."""
    settings = CallSettings(shadow=shadow)
    phone = Phone(lambda prompt: [Say(" ".join(["word"] * 80))], settings)
    phone.answers()
    for _ in range(int(SECONDS / 2)):
        phone.caller_speaks(0.15)
        phone.wait(2.0)
    return phone, settings


def replay_ms(phone: Phone, settings: CallSettings) -> float:
    """The machine alone over the events of a conversation, per call-second."""

    def once() -> None:
        call = Call(settings)
        for now, event, _ in phone.log:
            call.receive(event, now)

    return time_us(once, 3) / 1000 / SECONDS


def voice_activity_ms() -> dict[str, float]:
    """Silero for 128 calls of which none is silent, and what a frame costs on its way there."""
    batch = ActivityBatch(SileroModel(), ActivitySettings(silence_db=-200.0, above_floor_db=-200.0, rows=CALLS))
    rows = [batch.open() for _ in range(CALLS)]
    noise = mulaw.encode((np.random.default_rng(1).standard_normal(256) * 900).astype(np.int16))

    def tick() -> None:
        for row in rows:
            batch.write(row, noise, 0.0)
        while batch.ready:
            batch.run()

    memory = AudioMemory(24.0)
    frame = noise[:160]
    return {
        "voice activity, each window by the model": time_us(tick, 20) / CALLS / 1000 * WINDOWS,
        "caller's audio kept for recognition": time_us(lambda: memory.write(frame, 0.0), 2000) / 1000 * FRAMES,
    }


def echo_ms() -> float:
    """The echo gate, for the tenth of the windows that are speech-like while the bot speaks."""
    gate = EchoGate()
    rng = np.random.default_rng(2)
    sent = mulaw.encode((rng.standard_normal(8000) * 3000).astype(np.int16))
    heard = mulaw.encode((rng.standard_normal(960) * 3000).astype(np.int16))
    gate.sent(sent, 0.0)
    return time_us(lambda: gate.judge(heard, 0.9), 200) / 1000 * WINDOWS * 0.1


def main() -> None:
    """Print and keep the table."""
    payload = b64encode(b"\xce" * 160).decode()
    media = {"event": "media", "sequenceNumber": "3", "streamSid": "MZ1"}
    sound = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}
    text = json.dumps({**media, "media": sound}).encode()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"accountSid": "AC1", "callSid": "CA1", "streamSid": "MZ1", "mediaFormat": form}
    stream = TwilioStream()
    stream.read_text(json.dumps({"event": "start", "start": start}).encode())
    phone, settings = conversation()
    sent = [c for _, c in phone.commands if isinstance(c, SendAudio)]
    machine_ms = replay_ms(phone, settings)
    shadowed, shadow_settings = conversation(FloorSettings(confirm_ms=200))

    def write_record() -> None:
        for now, event, commands in phone.log:
            event_line(event, now)
            for command in commands:
                command_line(command, now)

    loud = b"\xce" * 640
    costs = {
        "decode the carrier's frames": time_us(lambda: stream.read_text(text), 5000) / 1000 * FRAMES,
        **voice_activity_ms(),
        "echo gate, a tenth of the windows": echo_ms(),
        "call machine: playout, clock, floor, ledger": machine_ms,
        "policy shadow": replay_ms(shadowed, shadow_settings) - machine_ms,
        "encode what is sent": time_us(lambda: stream.audio(loud), 5000) / 1000 * len(sent) / SECONDS,
        "duck by table, while ducked": time_us(lambda: loud.translate(mulaw.gain_table(-18.0)), 5000) / 1000 * 12.5,
        "record every event and command": time_us(write_record, 3) / 1000 / SECONDS,
    }
    states = state_costs_ms(phone, settings, SECONDS)
    why = sum(isinstance(c, Decided) for _, c in phone.commands) / SECONDS
    print(f"{'ms of CPU per call-second':50}")
    for name, cost in costs.items():
        print(f"  {name:48} {max(cost, 0.0):7.3f}")
    print(f"  {'all of it':48} {sum(max(cost, 0.0) for cost in costs.values()):7.3f}")
    for name, cost in states.items():
        print(f"  {name:48} {cost:7.3f}")
    print(
        f"  ({len(phone.log) / SECONDS:.0f} events and {why:.1f} why records a second; sockets and loop not included)"
    )
    kept = {name: round(cost, 4) for name, cost in {**costs, **states}.items()}
    print("kept in", keep("features", {"ms_per_call_second": kept}))


if __name__ == "__main__":
    main()
