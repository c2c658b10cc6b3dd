"""The process that runs the blocking engines, one job at a time: `python -m bridge.listening.engine_process`.

Orders come on stdin, answers go out on what was stdout; anything a library prints lands in stderr. It ends when stdin
does, so it never outlives its bridge.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

from bridge.errors import BridgeError, ConfigError
from bridge.listening.engine_messages import (
    LENGTH,
    EngineAnswer,
    EngineOrder,
    EngineReady,
    EngineRefused,
    EngineSetup,
    JobFailed,
    JobProbability,
    JobText,
    JudgeJob,
    RecogniseJob,
    orders,
    pack,
)
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.turn_model import TurnModel


class LoadedEngines:
    """The engines that the set-up asks for, warmed with a second of silence if it says so."""

    def __init__(self, setup: EngineSetup) -> None:
        self._whisper = None if setup.recogniser is None else Whisper(setup.recogniser)
        self._turn = None if setup.turn is None else TurnModel(setup.turn.threads)
        if not setup.warm:
            return
        silence = b"\xff" * 8000
        if self._whisper is not None:
            self._whisper.recognise(silence, language=self._whisper.languages[0])
        if self._turn is not None:
            self._turn.judge(silence)

    def do(self, job: RecogniseJob | JudgeJob) -> EngineAnswer:
        """Carry out one job; whatever goes wrong is this job's failure alone."""
        try:
            if isinstance(job, JudgeJob):
                if self._turn is None:
                    return JobFailed(job.job, "no end-of-turn model is configured")
                return JobProbability(job.job, self._turn.judge(job.ulaw))
            if self._whisper is None:
                return JobFailed(job.job, "no embedded recogniser is configured", refused=True)
            found = self._whisper.recognise(
                job.ulaw, language=job.language, hints=job.hints, readings=job.readings, answer=job.answer
            )
            return JobText(job.job, found.text, found.confidence, found.alternatives)
        except ConfigError as error:
            return JobFailed(job.job, str(error), refused=True)
        except Exception as error:
            return JobFailed(job.job, f"{type(error).__name__}: {error}")


def receive(stream: BinaryIO) -> EngineOrder | None:
    """The next order, or None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    return orders.decode(body)


def serve(stdin: BinaryIO, out: BinaryIO) -> None:
    """Load, say so, then answer jobs until the input ends."""

    def answer(message: EngineAnswer) -> None:
        out.write(pack(message))
        out.flush()

    setup = receive(stdin)
    if not isinstance(setup, EngineSetup):
        return
    try:
        engines = LoadedEngines(setup)
    except (BridgeError, ImportError, OSError, RuntimeError) as error:
        answer(EngineRefused(str(error)))
        return
    answer(EngineReady())
    while (job := receive(stdin)) is not None:
        if not isinstance(job, EngineSetup):
            answer(engines.do(job))


def main() -> None:
    """Keep stdout for answers alone, leave signals to the bridge, and serve: calls that drain must still be understood.

    Whoever signals the whole group, as a terminal and many supervisors do, means the bridge, which closes our input.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out)
    except BrokenPipeError:
        os._exit(0)  # the bridge is gone: nobody to tell


if __name__ == "__main__":
    main()
