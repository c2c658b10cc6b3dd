"""Drawings as inline SVG: waveforms and cumulative distributions. Colours come from the page's style."""

from __future__ import annotations

import numpy as np

from bridge.simulator.sound import Sound

_HEIGHT = 100


def waveform_path(sound: Sound, samples: int, columns: int) -> str:
    """The outline of a sound as an SVG path, `columns` wide and 100 high; `samples` is the full width.

    Amplitude is drawn by its square root, so that soft speech can be seen beside loud speech.
    """
    whole = np.zeros(max(samples, columns), np.float32)
    part = sound[: len(whole)]
    whole[: len(part)] = np.abs(part)
    peaks = np.sqrt(np.maximum.reduceat(whole, np.arange(columns) * len(whole) // columns))
    half = np.round(peaks * 48.0, 1)
    upper = [f"{x},{50 - y:g}" for x, y in enumerate(half)]
    lower = [f"{x},{50 + y:g}" for x, y in reversed(list(enumerate(half)))]
    return "M" + " ".join(upper) + " " + " ".join(lower) + "Z"


def cumulative_plot(values: list[int], title: str, width: int = 340, height: int = 130) -> str:
    """How many percent of the values are at or below x, with p50, p95 and p99 marked."""
    ordered = np.sort(np.asarray(values, float))
    low, high = min(0.0, float(ordered[0])), float(ordered[-1]) or 1.0
    left, bottom, top = 30.0, height - 22.0, 8.0
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(left + (value - low) / span * (width - left - 12), 1)

    def y(share: float) -> float:
        return round(bottom - share * (bottom - top), 1)

    points = [f"{x(low)},{y(0)}"]
    for index, value in enumerate(ordered):
        points += [f"{x(float(value))},{y(index / len(ordered))}", f"{x(float(value))},{y((index + 1) / len(ordered))}"]
    lines = [
        f'<line class="grid" x1="{left}" x2="{width - 12}" y1="{y(share)}" y2="{y(share)}"/>'
        f'<text class="scale" x="{left - 5}" y="{y(share) + 3}" text-anchor="end">{round(share * 100)}</text>'
        for share in (0.0, 0.5, 1.0)
    ]
    ends = [
        f'<text class="scale" x="{x(value)}" y="{height - 7}" text-anchor="{anchor}">{value:.0f}</text>'
        for value, anchor in ((low, "start"), (high, "end"))
    ]
    marks = []
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        at = float(ordered[min(len(ordered) - 1, max(0, int(np.ceil(share * len(ordered))) - 1))])
        marks.append(f'<circle cx="{x(at)}" cy="{y(share)}" r="3"><title>{name} {at:.0f} ms</title></circle>')
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f'{"".join(lines)}<polyline points="{" ".join(points)}"/>{"".join(marks)}{"".join(ends)}</svg>'
    )
