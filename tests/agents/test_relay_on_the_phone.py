"""A caller in the simulator, the whole service, and an application on its own socket: nothing in between is a stand-in.

The flow is that of the relay's documented sample: a welcome, prompts answered in tokens, an interruption, keys, an end
with data for whoever takes over.
"""

from __future__ import annotations

import json
from pathlib import Path

from bridge.app import Application
from bridge.config import parse_settings
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import to_ulaw
from tests.agents.relay_application import Caller, RelayApplication, Told
from tests.listening.streaming_service import StreamingService
from tests.speaking.doubles import FakeWorker, heard

RECORDING = Path(__file__).parents[2] / "fixtures" / "callers" / "book_appointment.wav"
LONG = "We are open on Monday and Tuesday and Wednesday and Thursday and Friday from nine to five"
SCENARIO = f"""
name: An application behind the relay
steps:
  - wait_for_silence: 300
  - say: {{recording: {RECORDING}}}
  - interrupt: {{after_ms: 1500, recording: {RECORDING.with_name("yes_please.wav")}}}
  - wait_for_silence: 300
  - digits: {{keys: "7"}}
  - wait_for_hang_up: 10
"""


class Receptionist:
    """Answers as the sample does, and keeps what it learns of the conversation."""

    def __init__(self) -> None:
        self.prompts = 0

    async def __call__(self, caller: Caller, told: Told) -> None:
        match told:
            case {"type": "prompt", "last": True}:
                self.prompts += 1
                words = LONG if self.prompts == 1 else "Certainly"
                await caller.says(*(f"{word} " for word in words.split()), "")
            case {"type": "dtmf"}:
                await caller.says("Goodbye.")
                await caller.send(type="end", handoffData=json.dumps({"key": told["digit"]}))


async def ring(folder: Path, application: RelayApplication) -> PlacedCall:
    async with FakeWorker() as worker, StreamingService(Whisper(WhisperSettings())).serve() as recogniser:
        settings = parse_settings(
            f"""
            gateway: {{max_loop_lag_ms: 10000, public_url: "https://bridge.example.com"}}
            carriers: [{{kind: twilio}}]
            speaking: {{workers: ["{worker.address}"], voice: heart}}
            listening: {{recogniser: {{kind: websocket, url: "{recogniser}"}}, turn: {{kind: none}}}}
            agent: {{kind: conversation_relay, url: "{application.url}", welcome_greeting: "Welcome to the clinic."}}
            """,
            str(folder / "bridge.yaml"),
        )
        service = Application(settings, directory=folder, environ={"TWILIO_AUTH_TOKEN": "secret"})
        await service.start("127.0.0.1", 0)
        try:
            return await place_call(
                "https://bridge.example.com/twilio/voice",
                parse(SCENARIO),
                auth_token="secret",
                connect_to=f"http://127.0.0.1:{service.port}",
                natural_voice=False,
            )
        finally:
            await service.stop()


async def test_an_application_written_for_the_relay_is_heard_by_a_caller(tmp_path: Path) -> None:
    async with RelayApplication(Receptionist()) as application:
        placed = await ring(tmp_path, application)
        (caller,) = application.callers
    assert [verdict for verdict in placed.result.verdicts if not verdict.passed] == []
    assert placed.result.hung_up_by == "server"
    said = [word.lower().strip(".,") for word in heard(to_ulaw(placed.recording.bot.sound))]
    assert said[:4] == ["welcome", "to", "the", "clinic"]
    assert said[-1] == "goodbye"
    first, interrupt = caller.of("prompt")[0], caller.of("interrupt")[0]
    assert "appointment" in first["voicePrompt"].lower()
    told = interrupt["utteranceUntilInterrupt"].lower().split()
    assert told == LONG.lower().split()[: len(told)]
    assert 1000 < interrupt["durationUntilInterruptMs"] < 6000
    assert [one["digit"] for one in caller.of("dtmf")] == ["7"]
    assert len(caller.headers["x-twilio-signature"]) == 28
    # What the application is told of is what was heard on the line, the last of it in a lowered voice (`?`).
    spoken = said[4 : 4 + len(told)]
    loud = spoken.index("?") if "?" in spoken else len(spoken)
    assert loud >= len(told) - 3
    assert (spoken[:loud], set(spoken[loud:]) - {"?"}) == (told[:loud], set())
    assert said[4 + len(told)] not in LONG.lower().split()
