"""Place one simulated call at any server that speaks the carrier's protocol, and measure what was heard."""

from __future__ import annotations

import asyncio
import datetime
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bridge.http import environment_proxy
from bridge.simulator import ear
from bridge.simulator import scenario as steps
from bridge.simulator.call_facts import CallFacts
from bridge.simulator.caller import Caller
from bridge.simulator.carriers import carrier_named, carrier_of
from bridge.simulator.carriers.audio import on_the_phone
from bridge.simulator.carriers.verbs import PCMU
from bridge.simulator.ear import Recording, Understand
from bridge.simulator.judge import judge
from bridge.simulator.likeness import differences
from bridge.simulator.phone_call import PhoneCall
from bridge.simulator.remedies import remedy
from bridge.simulator.rest import RestApi
from bridge.simulator.result import CallResult, Happening, Timing, Verdict, percentile
from bridge.simulator.scenario import Scenario, Step
from bridge.simulator.sound import RATE_HZ, Sound, read_wav_at_its_rate, to_ulaw
from bridge.simulator.trunk import Trunk, new_call
from bridge.simulator.watermark import foreign


@dataclass(slots=True)
class PlacedCall:
    """A call that is over: what came of it, and its sound."""

    result: CallResult
    recording: Recording
    facts: CallFacts


async def place_call(
    url: str,
    scenario: Scenario,
    *,
    auth_token: str,
    carrier: str = "",
    connect_to: str = "",
    status_callback: str = "",
    understand: Understand | None = None,
    on_happening: Callable[[Happening], None] | None = None,
    session: aiohttp.ClientSession | None = None,
    seed: str = "",
    natural_voice: bool = True,
    watermark: bool = False,
    rest: RestApi | None = None,
) -> PlacedCall:
    """Ring the number whose voice webhook is `url` and follow the scenario to the end of the call.

    `carrier` is the phone company that rings (`bridge.simulator.carriers`), by default the one that the URL's path
    names; `auth_token` is the secret behind its signatures. Requests to the origin of `url` go to `connect_to` where
    that is given. `understand` is the ear's speech to text; without one no words are heard, and a `wait_for` fails.
    The same `seed` gives the same identifiers. A voice that is not natural (`bridge.simulator.spelled`) is not searched
    for the faults of natural ones. `rest` is the carrier's REST API, through which the server may end or transfer the
    call. `watermark` marks the caller's voice with the call, for `check_for_foreign_audio` over several calls.
    """
    trunk = Trunk(
        url=url,
        auth_token=auth_token,
        carrier=carrier_named(carrier).name if carrier else carrier_of(url).name,
        connect_to=connect_to,
        status_callback=status_callback,
    )
    call = new_call(scenario.caller.number, scenario.caller.called, seed or uuid.uuid4().hex, trunk.carrier)
    started_at = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).isoformat(timespec="seconds")
    caller, sounds = await asyncio.to_thread(_prepare, scenario)
    own = session is None
    environment_proxy(connect_to or url)  # said before the phone rings, where it cannot be used
    session = session or aiohttp.ClientSession()
    try:
        phone = PhoneCall(
            trunk,
            call,
            scenario,
            caller,
            session,
            recognise=_in_thread(understand),
            on_happening=on_happening,
            watermark=watermark,
        )
        if rest is not None:
            rest.add(phone)
        facts = await phone.run()
    finally:
        if own:
            await session.close()
    result = CallResult(
        name=scenario.name, call_sid=call.call_sid, url=url, carrier=trunk.carrier, started_at=started_at
    )
    result.connected = bool(facts.streams)
    if not result.connected or facts.trouble is not None:
        result.remedy = remedy(facts.trouble, trunk.company, url, connect_to, facts.ended)
    return await asyncio.to_thread(_measure, result, scenario, caller, facts, sounds, understand, natural_voice)


Recorded = tuple[Sound, int]
"""A recording of the bot that a call is compared with: its sound and its rate in Hz."""


def _prepare(scenario: Scenario) -> tuple[Caller, dict[str, Recorded]]:
    """The caller, and the recordings that the bot is compared with. Raises ConfigError before anybody is rung up."""
    folder = Path(scenario.folder)
    return Caller(scenario), {name: read_wav_at_its_rate(folder / name) for name in scenario.expect.sounds}


def check_for_foreign_audio(calls: Sequence[PlacedCall]) -> None:
    """Listen in each call for the marks of all others, and note what is found as faults and failed verdicts."""
    names = [call.result.call_sid for call in calls]
    for call in calls:
        found = foreign(call.recording.bot.sound, call.result.call_sid, names)
        call.result.faults += found
        for fault in found:
            verdict = Verdict(what="another call's audio", expected="none", heard=fault.text, passed=False)
            call.result.verdicts.append(verdict)


def _in_thread(understand: Understand | None) -> Callable[[Sound], asyncio.Future[str]] | None:
    if understand is None:
        return None
    heard = understand  # bound for the closure: never None below

    def recognise(sound: Sound) -> asyncio.Future[str]:
        return asyncio.get_running_loop().run_in_executor(None, heard, to_ulaw(sound), ())

    return recognise


