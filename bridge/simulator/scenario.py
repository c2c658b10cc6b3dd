"""What a simulated call is made of: the caller's steps, the line, the carrier's faults, what must be heard.

A scenario is a YAML file. `load` reads one and names file, key, value and what was expected when it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from bridge import yaml_text
from bridge.errors import ConfigError
from bridge.simulator.typed import convert, near


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every part of a scenario refuses keys it does not know."""


class Utterance(_Strict, frozen=True):
    """Something the caller says: `text` in a `voice`, or a `recording` (a WAV file, relative to the scenario)."""

    text: str = ""
    recording: str = ""
    voice: str = ""
    """Empty: the voice of the scenario."""
    level_db: float = -20.0


class Say(_Strict, frozen=True, tag="say"):
    """Speak at once, without waiting for anything."""

    utterance: Utterance


class Interrupt(_Strict, frozen=True, tag="interrupt"):
    """Speak once the bot has been talking for `after_ms` in its current turn."""

    utterance: Utterance
    after_ms: int = 1000
    timeout_s: float = 30.0


class Noise(_Strict, frozen=True, tag="noise"):
    """A `cough`, or an acknowledging `backchannel`, once the bot has talked for `after_ms` (0: now)."""

    kind: Literal["cough", "backchannel", "knock"]
    after_ms: int = 0
    level_db: float = -22.0
    text: str = "Mm-hm."
    voice: str = ""
    timeout_s: float = 30.0


class WaitForSilence(_Strict, frozen=True, tag="wait_for_silence"):
    """Listen until the bot has said something since the caller's last step, and then nothing for `ms`."""

    ms: int = 700
    timeout_s: float = 30.0


class WaitFor(_Strict, frozen=True, tag="wait_for"):
    """Listen until these words were recognised in what the bot said since the caller's last step."""

    words: tuple[str, ...]
    timeout_s: float = 30.0


class Digits(_Strict, frozen=True, tag="digits"):
    """Press keys, `gap_ms` apart. With `tone`, the tones are audible on the line as well."""

    keys: str
    gap_ms: int = 220
    tone: bool = False


class Silence(_Strict, frozen=True, tag="silence"):
    """Say nothing for this long."""

    ms: int


class WaitForHangUp(_Strict, frozen=True, tag="wait_for_hang_up"):
    """Stay on the line until the other side ends the call."""

    timeout_s: float = 30.0


class HangUp(_Strict, frozen=True, tag="hang_up"):
    """End the call from the caller's side."""


Step = Say | Interrupt | Noise | WaitForSilence | WaitFor | Digits | Silence | WaitForHangUp | HangUp


class Stall(_Strict, frozen=True):
    """Let nothing through for `ms`: what was on its way comes in one burst afterwards."""

    at_ms: int
    ms: int
    direction: Literal["to_server", "from_server", "both"] = "both"


class Line(_Strict, frozen=True):
    """What happens between the caller's mouth and the server. Everything random follows `seed`."""

    noise_snr_db: float | None = None
    """Room noise this far below the caller's voice."""
    noise: Literal["white", "babble", "hum"] = "white"
    echo_db: float | None = None
    """The bot's voice comes back on the caller's side this much lower, `echo_delay_ms` later."""
    echo_delay_ms: int = 160
    jitter_ms: float = 0.0
    """Frames come late by up to this much; order is kept, as TCP keeps it."""
    loss: float = 0.0
    """Share of frames lost before they reach the carrier: their time stamps are missing."""
    burst: int = 1
    """Frames are delivered in groups of this many."""
    stalls: tuple[Stall, ...] = ()
    drift_ppm: float = 0.0
    """How much faster than ours the carrier's sample clock runs, in millionths."""
    cut_at_ms: int | None = None
    """The socket breaks without a `stop`."""
    half_open_at_ms: int | None = None
    """From here on the socket stays open and nothing moves in either direction, until the server gives it up."""
    seed: int = 1


