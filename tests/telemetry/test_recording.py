"""Recordings of whole calls, held against what the simulator's ear heard: the same sound at the same time."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.call.clock import PlayoutClock
from bridge.cli import main
from bridge.session.taps import Taps
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import read, words_of
from bridge.telemetry import recording as recording_module
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recording import SoundRecorder
from bridge.telemetry.settings import RecordingSettings, TelemetrySettings
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures" / "scenarios"
EARS = sorted(set(words_of("For training we record this call. Welcome to the telephone booth.")))
RATE_HZ = 8000
Samples = NDArray[np.float64]


def tracks_of(path: Path) -> tuple[Samples, Samples]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, RATE_HZ, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2).astype(np.float64)
    return both[:, 0], both[:, 1]


def lags_ms(ours: Samples, truth: Samples, *, window_s: float = 1.5, most_ms: int = 400) -> list[float]:
    """How late `ours` is against the truth, window by window, wherever there is something to be heard."""
    window, most = int(window_s * RATE_HZ), most_ms * RATE_HZ // 1000
    found = []
    for start in range(most, min(len(ours), len(truth)) - window - most, window):
        piece = truth[start : start + window]
        if np.sqrt(np.mean(piece**2)) < 100:
            continue
        around = ours[start - most : start + window + most]
        size = 1 << (len(around) + window).bit_length()
        product = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size)), size)
        best = int(np.argmax(product[: 2 * most + 1]))
        found.append((best - most) / RATE_HZ * 1000)
    return found


def ring(
    city: CityFixture, directory: Path, line: str, steps: str, *, announcement: str = ""
) -> tuple[Heard, Samples, Samples]:
    @contextlib.asynccontextmanager
    async def service() -> AsyncIterator[tuple[str, str]]:
        recording = RecordingSettings(directory=str(directory), announcement=announcement)
        async with virtual_bridge(AGENTS / "booth.yaml", telemetry=TelemetrySettings(recording=recording)) as (
            _,
            origin,
        ):
            yield f"{PUBLIC}/twilio/voice", origin

    scenario = parse(f"name: recorded\nline: {line}\nsteps: {steps}", folder=FIXTURES)
    [heard] = city(service, [scenario], auth_token=TOKEN, natural_voice=False)
    [path] = directory.glob("*.wav")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    caller, ours = tracks_of(path)
    return heard, caller, ours


INTERRUPTED = (
    "[{interrupt: {after_ms: 2000, recording: ../callers/tuesday_morning.wav}}, {wait_for_silence: 900}, "
    "{say: {recording: ../callers/tuesday_morning.wav}}, {wait_for_silence: 900}, {digits: '5550100000'}, "
    "wait_for_hang_up]"
)


@pytest.mark.parametrize("line", ["{}", "{burst: 5}", "{loss: 0.03}", "{drift_ppm: 300}", "{drift_ppm: -300}"])
def test_both_tracks_lie_where_the_ear_heard_them(city: CityFixture, tmp_path: Path, line: str) -> None:
    heard, caller, ours = ring(city, tmp_path / "sound", line, INTERRUPTED)
    truth = heard.placed.recording
    bot = lags_ms(ours, truth.bot.sound.astype(np.float64) * 32768)
    said = lags_ms(caller, truth.caller.sound.astype(np.float64) * 32768)
    assert len(bot) >= 4
    assert len(said) >= 2
    assert max(map(abs, said)) <= 20
    # The carrier begins to play with its next frame of 20 ms, which only the run's first echo tells.
    assert sorted(map(abs, bot))[-2] <= 20
    assert max(map(abs, bot)) <= 40


def test_what_the_caller_talked_away_is_not_in_the_recording(city: CityFixture, tmp_path: Path) -> None:
    steps = "[{interrupt: {after_ms: 2000, recording: ../callers/tuesday_morning.wav}}, {silence: 300}, hang_up]"
    heard, _, ours = ring(city, tmp_path / "sound", "{}", steps)
    truth = heard.placed.recording.bot.sound.astype(np.float64) * 32768
    loud = np.flatnonzero(np.abs(ours) > 200)
    loud_truth = np.flatnonzero(np.abs(truth[: len(ours)]) > 200)
    assert abs(int(loud[-1]) - int(loud_truth[-1])) <= 0.06 * RATE_HZ


def test_the_announcement_comes_first_and_nobody_talks_it_away(city: CityFixture, tmp_path: Path) -> None:
    steps = "[{interrupt: {after_ms: 300, recording: ../callers/tuesday_morning.wav}}, {silence: 6000}, hang_up]"
    heard, _, _ = ring(city, tmp_path / "sound", "{}", steps, announcement="For training we record this call.")
    words = [word.text for word in read(heard.placed.recording.bot.sound, EARS)]
    assert words[:6] == words_of("For training we record this call.")


# ---- files ----------------------------------------------------------------------------------------------------


def second(level: int = 0x20) -> bytes:
    """A second of a loud tone's sample, all the same."""
    return bytes([level]) * RATE_HZ


def finished(directory: Path, metrics: Metrics, blocks: dict[int, bytes]) -> Path:
    recorder = SoundRecorder(directory, metrics)
    recording = recorder.open_call("CA1")
    for place, sound in blocks.items():
        recording.sound(place, sound, sound)
    recording.ended()
    recorder.close()
    return recording.path


