"""``python -m bench.linear``: the picture in docs/performance.md: what the pure core costs by events, by features and by the length of the history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.batches import fetch
from bench.core_rows import BATCH, Core
from bench.figure import readable
from bench.processes import Stopwatch
from bench.workload import Workload

PICTURE = Path(__file__).parent.parent / "docs" / "performance.svg"
WIDTH, HEIGHT, MARGIN = 300, 200, 46
Series = tuple[str, str, str, list[float], list[float]]
"""Title, what is on the axes, and the points."""


def seconds(features: int, batches: Sequence[int]) -> list[float]:
    """CPU seconds of each run of batches, a pane each, one after another in one stream."""
    workload = Workload(features=features, beginning=2 * BATCH, per_pane=BATCH)
    core, first, found = Core(workload.specifications()), 0, []
    for count in batches:
        fetches = [fetch(workload, start, start + BATCH) for start in range(first, first + count * BATCH, BATCH)]
        first += count * BATCH
        watch = Stopwatch()
        for one in fetches:
            core.absorb(one)
            core.epoch()
        found.append(watch.seconds)
    return found


def measured() -> list[Series]:
    """The three pictures."""
    warm = 20
    batches, features = [5, 10, 20, 40, 80], [5, 20, 50, 100, 200]
    by_events = [seconds(20, [warm, count])[1] for count in batches]
    by_features = [seconds(count, [warm, 10])[1] for count in features]
    history = seconds(20, [20] * 12)
    return [
        ("events, 20 features", "thousand events", "CPU ms", [count * BATCH / 1_000 for count in batches], [1e3 * found for found in by_events]),
        ("features, 100,000 events", "features", "CPU ms", [float(count) for count in features], [1e3 * found for found in by_features]),
        (
            "length of the history",
            "events before, thousands",
            "us an event",
            [place * 20 * BATCH / 1_000 for place in range(1, 12)],
            [1e6 * found / (20 * BATCH) for found in history[1:]],
        ),
    ]


def picture(series: Sequence[Series]) -> str:
    """An SVG; every axis begins at 0."""
    parts = [_panel(place, *one) for place, one in enumerate(series)]
    size = f'width="{len(series) * WIDTH}" height="{HEIGHT}" viewBox="0 0 {len(series) * WIDTH} {HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n{"".join(parts)}</svg>\n'


def _panel(place: int, title: str, across: str, up: str, x: list[float], y: list[float]) -> str:
    left, bottom, top = place * WIDTH + MARGIN, HEIGHT - MARGIN, 30
    right = (place + 1) * WIDTH - 14
    at_x = np.array(x) / max(x) * (right - left) + left
    at_y = bottom - np.array(y) / (1.15 * max(y)) * (bottom - top)
    dots = "".join(f'<circle cx="{one:.1f}" cy="{other:.1f}" r="3" fill="#2563eb"/>' for one, other in zip(at_x, at_y, strict=True))
    line = " ".join(f"{one:.1f},{other:.1f}" for one, other in zip(at_x, at_y, strict=True))
    texts = [
        (left, 18, "start", f'font-weight="bold">{title}'),
        ((left + right) / 2, HEIGHT - 10, "middle", f">{across}"),
        (left, bottom + 15, "middle", ">0"),
        (right, bottom + 15, "end", f">{readable(max(x))}"),
        (left - 5, at_y.min() + 4, "end", f">{readable(max(y))}"),
        (left + 4, top + 6, "start", f">{up}"),
    ]
    words = "".join(f'<text x="{one:.1f}" y="{other:.1f}" text-anchor="{anchor}" {text}</text>\n' for one, other, anchor, text in texts)
    axes = f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
    return f'{axes}\n<polyline points="{line}" fill="none" stroke="#93b4f5"/>\n{dots}\n{words}'


def main() -> int:
    """Measure, and write the picture."""
    series = measured()
    for title, _, up, x, y in series:
        print(f"{title}: " + ", ".join(f"{readable(one)}: {readable(other)} {up}" for one, other in zip(x, y, strict=True)))
    PICTURE.write_text(picture(series))
    return 0


if __name__ == "__main__":
    sys.exit(main())
