"""The command line: one parser, one module per command, errors in one line.

Commands import what they need only when they run, so that `--help` is instant.

Exit status: 0 all went well; 1 it ran, and the answer is no (a call that failed its expectations, a replay
that differs, a doctor's finding); 2 it could not run: wrong arguments, settings or files; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from bridge.system.standard_streams import keep_standard_streams
from bridge.system.termination import Terminated, leave_threads_behind, obey_sigterm

OK, NO, CANNOT, INTERRUPTED = 0, 1, 2, 130
_SERVICES = frozenset(("serve", "worker"))
"""Commands for which SIGTERM is the usual end."""

GROUPS: dict[str, dict[str, str]] = {
    "take calls": {
        "serve": "answer the carrier's calls",
        "worker": "synthesise speech for bridges, as a process of its own",
        "doctor": "look for what would keep calls from working, and say how to mend it",
    },
    "try it out": {
        "demo": "run the service, its speech worker and a simulated caller, and keep the recording",
        "check": "find what is wrong with a scripted dialogue, and draw it",
        "new": "make a project for an agent of your own, with tests that ring it",
        "call": "place one simulated call at any server that speaks the carrier's protocol",
        "load": "place many simulated calls at once, and measure what callers hear",
        "soak": "ring a service for hours, and see whether anything of it grows",
        "say": "speak a text into a WAV file",
        "replay": "run a call's record through the call machine again and compare",
        "transcript": "print a call's record as a conversation",
    },
    "look after it": {
        "cache": "show, fill and empty the cache of spoken phrases",
        "forget": "remove the records and recordings of one call",
        "bench": "measure speech synthesis on this machine, against goals",
    },
}
"""Every command with its summary, as `bridge --help` shows them."""

_EPILOG = """\
examples:
  bridge demo                                     hear a whole call, with no account and no network
  bridge doctor -c bridge.yaml                    is everything in place?
  bridge serve -c bridge.yaml --port 8080         answer calls

`bridge COMMAND --help` explains a command. Secrets come from the environment: TWILIO_AUTH_TOKEN, PUBLIC_URL, ...

exit status: 0 all went well; 1 it ran, and the answer is no; 2 it could not run; 130 interrupted
"""


class Command(Protocol):
    """What a module of `bridge.commands` holds."""

    DESCRIPTION: str
    EXAMPLES: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare the command's options on its parser."""
        ...

    @staticmethod
    def run(arguments: argparse.Namespace) -> int:
        """Do it; returns the exit status."""
        ...


def command_module(name: str) -> Command:
    """The module that carries out a command."""
    return cast(Command, importlib.import_module(f"bridge.commands.{name}"))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    width = max(len(name) for commands in GROUPS.values() for name in commands) + 2
    listing = "\n\n".join(
        f"{group}:\n" + "\n".join(f"  {name:<{width}}{summary}" for name, summary in commands.items())
        for group, commands in GROUPS.items()
    )
    parser = argparse.ArgumentParser(
        prog="bridge",
        usage="bridge COMMAND [options]",
        description=f"A telephony media-stream bridge: phone calls in, conversations out.\n\n{listing}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    for commands in GROUPS.values():
        for name in commands:
            module = command_module(name)
            command = chosen.add_parser(
                name,
                prog=f"bridge {name}",
                description=module.DESCRIPTION,
                epilog=f"examples:\n{module.EXAMPLES}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. As the program itself it ends, whatever an agent's threads are at."""
    if argv is not None:
        return _guarded(argv)
    status = _guarded(sys.argv[1:])
    leave_threads_behind(status)
    return status


def _guarded(argv: Sequence[str]) -> int:
    """Run one command; signals and readers that are gone end it quietly."""
    try:
        obey_sigterm()
        keep_standard_streams()
        return _main(argv)
    except Terminated:
        if _SERVICES.intersection(argv[:1]):
            return OK
        raise
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _main(argv: Sequence[str]) -> int:
    """Run a command; what is wrong with the world is said in words, what is wrong with us keeps its traceback."""
    parser = build_parser()
    from bridge.errors import BridgeError

    try:
        return _chosen(parser, parser.parse_args(argv))
    except BridgeError as error:
        for line in str(error).splitlines():
            print(f"bridge: {line}", file=sys.stderr)
        return CANNOT


def _chosen(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.version:
        from importlib.metadata import version

        print(f"bridge {version('bridge')}")
        return OK
    if arguments.command is None:
        parser.print_help()
        return CANNOT
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