class Carrier(_Strict, frozen=True):
    """The ways in which the carrier misbehaves."""

    webhook_delay_ms: int = 0
    """Before the first webhook of a call is sent."""
    round_trip_ms: float = 0.0
    """Between carrier and server: a webhook takes one, opening a socket three (TCP, TLS, upgrade), and that a socket is
    gone is noticed after half of one."""
    duplicate_webhook: bool = False
    wrong_signature: bool = False
    """Of webhooks and callbacks; the socket's is right."""
    no_socket_signature: bool = False
    echoes_marks: bool = True
    second_stream: bool = False
    """Open the same stream a second time, with the same parameters."""
    replayed_stream: bool = False
    """Open it again once the call is over."""
    stolen_ticket: bool = False
    """Before the call's own stream, another call opens one with this call's parameters."""
    stray_messages: bool = False
    """A second into the stream, a key press and a frame arrive that name a stream of somebody else."""
    second_start: bool = False
    shuffled_callbacks: bool = False
    status_callbacks: bool = True
    dropped_at_ms: int | None = None
    """The first media socket breaks without a word and the call goes on, as the carrier makes it go on."""
    start_delay_ms: int = 0
    """Time between opening the socket and sending `start`."""


class Caller(_Strict, frozen=True):
    """Who rings, which number they dial, and with what voice they speak."""

    number: str = "+15005550006"
    called: str = "+15005550010"
    voice: str = "heart-low"


class Person(_Strict, frozen=True):
    """Whoever a call is transferred to, and what they do about it."""

    does: Literal["answered", "busy", "no_answer", "failed", "declined", "hangs_up", "machine"] = "answered"
    """`declined` presses another key than is asked for, `hangs_up` does so while it is told, a `machine` presses
    none."""
    presses: str = "1"
    """The key by which it takes the call, where one is asked for."""
    after_ms: int = 2000
    """How long it rings, whatever becomes of it."""
    caller_waits_ms: int = 60_000
    """The caller's patience with the music meanwhile."""


class Expect(_Strict, frozen=True):
    """What must be heard. Everything left out is not judged, except that the carrier had nothing to complain about."""

    words: tuple[str, ...] = ()
    """Phrases the bot was heard to say, in this order. `a|b` allows either."""
    never_words: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    """Recordings of the bot (WAV files, relative to the scenario) that were heard whole, not a syllable changed."""
    digits_confirmed: str = ""
    """These digits were heard from the bot, one by one."""
    bot_turns: int | None = None
    """At least this many."""
    first_audio_ms: float | None = None
    reply_latency_ms: float | None = None
    """The slowest answer, from the caller's last sound to the bot's first."""
    stop_ms: float | None = None
    """The slowest stop, from the interrupting caller's first sound to silence."""
    duck_ms: float | None = None
    underruns: int | None = None
    longest_gap_ms: float | None = None
    """Dropouts inside speech, not pauses between sentences."""
    repeats: int | None = None
    clicks: int | None = None
    """Single jumps; and seams, where it can be heard that the sound was put together from messages."""
    cut_offs: int | None = None
    """How often the bot began to talk while the caller was still speaking."""
    lead_ms: float | None = None
    """The most audio that ever waited at the carrier: what a caller who interrupts would have to sit through."""
    marks_per_s: float | None = None
    """Over the whole call; each one costs a message each way."""
    level_spread_db: float | None = None
    level_db: tuple[float, float] | None = None
    hung_up_by: Literal["server", "caller", "carrier"] | None = None
    transferred_to: str | None = None
    announced: tuple[str, ...] = ()
    """Phrases that whoever answered heard before they were connected, in any order."""
    music: bool | None = None
    """Whether the caller heard music while somebody was called."""
    refused: bool = False
    """The server must not take this call."""
    ends_within_s: float | None = None
    carrier_warnings: int = 0
    stays_silent: bool = False
    """The bot must not be heard at all."""


class Scenario(_Strict, frozen=True):
    """One call as it should go: the caller's steps, the line, and what must be heard."""

    name: str
    steps: tuple[Step, ...]
    caller: Caller = Caller()
    person: Person = Person()
    line: Line = Line()
    carrier: Carrier = Carrier()
    expect: Expect = Expect()
    longest_s: float = 120.0
    """The caller's patience in seconds: they hang up after this, and the call has failed."""
    folder: str = "."
    """Where recordings are looked for; the scenario file's folder."""


_SAYING = ("text", "recording", "voice", "level_db")


