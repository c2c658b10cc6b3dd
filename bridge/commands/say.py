"""`bridge say`: a text into a WAV file, through the same worker that speaks on calls; or into words alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import positive

if TYPE_CHECKING:
    from bridge.call.events import Word
    from bridge.worker.settings import WorkerSettings

DESCRIPTION = """\
Speak a text into a WAV file, as a call would hear it.

Without --worker a speech worker is started for the purpose. A rate of 8000 is the telephone's; higher rates are for
judging a voice.

With --words nothing is synthesised: the words are printed as they will be spoken, of TEXT or of each
line that comes in.
"""
EXAMPLES = """\
  bridge say "I have an opening on Tuesday." -o opening.wav
  bridge say "Hello." -o hello.wav --rate 24000 --voice heart
  bridge say "Hello." -o hello.wav --worker ws://127.0.0.1:8090
  bridge say --words "Your PIN is 0042, and that is 12,50 €."
  bridge say --words --language en-GB < lines.txt
"""


_FORMATS = (".wav",)
"""Of the file, by the end of its name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge say`."""
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to say")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the WAV file to write")
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="YAML file with the worker's voices")
    parser.add_argument("--voice", metavar="NAME", help="the voice (default: the worker's)")
    parser.add_argument("--speed", type=positive("--speed"), default=1.0, help="0.5 to 2 (default 1)")
    parser.add_argument(
        "--rate", type=int, choices=(8000, 16000, 24000), default=8000, help="samples per second (default 8000)"
    )
    parser.add_argument("--worker", metavar="ADDRESS", help="ws://host:port or unix:/path of a running worker")
    parser.add_argument("--times", action="store_true", help="print when each word is spoken")
    parser.add_argument("--words", action="store_true", help="print the words that will be spoken, and make no sound")
    parser.add_argument("--language", default="en-US", metavar="CODE", help="of --words (default en-US)")


def run(arguments: argparse.Namespace) -> int:
    """Write the file, print how long it took."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError

    if arguments.words:
        return _print_words(arguments)
    if arguments.output is None:
        raise ConfigError("say needs a file to write (-o FILE), or --words to print the words alone")
    if not (arguments.text or "").strip():
        raise ConfigError("there is nothing to say")
    if arguments.output is not None and arguments.output.suffix.lower() not in _FORMATS:
        raise ConfigError(f"{arguments.output}: cannot be written: the formats are {', '.join(_FORMATS)}")
    settings = load_settings(arguments.config)
    spoken = asyncio.run(_speak(arguments, settings.worker))
    if not spoken.audio:
        raise ConfigError(f"{arguments.text!r} has nothing in it that can be spoken")
    try:
        _write(arguments.output, spoken.audio, arguments.rate)
    except OSError as error:
        raise ConfigError(f"{arguments.output}: cannot be written: {error.strerror}") from None
    if arguments.times:
        for word in spoken.words:
            print(f"{word.start_ms:7d} {word.end_ms:7d}  {word.text}")
    length = f"{len(spoken.audio) / 2 / arguments.rate:.2f} s"
    print(f"{arguments.output}: {length}, first sound after {spoken.first_ms:.0f} ms, all after {spoken.all_ms:.0f} ms")
    return 0


def _print_words(arguments: argparse.Namespace) -> int:
    """One line of words for the text, or for each line of the standard input."""
    from bridge.errors import ConfigError
    from bridge.text.cleaning import clean
    from bridge.text.spoken.form import spoken_form
    from bridge.text.spoken.languages import language

    try:
        spoken_in = language(arguments.language)
    except KeyError as error:
        raise ConfigError(f"--language: {error.args[0]}") from None
    for line in sys.stdin if arguments.text is None else [arguments.text]:
        print(spoken_form(clean(line), spoken_in).text, flush=True)
    return 0


@dataclass(frozen=True)
class _Spoken:
    audio: bytes
    words: list[Word]
    first_ms: float
    all_ms: float


async def _speak(arguments: argparse.Namespace, settings: WorkerSettings) -> _Spoken:
    """Ask a worker, our own if none is named, and gather what it says."""
    from bridge import variables
    from bridge.audio.formats import AudioFormat
    from bridge.worker.client import connect
    from bridge.worker.protocol import Audio

    async with (
        _worker(arguments.worker, settings) as address,
        await connect(address, variables.header(settings.token_env, os.environ)) as link,
    ):
        speech = link.open(arguments.voice, AudioFormat("pcm", arguments.rate), arguments.speed)
        asked_at = time.perf_counter()
        speech.text(arguments.text)
        speech.end()
        audio, words, first_ms = bytearray(), [], 0.0
        async for message in speech:
            if isinstance(message, Audio):
                first_ms = first_ms or (time.perf_counter() - asked_at) * 1000
                audio += message.data
            else:
                words += message.words
        return _Spoken(bytes(audio), words, first_ms, (time.perf_counter() - asked_at) * 1000)


@contextlib.asynccontextmanager
async def _worker(address: str | None, settings: WorkerSettings) -> AsyncIterator[str]:
    """The address of a worker: the one that is named, or one of our own for as long as it is needed."""
    if address:
        yield address
        return
    import msgspec

    from bridge.system.own_folder import OwnFolder
    from bridge.system.sockets import socket_folder
    from bridge.worker.main import serve

    with OwnFolder(socket_folder("bridge-say", "worker.sock")) as folder:
        own = msgspec.structs.replace(settings, unix=f"{folder}/worker.sock")
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(own, ready.set_result, stop))
        waiting: set[asyncio.Future[Any]] = {ready, serving}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()  # raises what kept it from starting
        try:
            yield f"unix:{own.unix}"
        finally:
            stop.set()
            await serving


def _write(path: Path, audio: bytes, rate_hz: int) -> None:
    import numpy as np

    from bridge.audio import wav

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav.write(np.frombuffer(audio, "<i2"), rate_hz))
