"""The pages: every link leads somewhere, and the README is short enough to be read in an evening."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_OURS = re.compile(r"\.|out$|build$|dist$|shared$")
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not any(NOT_OURS.match(part) for part in path.relative_to(ROOT).parts)
)
LARGE_ROOMS = "agents call carriers console gateway listening simulator speaking telemetry text worker".split()
MOST_WORDS = 1500
"""Of the README, tables included and blocks of code left out."""


def outside_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+)$", outside_code(page.read_text("utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", outside_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in headings(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n[a](gone.md) [b](#a-title) [c](#no-title) [d](https://example.com)\n```\n[e](code)\n```\n"
    )
    assert broken(page) == ["gone.md", "#no-title"]


def test_the_readme_is_short() -> None:
    assert len(outside_code((ROOT / "README.md").read_text("utf-8")).split()) <= MOST_WORDS


@pytest.mark.parametrize("room", LARGE_ROOMS)
def test_each_large_room_has_a_page(room: str) -> None:
    assert (ROOT / "bridge" / room / "README.md").is_file()


@pytest.mark.parametrize("room", ["gateway", "telemetry", "worker", "api", "console"])
def test_a_rooms_page_names_each_of_its_modules(room: str) -> None:
    folder = ROOT / "bridge" / room
    page = (folder / "README.md").read_text("utf-8")
    modules = [path.name for path in folder.glob("*.py") if not path.name.startswith("__")]
    assert [name for name in modules if f"`{name}`" not in page] == []