def _utterance(body: Any) -> dict[str, Any]:
    """`say: words` and `say: {text: words, ...}` mean the same; utterance keys may stand beside the step's own."""
    if isinstance(body, str):
        return {"utterance": {"text": body}}
    if not isinstance(body, dict):
        raise TypeError("text, or a mapping with text or recording")
    said = {key: value for key, value in body.items() if key in _SAYING}
    if "text" not in said and "recording" not in said:
        raise TypeError("a mapping with text or recording")
    return {"utterance": said} | {key: value for key, value in body.items() if key not in _SAYING}


def _short(key: str, kind: type | tuple[type, ...]) -> Callable[[Any], dict[str, Any]]:
    """A step whose value may be just the most important field."""

    def widen(body: Any) -> dict[str, Any]:
        if body is None:
            return {}
        if isinstance(body, kind) and not isinstance(body, bool):
            return {key: body}
        if isinstance(body, dict):
            return body
        raise TypeError(f"{key}, or a mapping")

    return widen


def _nothing(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    raise TypeError("no value")


def _noise(kind: str) -> Callable[[Any], dict[str, Any]]:
    widen = _short("after_ms", int)
    return lambda body: {"kind": kind} | widen(body)


def _words(body: Any) -> dict[str, Any]:
    if isinstance(body, str):
        return {"words": [body]}
    return {"words": body} if isinstance(body, list) else _short("words", list)(body)


_STEPS: dict[str, tuple[type[Any], Callable[[Any], dict[str, Any]]]] = {
    "say": (Say, _utterance),
    "interrupt": (Interrupt, _utterance),
    "cough": (Noise, _noise("cough")),
    "knock": (Noise, _noise("knock")),
    "backchannel": (Noise, _noise("backchannel")),
    "wait_for_silence": (WaitForSilence, _short("ms", int)),
    "wait_for": (WaitFor, _words),
    "digits": (Digits, _short("keys", (str, int))),
    "silence": (Silence, _short("ms", int)),
    "wait_for_hang_up": (WaitForHangUp, _short("timeout_s", (int, float))),
    "hang_up": (HangUp, _nothing),
}

_KEYPAD = re.compile(r"[0-9*#A-D]+")


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises ConfigError naming file, key, value and what was expected."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: cannot be read (it is no UTF-8 text)") from None
    return parse(text, str(path), path.parent)


def parse(text: str, name: str = "scenario", folder: Path = Path(".")) -> Scenario:
    """Read a scenario from YAML text; `name` stands for the file in errors."""
    try:
        body = yaml_text.load(text)
    except yaml.YAMLError as error:
        line, what = yaml_text.problem(error)
        raise ConfigError(f"{name if line is None else f'{name}:{line}'}: not YAML: {what}") from None
    if not isinstance(body, dict):
        raise ConfigError(f"{name}: got {yaml_text.shown(body)}, expected a mapping with name and steps")
    steps = body.pop("steps", None)
    if not isinstance(steps, list) or not steps:
        raise ConfigError(f"{name}: steps: got {yaml_text.shown(steps)}, expected a list of the caller's steps")
    read = tuple(_step(step, f"{name}: steps[{index}]") for index, step in enumerate(steps))
    rest = convert(body | {"steps": [], "folder": str(folder)}, Scenario, name)
    return msgspec.structs.replace(rest, steps=read)


def _step(body: Any, where: str) -> Step:
    if isinstance(body, str):
        body = {body: None}
    if not isinstance(body, dict) or len(body) != 1:
        raise ConfigError(f"{where}: got {yaml_text.shown(body)}, expected one of {', '.join(_STEPS)} with its value")
    key, value = next(iter(body.items()))
    if key not in _STEPS:
        raise ConfigError(f"{where}: unknown step {key!r}{near(str(key), _STEPS)}, expected one of {', '.join(_STEPS)}")
    kind, widen = _STEPS[key]
    try:
        fields = widen(value)
    except TypeError as error:
        raise ConfigError(f"{where}.{key}: got {yaml_text.shown(value)}, expected {error}") from None
    if key == "digits" and "keys" in fields:
        fields = fields | {"keys": str(fields["keys"])}
        if not _KEYPAD.fullmatch(fields["keys"]):
            raise ConfigError(f"{where}.digits: got {fields['keys']!r}, expected keys out of 0-9 * # A-D, in quotes")
    step: Step = convert(fields, kind, f"{where}.{key}")
    return step
