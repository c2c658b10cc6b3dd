"""`bridge doctor`: what would keep calls from working, and how to mend it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from bridge.commands.arguments import port

DESCRIPTION = """\
Look for what would keep calls from working: configuration, agent, credentials, ports, voice, recogniser, workers,
accelerator, public address, clock. Each finding comes with its remedy.
"""
EXAMPLES = """\
  bridge doctor -c bridge.yaml
  bridge doctor -c bridge.yaml --offline --json
"""
_SIGNS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red"), "skip": ("-", "dim")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge doctor`."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration to look at (default: the built-in settings)",
    )
    parser.add_argument("--host", default="", help="as for `bridge serve`")
    parser.add_argument("--port", type=port("--port"), help="as for `bridge serve`")
    parser.add_argument("--offline", action="store_true", help="ask nothing of the network")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when nothing failed (warnings are allowed), else 1."""
    import asyncio

    from bridge.doctor import examine
    from bridge.doctor_network import Finding

    findings: list[Finding] = asyncio.run(
        examine(arguments.config, os.environ, host=arguments.host, port=arguments.port, offline=arguments.offline)
    )
    failed = any(finding.status == "fail" for finding in findings)
    if arguments.json:
        print(json.dumps({"healthy": not failed, "findings": [finding.as_dict() for finding in findings]}, indent=2))
        return 1 if failed else 0

    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        sign, style = _SIGNS[finding.status]
        console.print(Text(f"{sign:>5}  ", style), Text(f"{finding.about:<16}", "bold"), Text(finding.found), sep="")
        for remedy in finding.remedy.splitlines():
            console.print(Text(f"{'':23}-> {remedy}"))
    problems = sum(finding.status == "fail" for finding in findings)
    warnings = sum(finding.status == "warn" for finding in findings)
    console.print(f"\n{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}")
    return 1 if failed else 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
