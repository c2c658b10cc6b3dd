"""`bridge new`: a project for an agent of one's own, which passes its tests."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from string import Template

DESCRIPTION = """\
Make a folder with an agent in Python, its configuration, a scenario and tests, all of which work as they are:
`pytest` in that folder starts the service, and a simulated caller rings it.
"""
EXAMPLES = """\
  bridge new parcels && cd parcels && pytest
"""
_TEMPLATES = Path(__file__).parent / "new_project"
_SUFFIX = ".template"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge new`."""
    parser.add_argument("folder", type=Path, metavar="NAME", help="the folder to make; its name is the project's")


def run(arguments: argparse.Namespace) -> int:
    """Write the project. Exit status 0; nothing that is there is ever overwritten."""
    for file in write(arguments.folder):
        print(f"  {file}")
    print(f"\n  cd {arguments.folder} && pytest        its tests; they ring it, too")
    return 0


def write(folder: Path) -> list[Path]:
    """Write a new project into this folder, which must not be there or be empty; the files. Raises ConfigError."""
    from bridge.errors import ConfigError

    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: expected a name of up to 40 letters, digits, - and _, a letter first")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: is there already, and not empty")
        files = []
        for template in sorted(_TEMPLATES.rglob(f"*{_SUFFIX}")):
            place = template.relative_to(_TEMPLATES).as_posix().removesuffix(_SUFFIX)
            file = folder / (".gitignore" if place == "gitignore" else place)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = Template(template.read_text(encoding="utf-8")).substitute(name=name.replace("_", " "))
            file.write_text(text, encoding="utf-8")
            files.append(file)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    return files
