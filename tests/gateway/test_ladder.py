"""What a process gives up under pressure, and when it takes it back: properties of the ladder, then a whole process."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.actions import Action, Prompt, Say
from bridge.gateway.ladder import Ladder, PressureSettings, Rung, relief
from bridge.gateway.server import Gateway
from bridge.profiles import SpeechOfProfile
from bridge.session.ports import CallServices
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from tests.gateway.carrier import SETTINGS as GATEWAY
from tests.gateway.carrier import running
from tests.gateway.doubles import ServiceDoubles
from tests.speaking.doubles import FakeWorker

SETTINGS = PressureSettings()
PRESSURES = st.lists(st.floats(0.0, 1.2), min_size=1, max_size=80)
BEAT_S = 1.0


def rungs(pressures: list[float], settings: PressureSettings = SETTINGS) -> list[Rung]:
    """Where a process stands that is told of its pressure once a second."""
    ladder = Ladder(settings)
    return [ladder.note(pressure, 100.0 + second * BEAT_S) for second, pressure in enumerate(pressures)]


@pytest.mark.parametrize(
    ("pressure", "rung"),
    [
        (0.0, Rung.CALM),
        (0.79, Rung.CALM),
        (0.8, Rung.NO_SPECULATION),
        (0.87, Rung.NO_PREFETCH),
        (0.94, Rung.LIGHTER_VOICE),
        (0.95, Rung.FILLERS),
        (0.99, Rung.FILLERS),
        (1.0, Rung.BUSY),
    ],
)
def test_each_rung_has_its_pressure_and_is_reached_at_once(pressure: float, rung: Rung) -> None:
    assert rungs([pressure]) == [rung]


def test_a_process_comes_down_one_rung_at_a_time_each_after_a_rest() -> None:
    stood = rungs([1.0] + [0.0] * 30)
    assert [(rung, len(list(same))) for rung, same in itertools.groupby(stood)] == [
        (Rung.BUSY, 6),
        (Rung.FILLERS, 5),
        (Rung.LIGHTER_VOICE, 5),
        (Rung.NO_PREFETCH, 5),
        (Rung.NO_SPECULATION, 5),
        (Rung.CALM, 5),
    ]


def test_pressure_just_below_a_rung_is_no_rest() -> None:
    assert set(rungs([0.8] + [0.75] * 60)) == {Rung.NO_SPECULATION}
    assert rungs([0.8] + [0.69, 0.69, 0.75] * 20)[-1] is Rung.NO_SPECULATION


@given(PRESSURES)
def test_a_rung_is_never_below_what_the_pressure_of_the_moment_says(pressures: list[float]) -> None:
    for pressure, rung in zip(pressures, rungs(pressures), strict=True):
        assert rung >= sum(pressure >= threshold for threshold in SETTINGS.thresholds)


@given(PRESSURES)
def test_nobody_comes_down_two_rungs_within_a_rest_or_right_after_a_climb(pressures: list[float]) -> None:
    stood = [Rung.CALM, *rungs(pressures)]
    moves = [
        (second, after - before) for second, (before, after) in enumerate(itertools.pairwise(stood)) if after != before
    ]
    for (earlier, _), (later, by) in itertools.pairwise(moves):
        if by < 0:
            assert by == -1
            assert (later - earlier) * BEAT_S >= SETTINGS.rest_s


@given(pressures=PRESSURES, less=st.lists(st.floats(0.0, 1.2), min_size=80, max_size=80))
def test_less_pressure_never_stands_higher(pressures: list[float], less: list[float]) -> None:
    """Monotone: whoever is pressed less at each moment stands no higher at any."""
    eased = [max(pressure - by, 0.0) for pressure, by in zip(pressures, less, strict=False)]
    for high, low in zip(rungs(pressures), rungs(eased), strict=True):
        assert low <= high


def test_a_rest_counts_from_when_it_is_one_for_the_next_rung_down() -> None:
    """Else whoever was pressed more before would be calm sooner."""
    pressed, eased = [0.87, *[0.72] * 6, *[0.0] * 7], [0.8, *[0.72] * 6, *[0.0] * 7]
    for high, low in zip(rungs(pressed), rungs(eased), strict=True):
        assert low <= high


@given(pressure=st.floats(0.0, 1.2), before=PRESSURES)
def test_steady_pressure_comes_to_rest(pressure: float, before: list[float]) -> None:
    stood = rungs(before + [pressure] * 60)
    assert len(set(stood[-30:])) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"no_speculation": 0.9, "no_prefetch": 0.8},
        {"lighter_voice": 1.5},
        {"lighter_voice": 0.97},
        {"rest_s": 0.0},
        {"slack": -0.1},
    ],
)
def test_thresholds_that_make_no_ladder_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises((msgspec.ValidationError, ValueError)):
        msgspec.convert(wrong, PressureSettings)


def answers(prompt: Prompt) -> list[Action]:
    return [Say("welcome")] if prompt.kind == "call_started" else [Say("your order is on its way")]


async def test_a_caller_whose_answer_is_late_hears_that_we_are_there_and_then_the_answer() -> None:
    """The whole way: no room in speech, a rung higher, a cached phrase at the caller's ear, then the agent's words."""
    left = 1.0
    async with FakeWorker() as worker:
        worker.slow_s = 0.3
        settings = SpeakingSettings(workers=(worker.address,), filler_after_ms=1.0, first_audio_ms=60_000.0)
        speech = SpeechService(settings)
        await speech.start()
        await speech.warm(["welcome", "One moment."])
        filler = (await speech.synthesise_whole("One moment.")).audio
        doubles = ServiceDoubles(answers)
        profile = SpeechOfProfile(speech, None, filler="One moment.")
        doubles.services = CallServices(doubles.ears, profile, doubles.agents)

        def relieved(gateway: Gateway) -> None:
            gateway.relieve = lambda rung: speech.relieve(**relief(rung))

        roomy = msgspec.structs.replace(GATEWAY, max_loop_lag_ms=1e6)
        async with running(roomy, doubles, before=relieved, headroom=lambda: left) as carrier:
            leg = await carrier.call()
            welcome = (await speech.synthesise_whole("welcome")).audio
            await leg.until_audio(len(welcome))
            worker.mode, left = "slow", 0.04
            carrier.gateway._each_second()
            assert carrier.gateway.process.admission.rung is Rung.FILLERS
            assert await carrier.count("bridge_pressure_rung") == 4.0
            await leg.press("5")
            worker.mode = "slow"
            await leg.until_audio(len(welcome) + len(filler) + 8000)
            after = bytes(leg.audio)[len(welcome) :]
            assert after.startswith(filler)
            (session,) = carrier.gateway.media.sessions().values()
            said = [one.text for one in session.call.conversation() if one.speaker == "bot"]
            assert "moment" not in " ".join(said), "the agent has said no such thing"
            await leg.stop()
        await speech.close()
