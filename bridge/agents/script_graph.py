"""A script as a graph: who can get where by what, and a drawing of it. Pure: a script in, SVG out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from bridge.agents.script_check import reachable
from bridge.agents.script_states import Script, State, Step
from bridge.understanding.phrases import Intent

EndKind = Literal["hang up", "transfer"]

_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 190, 58, 46, 92, 30
_LETTERS = 26
"""That fit on a line of a box."""
_LONGEST_LABEL = 34
_STYLE = """
  text { font: 12px sans-serif; fill: #1b2733; text-anchor: middle }
  .name { font-weight: bold } .said { font-size: 11px; fill: #55606b } .label { font-size: 10px; fill: #24527a }
  rect { fill: #eef4fa; stroke: #24527a; stroke-width: 1.2 } .start rect { stroke-width: 3 }
  .end rect { fill: #f3f0e6; stroke: #8a7a3c } .lost rect { fill: #fbeaea; stroke: #b03030; stroke-dasharray: 5 3 }
  path { fill: none; stroke: #6b7f92; stroke-width: 1.2; marker-end: url(#tip) }
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way through a script: from a state, by what happens, to a state or an end of the call."""

    source: str
    target: str
    by: str
    end: EndKind | None = None
    """None: `target` is a state."""


def ways(script: Script) -> list[Way]:
    """Every way from every state, in the order of the file."""
    return [way for state in script.states.values() for way in _ways_from(state)]


def without_end(script: Script) -> list[str]:
    """Names of reachable states from which no way leads to the end of the call, whatever the caller does."""
    leads: dict[str, set[str]] = {name: set() for name in script.states}
    ends = set()
    for way in ways(script):
        if way.end is not None:
            ends.add(way.source)
        elif way.target in leads:
            leads[way.source].add(way.target)
    while True:
        more = {name for name, targets in leads.items() if name not in ends and targets & ends}
        if not more:
            return [name for name in script.states if name not in ends and name in reachable(script)]
        ends |= more


def _ways_from(state: State) -> Iterator[Way]:
    for intent, step in state.intents:
        yield from _way(state, step, f"says {_wording(intent)}")
    for keys, step in state.digits.items():
        yield from _way(state, step, f"presses {keys}")
    named: tuple[tuple[str, Step | None], ...] = (
        ("yes", state.on_yes),
        ("no", state.on_no),
        (state.expect if state.expect != "open" else "answers", state.on_answer),
        ("anything else", state.on_speech),
        ("gives up", state.give_up),
        ("", state.onward),
        ("transfer failed", state.on_transfer_failed if any(step.transfer for step in state.steps()) else None),
    )
    for by, named_step in named:
        if named_step is not None:
            yield from _way(state, named_step, by)


def _wording(intent: Intent) -> str:
    """The first of the ways in which a caller may say it."""
    for words in (*intent.phrases, *intent.word_sets):
        return " ".join(words)
    return next((pattern.pattern for pattern in intent.patterns), "...")


def _way(state: State, step: Step, by: str) -> Iterator[Way]:
    if step.goto:
        yield Way(state.name, step.goto, by)
    elif step.transfer:
        yield Way(state.name, step.transfer, by, "transfer")
    elif step.hang_up:
        yield Way(state.name, step.hang_up, by, "hang up")
    else:
        yield Way(state.name, state.name, by)


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    title: str
    said: str
    css: str


def drawing(script: Script) -> str:
    """The dialogue as an SVG image: the start at the top, each state below the first that leads to it."""
    found = ways(script)
    boxes = _boxes(script, found)
    width = max(box.x for box in boxes.values()) + _BOX_W + 2 * _MARGIN
    height = max(box.y for box in boxes.values()) + _BOX_H + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">',
        f"<title>{escape(script.name or 'A dialogue')}</title>",
        '<defs><marker id="tip" markerWidth="9" markerHeight="7" refX="8" refY="3.5" orient="auto">'
        '<path d="M0,0 L9,3.5 L0,7 z" style="fill:#6b7f92;stroke:none;marker-end:none"/></marker></defs>',
        f"<style>{_STYLE}</style>",
    ]
    together: dict[tuple[str, str], list[str]] = {}
    for way in found:
        labels = together.setdefault((way.source, _key(way)), [])
        if way.by and way.by not in labels:
            labels.append(way.by)
    for place, ((source, target), labels) in enumerate(together.items()):
        if target in boxes:
            lines.append(_arrow(boxes[source], boxes[target], _shortened(" / ".join(labels), _LONGEST_LABEL), place))
    lines += [_drawn(box) for box in boxes.values()]
    return "\n".join([*lines, "</svg>", ""])


def _key(way: Way) -> str:
    """An end is told from a state of the same name."""
    return way.target if way.end is None else f"{way.end}\n{way.target}"


def _boxes(script: Script, found: list[Way]) -> dict[str, _Box]:
    """Where each state and each end stands: rows by how far they are from the start."""
    row = {script.start: 0} if script.start in script.states else {}
    queue = list(row)
    for name in queue:
        for way in found:
            if way.source == name and _key(way) not in row and (way.end or way.target in script.states):
                row[_key(way)] = row[name] + 1
                if way.end is None:
                    queue.append(way.target)
    lowest = max(row.values(), default=0)
    for name in script.states:  # what no way leads to stands by itself at the bottom
        row.setdefault(name, lowest + 1)
    for way in found:
        if way.end is not None:
            row.setdefault(_key(way), lowest + 2)
    places: dict[int, int] = {}
    boxes = {}
    lost = set(script.states) - reachable(script)
    for key, level in sorted(row.items(), key=lambda item: item[1]):
        place = places.get(level, 0)
        places[level] = place + 1
        x, y = _MARGIN + place * (_BOX_W + _GAP_X), _MARGIN + level * (_BOX_H + _GAP_Y)
        if key in script.states:
            state = script.states[key]
            said = next((line.text for line in (*state.say, *state.ask) if line.text), "")
            css = "lost" if key in lost else "start" if key == script.start else "state"
            boxes[key] = _Box(x, y, key, said, css)
        else:
            kind, _, target = key.partition("\n")
            boxes[key] = _Box(x, y, kind, target, "end")
    return boxes


def _drawn(box: _Box) -> str:
    middle = box.x + _BOX_W / 2
    return (
        f'<g class="{box.css}"><rect x="{box.x:g}" y="{box.y:g}" width="{_BOX_W}" height="{_BOX_H}" rx="9"/>'
        f'<text class="name" x="{middle:g}" y="{box.y + 24:g}">{escape(_shortened(box.title, _LETTERS))}</text>'
        f'<text class="said" x="{middle:g}" y="{box.y + 43:g}">{escape(_shortened(box.said, _LETTERS + 4))}</text></g>'
    )


def _arrow(source: _Box, target: _Box, label: str, place: int) -> str:
    """A curve from box to box: downwards from edge to edge, else around the right side."""
    aside = (place % 5 - 2) * 14  # so that arrows that begin together can be told apart
    if target.y > source.y:
        x1, y1 = source.x + _BOX_W / 2 + aside, source.y + _BOX_H
        x2, y2 = target.x + _BOX_W / 2 + aside / 2, target.y
        path = f"M{x1:g},{y1:g} C{x1:g},{y1 + 40:g} {x2:g},{y2 - 40:g} {x2:g},{y2:g}"
        at_x, at_y = x1 * 0.6 + x2 * 0.4, y1 * 0.6 + y2 * 0.4
    else:
        x1, y1 = source.x + _BOX_W, source.y + _BOX_H / 2 + aside / 3
        x2, y2 = target.x + _BOX_W, target.y + _BOX_H / 2 + aside / 3
        if source is target:
            y1, y2 = source.y + _BOX_H * 0.75, source.y + _BOX_H * 0.25
        out = max(x1, x2) + 30 + abs(aside)
        path = f"M{x1:g},{y1:g} C{out:g},{y1:g} {out:g},{y2:g} {x2:g},{y2:g}"
        at_x, at_y = out - 6, (y1 + y2) / 2
    text = f'<text class="label" x="{at_x:g}" y="{at_y:g}">{escape(label)}</text>' if label else ""
    return f'<path d="{path}"/>{text}'


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
