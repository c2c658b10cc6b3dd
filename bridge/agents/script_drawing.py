"""A script as a picture. Pure: a script in, SVG out.

Each state is a box with what is said and a row for each way out of it, which names where it leads; the start is on the
left. Ways that lead on are arrows, too; those that lead back, or nowhere else, are told by their rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from bridge.agents.script_check import reachable
from bridge.agents.script_graph import Way, ways
from bridge.agents.script_states import Script

_WIDTH, _GAP_X, _GAP_Y, _MARGIN = 300, 90, 26, 24
_HEAD, _ROW, _PADDING = 50, 18, 10
_TITLE, _SAID, _BY, _TARGET = 36, 46, 30, 18
"""Letters that fit on a box's lines, and on both halves of a row."""
_STYLE = """
  text { font: 12px sans-serif; fill: #1b2733 }
  .name { font-weight: bold; font-size: 13px } .said { fill: #55606b; font-style: italic }
  .by { font-size: 11px } .to { font-size: 11px; fill: #24527a; text-anchor: end }
  rect { fill: #f4f8fc; stroke: #24527a; stroke-width: 1.2 } .start rect { stroke-width: 3 }
  .end rect { fill: #f3f0e6; stroke: #8a7a3c } .lost rect { fill: #fbeaea; stroke: #b03030; stroke-dasharray: 5 3 }
  path { fill: none; stroke: #6b7f92; stroke-width: 1.2; marker-end: url(#tip) }
"""


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    level: int
    title: str
    said: str
    css: str
    rows: tuple[tuple[str, str], ...] = ()
    """By what, and the key of where it leads."""

    @property
    def height(self) -> float:
        return _HEAD + (len(self.rows) * _ROW + _PADDING if self.rows else 0)

    def row_y(self, row: int) -> float:
        return self.y + _HEAD + row * _ROW + 12


def drawing(script: Script) -> str:
    """The dialogue as an SVG image: the start on the left, each state right of the first that leads to it."""
    boxes = _boxes(script, ways(script))
    width = max(box.x for box in boxes.values()) + _WIDTH + _MARGIN
    height = max(box.y + box.height for box in boxes.values()) + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">',
        f"<title>{escape(script.name or 'A dialogue')}</title>",
        '<defs><marker id="tip" markerWidth="9" markerHeight="7" refX="8" refY="3.5" orient="auto">'
        '<path d="M0,0 L9,3.5 L0,7 z" style="fill:#6b7f92;stroke:none;marker-end:none"/></marker></defs>',
        f"<style>{_STYLE}</style>",
    ]
    for box in boxes.values():
        lines += [
            _arrow(box, number, boxes[target])
            for number, (_, target) in enumerate(box.rows)
            if target in boxes and boxes[target].level > box.level
        ]
    lines += [_drawn(box, boxes) for box in boxes.values()]
    return "\n".join([*lines, "</svg>", ""])


def key_of(way: Way) -> str:
    """Where a way leads, as one name: an end of the call is told from a state of the same name."""
    return way.target if way.end is None else f"{way.end}\n{way.target}"


def _levels(script: Script, found: list[Way]) -> dict[str, int]:
    """How far each state and each end is from the start; what no way leads to comes last."""
    level = {script.start: 0} if script.start in script.states else {}
    queue = list(level)
    for name in queue:
        for way in found:
            if way.source == name and key_of(way) not in level and (way.end or way.target in script.states):
                level[key_of(way)] = level[name] + 1
                if way.end is None:
                    queue.append(way.target)
    last = max(level.values(), default=0) + 1
    for name in script.states:
        level.setdefault(name, last)
    for way in found:
        if way.end is not None:
            level.setdefault(key_of(way), last + 1)
    return level


def _boxes(script: Script, found: list[Way]) -> dict[str, _Box]:
    lost = set(script.states) - reachable(script)
    below: dict[int, float] = {}
    boxes = {}
    for key, level in sorted(_levels(script, found).items(), key=lambda item: item[1]):
        x, y = _MARGIN + level * (_WIDTH + _GAP_X), below.get(level, float(_MARGIN))
        if key in script.states:
            state = script.states[key]
            said = next((line.text for line in (*state.say, *state.ask) if line.text), "")
            css = "lost" if key in lost else "start" if key == script.start else "state"
            box = _Box(x, y, level, key, said, css, _rows(key, found))
        else:
            kind, _, target = key.partition("\n")
            box = _Box(x, y, level, kind, target, "end")
        boxes[key] = box
        below[level] = y + box.height + _GAP_Y
    return boxes


def _rows(state: str, found: list[Way]) -> tuple[tuple[str, str], ...]:
    """One row for each place that a state leads to, with all that leads there."""
    together: dict[str, list[str]] = {}
    for way in found:
        if way.source == state:
            labels = together.setdefault(key_of(way), [])
            if way.by and way.by not in labels:
                labels.append(way.by)
    return tuple((" / ".join(labels) or "then", target) for target, labels in together.items())


def _drawn(box: _Box, boxes: dict[str, _Box]) -> str:
    left, right = box.x + 12, box.x + _WIDTH - 12
    lines = [
        f'<g class="{box.css}"><rect x="{box.x:g}" y="{box.y:g}" width="{_WIDTH}" height="{box.height:g}" rx="9"/>',
        f'<text class="name" x="{left:g}" y="{box.y + 20:g}">{escape(_shortened(box.title, _TITLE))}</text>',
        f'<text class="said" x="{left:g}" y="{box.y + 38:g}">{escape(_shortened(box.said, _SAID))}</text>',
    ]
    for number, (by, target) in enumerate(box.rows):
        y = box.row_y(number)
        lines.append(f'<text class="by" x="{left:g}" y="{y:g}">{escape(_shortened(by, _BY))}</text>')
        lines.append(f'<text class="to" x="{right:g}" y="{y:g}">{escape(_leads_to(target, box, boxes))}</text>')
    return "\n".join([*lines, "</g>"])


def _leads_to(target: str, box: _Box, boxes: dict[str, _Box]) -> str:
    kind, _, rest = target.partition("\n")
    name = _shortened(kind if not rest or kind == "hang up" else f"{kind} {rest}", _TARGET)
    found = boxes.get(target)
    if found is box:
        return "stays here"
    return f"{name} \N{LEFTWARDS ARROW}" if found is not None and found.level <= box.level else name


def _arrow(source: _Box, row: int, target: _Box) -> str:
    """A curve from a row's end to the left edge of a box further right."""
    x1, y1, x2, y2 = source.x + _WIDTH, source.row_y(row) - 4, target.x, target.y + _HEAD / 2
    bend = (x2 - x1) / 2
    return f'<path d="M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"/>'


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
