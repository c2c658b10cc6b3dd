"""What the doctor and the other commands say of broken files and odd services is said in their users' words."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bridge import doctor, doctor_network, doctor_services
from bridge.doctor_network import Finding

FORBIDDEN = {
    "a list, mapping or tuple of Python": r"\[\]|\[['\"]|\{['\"]|\('[^']*', |\{\}|\bOrderedDict\b|\bset\(\)",
    "a value of Python": r"\bNone\b|\bTrue\b|\bFalse\b|<(class|function|object|module)\b| object at 0x",
    "a type of Python": r"\b(str|int|float|dict|tuple|bool|NoneType|bytes)\b(?!-)",
    "the name of an exception": r"\b(?!ClientError\b)[A-Z]\w+(Error|Exception)\b(?! while loading)",
    "a number of the system": r"\[?Errno|\bError \d+\b|errno",
    "a traceback": r"Traceback|\bline \d+, in ",
    "words of msgspec": r"`(array|object|str|int|float|bool)`|Object (missing|contains)|at `\$|\bgot `|matching regex"
    r"|JSON is malf",
    "words of PyYAML": r"while (parsing|scanning)|<block|<stream|<scalar|unicode string|could not determine|<unicode",
    "words of aiohttp": r"Cannot connect to host|ssl:default|Connect call failed|Server disconnected"
    r"|status line|Expected HTTP"
    r"|Invalid response status|message='|url=|Attempt to decode|Not enough data|payload",
    "words of OpenSSL": r"\[SSL|_ssl\.c|SSLV3|WRONG_VERSION|CERTIFICATE_VERIFY",
}


def unfit(said: str) -> list[str]:
    """What a user's line holds that only programmers know."""
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, said)]


@pytest.mark.parametrize(
    "said",
    [
        "state 'a': ['goto', 'hang_up']: expected only one of goto and hang_up",
        "attempts: expected `int`, got `str`",
        "Error 111 connecting to 127.0.0.1:6379. Connect call failed ('127.0.0.1', 6379).",
        "not YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
        "Cannot connect to host 127.0.0.1:9 ssl:default [Connect call failed ('127.0.0.1', 9)]",
        "the file: None: expected a mapping",
        "400, message='Expected HTTP/', url='http://127.0.0.1/'",
        "calls: ClientConnectorError",
        "call.no_input_s: is 'soon', expected float",
    ],
)
def test_the_words_of_programs_are_known(said: str) -> None:
    assert unfit(said)


GOOD_SCRIPT = "states: {start: {say: Hi, hang_up: x}}"
PYTHON = "from bridge.agents.dialogue import PhoneAgent\n"


def python(body: str, name: str = "made:Agent") -> tuple[str, dict[str, str]]:
    return f"agent: {{kind: python, class: '{name}'}}", {"made.py": body}


def script(text: str) -> tuple[str, dict[str, str]]:
    return "agent: {kind: script, file: a.yaml}", {"a.yaml": text}


def tool(text: str, **files: str) -> tuple[str, dict[str, str]]:
    agent = f"agent: {{kind: chat, url: 'http://127.0.0.1:9/', model: m, functions: [{text}]}}"
    return agent, {".".join(name.rsplit("_", 1)): body for name, body in files.items()}


def states(body: str) -> tuple[str, dict[str, str]]:
    return script(f"states:\n  start: {{say: Hi, hang_up: x}}\n  other: {body}\n")


