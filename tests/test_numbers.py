"""What differs by the number that was dialled: read from the file, and heard on calls to a real service."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import doctor
from bridge.agents.settings import ChatSettings, ScriptSettings
from bridge.app import Application
from bridge.call.record import moments
from bridge.config import Settings, parse_settings
from bridge.dialled import normalised
from bridge.errors import ConfigError
from bridge.listening.settings import NoRecogniserSettings, OpenAITranscriptionSettings, WhisperSettings
from bridge.numbers import NumberSettings, every_profile, not_understood
from bridge.profiles import Agents, fixed_lines
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import to_ulaw
from tests.speaking.doubles import FakeWorker, heard

SHARED = """
agent: {kind: script, file: shop.yaml, transfers: {region: US}}
language: en-US
call: {no_input_s: 5, floor: {duck_db: -12}}
listening: {recogniser: {kind: openai, model: small, deadline_s: 3}}
speaking: {voice: heart, workers: ["ws://127.0.0.1:1"]}
"""


def read(numbers: str, shared: str = SHARED) -> Settings:
    return parse_settings(shared + numbers, "bridge.yaml")


def mistakes(numbers: str, shared: str = SHARED) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(numbers, shared)
    return str(refused.value).splitlines()


def test_a_number_has_the_settings_of_the_file_but_for_what_it_says() -> None:
    settings = read('numbers: {"+15550100": {language: de, voice: joe, call: {floor: {gap_ms: 90}}}}')
    number = settings.numbers["+15550100"]
    assert (number.voice, number.language, number.call.language) == ("joe", "de", "de")
    assert (number.call.no_input_s, number.call.floor.duck_db, number.call.floor.gap_ms) == (5.0, -12.0, 90)
    assert number.agent == settings.agent
    assert number.recogniser == settings.listening.recogniser
    assert (settings.call.language, settings.call.floor.gap_ms) == ("en-US", 130)


def test_a_number_of_which_nothing_is_said_has_them_all() -> None:
    number = read('numbers: {"+15550100": }').numbers["+15550100"]
    assert (number.voice, number.language, number.call.no_input_s) == ("heart", "en-US", 5.0)


def test_a_union_of_the_same_kind_is_merged_and_of_another_replaced() -> None:
    same = read('numbers: {"+15550100": {agent: {file: desk.yaml}, recogniser: {kind: openai, model: large}}}')
    number = same.numbers["+15550100"]
    assert isinstance(number.agent, ScriptSettings)
    assert (number.agent.file, number.agent.transfers.region) == ("desk.yaml", "US")
    assert number.recogniser == OpenAITranscriptionSettings(model="large", deadline_s=3.0)
    other = read('numbers: {"+15550100": {agent: {kind: chat, model: m}, recogniser: {kind: whisper}}}')
    assert other.numbers["+15550100"].agent == ChatSettings(model="m")
    assert other.numbers["+15550100"].recogniser == WhisperSettings()


def test_without_a_recogniser_a_call_does_not_listen_for_words() -> None:
    settings = read('numbers: {"+15550100": {recogniser: {kind: none}}}')
    assert settings.call.listens
    assert not settings.numbers["+15550100"].call.listens
    assert not parse_settings("listening: {recogniser: {kind: none}}", "bridge.yaml").call.listens


def test_all_mistakes_are_told_at_once_with_file_line_key_and_value() -> None:
    numbers = """numbers:
  "+15550100":
    call: {no_input_s: soon, no_input_limt: 2}
    recogniser: {kind: parrot}
    agent: {kind: web, url: "https://example.com", file: a.yaml}
  "+1 555 01-00": {voice: joe}
  "5550100": {voice: joe}
  sip:desk@example.com: {call: {endpoint: {ceiling_ms: 9000}}, voice: 5}
