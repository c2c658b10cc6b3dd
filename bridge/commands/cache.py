"""`bridge cache`: the phrases that are kept as audio ready to send."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.config import Settings
    from bridge.speaking.phrases.cache import Tier

DESCRIPTION = """\
Show, fill and empty the cache of spoken phrases: the tiers that outlast a process, on disk and in Redis.

`speaking.cache.disk_path` and `store.redis_url` in the configuration say where they are.
"""
EXAMPLES = """\
  bridge cache warm -c bridge.yaml                       speak the agent's fixed lines ahead of the first call
  bridge cache warm -c bridge.yaml --text "We are closed today."
  bridge cache stats -c bridge.yaml
  bridge cache list -c bridge.yaml --voice heart
  bridge cache purge -c bridge.yaml --text "We are closed today."
  bridge cache purge -c bridge.yaml --everything
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge cache`."""
    actions = {
        "warm": "speak the agent's fixed lines and those of `speaking.warm`, and keep them",
        "stats": "how much is kept",
        "list": "what is kept, most used first",
        "purge": "forget what matches; all of it with --everything",
    }
    parser.add_argument(
        "action", choices=actions, metavar="ACTION", help="; ".join(f"{name}: {what}" for name, what in actions.items())
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="the service's configuration")
    parser.add_argument("--text", help="this phrase alone")
    parser.add_argument("--voice", help="only phrases of this voice; warm: speak in it")
    parser.add_argument("--tenant", help="only phrases of this tenant; warm: for it")
    parser.add_argument("--everything", action="store_true", help="purge without naming text, voice or tenant")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError
    from bridge.store.settings import redis_address

    settings = load_settings(arguments.config)
    kept = settings.speaking.cache
    if not kept.disk_path and not redis_address(settings.store, os.environ):
        raise ConfigError(
            f"{arguments.config}: neither speaking.cache.disk_path nor store.redis_url (or its variable) is set, "
            "so that nothing outlasts the service; set one of them"
        )
    chosen = {name: getattr(arguments, name) for name in ("text", "voice", "tenant")}
    if arguments.action == "purge" and not arguments.everything and not any(chosen.values()):
        raise ConfigError("purge: name --text, --voice or --tenant, or say --everything")
    return asyncio.run(_act(arguments, settings, chosen))


async def _act(arguments: argparse.Namespace, settings: Settings, chosen: dict[str, str | None]) -> int:
    if arguments.action == "warm":
        return await _warm(arguments, settings)
    import msgspec

    from bridge.app import service_secret
    from bridge.errors import ConfigError
    from bridge.speaking.phrases.cache import PhraseCache
    from bridge.store.settings import redis_address
    from bridge.variables import without_password

    cache = PhraseCache(
        settings.speaking.cache,
        arguments.config.parent,
        redis_url=redis_address(settings.store, os.environ),
        redis_prefix=settings.store.redis_prefix,
        secret=service_secret(settings),
    )
    await cache.open()
    try:
        away = cache.redis is not None and not cache.redis.available
        if away and (cache.disk is None or arguments.action == "purge"):
            raise ConfigError(f"Redis does not answer at {without_password(redis_address(settings.store, os.environ))}")
        match arguments.action:
            case "purge":
                gone = await cache.purge(**chosen)
                del gone["memory"]  # ours was empty
                _print(arguments, gone, [f"{count} phrases gone from {tier}" for tier, count in gone.items()])
                if not cache.redis:
                    print("a service that is running keeps what it has in memory: restart it", file=sys.stderr)
            case "stats":
                kept = await cache.kept()
                del kept["memory"]  # ours is empty
                _print(arguments, kept, [f"{tier}: {_counts(counts)}" for tier, counts in kept.items()])
            case _:
                entries = await cache.list(**chosen)
                lines = [f"{e.hits:6d}x {e.audio_ms / 1000:6.1f} s  {e.voice:<12} {e.text}" for e in entries]
                _print(arguments, msgspec.to_builtins(entries), lines or ["nothing matches"])
    finally:
        await cache.close()
    return 0


async def _warm(arguments: argparse.Namespace, settings: Settings) -> int:
    from bridge.agents.base import FixedLine
    from bridge.app import service_secret
    from bridge.http import HttpClient
    from bridge.profiles import Agents, fixed_lines
    from bridge.speaking.speech import SpeechService
    from bridge.store.settings import redis_address
    from bridge.warm_up import warm_up

    directory = arguments.config.parent
    if arguments.text:
        lines = [FixedLine(arguments.text)]
    else:
        lines = fixed_lines(settings, Agents(settings, directory).numbers if settings.agent or settings.numbers else {})
    if arguments.voice:
        lines = [FixedLine(line.text, arguments.voice, line.language) for line in lines]

    def progress(done: int, total: int, phrase: str) -> None:
        print(f"[{done}/{total}] {phrase}", file=sys.stderr, flush=True)

    speech = SpeechService(
        settings.speaking,
        directory=directory,
        worker=settings.worker,
        redis_url=redis_address(settings.store, os.environ),
        redis_prefix=settings.store.redis_prefix,
        secret=service_secret(settings),
        open_client=partial(HttpClient, settings.http, directory=directory),
    )
    try:
        await speech.start()
        await warm_up(speech, lines, tenant=arguments.tenant or "default", progress=progress)
        missing, made = await speech.cache.settle(), len(speech.cache.memory)
    finally:
        await speech.close()
    if lines:
        await _check_kept(missing, made, settings)
    _print(arguments, {"phrases": len(lines)}, [f"{len(lines)} phrases are ready"])
    return 0


async def _check_kept(missing: dict[Tier, int], made: int, settings: Settings) -> None:
    """Raises ConfigError when a tier does not hold all that was made: full, read-only, forbidden, too small."""
    from bridge.errors import ConfigError
    from bridge.store.redis_check import redis_trouble
    from bridge.store.settings import redis_address
    from bridge.variables import without_password

    for tier, count in missing.items():
        if count or not made:
            where, why = settings.speaking.cache.disk_path, "is it there, has it room (disk_mb), and may we write?"
            if tier == "redis":
                url = redis_address(settings.store, os.environ)
                where, why = without_password(url), "is it there, and has it room (redis_mb)?"
                why = str(await redis_trouble(url, settings.store.redis_prefix) or why)
            kept = "none of them is" if count == made else f"{count} of them are not"
            raise ConfigError(f"{made} phrases were made, and {kept} kept in {tier} ({where}): {why}")


def _print(arguments: argparse.Namespace, data: Any, lines: list[str]) -> None:
    print(json.dumps(data, indent=2) if arguments.json else "\n".join(lines))


def _counts(counts: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in counts.items())