FILES: dict[str, tuple[str, dict[str, str]]] = {
    f"settings {number}": (text, {})
    for number, text in enumerate(
        [
            "a: [",
            "a: b: c",
            "\ta: 1",
            "- a\n- b",
            "just words",
            "7",
            "agent: &a [*a]",
            "call: 5",
            "call: [1]",
            "call: {no_input_s: soon}",
            "call: {no_input_s: [1]}",
            "call: {no_input_s: {a: 1}}",
            "call: {no_input_s: ~, no_input_limit: 1.5}",
            "gateway: {max_calls: 0, port: many, public_url: 7}",
            "gateway: {public_url: ftp://x}",
            "gateway: {speech_api: {voices: {alloy: nobody}}}",
            "numbers: [1]",
            "numbers: {x: 1}",
            'numbers: {"+15550100": [1]}',
            'numbers: {"+15550100": {call: {no_input_s: [soon]}}}',
            "carriers: [{kind: nobody}]",
            "carriers: [7]",
            "carriers: {kind: twilio}",
            "carriers: [{auth_token_env: x}]",
            "listening: {recogniser: {kind: whisper, model: nowhere}}",
            "listening: {recogniser: {kind: nobody}}",
            "listening: {recogniser: [1, 2]}",
            "listening: {recogniser: {}}",
            "listening: {prices_per_minute: {desk: -1}}",
            "worker: {voices: {}}",
            "worker: {voices: [heart]}",
            "worker: {voices: {joe: {engine: piper}}}",
            "worker: {voices: {joe: {engine: nobody}}}",
            "worker: {voices: {joe: 7}}",
            "worker: {voices: {joe: {engine: openai_speech, url: x, model: '', voice: y}}}",
            "speaking: {voice: nobody}",
            "speaking: {workers: 'ws://127.0.0.1:9'}",
            "speaking: {workers: [7]}",
            "speaking: {providers: {x: {kind: nobody}}}",
            "speaking: {providers: {x: {kind: elevenlabs}}}",
            "speaking: {cache: {disk_mb: lots}}",
            "store: {redis_url: 7}",
            "store: {redis_url: 'http://x'}",
            "telemetry: {forks: [{url: x}]}",
            "telemetry: {forks: {url: x}}",
            "telemetry: {traces: {url: [x]}}",
            "telemetry: {record_directory: /proc/none}",
            "after_call: {url: x}",
            "after_call: {url: 'http://127.0.0.1:9/', directory: /proc/none}",
            "http: {proxy: 'x y'}",
            "http: {ca_bundle: nowhere.pem}",
            "console: {enabled: maybe}",
            "agent: 7",
            "agent: [script]",
            "agent: {}",
            "agent: {kind: nobody}",
            "agent: {kind: script}",
            "agent: {kind: script, file: [a]}",
            "agent: {kind: chat}",
            "agent: {kind: chat, url: 7, model: []}",
            "agent: {kind: chat, url: 'http://127.0.0.1:9', model: m, functions: {a: 1}}",
            "agent: {kind: chat, url: 'http://127.0.0.1:9', model: m, extra_body: 7, headers: [a]}",
            "agent: {kind: chat, url: 'http://127.0.0.1:9', model: m, fallback: {transfer: x}}",
            "agent: {kind: web, url: x}",
            "agent: {kind: web, url: 'http://127.0.0.1:9', transfers: {targets: {a: front desk}}}",
            "agent: {kind: web, url: 'http://127.0.0.1:9', transfers: {region: Mars}}",
            "agent: {kind: conversation_relay, url: 'http://x'}",
            "agent: {kind: openai_realtime, model: m, url: 'http://x'}",
            "agent: {kind: team}",
            "agent: {kind: team, first: a, members: {}}",
            "agent: {kind: team, first: a, members: [a]}",
            "agent: {kind: team, first: a, members: {a: {agent: {kind: script, file: none.yaml}}}}",
            "agent: {kind: team, first: b, members: {a: {agent: {kind: script, file: none.yaml}}}}",
            "agent: {kind: team, first: a, members: {a: {agent: {kind: team}}}}",
            "agent: {kind: team, first: a, supervisor: a, members: {a: {agent: {kind: script, file: none.yaml}}}}",
            "agent: {kind: script, file: none.yaml}",
            "agent: {kind: script, file: .}",
        ]
    )
}
FILES |= {
    f"script {number}": found
    for number, found in enumerate(
        [
            script(""),
            script("["),
            script("- a"),
            script("name: x"),
            script("states: [a]"),
            script("states: {start: 7}"),
            script("states: {start: [a]}"),
            script("states: {start: {say: Hi}, other: {say: Ho}}"),
            script(GOOD_SCRIPT + "\nstates: {}"),
            script(GOOD_SCRIPT + "\nintents: [a]"),
            script(GOOD_SCRIPT + "\nintents: {a: 7, b: {phrase: [x]}, c: [], d: {patterns: ['(']}, e: {words: [x]}}"),
            script(GOOD_SCRIPT + "\nhours: {a: {}}"),
            script(GOOD_SCRIPT + "\nhours: {a: {time_zone: Mars}}"),
            script(GOOD_SCRIPT + "\nhours: {a: {time_zone: Europe/Berlin, week: {mno: x}}}"),
            script(GOOD_SCRIPT + "\nattempts: many\nvalues: [a]\nparameters: {a: b}\ninterruption: never\nstart: none"),
            script(GOOD_SCRIPT + "\ninclude: none.yaml"),
            script(GOOD_SCRIPT + "\ninclude: {a: b}"),
            states("{say: {text: [a]}, hang_up: x}"),
            states("{say: [[a]], hang_up: x}"),
            states("{say: Hi., goto: start, hang_up: x}"),
            states("{say: Hi., http: {url: x}}"),
            states("{say: Hi., http: {}, on_result: start}"),
            states("{say: Hi., http: [a]}"),
            states("{say: Hi., http: {url: 'http://x/{y}', method: FETCH, on_status: {abc: start}}, on_result: start}"),
            states("{say: Hi., switch: a, cases: [x]}"),
            states("{say: Hi., choices: {a: b}, expect: choice, on_answer: start}"),
            states("{say: Hi., expect: 'digits:ten', on_answer: {goto: start, repeat: maybe}}"),
            states("{say: Hi., digits: {x: start}, when: {nothing: start}}"),
            states("{say: 'Hi {nmae}.', transfer: somebody}"),
            states("{say: [{pause_s: soon}], language: [tlh], hang_up: x}"),
            ("agent: {kind: script, file: a.yaml}", {"a.yaml": GOOD_SCRIPT + "\ninclude: b.yaml", "b.yaml": "["}),
            (
                "agent: {kind: script, file: a.yaml}",
                {"a.yaml": GOOD_SCRIPT + "\ninclude: b.yaml", "b.yaml": "states: 7"},
            ),
        ]
    )
}
FILES |= {
    f"python {number}": found
    for number, found in enumerate(
        [
            python("", "nowhere_at_all:Agent"),
            python("", "made"),
            python(""),
            python("import not_installed_here\n"),
            python("import not_installed_here.part\n"),
            python("from bridge.agents import NoSuchThing\n"),
            python("def f(:\n"),
            python("1 / 0\n"),
            python("raise KeyError('x')\n"),
            python("class Agent: pass\n"),
            python("Agent = 7\n"),
            python(PYTHON + "class Agent(PhoneAgent): pass\n"),
            python(PYTHON + "import sys\nsys.exit(3)\n"),
        ]
    )
}
FILES |= {
    f"tools {number}": found
    for number, found in enumerate(
        [
            tool("7"),
            tool("{kind: nobody}"),
            tool("{kind: python, functions: ['nowhere:f']}"),
            tool("{kind: python, functions: ['told_tools:f']}", told_tools_py="import not_installed_here\n"),
            tool("{kind: http, description: d, name: 'a b', url: 'http://x'}"),
            tool("{kind: http, description: d, name: a, url: x}"),
            tool("{kind: http, description: d, name: a, url: 'http://x', parameters: [a]}"),
            tool("{kind: openapi, file: none.json}"),
            tool("{kind: openapi, file: api.json}", api_json="{"),
            tool("{kind: openapi, file: api.json}", api_json="[]"),
            tool("{kind: openapi, file: api.json}", api_json='{"paths": {"/a": {"get": {"parameters": 7}}}}'),
            tool(
                "{kind: openapi, file: api.json, url: 'http://x'}",
                api_json='{"paths": {"/a": {"get": {"parameters": 7}}}}',
            ),
            tool(
                "{kind: openapi, file: api.json, url: 'http://x'}",
                api_json='{"paths": {"/a": {"get": {"parameters": [{"$ref": "#/none"}]}}}}',
            ),
            tool("{kind: openapi, file: api.json, url: 'http://x', operations: [a]}", api_json='{"paths": {}}'),
            tool("{kind: mcp}"),
        ]
    )
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    monkeypatch.setattr(doctor, "accelerator", lambda: Finding("accelerator", "ok", "none"))
    monkeypatch.setattr(doctor_services, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(doctor_network, "_NETWORK_S", 0.3)


async def told_of(config: Path, text: str, **environ: str) -> list[Finding]:
    config.write_text(text)
    return await doctor.examine(config, {"TWILIO_AUTH_TOKEN": "secret", **environ}, port=0)


@pytest.mark.parametrize(("text", "files"), FILES.values(), ids=FILES)
async def test_mistakes_in_files_are_said_in_their_authors_words(
    text: str, files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, body in files.items():
        (tmp_path / name).write_text(body)
    found = await told_of(tmp_path / "bridge.yaml", text)
    for name in ("made", "told_tools"):
        sys.modules.pop(name, None)
    wrong = [one for one in found if one.status in ("fail", "warn") and one.about != "public address"]
    assert wrong, found
    for one in wrong:
        assert not unfit(one.found.replace(str(tmp_path), "")), (unfit(one.found), one.found)
        assert not unfit(one.remedy), one.remedy
        assert one.remedy, one
        assert "\n" not in one.found, one