def _measure(
    result: CallResult,
    scenario: Scenario,
    caller: Caller,
    facts: CallFacts,
    sounds: dict[str, Recorded],
    understand: Understand | None,
    natural_voice: bool,
) -> PlacedCall:
    """Fill in the result from what was played, then judge it."""
    bot = facts.recording.bot.sound
    clears_ms = [at.at * 1000.0 for stream in facts.streams for at in stream.received if at.kind == "clear"]
    cuts_ms = [*clears_ms, *(turn.end_ms for turn in caller.done if turn.kind == "hang_up")]
    opened = [(stream, round(stream.opened_at * RATE_HZ)) for stream in facts.streams]
    idle = [(first + begin, end + begin) for stream, begin in opened for first, end in stream.idle]
    joints = [at + begin for stream, begin in opened for at in stream.joints]
    result.hung_up_by, result.ended = facts.hung_up_by, facts.ended
    result.transferred_to, result.announced = facts.transferred_to, facts.announced
    result.music = facts.music
    result.duration_ms = round(facts.duration_s * 1000.0)
    result.unheard_ms = round(facts.unheard_ms)
    result.turns = ear.listen(facts.recording, caller.done, clears_ms=clears_ms, understand=understand, ulaw=to_ulaw)
    result.faults = ear.faults(bot, idle, cuts_ms, joints, natural=natural_voice)
    result.leads_ms = [
        round(message.lead_ms) for stream in facts.streams for message in stream.received if message.kind == "media"
    ]
    result.timing = timing(facts.late_ms)
    result.callbacks = facts.callbacks
    result.happenings = sorted([*facts.happenings, *_on_the_wire(facts, caller)], key=lambda one: one.at_ms)
    bots = [turn for turn in result.turns if turn.speaker == "bot"]
    if bots:
        result.first_audio_ms = bots[0].start_ms
        result.last_sound_to_end_ms = result.duration_ms - bots[-1].end_ms
    warnings = sum(len(stream.warnings) for stream in facts.streams)
    spread_db, _ = ear.level_spread_db(result.turns, bot, clears_ms)
    line = facts.streams[0].verb.outward if facts.streams else PCMU
    told = {
        name: differences(bot, on_the_phone(*recorded, line), factor=_PHASES if line.factor > 1 else 1)
        for name, recorded in sounds.items()
    }
    result.verdicts = judge(
        result,
        scenario.expect,
        failed=caller.failed or _unfinished(scenario, caller, facts),
        refusal=_refusal(facts),
        warnings=warnings,
        spread_db=spread_db,
        sounds=told,
    )
    return PlacedCall(result, facts.recording, facts)


_PHASES = 8
"""On a wide line sound may be late by any part of the phone's sample: compared at this many of them."""

_WAITING = (steps.WaitForHangUp, steps.HangUp, steps.WaitForSilence, steps.Silence)
"""What a caller may still have had in mind when the other side hung up; anything else was cut short."""

_REFUSED = (401, 403, 429)
"""HTTP statuses that say no to a caller, and not that something is broken."""


def _unfinished(scenario: Scenario, caller: Caller, facts: CallFacts) -> str:
    """Why a caller whom nothing kept waiting did not come to the end of their scenario; "" when they did."""
    if not facts.streams and not facts.transferred_to:
        return "never connected"
    line = scenario.line
    broken = line.cut_at_ms is not None or line.half_open_at_ms is not None
    left: list[Step] = [one for one in caller.left if not isinstance(one, _WAITING)]
    if not caller.heard_anything:  # whoever waits for silence waits for words first
        left += [one for one in caller.left if isinstance(one, steps.WaitForSilence)]
    if not left or broken or facts.hung_up_by == "caller":
        return ""
    if not facts.streams:
        return f"dialled on to {facts.transferred_to} before anybody heard a word"
    return f"hung up on at {caller.position}"


def _refusal(facts: CallFacts) -> str:
    """How the server said no to the call; "" when it said nothing, or something broke before it could."""
    trouble = facts.trouble
    if trouble is None:
        return facts.ended
    return str(trouble) if trouble.problem in ("retrieval", "handshake") and trouble.status in _REFUSED else ""


def timing(late_ms: list[float]) -> Timing:
    """The simulator's own lateness in numbers."""
    return Timing(
        frames=len(late_ms),
        late_p50_ms=round(percentile(late_ms, 0.5) or 0.0, 2),
        late_p99_ms=round(percentile(late_ms, 0.99) or 0.0, 2),
        late_max_ms=round(max(late_ms, default=0.0), 2),
    )


def _on_the_wire(facts: CallFacts, caller: Caller) -> list[Happening]:
    found = []
    for stream in facts.streams:
        for message in stream.received:
            if message.kind == "clear":
                thrown = f"{message.lead_ms:.0f} ms thrown away"
                found.append(Happening(at_ms=round(message.at * 1000), kind="clear", text=thrown))
        for mark in stream.echoed:
            kind = "mark" if mark.played else "mark_cleared"
            found.append(Happening(at_ms=round(mark.at * 1000), kind=kind, text=mark.name))
        for warning in stream.warnings:
            found.append(Happening(at_ms=round(warning.at * 1000), kind="warning", text=warning.text))
    for did in caller.done:
        if did.kind == "digits":
            found.append(Happening(at_ms=did.start_ms, kind="digits", text=did.text))
    return found
