"""Objectives: how much of an error budget is left, and how fast it burns.

An objective says which share of events is to be good over a period: 99.9 % of predictions answered in 30 days. Its error budget is the share that may be bad, and it burns
at the rate 1 when it would be used up exactly at the period's end. After Beyer et al., The Site Reliability Workbook (2018), chapter 5: a burn is told when both a window and
its last twelfth burn at the rate that costs so much of the budget: 2 % of it in a 720th of the period (an hour of 30 days), 5 % in a 120th, 10 % in a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.panes.layout import LATENCY_EDGES, TRAFFIC, Layout
from detectors.point import Point
from detectors.settings.watching import Objective
from detectors.statistics.intervals import PARTS, rates
from detectors.statistics.sampling import effective_rate

BURNS = (("fast", 720, 0.02), ("medium", 120, 0.05), ("slow", 10, 0.1))
"""Name, part of the period, and share of the budget that it costs at the rate from which on it is told."""

_RECENT = 12
_BUCKETS = 60  # of a window, which is up to one of them longer than it says
_TELLINGS = 5  # in the shortest window


@dataclass(frozen=True)
class ObjectiveCells:
    """Where events of an objective are counted in a summary vector: all of them, and the good or the bad ones, whichever are fewer cells."""

    total: Int64
    some: Int64
    some_are_good: bool

    def of(self, vector: Float64) -> tuple[float, float]:
        """Bad events, and all of them; of half a vector, where events are weighed."""
        total, some = float(vector[self.total].sum()), float(vector[self.some].sum())
        return (total - some if self.some_are_good else some), total


def objective_cells(layout: Layout, objective: Objective) -> ObjectiveCells:
    """Cells of an objective."""
    blocks = layout.blocks
    if objective.metric == "answered":
        predictions, failed = (np.array([blocks["traffic"].start + TRAFFIC.index(counter)]) for counter in ("predictions", "failed"))
        return ObjectiveCells(predictions, failed, some_are_good=False)
    if objective.metric == "latency":
        cells = np.arange(blocks["latency"].start, blocks["latency"].stop)
        return ObjectiveCells(cells, cells[: _nearest_edge(objective) + 1], some_are_good=True)
    classes = layout.specification.classes
    cells = np.arange(blocks["performance"].start, blocks["performance"].stop).reshape(len(classes) + 1, -1)
    right = np.diagonal(cells)[:-1]
    if objective.metric == "accuracy":
        return ObjectiveCells(cells.ravel(), right, some_are_good=True)
    place = classes.index(layout.specification.positive_class or "")
    return ObjectiveCells(cells[:, place] if objective.metric == "precision" else cells[place], right[[place]], some_are_good=True)


def _nearest_edge(objective: Objective) -> int:
    """Edge of the latency histogram next to what is asked for, by ratio."""
    return int(np.abs(np.log(np.array(LATENCY_EDGES) / (objective.below or 1))).argmin())


class _Window:
    """Bad and all events of each objective in the last ``length`` milliseconds, in buckets of a sixtieth."""

    def __init__(self, length: int, pane: int) -> None:
        self.length = max(pane, length)
        self._bucket = max(pane, -(-self.length // _BUCKETS // pane) * pane)
        self._sums: dict[int, Float64] = {}

    def add(self, start: int, counts: Float64) -> None:
        begin = start // self._bucket * self._bucket
        self._sums[begin] = self._sums[begin] + counts if begin in self._sums else counts

    def sum(self, at: int, like: Float64) -> Float64:
        """(k, 2) or, where events are weighed, (k, 4) up to a time, the end of the last pane."""
        self._sums = {begin: counts for begin, counts in self._sums.items() if begin + self._bucket > at - self.length}
        return np.asarray(sum(self._sums.values(), np.zeros_like(like)))

    def state(self) -> dict[str, Any]:
        return {"begins": list(self._sums), "counts": np.array(list(self._sums.values()))}

    def restore(self, state: dict[str, Any]) -> None:
        self._sums = dict(zip(state["begins"], state["counts"], strict=True))


class Objectives:
    """Budgets of a model's objectives, from its closed panes in their order.

    Parameters
    ----------
    layout : of the model's summaries; its specification has the objectives.

    Examples
    --------
    >>> from detectors.specification import MonitorSpecification
    >>> layout = Layout(MonitorSpecification(model="churn", objectives={"answers": {"metric": "answered", "target": 0.99, "period": "1d"}}))
    >>> objectives, pane = Objectives(layout), np.zeros(layout.size)
    >>> pane[layout.blocks["traffic"]][:2] = 1_000, 20  # predictions, and how many of them failed
    >>> objectives.add(0, pane)
    >>> (point,) = objectives.completed(10_000)
    >>> {name: round(point.fields[name], 3) for name in ("budget_left", "budget_left_low", "budget_left_high", "burn_fast")}, point.fields["burning"]
    ({'budget_left': -1.0, 'budget_left_low': -2.069, 'budget_left_high': -0.298, 'burn_fast': 2.0}, 'slow')
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._model, self._pane = layout.specification.model, layout.specification.pane
        self._of = layout.specification.objectives
        self._cells = [objective_cells(layout, objective) for objective in self._of.values()]
        self._periods = sorted({objective.period for objective in self._of.values()})
        lengths = {length for period in self._periods for length in _lengths(period)}
        self._windows = {length: _Window(length, self._pane) for length in sorted(lengths)}
        shortest = min(lengths, default=self._pane)
        self._step = max(self._pane, shortest // _TELLINGS // self._pane * self._pane)
        self._due: int | None = None
        self._last = 0

    def add(self, start: int, vector: Float64) -> None:
        """Take a closed pane."""
        halves = (vector, self._layout.squares(vector)) if self._layout.weighs else (vector,)
        counts = np.array([[part for half in halves for part in cells.of(half)] for cells in self._cells], np.float64).reshape(-1, 2 * len(halves))
        for window in self._windows.values():
            window.add(start, counts)
        self._last = start + self._pane
        self._due = start // self._step * self._step + self._step

    def completed(self, until: int) -> list[Point]:
        """A point of each objective, once for each step that has panes and ended by a time."""
        if self._due is None or until < self._due:
            return []
        at, self._due = self._due, None
        none = np.zeros((len(self._cells), 4 if self._layout.weighs else 2))
        sums = {length: window.sum(self._last, none) for length, window in self._windows.items()}
        return [
            Point(measurement="objective", tags={"model": self._model, "objective": name}, fields=_fields(objective, {length: sums[length][place] for length in sums}), time=at)
            for place, (name, objective) in enumerate(self._of.items())
        ]

    def state(self) -> dict[str, Any]:
        """What to save."""
        return {"due": self._due, "last": self._last, "windows": [[length, window.state()] for length, window in self._windows.items()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._due, self._last = state["due"], state["last"]
        for length, window in state["windows"]:
            self._windows[length].restore(window)


def _lengths(period: int) -> list[int]:
    """Of the windows that a period needs, milliseconds."""
    return [period, *(period // part // recent for _, part, _ in BURNS for recent in (1, _RECENT))]


def _fields(objective: Objective, sums: dict[int, Float64]) -> dict[str, float | int | bool | str]:
    """What is told of one objective, from its bad and all events in each window."""
    allowed = 1 - objective.target
    lengths = _lengths(objective.period)
    bad, total, *squares = np.array([sums[length] for length in lengths]).T
    if squares:
        bad, total = np.nan_to_num(effective_rate(bad, total, *squares))
    shares = rates(bad, total)
    used, most, least = (float(shares[0, part]) / allowed for part in (0, 2, 1))
    fields: dict[str, float | int | bool | str] = {
        "target": objective.target,
        "good": 1 - float(shares[0, 0]),
        "good_low": 1 - float(shares[0, 2]),
        "good_high": 1 - float(shares[0, 1]),
        "good_n": float(total[0]),
        "budget_left": 1 - used,
        "budget_left_low": 1 - most,
        "budget_left_high": 1 - least,
        "budget_left_n": float(total[0]),
        "burning": "",
    }
    for place, (name, part, cost) in enumerate(BURNS):
        long, recent = (shares[1 + 2 * place + window, :3] / allowed for window in (0, 1))
        for which, told, n in (("", long, total[1 + 2 * place]), ("_recent", recent, total[2 + 2 * place])):
            fields |= {f"burn_{name}{which}{part}": float(figure) for part, figure in zip(PARTS, (*told, n), strict=True)}
        rate = min(cost * part, 1 / allowed)  # all events bad is the fastest that there is
        if not fields["burning"] and min(long[0], recent[0]) >= rate and long[1] > 1:
            fields["burning"] = name
    if objective.below is not None:
        fields["below"] = LATENCY_EDGES[_nearest_edge(objective)]
    return fields
