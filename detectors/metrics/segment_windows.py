"""Rolling windows of performance for each value of the declared segments, and how far apart the values are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from detectors.duration import format_duration
from detectors.event_batch import Float64
from detectors.metric import Metric, Z, rate
from detectors.metrics.metric_points import fields_of
from detectors.metrics.performance import performances
from detectors.metrics.rolling_window import Cuts
from detectors.metrics.worth import both
from detectors.panes.group_tables import OTHER
from detectors.panes.layout import Layout
from detectors.panes.packed_counts import PackedCounts
from detectors.point import Point
from detectors.statistics.sampling import effective_rate

LEAST_ROWS = 30
"""A value with fewer in a window is not compared: its rates are known to a third at best, so it would be the furthest apart most of the time."""


Key = tuple[str, str]
"""Name and value of a segment."""


class _Sums:
    """Sums of the panes of ``length`` milliseconds for each value, whose windows end together."""

    def __init__(self, length: int, pane: int, cells: int) -> None:
        self._cuts, self._cells = Cuts(length, pane), cells
        self._parts: dict[int, dict[Key, Float64]] = {}
        self._waiting: dict[int, tuple[list[Key], PackedCounts]] = {}  # of all parts but the latest
        self._due: int | None = None

    def add(self, start: int, sums: Mapping[Key, Float64]) -> None:
        self._due, begin = self._cuts.due(start), self._cuts.begin(start)
        for known in [known for known in self._parts if known != begin]:
            part = self._parts.pop(known)
            if part:
                self._waiting[known] = list(part), PackedCounts.of(np.concatenate(list(part.values()))).squeezed()
        latest = self._parts.setdefault(begin, {})
        for key, counts in sums.items():
            latest[key] = latest[key] + counts if key in latest else counts

    def completed(self, until: int) -> tuple[int, dict[Key, Float64]]:
        """End, and sums of each value that has any."""
        if self._due is None or until < self._due:
            return 0, {}
        at, self._due = self._due, None
        self._waiting = {begin: part for begin, part in self._waiting.items() if begin >= at - self._cuts.length}
        waiting = (zip(keys, packed.dense().reshape(len(keys), self._cells), strict=True) for keys, packed in self._waiting.values())
        found: dict[Key, Float64] = {}
        for key, counts in itertools.chain(*waiting, *(part.items() for part in self._parts.values())):
            found[key] = found[key] + counts if key in found else counts
        return at, dict(sorted(found.items()))

    def state(self) -> dict[str, Any]:
        waiting = [[begin, keys, packed.as_state()] for begin, (keys, packed) in self._waiting.items()]
        return {"due": self._due, "waiting": waiting, "latest": [[begin, list(part), list(part.values())] for begin, part in self._parts.items()]}

    def restore(self, state: dict[str, Any]) -> None:
        self._due = state["due"]
        self._waiting = {begin: ([(name, value) for name, value in keys], PackedCounts.of_state(packed)) for begin, keys, packed in state["waiting"]}
        self._parts = {begin: {(name, value): one for (name, value), one in zip(keys, counts, strict=True)} for begin, keys, counts in state["latest"]}


class SegmentWindows:
    """What is measured of the segments of one model.

    Windows hold the cells of traffic and performance alone. Of each segment as many values are told as ``max_groups``, the first by name.

    Parameters
    ----------
    layout : of the model's summaries; its specification names the segments.
    """

    def __init__(self, layout: Layout) -> None:
        specification = layout.specification
        self._layout, self._names = layout, specification.segments
        blocks = [layout.blocks[name] for name in ("traffic", "performance", "probability", "score") if name in layout.blocks]
        cells = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
        self._cells = np.concatenate([cells, cells + layout.cells]) if layout.weighs else cells
        self._windows = {length: _Sums(length, specification.pane, len(self._cells)) for length in specification.windows}

    def add(self, start: int, groups: Mapping[tuple[str, str], Float64]) -> None:
        """Take a closed pane: counts by version and segment."""
        sums: dict[Key, Float64] = {}
        for (_, segment), vector in sorted(groups.items()):
            for key in parsed(segment, self._names):
                sums[key] = sums[key] + vector[self._cells] if key in sums else vector[self._cells]
        for window in self._windows.values():
            window.add(start, sums)

    def completed(self, until: int) -> list[Point]:
        """Points of the windows whose last step ended by a time, each told once."""
        points: list[Point] = []
        for length, window in self._windows.items():
            at, found = window.completed(until)
            for name in self._names:
                values = {value: counts for (of, value), counts in found.items() if of == name}
                told = dict(itertools.islice(values.items(), self._layout.specification.max_groups))
                if told:
                    points += self._points(at, length, name, told)
        return points

    def _points(self, at: int, length: int, name: str, values: dict[str, Float64]) -> Iterable[Point]:
        vectors = np.zeros((len(values), self._layout.size))
        vectors[:, self._cells] = list(values.values())
        tags = {"model": self._layout.specification.model, "window": format_duration(length)}
        compared: dict[str, tuple[Metric, ...]] = {}
        for value, vector, performance in zip(values, vectors, performances([(self._layout, vector) for vector in vectors]), strict=True):
            own = _selection(self._layout, vector)
            metrics = (*performance.metrics, *own)
            compared[value] = metrics
            yield Point(measurement="segment", tags=tags | {"segment": f"{name}={value}"}, fields=fields_of(metrics), time=at)
        names = ("mae", "bias") if self._layout.specification.task == "regression" else ("accuracy", "recall", "false_positive_rate", "selection_rate")
        fields: dict[str, float | int | bool | str] = {}
        for metric in names:
            of_values = {value: one for value, metrics in compared.items() for one in metrics if one.name == metric and one.n >= LEAST_ROWS}
            if len(of_values) > 1:
                least, most = (by(of_values, key=lambda value: of_values[value].value) for by in (min, max))
                fields |= fields_of([gap(f"{metric}_gap", list(of_values.values()))]) | {f"{metric}_least": least, f"{metric}_most": most}
        if fields:
            yield Point(measurement="fairness", tags=tags | {"segment": name}, fields=fields, time=at)

    def state(self) -> list[Any]:
        """What to save."""
        return [[length, window.state()] for length, window in self._windows.items()]

    def restore(self, state: list[Any]) -> None:
        """Take saved state."""
        for length, window in state:
            self._windows[length].restore(window)


def parsed(segment: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Name and value of each segment of a group; those that were counted together have none.

    Examples
    --------
    >>> parsed("country=de,plan=basic, yearly", ("country", "plan"))
    [('country', 'de'), ('plan', 'basic, yearly')]
    """
    found: list[tuple[str, str]] = []
    for part in segment.split(",") if segment != OTHER else ():
        name, is_name, value = part.partition("=")
        if is_name and name in names and name not in dict(found):
            found.append((name, value))
        elif found:
            found[-1] = found[-1][0], f"{found[-1][1]},{part}"
    return found


