"""The way of one synthesised utterance through the code, counted: from the command to the first audio sent.

    python -m tests.bench.utterance_walk [--text "..."] [--list]

A real call machine, a real speech service and a real worker with its default voice, all in this process, so that one
profile sees both ends of the socket. Counted from the `Synthesise` command until the machine orders the first
`SendAudio`, after two utterances that warmed everything up; what the engine's own thread does is left out:

modules, functions   distinct ones of `bridge` that ran
room crossings       distinct pairs of functions of which one called the other in another room
callbacks            distinct pairs of which the caller's module does not import the callee's: it was handed over
hops                 how often the event loop or a thread entered our code anew
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType, ModuleType

from aiohttp import web

import bridge
from bridge.call.actions import Say
from bridge.call.commands import AskAgent, CancelSynthesis, PullSpeech, SendAudio, Synthesise
from bridge.call.events import AgentActed, AgentFinished, CallStarted, Event, TimePassed
from bridge.call.machine import Call
from bridge.call.settings import CallSettings
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.worker.main import listen
from bridge.worker.server import Worker
from bridge.worker.settings import WorkerSettings
from bridge.worker.voices import load_voices

ROOT = str(Path(next(iter(bridge.__path__))))
TEXT = "I have an opening on Tuesday at noon. Shall I book it for you?"
_PARTS = ("<listcomp>", "<genexpr>", "<setcomp>", "<dictcomp>", "<lambda>", "<module>")


class Walk:
    """Which functions ran, and who called whom, while `running`."""

    def __init__(self) -> None:
        self.running = False
        self.functions: dict[tuple[str, str], None] = {}
        self.crossings: set[tuple[tuple[str, str], tuple[str, str]]] = set()
        self.callbacks: set[tuple[tuple[str, str], tuple[str, str]]] = set()
        self.hops = 0

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        """For `sys.setprofile`."""
        if event != "call" or not self.running or not _ours(frame.f_code):
            return
        if frame.f_code.co_name in _PARTS:
            return
        callee = _name(frame)
        self.functions[callee] = None
        caller = frame.f_back
        while caller is not None and (not _ours(caller.f_code) or caller.f_code.co_name in _PARTS):
            caller = caller.f_back
        if caller is None:
            self.hops += 1
            return
        pair = (_name(caller), callee)
        if _room(pair[0][0]) != _room(pair[1][0]):
            self.crossings.add(pair)
        if pair[0][0] != pair[1][0] and not _knows(caller, pair[1][0]):
            self.callbacks.add(pair)

    def counts(self) -> dict[str, int]:
        """The numbers."""
        return {
            "modules": len({module for module, _ in self.functions}),
            "functions": len(self.functions),
            "room_crossings": len(self.crossings),
            "callbacks": len(self.callbacks),
            "hops": self.hops,
        }


def _ours(code: CodeType) -> bool:
    return code.co_filename.startswith(ROOT)


def _name(frame: FrameType) -> tuple[str, str]:
    return frame.f_code.co_filename.removeprefix(ROOT)[1:-3].replace("/", "."), frame.f_code.co_qualname


def _room(module: str) -> str:
    return module.split(".")[0]


def _knows(caller: FrameType, module: str) -> bool:
    name = f"bridge.{module}"
    return any(
        (value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)) == name
        for value in list(caller.f_globals.values())
    )


class Shell:
    """Does what one call's machine orders, and nothing else."""

    def __init__(self, speech: SpeechService, walk: Walk) -> None:
        self._loop = asyncio.get_running_loop()
        self._walk = walk
        self._call = Call(CallSettings(listens=False))
        self._voice = speech.open_call(self.tell)
        self._began = self._loop.time()
        self._waiting: list[Event] | None = None
        self.sent = asyncio.Event()

    def say(self, text: str) -> None:
        """The agent answers with this text."""
        self._text = text
        self.tell(CallStarted())

    def tell(self, event: Event) -> None:
        """Something happened; what happens meanwhile waits."""
        if self._waiting is not None:
            self._waiting.append(event)
            return
        self._waiting = [event]
        while self._waiting:
            for command in self._call.receive(self._waiting.pop(0), self._loop.time() - self._began):
                self._carry_out(command)
        self._waiting = None
        if self._call.wake_at is not None and not self.sent.is_set():
            self._loop.call_at(self._began + self._call.wake_at, self.tell, TimePassed())

    def _carry_out(self, command: object) -> None:
        match command:
            case AskAgent():
                self._loop.call_soon(self.tell, AgentActed(command.turn, Say(self._text)))
                self._loop.call_soon(self.tell, AgentFinished(command.turn))
            case Synthesise():
                if self._text == TEXT_WALKED[0]:
                    self._walk.running = True
                self._voice.synthesise(command)
            case PullSpeech():
                self._voice.pull(command)
            case CancelSynthesis():
                self._voice.cancel(command.utterance)
            case SendAudio():
                self._walk.running = False
                self.sent.set()

    def close(self) -> None:
        """Hang up."""
        self._voice.close()


TEXT_WALKED = [TEXT]


async def walk(text: str) -> Walk:
    """Speak a text twice in other words, then walk."""
    TEXT_WALKED[0] = text
    found = Walk()
    settings = WorkerSettings()
    worker = Worker(settings, load_voices(settings))
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    with tempfile.TemporaryDirectory(prefix="bridge-walk-") as folder:
        unix = WorkerSettings(unix=f"{folder}/worker.sock")
        await listen(server, unix)
        speech = SpeechService(SpeakingSettings(workers=(f"unix:{unix.unix}",)))
        await speech.start()
        threading.setprofile(found.profile)
        sys.setprofile(found.profile)
        try:
            for said in ("Good morning, this is the practice.", "One moment please, I will have a look.", text):
                shell = Shell(speech, found)
                shell.say(said)
                async with asyncio.timeout(60):
                    await shell.sent.wait()
                shell.close()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            await speech.close()
            await server.cleanup()
            await worker.close()
    return found


def main() -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--list", action="store_true", help="name the functions, in the order in which they first ran")
    arguments = parser.parse_args()
    found = asyncio.run(walk(arguments.text))
    if arguments.list:
        for module, function in found.functions:
            print(f"{module}  {function}")
    print(json.dumps(found.counts()))


if __name__ == "__main__":
    main()
