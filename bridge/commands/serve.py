"""`bridge serve`: answer the carrier's calls."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bridge.commands.arguments import count, port

DESCRIPTION = """\
Answer the carrier's calls: webhooks, media sockets, and everything behind them.

Point the number's voice webhook at PUBLIC_URL/twilio/voice. The auth token comes from TWILIO_AUTH_TOKEN (several with
commas while it is being rotated). On SIGTERM or Ctrl-C no new calls are taken and running ones finish; a second signal
ends them at once. GET /healthz and /readyz say how it fares, gateway.metrics who may read more.
"""
EXAMPLES = """\
  TWILIO_AUTH_TOKEN=... PUBLIC_URL=https://bridge.example.com bridge serve -c bridge.yaml --port 8080
  bridge serve -c bridge.yaml --processes 4        one process a core, on one port
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge serve`."""
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
    parser.add_argument("--host", default="", help="address to listen on (default: gateway.host)")
    parser.add_argument(
        "--port", type=port("--port"), help="port to listen on (default: gateway.port; 0: any free one)"
    )
    parser.add_argument(
        "--processes",
        type=count("--processes"),
        default=1,
        metavar="N",
        help="processes that share the port (default 1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from bridge import service
    from bridge.config import load_settings, load_what_is_right
    from bridge.errors import ConfigError
    from bridge.system.standard_streams import say

    try:
        settings = load_settings(arguments.config)
    except ConfigError as error:
        right, _ = load_what_is_right(arguments.config, os.environ)
        if right is None:
            raise
        return service.refuse(right, str(error))
    return service.run(
        settings,
        arguments.host,
        arguments.port,
        processes=arguments.processes,
        directory=arguments.config.parent,
        progress=say,
    )