def test_a_file_is_whole_after_every_block_so_that_a_dead_process_loses_nothing_before(tmp_path: Path) -> None:
    recorder = SoundRecorder(tmp_path, Metrics())
    recording = recorder.open_call("CA1")
    for number in range(3):
        recording.sound(number * RATE_HZ, second(), second())
        recorder.flush()
        left, right = tracks_of(recording.path)
        assert len(left) == len(right) == (number + 1) * RATE_HZ
    recorder.close()


def test_what_is_missing_is_silent_and_what_follows_is_in_its_place(tmp_path: Path) -> None:
    left, _ = tracks_of(finished(tmp_path, Metrics(), {0: second(), 3 * RATE_HZ: second()}))
    assert len(left) == 4 * RATE_HZ
    assert np.all(left[RATE_HZ : 3 * RATE_HZ] == 0)
    assert np.all(left[3 * RATE_HZ :] != 0)


def test_names_cannot_lead_out_of_the_directory_and_no_call_overwrites_another(tmp_path: Path) -> None:
    recorder = SoundRecorder(tmp_path, Metrics())
    paths = [recorder.open_call("../../etc/x").path for _ in range(3)]
    recorder.close()
    assert [path.name for path in paths] == ["______etc_x.wav", "______etc_x-2.wav", "______etc_x-3.wav"]
    assert {path.parent for path in paths} == {tmp_path}


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from bridge.telemetry.metrics import Metrics
from tests.telemetry.test_recording import finished, second, RATE_HZ

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
metrics = Metrics()
finished(Path(sys.argv[1]), metrics, {n * RATE_HZ: second() for n in range(3)})
print(metrics.page().decode())
"""


def test_a_full_disk_costs_sound_and_is_counted_and_the_file_can_be_played(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], check=True, cwd=ROOT, capture_output=True, text=True
    )
    left, _ = tracks_of(tmp_path / "CA1.wav")
    assert len(left) >= RATE_HZ
    assert "a recording has a hole" in ran.stderr
    lost = next(line for line in ran.stdout.splitlines() if line.startswith("bridge_recording_lost_seconds_total"))
    assert float(lost.split()[1]) == 2.0


def test_a_call_for_which_there_was_no_room_at_all_leaves_no_file(tmp_path: Path) -> None:
    program = _LIMITED.replace("50_000", "20")
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "a recording has a hole" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_waits_is_bounded_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "_MOST_WAITING", 3 * 4 * RATE_HZ)
    metrics = Metrics()
    recorder = SoundRecorder(tmp_path, metrics)
    gate = threading.Event()
    monkeypatch.setattr(recorder, "_write", lambda _block: gate.wait(20))
    recording = recorder.open_call("CA1")
    for number in range(10):
        recording.sound(number * RATE_HZ, second(), second())
    gate.set()
    recorder.close()
    assert b"bridge_recording_lost_seconds_total 7.0" in metrics.page()


def test_recordings_are_removed_when_they_were_kept_for_long_enough(tmp_path: Path) -> None:
    for name, age_days in (("old", 31), ("young", 29)):
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF")
        os.utime(tmp_path / f"{name}.wav", (1e9 - age_days * 86_400,) * 2)
    SoundRecorder(tmp_path, Metrics(), keep_days=30, clock=lambda: 1e9).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["young.wav"]


# ---- taps -----------------------------------------------------------------------------------------------------


class Fragile:
    """A tap that breaks on the first sound it is told of."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        self.told.append("sound")
        raise RuntimeError("no room in here")

    def moment(self, at: float, event: object, commands: object) -> None:
        self.told.append("moment")

    def ended(self) -> None:
        self.told.append("ended")


class Sturdy(Fragile):
    """A tap that does not break."""

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        self.told.append(f"{place} {len(caller)} {len(ours)}")


def test_a_tap_that_raises_is_let_go_of_and_the_others_hear_everything() -> None:
    failures: list[None] = []
    fragile, sturdy = Fragile(), Sturdy()
    taps = Taps(PlayoutClock(), lambda: failures.append(None), [fragile, sturdy])
    for index in range(1, 101):
        taps.heard(b"\x20" * 160, index * 0.02)
    taps.end(2.0)
    assert fragile.told == ["sound"]
    assert len(failures) == 1
    places = [[int(number) for number in line.split()] for line in sturdy.told if line != "ended"]
    assert [place for place, _, _ in places] == [sum(size for _, size, _ in places[:n]) for n in range(len(places))]
    assert all(caller == ours for _, caller, ours in places)
    assert sum(size for _, size, _ in places) == 2 * RATE_HZ
    assert sturdy.told[-1] == "ended"


# ---- forgetting -----------------------------------------------------------------------------------------------


def test_forgetting_a_call_removes_all_of_it_and_nothing_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text("telemetry: {record_directory: records, recording: {directory: sound}}\n")
    names = ["records/CA1.jsonl", "records/CA1-2.jsonl", "sound/CA1.wav", "sound/CA12.wav", "records/CA1-x.jsonl"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert main(["forget", "CA1", "-c", str(config)]) == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == sorted(names[3:])
    assert main(["forget", "CA1", "-c", str(config)]) == 1
    assert "nothing is kept of a call CA1" in capsys.readouterr().out
