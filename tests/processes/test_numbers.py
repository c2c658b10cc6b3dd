"""Two processes share a port, and each number's callers get what the file says of it, whichever process they reach."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import to_ulaw
from tests.processes.running import SERVE, free_port, service, wait_until
from tests.speaking.doubles import FakeWorker, heard

DESK, WORKSHOP, ANYBODY = "+15550100", "+4930123456", "+15550199"
SAID = {DESK: ("heart", "front desk"), WORKSHOP: ("joe", "guten tag"), ANYBODY: ("heart", "main line")}
CALLS_EACH = 3


def config(folder: Path, worker: FakeWorker) -> Path:
    """The file of a service whose numbers differ in agent, voice and language."""
    for name, greeting in {"desk": "Front desk.", "workshop": "Guten Tag.", "main": "Main line."}.items():
        (folder / f"{name}.yaml").write_text(f"states: {{start: {{say: {greeting}, hang_up: done}}}}")
    file = folder / "bridge.yaml"
    file.write_text(
        f"""
        gateway: {{development_unsigned: true, host: 127.0.0.1, max_loop_lag_ms: 10000, max_calls_per_number: 100}}
        carriers: [{{kind: twilio}}, {{kind: telnyx}}]
        speaking: {{workers: ["{worker.address}"], voice: heart}}
        listening: {{recogniser: {{kind: none}}, turn: {{kind: none}}}}
        agent: {{kind: script, file: main.yaml}}
        numbers:
          "{DESK}": {{agent: {{kind: script, file: desk.yaml}}}}
          "{WORKSHOP}": {{agent: {{kind: script, file: workshop.yaml}}, voice: joe, language: de}}
        """
    )
    return file


async def ring(port: int, carrier: str, called: str) -> PlacedCall:
    scenario = parse(f'name: x\ncaller: {{called: "{called}"}}\nsteps: [{{wait_for_hang_up: 20}}]')
    url = f"http://127.0.0.1:{port}/{carrier}/voice"
    return await place_call(url, scenario, auth_token="secret", carrier=carrier, natural_voice=False)


async def test_each_number_keeps_its_settings_in_each_of_several_processes(tmp_path: Path) -> None:
    temporary, port = tmp_path / "t", free_port()
    temporary.mkdir()
    async with FakeWorker(voices=("heart", "joe")) as worker:
        command = [*SERVE, "-c", str(config(tmp_path, worker)), "--port", str(port), "--processes", "2"]
        with service(command, temporary) as running:
            await asyncio.to_thread(wait_until, lambda: running.said.count("ready for calls") == 2)
            rung = [(carrier, number) for number in SAID for carrier in ("twilio", "telnyx") for _ in range(CALLS_EACH)]
            calls = await asyncio.gather(*(ring(port, carrier, number) for carrier, number in rung))
    for (_, number), call in zip(rung, calls, strict=True):
        voice, greeting = SAID[number]
        words = heard(to_ulaw(call.recording.bot.sound))
        assert words[0].lower() == greeting.split()[0]  # on a busy machine the second word may break off
        assert {said.lower(): by for said, by in worker.voice_of.items()}[f"{greeting}."] == voice
