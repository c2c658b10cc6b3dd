"""`bridge worker`: the speech worker as a process of its own."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

from bridge.commands.arguments import count, port

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Synthesise speech for bridges, over the WebSocket protocol described in bridge/worker/protocol.py.

`bridge serve` starts a worker by itself; run your own to share one between bridges, or to put it on another machine.
It drains on SIGTERM: running utterances are finished, new ones refused.
"""
EXAMPLES = """\
  bridge worker --port 8090
  bridge worker -c bridge.yaml --unix /run/bridge/worker.sock
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge worker`."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="YAML file; its `worker` section is used")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=port("--port"), help="port to listen on (default 8090; 0: any free one)")
    parser.add_argument("--unix", metavar="PATH", help="Unix socket to listen on instead")
    parser.add_argument(
        "--threads", type=count("--threads"), metavar="N", help="threads of one synthesis step (default 1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError
    from bridge.telemetry import logs
    from bridge.worker.main import run_worker, say_ready, settings_from
    from bridge.worker.settings import WRONG_SETTINGS_EXIT_CODE

    settings = load_settings(arguments.config)
    logs.configure_logs(settings.telemetry)
    in_json = settings.telemetry.log_format == "json"  # whoever reads the log reads JSON alone
    try:
        worker = settings_from(arguments, settings.worker)
        return run_worker(worker, partial(logs.event, logger) if in_json else say_ready)
    except ConfigError as error:
        if not in_json:
            raise
        logger.error("%s", error)
        return WRONG_SETTINGS_EXIT_CODE