"""
    told = mistakes(numbers)
    about = {line.partition(": ")[2].partition(": ")[0]: line for line in told}
    assert list(about) == [
        'numbers."+15550100".agent.file',
        'numbers."+15550100".call.no_input_limt',
        'numbers."+15550100".recogniser.kind',
        'numbers."+15550100".call.no_input_s',
        'numbers."+1 555 01-00"',
        'numbers."5550100"',
        'numbers."sip:desk@example.com".voice',
        'numbers."sip:desk@example.com".call.endpoint.ceiling_ms',
    ]
    assert told[3] == "bridge.yaml:9: numbers.\"+15550100\".call.no_input_s: is 'soon', expected a number"
    assert ": whisper, openai, websocket," in told[2]
    assert told[2].endswith(", none")
    assert "the same number as '+15550100'" in told[4]
    assert "E.164" in told[5]


@pytest.mark.parametrize(
    ("old", "says"),
    [
        ("call: {language: de}", "call.language: is `language` now"),
        ("call: {listens: false}", "call.listens: is no setting any more: a recogniser of `kind: none`"),
        ('numbers: {"+15550100": {call: {language: de}}}', 'numbers."+15550100".call.language: is `language` now'),
    ],
)
def test_what_was_said_twice_is_refused_with_the_key_that_says_it_now(old: str, says: str) -> None:
    (told,) = mistakes(old, "")
    assert says in told


@pytest.mark.parametrize("made", [("voices", "loud"), ("providers", "fleet")])
def test_a_mistake_inside_a_mapping_names_the_key(made: tuple[str, str]) -> None:
    section, name = made
    inside = "[{voice: 5}]" if section == "voices" else "{kind: worker, addresses: ['unix:/a'], sockets: many}"
    (told,) = mistakes(f"speaking: {{{section}: {{{name}: {inside}}}}}", "")
    assert told.startswith(f"bridge.yaml:1: speaking.{section}.{name}")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+1 (555) 01-00", "+15550100"),
        ("+49 30 123456", "+4930123456"),
        ("+390612345678", "+390612345678"),
        ("<sip:Desk@Example.COM:5060;transport=tls>", "sip:Desk@example.com"),
        ("sips:desk@[2001:db8::1]", "sips:desk@[2001:db8::1]"),
        ("+310000000", "+3100000"),
        ("15550100", None),
        ("030 123456", None),
        ("client:alice", None),
        ("sip:@example.com", None),
        ("", None),
    ],
)
def test_a_number_has_one_spelling(written: str, number: str | None) -> None:
    assert normalised(written) == number


@given(st.text(max_size=300) | st.from_regex(r"\+[0-9 ()-]{1,30}", fullmatch=True))
def test_a_spelling_is_that_of_itself(text: str) -> None:
    number = normalised(text)
    assert number is None or normalised(number) == number


async def test_every_number_must_be_answered(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.kind"):
        Agents(Settings())
    (tmp_path / "a.yaml").write_text("states: {start: {say: Hi, hang_up: x}}")
    settings = read('numbers: {"+15550100": {agent: {kind: script, file: a.yaml}}, "+15550199": {}}', "")
    with pytest.raises(ConfigError, match=r'numbers\."\+15550199"\.agent\.kind'):
        Agents(settings, tmp_path)
    told = await doctor.agents(settings, tmp_path)
    assert [finding.status for finding in told] == ["ok", "ok", "fail"]


def test_equal_agents_are_built_once(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("states: {start: {say: Hi, hang_up: x}}")
    agents = Agents(read('numbers: {"+15550100": {voice: joe}, "+15550101": {language: de}}'), tmp_path)
    assert agents.numbers[""] is agents.numbers["+15550100"] is agents.numbers["+15550101"]


def script(greeting: str) -> str:
    return f"states: {{start: {{say: {greeting}, hang_up: done}}}}"


def service_file(folder: Path, worker: FakeWorker) -> Settings:
    (folder / "desk.yaml").write_text(script("Front desk."))
    (folder / "werkstatt.yaml").write_text(script("Guten Tag."))
    return parse_settings(
        f"""
        gateway: {{development_unsigned: true, max_loop_lag_ms: 10000}}
        carriers: [{{kind: twilio}}, {{kind: plivo}}]
        speaking: {{workers: ["{worker.address}"], voice: heart}}
        listening: {{turn: {{kind: none}}}}
        telemetry: {{record_directory: records}}
        numbers:
          "+1 555 01-00":
            agent: {{kind: script, file: desk.yaml}}
          "+4930123456":
            agent: {{kind: script, file: werkstatt.yaml}}
            language: de
            voice: joe
            recogniser: {{kind: none}}
            call: {{goodbye: Auf Wiederhören.}}
        """,
        str(folder / "bridge.yaml"),
    )


async def ring(port: int, carrier: str, called: str) -> PlacedCall:
    scenario = parse(f'name: x\ncaller: {{called: "{called}"}}\nsteps: [{{wait_for_hang_up: 20}}]')
    url = f"http://127.0.0.1:{port}/{carrier}/voice"
    return await place_call(url, scenario, auth_token="secret", carrier=carrier, natural_voice=False)


def words(placed: PlacedCall) -> str:
    return " ".join(heard(to_ulaw(placed.recording.bot.sound)))


def test_an_application_behind_the_relay_keeps_time_itself() -> None:
    settings = parse_settings(
        """
        agent: {kind: conversation_relay, url: "wss://app.example.com/relay"}
        numbers: {"+15550100": {agent: {kind: script, file: desk.yaml}}}
        """,
        "bridge.yaml",
    )
    patience = {number: its.call.no_input_s for number, its in every_profile(settings)}
    assert patience == {"": 0.0, "+15550100": 7.0}


async def test_each_number_has_its_own_greeting_voice_and_language(tmp_path: Path) -> None:
    async with FakeWorker(voices=("heart", "joe")) as worker:
        settings = service_file(tmp_path, worker)
        application = Application(settings, directory=tmp_path)
        await application.start("127.0.0.1", 0)
        try:
            lines = {(line.text, line.voice) for line in fixed_lines(settings, application.agents)}
            made = len(worker.texts)
            desk, werkstatt, stranger = await asyncio.gather(
                ring(application.port, "twilio", "+15550100"),
                ring(application.port, "plivo", "+4930123456"),
                ring(application.port, "twilio", "+15550999"),
            )
            page = application.metrics.page().decode()
        finally:
            await application.stop()
        spoken = worker.voice_of
    assert (words(desk), words(werkstatt)) == ("Front desk.", "Guten Tag.")
    assert not stranger.result.connected
    assert 'bridge_calls_refused_total{why="no agent"} 1.0' in page
    assert {("Front desk.", None), ("Guten Tag.", "joe"), ("Auf Wiederhören.", "joe")} <= lines
    assert (spoken["Front desk."], spoken["Guten Tag."], spoken["Auf Wiederhören."]) == ("heart", "joe", "joe")
    assert worker.texts[made:] == [], "everything was ready, in each number's voice"
    kept = sorted((tmp_path / "records").iterdir())
    held = {moments(file.read_text().splitlines())[0].settings.language: file for file in kept}
    assert set(held) == {"en", "de"}
    german = moments(held["de"].read_text().splitlines())[0].settings
    english = moments(held["en"].read_text().splitlines())[0].settings
    assert (german.listens, english.listens) == (False, True)
    assert german.goodbye == "Auf Wiederhören."
    assert settings.numbers["+4930123456"].recogniser == NoRecogniserSettings()


def test_languages_that_the_embedded_recogniser_does_not_understand_are_named_by_number() -> None:
    german = NumberSettings(agent=ScriptSettings(file="termin.yaml"), language="de-DE")
    named = msgspec.structs.replace(german, recogniser=WhisperSettings(model="multilingual"))
    english = msgspec.structs.replace(german, language="en-GB")
    settings = Settings(language="fr", numbers={"+49301": german, "+49302": named, "+44203": english})

    assert not_understood(settings) == ["numbers.+49301: the embedded recogniser understands English only, not de-DE"]
    assert not_understood(Settings(language="fr")) == [
        "language: the embedded recogniser understands English only, not fr"
    ]
    assert not_understood(Settings()) == []
