"""What the room's page draws is what the tables say."""

from __future__ import annotations

from pathlib import Path

from bridge.call import states

ROOM = Path(states.__file__).parent


def test_the_diagram_is_drawn_from_the_tables() -> None:
    assert states.diagram() in (ROOM / "README.md").read_text(encoding="utf-8")


def test_each_module_is_named() -> None:
    page = (ROOM / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in ROOM.glob("*.py") if path.name != "__init__.py" and f"`{path.name}`" not in page]
    assert missing == []
