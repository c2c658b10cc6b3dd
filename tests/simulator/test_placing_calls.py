"""Whole calls in virtual time at a small real server: what it does wrong must be heard, and a good one must pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bridge.errors import ConfigError
from bridge.simulator import virtual
from bridge.simulator.ear import Understand
from bridge.simulator.result import CallResult
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.sound import RATE_HZ, from_ulaw, stretches, wav_bytes
from bridge.simulator.trunk import new_call
from tests.simulator.media_server import MediaServer, canned, serve

FIXTURES = Path(__file__).parents[2] / "fixtures"


def scenario(steps: str, **more: Any) -> Scenario:
    return msgspec.structs.replace(parse(f"name: a call\nsteps: {steps}", folder=FIXTURES / "scenarios"), **more)


def parts(text: str) -> Scenario:
    return parse(text, folder=FIXTURES / "scenarios")


def ring(
    server: MediaServer,
    what: Scenario,
    *,
    understand: Understand | None = None,
    before: Callable[[MediaServer], None] = lambda _: None,
) -> PlacedCall:
    async def main() -> PlacedCall:
        runner = await serve(server)
        before(server)
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector()) as session:
            callback = server.url.replace("voice", "call-status")
            placed = await place_call(
                server.url,
                what,
                auth_token="secret",
                session=session,
                seed="1",
                status_callback=callback,
                understand=understand,
            )
        await runner.cleanup()
        return placed

    return virtual.run(main)


CONVERSATION = (
    "[{interrupt: {after_ms: 1500, recording: ../callers/tuesday_morning.wav}}, {wait_for_silence: 900}, "
    "{digits: {keys: '5550102030#', gap_ms: 200}}, wait_for_hang_up]"
)


def conversation(*faults: str) -> PlacedCall:
    return ring(MediaServer(faults=set(faults)), scenario(CONVERSATION))


def test_a_whole_conversation_is_measured() -> None:
    placed = conversation()
    result = placed.result
    assert [turn.speaker for turn in result.turns] == ["bot", "caller", "bot", "caller", "bot"]
    greeting, interruption, answer, keys, goodbye = result.turns
    assert greeting.interrupted
    assert greeting.start_ms <= 60
    assert interruption.stop_ms is not None
    assert 150 <= interruption.stop_ms <= 350  # the server's detector wants 200 ms of sound
    assert answer.latency_ms is not None
    assert 300 <= answer.latency_ms <= 600  # it waits for 400 ms of silence
    assert keys.text == "5550102030#"
    assert goodbye.latency_ms is not None
    assert goodbye.latency_ms <= 100
    assert result.hung_up_by == "server"
    assert result.unheard_ms == 0
    assert result.passed
    assert result.faults == []


def test_the_recording_holds_both_sides_at_their_times() -> None:
    placed = conversation()
    interruption = placed.result.turns[1]
    [(start, end)] = stretches(placed.recording.caller.sound)
    assert abs(start - interruption.start_ms) <= 20
    assert abs(end - interruption.end_ms) <= 20
    assert len(placed.recording.bot.sound) // (RATE_HZ // 1000) == pytest.approx(placed.result.duration_ms, abs=25)


def test_the_server_sees_what_a_carrier_sends() -> None:
    server = MediaServer()
    ring(server, scenario(CONVERSATION))
    assert [message["event"] for message in server.messages[:3]] == ["connected", "start", "media"]
    media = [message["media"] for message in server.messages if message["event"] == "media"]
    assert [int(one["timestamp"]) for one in media] == [20 * index for index in range(len(media))]
    assert [one["chunk"] for one in media] == [str(index + 1) for index in range(len(media))]
    numbers = [int(message["sequenceNumber"]) for message in server.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [message["dtmf"]["digit"] for message in server.messages if message["event"] == "dtmf"] == list(
        "5550102030#"
    )
    webhook, socket = server.headers
    assert webhook["User-Agent"] == "TwilioProxy/1.1"
    assert socket["User-Agent"] == "Twilio.TmeWs/1.0"
    assert "X-Twilio-Signature" in socket
    assert "Sec-WebSocket-Extensions" not in socket
    assert server.webhooks[0]["CallStatus"] == "ringing"
    events = [one.get("StreamEvent") or one["CallStatus"] for one in server.callbacks]
    assert events == ["ringing", "in-progress", "stream-started", "stream-stopped", "completed"]


@pytest.mark.parametrize(
    ("fault", "heard"),
    [("dropout", "dropout"), ("underrun", "dropout"), ("repeat", "repeat"), ("click", "click")],
)
def test_what_is_wrong_with_the_sound_is_heard(fault: str, heard: str) -> None:
    kinds = {one.kind for one in conversation(fault).result.faults}
    assert heard in kinds


def test_a_bot_that_does_not_stop_is_not_said_to_have_stopped() -> None:
    result = conversation("deaf").result
    assert result.stops_ms == []
    assert not result.turns[0].interrupted


def test_a_level_jump_fails_its_expectation() -> None:
    what = msgspec.structs.replace(scenario(CONVERSATION), expect=parts(_EXPECT_LEVEL).expect)
    verdicts = {verdict.what: verdict for verdict in ring(MediaServer(faults={"quiet"}), what).result.verdicts}
    assert not verdicts["level spread"].passed
    verdicts = {verdict.what: verdict for verdict in ring(MediaServer(), what).result.verdicts}
    assert verdicts["level spread"].passed


_EXPECT_LEVEL = "name: x\nsteps: [hang_up]\nexpect: {level_spread_db: 6}"


def test_a_goodbye_that_is_cut_off_fails() -> None:
    what = msgspec.structs.replace(
        scenario(CONVERSATION), expect=parts("name: x\nsteps: [hang_up]\nexpect: {hung_up_by: server}").expect
    )
    result = ring(MediaServer(faults={"early_hang_up"}), what).result
    [verdict] = [verdict for verdict in result.verdicts if verdict.what == "last words heard"]
    assert not verdict.passed
    assert result.unheard_ms > 1000


def test_messages_a_carrier_refuses_fail_the_call() -> None:
    result = conversation("extra_field").result
    assert not result.passed
    assert any(one.kind == "warning" and "31951" in one.text for one in result.happenings)


def test_a_caller_who_hangs_up_sends_stop() -> None:
    server = MediaServer()
    result = ring(server, scenario("[{silence: 500}, hang_up]")).result
    assert server.messages[-1]["event"] == "stop"
    assert result.hung_up_by == "caller"
    assert result.duration_ms == pytest.approx(540, abs=30)


def test_a_broken_line_sends_none() -> None:
    server = MediaServer()
    what = parts("name: x\nline: {cut_at_ms: 600}\nsteps: [wait_for_hang_up]")
    result = ring(server, what).result
    assert server.messages[-1]["event"] == "media"
    assert (result.hung_up_by, result.ended) == ("carrier", "cut")


def test_a_caller_waits_for_words() -> None:
    heard: list[int] = []

    def understand(ulaw: bytes, hints: object) -> str:
        heard.append(len(ulaw))
        return "please tell me" if len(ulaw) > 8000 else ""

    what = scenario("[{wait_for: {words: ['tell me', 'please|kindly']}}, hang_up]")
    result = ring(MediaServer(), what, understand=understand).result
    assert result.passed
    assert result.hung_up_by == "caller"
    assert heard


def test_a_caller_who_waits_in_vain_says_what_he_missed() -> None:
    what = scenario("[{wait_for: {words: [unicorn], timeout_s: 8}}, hang_up]")
    result = ring(MediaServer(), what, understand=lambda ulaw, hints: "something else").result
    [verdict] = [verdict for verdict in result.verdicts if not verdict.passed]
    assert verdict.heard == "steps[0] wait_for: waited 8 s for 'unicorn'; understood so far: 'something else'"


def test_lost_frames_leave_holes_in_the_time_stamps_and_late_ones_keep_their_order() -> None:
    server = MediaServer()
    what = parts(
        "name: x\nline: {loss: 0.1, jitter_ms: 60, seed: 4, stalls: [{at_ms: 1000, ms: 400}]}\n"
        "steps: [{silence: 3000}, hang_up]"
    )
    ring(server, what)
    stamps = [int(message["media"]["timestamp"]) for message in server.messages if message["event"] == "media"]
    assert stamps == sorted(set(stamps))
    lost = 1 - len(stamps) / (stamps[-1] / 20 + 1)
    assert 0.04 < lost < 0.2


def test_noise_and_echo_reach_the_server() -> None:
    quiet = MediaServer()
    ring(quiet, scenario("[{silence: 1500}, hang_up]"))
    noisy = MediaServer()
    ring(noisy, parts("name: x\nline: {noise_snr_db: 20, echo_db: -12}\nsteps: [{silence: 1500}, hang_up]"))

    def loudest(server: MediaServer) -> float:
        import base64

        media = [one["media"]["payload"] for one in server.messages if one["event"] == "media"]
        return max(float(abs(from_ulaw(base64.b64decode(payload))).max()) for payload in media)

    assert loudest(quiet) < 0.001
    assert loudest(noisy) > 0.03


def test_a_document_is_followed() -> None:
    server = MediaServer(document="<Response><Pause length='2'/><Dial><Number>+15550100</Number></Dial></Response>")
    result = ring(server, scenario("[hang_up]")).result
    assert (result.transferred_to, result.hung_up_by) == ("+15550100", "server")


def test_a_stream_must_be_wss_anywhere_but_on_this_machine() -> None:
    server = MediaServer(document="<Response><Connect><Stream url='ws://example.com/x'/></Connect></Response>")
    result = ring(server, scenario("[hang_up]")).result
    assert any("31922" in one.text for one in result.happenings)
    assert not result.passed


def test_duplicate_webhooks_and_shuffled_callbacks() -> None:
    server = MediaServer()
    what = parts(
        "name: x\ncarrier: {duplicate_webhook: true, shuffled_callbacks: true}\nsteps: [{silence: 100}, hang_up]"
    )
    ring(server, what)
    assert len(server.webhooks) == 2
    events = [one.get("StreamEvent") or one["CallStatus"] for one in server.callbacks]
    assert events == ["completed", "stream-stopped", "stream-started", "in-progress", "ringing"]


def test_a_second_stream_that_is_talked_to_fails_the_call() -> None:
    what = parts("name: x\ncarrier: {second_stream: true}\nsteps: [{silence: 3000}, hang_up]")
    result = ring(MediaServer(), what).result
    [verdict] = [verdict for verdict in result.verdicts if not verdict.passed]
    assert verdict.what == "second stream on one ticket"


def test_another_call_with_this_calls_ticket_fails_the_call_when_it_is_talked_to() -> None:
    server = MediaServer()
    what = parts("name: x\ncarrier: {stolen_ticket: true}\nsteps: [{silence: 2000}, hang_up]")
    result = ring(server, what).result
    [verdict] = [verdict for verdict in result.verdicts if not verdict.passed]
    assert (verdict.what, verdict.heard) == ("another call's ticket", "accepted: it was talked to")
    thief, own = [message["start"] for message in server.messages if message["event"] == "start"]
    assert thief["customParameters"] == own["customParameters"] == {"token": "t"}
    assert thief["callSid"] != own["callSid"] == result.call_sid


def test_stray_messages_name_the_stream_of_somebody_else() -> None:
    server = MediaServer()
    ring(server, parts("name: x\ncarrier: {stray_messages: true}\nsteps: [{silence: 2000}, hang_up]"))
    [start] = [message for message in server.messages if message["event"] == "start"]
    strays = [one for one in server.messages if one.get("streamSid", start["streamSid"]) != start["streamSid"]]
    assert [one["event"] for one in strays] == ["dtmf", "media"]


def test_a_line_that_is_dead_moves_nothing_until_the_server_gives_it_up() -> None:
    server = MediaServer(gives_up_s=5.0)
    what = parts("name: x\nline: {half_open_at_ms: 600}\nsteps: [wait_for_hang_up]\nexpect: {ends_within_s: 7}")
    placed = ring(server, what)
    placed_for_nothing = ring(MediaServer(), what)
    assert sum(message["event"] == "media" for message in server.messages) == pytest.approx(30, abs=1)
    assert placed.result.hung_up_by == "server"
    assert placed.result.duration_ms == pytest.approx(5600, abs=50)
    assert placed.result.passed
    assert not placed_for_nothing.result.passed


def test_a_caller_whom_the_server_hangs_up_on_has_said_what_he_said_until_then() -> None:
    server = MediaServer(gives_up_s=4.0)
    what = parts(
        "name: x\nline: {half_open_at_ms: 2000}\n"
        "steps: [{silence: 3000}, {say: {recording: ../callers/long_story.wav}}, wait_for_hang_up]"
    )
    [said] = [turn for turn in ring(server, what).result.turns if turn.speaker == "caller"]
    assert said.end_ms == pytest.approx(6000, abs=60)


def test_a_recording_of_the_bot_is_compared_with_what_was_heard(tmp_path: Path) -> None:
    sound = from_ulaw(canned(MediaServer().greeting))
    (tmp_path / "greeting.wav").write_bytes(wav_bytes(sound))
    text = "name: x\nsteps: [{wait_for_silence: 900}, hang_up]\nexpect: {sounds: [greeting.wav]}"
    what = parse(text, folder=tmp_path)
    [verdict] = [one for one in ring(MediaServer(), what).result.verdicts if one.what.startswith("sounds")]
    assert (verdict.what, verdict.passed) == ("sounds like greeting.wav", True)
    for fault in ("dropout", "repeat", "click"):
        [verdict] = [
            one for one in ring(MediaServer(faults={fault}), what).result.verdicts if one.what.startswith("sounds")
        ]
        assert not verdict.passed, fault


def test_a_missing_recording_is_told_before_anybody_is_rung_up(tmp_path: Path) -> None:
    server = MediaServer()
    with pytest.raises(ConfigError, match=r"nowhere\.wav: no such recording"):
        ring(server, parse("name: x\nsteps: [hang_up]\nexpect: {sounds: [nowhere.wav]}", folder=tmp_path))
    assert server.webhooks == []


def test_the_same_seed_gives_the_same_call_to_the_byte() -> None:
    def once() -> tuple[bytes, bytes]:
        what = parts("name: x\nline: {jitter_ms: 30, loss: 0.02, noise_snr_db: 25, seed: 9}\nsteps: " + CONVERSATION)
        placed = ring(MediaServer(), what)
        return msgspec.json.encode(placed.result), placed.recording.caller.sound.tobytes()

    assert once() == once()


def test_fifty_callers_at_once_hear_their_own_numbers() -> None:
    async def main() -> list[CallResult]:
        server = MediaServer()
        runner = await serve(server)
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector(limit=0)) as session:

            async def one(index: int) -> CallResult:
                await asyncio.sleep(0.1 * index)
                placed = await place_call(
                    server.url, scenario("[{silence: 1500}, hang_up]"), auth_token="s", session=session, seed=str(index)
                )
                return placed.result

            results = await asyncio.gather(*[one(index) for index in range(50)])
        await runner.cleanup()
        return results

    results = virtual.run(main)
    assert all(result.passed for result in results)
    assert len({result.call_sid for result in results}) == 50


def test_identifiers_have_the_carriers_form() -> None:
    call = new_call("+1", "+2", "seed")
    assert call == new_call("+1", "+2", "seed")
    assert (call.call_sid[:2], len(call.call_sid), call.stream_sid[:2], len(call.stream_sid)) == ("CA", 34, "MZ", 34)
