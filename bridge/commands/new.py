"""`bridge new`: a project for an agent of one's own, which passes its tests."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from string import Template

DESCRIPTION = """\
Make a folder with an agent, its configuration, a scenario and tests, all of which work as they are: `pytest` in that
folder starts the service, and a simulated caller rings it. The agent is a class in Python, a script in YAML, a chat
model with tools, or a web service.
"""
EXAMPLES = """\
  bridge new parcels && cd parcels && pytest
  bridge new parcels --kind chat
"""
_TEMPLATES = Path(__file__).parent / "new_project"
_SUFFIX = ".template"
KINDS = {
    "python": {"agent.py": "what happens on a call, from top to bottom"},
    "script": {"dialogue.yaml": "what happens on a call, state by state"},
    "chat": {"tools.py": "what the model can do", "tests/conftest.py": "a model that follows rules, for the tests"},
    "web": {"service.py": "what happens on a call: start it beside the bridge"},
}
"""Kinds of agents, and what the files are for that only they have."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge new`."""
    parser.add_argument("folder", type=Path, metavar="NAME", help="the folder to make; its name is the project's")
    parser.add_argument("--kind", choices=KINDS, default="python", help="what the agent is (python)")


def run(arguments: argparse.Namespace) -> int:
    """Write the project. Exit status 0; nothing that is there is ever overwritten."""
    for file in write(arguments.folder, arguments.kind):
        print(f"  {file}")
    print(f"\n  cd {arguments.folder} && pytest        its tests; they ring it, too")
    return 0


def write(folder: Path, kind: str = "python") -> list[Path]:
    """Write a new project into this folder, which must not be there or be empty; the files. Raises ConfigError."""
    from bridge.errors import ConfigError

    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: expected a name of up to 40 letters, digits, - and _, a letter first")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: is there already, and not empty")
        files = []
        words = {
            "name": name.replace("_", " "),
            "files": "\n".join(f"| `{it}` | {what} |" for it, what in KINDS[kind].items()),
        }
        for root, template in _templates(kind):
            place = template.relative_to(root).as_posix().removesuffix(_SUFFIX)
            file = folder / (".gitignore" if place == "gitignore" else place)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = Template(template.read_text(encoding="utf-8")).substitute(words)
            file.write_text(text, encoding="utf-8")
            files.append(file)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    return files


def _templates(kind: str) -> list[tuple[Path, Path]]:
    """The templates of all kinds and of this one, each with the folder that stands for the project's."""
    roots = [_TEMPLATES / "common", _TEMPLATES / kind]
    return [(root, template) for root in roots for template in sorted(root.rglob(f"*{_SUFFIX}"))]