def gap(name: str, values: Sequence[Metric]) -> Metric:
    """The largest difference between values of one metric, with an interval that allows for its being the largest of many.

    Each pair has the interval of a difference of independent values (MOVER, Zou & Donner 2008; of two rates Newcombe 1998), so much wider that all pairs hold 19 times in
    20 (Bonferroni); the largest lower and the largest upper bound are then those of the largest difference.

    Returns
    -------
    n is that of the smaller of the two.

    Examples
    --------
    >>> found = gap("accuracy_gap", [rate("accuracy", 90, 100), rate("accuracy", 70, 100), rate("accuracy", 80, 100)])
    >>> round(found.value, 3), [round(bound, 3) for bound in found.interval], found.n
    (0.2, [0.066, 0.329], 100)
    """
    pairs = list(itertools.permutations(values, 2))
    wider = float(special.ndtri(1 - 0.05 / len(pairs))) / Z  # each unordered pair is there twice
    lows, highs = [], []
    for one, other in pairs:
        below, above = (wider * math.hypot(one.value - one.interval[side], other.value - other.interval[1 - side]) for side in (0, 1))
        lows.append(one.value - other.value - below)
        highs.append(one.value - other.value + above)
    most, least = max(pairs, key=lambda pair: pair[0].value - pair[1].value)
    return Metric(name, most.value - least.value, min(most.n, least.n), (max(0.0, *lows), max(highs)))


def _selection(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """``selection_rate`` (labelled rows that are predicted positive: demographic parity) and ``false_positive_rate``; with recall that of equalised odds (Hardt et al. 2016)."""
    classes, positive = layout.specification.classes, layout.specification.positive_class
    if positive not in classes or len(classes) != 2:
        return ()
    place = classes.index(positive)

    def shares(block: Float64) -> Float64:
        """(2, 2) hits and rows of both."""
        counts = block.reshape(len(classes) + 1, -1)
        predicted, rows = counts[:, place].sum(), counts.sum()
        return np.array([[predicted, predicted - counts[place, place]], [rows, rows - counts[place].sum()]])

    counts, squares = both(layout, vector, "performance")
    worth = shares(counts) if squares is None else np.nan_to_num(effective_rate(*shares(counts), *shares(squares)))
    return tuple(rate(name, hits, rows) for name, (hits, rows) in zip(("selection_rate", "false_positive_rate"), worth.T.tolist(), strict=True))
