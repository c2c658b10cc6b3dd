"""A caller in the simulator, the whole service, and an application on its own socket: nothing in between is a stand-in.

The flow is that of the relay's documented sample: a welcome, prompts answered in tokens, an interruption, keys, an end
with data for whoever takes over.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from bridge.app import Application
from bridge.config import parse_settings
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import to_ulaw
from bridge.telemetry.after_call import signing
from tests.agents.relay_application import Caller, RelayApplication, Told
from tests.listening.streaming_service import StreamingService
from tests.speaking.doubles import FakeWorker, heard
from tests.telemetry.test_after_call import office

RECORDING = Path(__file__).parents[2] / "fixtures" / "callers" / "book_appointment.wav"
LONG = "We are open on " + "Monday and Tuesday and Wednesday and Thursday and Friday and " * 20 + "that is all"
"""40 seconds: nobody is too slow to be interrupted in them."""
SCENARIO = f"""
name: An application behind the relay
steps:
  - wait_for_silence: 300
  - say: {{recording: "{RECORDING}"}}
  - interrupt: {{after_ms: 1500, recording: "{RECORDING.with_name("yes_please.wav")}"}}
  - wait_for_silence: 300
  - digits: {{keys: "7"}}
  - wait_for_hang_up: 60
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


async def ring(folder: Path, application: RelayApplication, reports: str) -> PlacedCall:
    """Call the service, which waits for its recogniser as long as this machine needs."""
    async with FakeWorker() as worker, StreamingService(Whisper(WhisperSettings())).serve() as recogniser:
        settings = parse_settings(
            f"""
            gateway: {{max_loop_lag_ms: 10000, public_url: "https://bridge.example.com"}}
            carriers: [{{kind: twilio}}]
            speaking: {{workers: ["{worker.address}"], voice: heart}}
            listening: {{recogniser: {{kind: websocket, url: "{recogniser}"}}, turn: {{kind: none}}, final_ms: 60000,
                activity: {{linger_s: 61}}}}
            call: {{endpoint: {{ceiling_ms: 60000, lone_ms: 60000}}}}
            agent: {{kind: conversation_relay, url: "{application.url}", welcome_greeting: "Welcome to the clinic."}}
            after_call: {{url: "{reports}"}}
            """,
            str(folder / "bridge.yaml"),
        )
        environ = {"TWILIO_AUTH_TOKEN": "secret", "AFTER_CALL_SECRET": "a-long-random-text"}
        service = Application(settings, directory=folder, environ=environ)
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
    async with RelayApplication(Receptionist()) as application, office(tmp_path / "unused") as reports:
        placed = await ring(tmp_path, application, reports.post.settings.url)
        (caller,) = application.callers
        async with asyncio.timeout(60):
            while not reports.receiver.got:
                await asyncio.sleep(0.01)
        headers, report = reports.receiver.got[0]
    assert [verdict for verdict in placed.result.verdicts if not verdict.passed] == []
    assert placed.result.hung_up_by == "server"
    said = [word.lower().strip(".,") for word in heard(to_ulaw(placed.recording.bot.sound))]
    assert like(said[:4], ["welcome", "to", "the", "clinic"])
    first, interrupt = caller.of("prompt")[0], caller.of("interrupt")[0]
    assert "appointment" in first["voicePrompt"].lower()
    told = interrupt["utteranceUntilInterrupt"].lower().split()
    assert told == LONG.lower().split()[: len(told)]
    assert interrupt["durationUntilInterruptMs"] > 0
    assert [one["digit"] for one in caller.of("dtmf")] == ["7"]
    assert len(caller.headers["x-twilio-signature"]) == 28
    # What the application is told of is what was heard on the line, the last of it in a lowered voice (`?`).
    assert like(said[4 : 4 + len(told)], told)
    assert said[4 + len(told)] not in LONG.lower().split()
    assert signing.genuine(b"a-long-random-text", headers, report, time.time())
    check_report(json.loads(report), told)


def like(heard_on_the_line: list[str], told: list[str]) -> bool:
    """The same words, but for those that were softer or broke off, as on a busy machine (`?`): at most half of them."""
    pairs = list(zip(heard_on_the_line, told, strict=True))
    return all(word in (wanted, "?") for word, wanted in pairs) and 2 * heard_on_the_line.count("?") <= len(pairs)


def check_report(report: Any, told: list[str]) -> None:
    """What is posted after the call is the same conversation."""
    welcome, asked, answer, *_, key, goodbye = report["transcript"]
    assert (welcome["text"], key["text"], goodbye["text"]) == ("Welcome to the clinic.", "7", "Goodbye.")
    assert "appointment" in asked["text"]
    assert answer["text"].lower().split() == told
    assert [word.lower() for word, _, _ in answer["words"]] == told
    assert f"{answer['text']} {answer['unheard']}" == LONG
    starts = [turn["start_s"] for turn in report["transcript"]]
    assert starts == sorted(starts)
    assert report["outcome"]["handoff"] == '{"key": "7"}'
    assert report["outcome"]["why"] == "agent"
