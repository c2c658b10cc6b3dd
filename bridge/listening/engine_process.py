"""The process that runs the blocking engines, one job at a time: `python -m bridge.listening.engine_process`.

Orders come on stdin, answers go out on what was stdout; anything a library prints lands in stderr. It ends when stdin
does, so it never outlives its bridge.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

from bridge.errors import BridgeError
from bridge.listening.engine_messages import (
    LENGTH,
    Answer,
    Failed,
    Judge,
    Judged,
    Order,
    Ready,
    Recognise,
    Recognised,
    Refused,
    Setup,
    orders,
    pack,
)
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.turn_model import TurnModel


class Engines:
    """The engines that the set-up asks for, warmed with a second of silence."""

    def __init__(self, setup: Setup) -> None:
        self._whisper = Whisper(setup.recogniser) if setup.recogniser.engine == "whisper" else None
        self._turn = TurnModel(setup.turn.threads) if setup.turn.engine == "smart_turn" else None
        silence = b"\xff" * 8000
        if self._whisper is not None:
            self._whisper.recognise(silence, language=self._whisper.languages[0])
        if self._turn is not None:
            self._turn.judge(silence)

    def do(self, job: Recognise | Judge) -> Answer:
        """Carry out one job; whatever goes wrong is this job's failure alone."""
        try:
            if isinstance(job, Judge):
                if self._turn is None:
                    return Failed(job.job, "no end-of-turn model is configured")
                return Judged(job.job, self._turn.judge(job.ulaw))
            if self._whisper is None:
                return Failed(job.job, "no embedded recogniser is configured")
            text = self._whisper.recognise(job.ulaw, language=job.language, hints=job.hints)
            return Recognised(job.job, text.text, text.confidence)
        except Exception as error:
            return Failed(job.job, f"{type(error).__name__}: {error}")


def receive(stream: BinaryIO) -> Order | None:
    """The next order, or None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    return orders.decode(body)


def serve(stdin: BinaryIO, out: BinaryIO) -> None:
    """Load, say so, then answer jobs until the input ends."""

    def answer(message: Answer) -> None:
        out.write(pack(message))
        out.flush()

    setup = receive(stdin)
    if not isinstance(setup, Setup):
        return
    try:
        engines = Engines(setup)
    except (BridgeError, ImportError, OSError, RuntimeError) as error:
        answer(Refused(str(error)))
        return
    answer(Ready())
    while (job := receive(stdin)) is not None:
        if not isinstance(job, Setup):
            answer(engines.do(job))


def main() -> None:
    """Keep stdout for answers alone, leave Ctrl-C to the bridge, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out)
    except BrokenPipeError:
        os._exit(0)  # the bridge is gone: nobody to tell


if __name__ == "__main__":
    main()
