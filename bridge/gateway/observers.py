"""Who follows the calls of a process from their beginning: record, sound, report, trace, servers elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.agents.base import CallInfo
from bridge.audio.formats import AudioFormat
from bridge.call.state import CallState
from bridge.carriers.base import Carrier
from bridge.carriers.one_way import ForkedFacts
from bridge.session.books import CallFollowers
from bridge.session.detecting import VoiceDetection
from bridge.session.profiles import CallProfile
from bridge.session.taps import CallTap
from bridge.telemetry.after_call.delivery import AfterCallPost
from bridge.telemetry.fork import MediaFork
from bridge.telemetry.recorder import Recorder
from bridge.telemetry.recording import SoundRecorder
from bridge.telemetry.traces import Traces


@dataclass(frozen=True, slots=True)
class CallObservers:
    """Opens the followers of each call that are wanted. Whoever made its parts closes them."""

    recorder: Recorder | None = None
    sound_recorder: SoundRecorder | None = None
    after_call: AfterCallPost | None = None
    forks: tuple[MediaFork, ...] = ()
    traces: Traces | None = None
    detection: VoiceDetection | None = None
    """Judges callers' voices; its tap is opened once there is a call to be told (`CallSession.add_tap`)."""

    def open_call(
        self,
        info: CallInfo,
        profile: CallProfile,
        carrier: Carrier,
        ours: AudioFormat,
        state: CallState | None,
        *,
        account_id: str = "",
    ) -> CallFollowers:
        """Begin to follow a call, or one that goes on from `state`; `ours` is the format of what is sent."""
        record = recording = reporter = None
        if self.recorder is not None:
            about = {"carrier": carrier.name, "from": info.from_number, "to": info.to_number, "agent": profile.agent}
            record = self.recorder.open_call(info.call_id, profile.call, about, ours, carrier.pacing, state)
        if self.sound_recorder is not None:
            recording = self.sound_recorder.open_call(info.call_id)
        if self.after_call is not None:
            reporter = self.after_call.open_call(
                call_id=info.call_id,
                carrier=carrier.name,
                from_number=info.from_number,
                to_number=info.to_number,
                parameters=info.parameters,
                resumed=state is not None,
                record="" if record is None else str(record.path),
                recording="" if recording is None else str(recording.path),
            )
        taps: list[CallTap] = [] if recording is None else [recording]
        if self.traces is not None:
            trace = self.traces.open_call({"call": info.call_id, "carrier": carrier.name, "agent": profile.agent})
            taps += [] if trace is None else [trace]
        if self.forks:
            names = {"carrier": carrier.name, "from": info.from_number, "to": info.to_number, "agent": profile.agent}
            resumed = {} if state is None else {"resumed": "yes"}
            facts = ForkedFacts(info.call_id, account_id, {**info.parameters, **names, **resumed})
            taps += [fork.open_call(facts) for fork in self.forks]
        return CallFollowers(record, reporter, tuple(taps))


NOBODY = CallObservers()
