"""What one row adds to a summary vector: cells and weights.

Every function returns ``(rows, cells, weights)``, three equally long arrays: row ``rows[i]`` of the batch adds ``weights[i]`` to cell
``cells[i]`` of the vector of its own pane. A sum over them, in any order, is the summary.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from detectors.binning import out_of_range
from detectors.event_batch import Bool, Column, Float64, Int64
from detectors.layout import DELAY_EDGES, LATENCY_EDGES, PROBABILITY, REGRESSION, TRAFFIC, Layout, column_size

SMALLEST_PROBABILITY = 1e-15  # the logarithm of 0 would make one sure and wrong prediction infinite; scikit-learn clips, too


@dataclass(frozen=True)
class Contributions:
    """Cells and weights by row."""

    rows: Int64
    cells: Int64
    weights: Float64

    @staticmethod
    def concatenate(parts: list[Contributions]) -> Contributions:
        """All of them, one after the other."""
        if not parts:
            return Contributions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        return Contributions(np.concatenate([part.rows for part in parts]), np.concatenate([part.cells for part in parts]), np.concatenate([part.weights for part in parts]))

    def signed(self, sign: Float64) -> Contributions:
        """The same, each row's weights multiplied by its sign: -1 takes back what a corrected label had added."""
        return Contributions(self.rows, self.cells, self.weights * sign[self.rows])


def counted(rows: Int64, cells: Int64) -> Contributions:
    """Contributions of weight 1."""
    return Contributions(rows, cells, np.ones(len(rows)))


def traffic(layout: Layout, counter: str, rows: Int64) -> Contributions:
    """One more of a counter for each of some rows."""
    return counted(rows, np.full(len(rows), layout.blocks["traffic"].start + TRAFFIC.index(counter), dtype=np.int64))


def weighted_traffic(layout: Layout, counter: str, weights: Float64) -> Contributions:
    """So many more of a counter for each row, in their order."""
    rows = np.arange(len(weights))
    return Contributions(rows, traffic(layout, counter, rows).cells, weights)


def inputs(layout: Layout, features: dict[str, Column], rows: Int64) -> list[Contributions]:
    """Features: one cell each, and one more where a value is out of its expected range."""
    parts = []
    for name, profile in layout.columns.items():
        start = layout.blocks[f"feature:{name}"].start
        parts.append(counted(rows, layout.bins[name].cells(features[name]) + start))
        feature = layout.specification.features[name]
        if profile.kind == "numeric" and (feature.minimum is not None or feature.maximum is not None):
            outside = np.flatnonzero(out_of_range(features[name], feature))
            parts.append(counted(rows[outside], np.full(len(outside), start + column_size(profile) - 1, dtype=np.int64)))
    return parts


def output(layout: Layout, prediction: Column, rows: Int64) -> list[Contributions]:
    """The model's output, by the bins of its reference."""
    if layout.prediction is None:
        return []
    return [counted(rows, layout.bins[""].cells(prediction) + layout.blocks["prediction"].start)]


def latency(layout: Layout, milliseconds: Float64, rows: Int64) -> Contributions:
    """Latency histogram; rows without a latency add nothing."""
    return _histogram(layout, "latency", LATENCY_EDGES, milliseconds, rows)


def delay(layout: Layout, milliseconds: Float64, rows: Int64) -> Contributions:
    """Histogram of the time from a prediction to its label."""
    return _histogram(layout, "delay", DELAY_EDGES, milliseconds, rows)


def _histogram(layout: Layout, block: str, edges: tuple[float, ...], values: Float64, rows: Int64) -> Contributions:
    known = ~np.isnan(values)
    return counted(rows[known], layout.blocks[block].start + np.searchsorted(edges, values[known], side="right"))


def performance(layout: Layout, prediction: Column, label: Column, score: Float64, rows: Int64, start: int | None = None) -> list[Contributions]:
    """What labelled predictions add to the performance blocks.

    Parameters
    ----------
    start : where the performance block begins; default: its place in the layout. The probability block is left out when it is given.
    """
    first = layout.blocks["performance"].start if start is None else start
    if layout.specification.task == "regression":
        return [_errors(prediction.astype(np.float64), label.astype(np.float64), rows, first)]
    classes = layout.specification.classes
    code = {name: place for place, name in enumerate(classes)}
    unknown = len(classes)
    column, row = (np.fromiter(map(code.get, outcome.tolist(), repeat(unknown)), np.int64, len(rows)) for outcome in (prediction, label))
    parts = [counted(rows, first + row * (unknown + 1) + column)]
    positive = layout.specification.positive_class
    if start is None and positive is not None:
        parts.append(_probabilities(layout, score, np.asarray(label == positive), rows))
    return parts


def _errors(prediction: Float64, label: Float64, rows: Int64, first: int) -> Contributions:
    error = prediction - label
    sums = np.stack([np.ones(len(rows)), label, label**2, error, np.abs(error), error**2, error**4], axis=1)
    usable = np.isfinite(sums).all(axis=1)
    cells = np.broadcast_to(first + np.arange(len(REGRESSION)), (int(usable.sum()), len(REGRESSION)))
    return Contributions(np.repeat(rows[usable], len(REGRESSION)), cells.ravel(), sums[usable].ravel())


def _probabilities(layout: Layout, score: Float64, positive: Bool, rows: Int64) -> Contributions:
    known = ~np.isnan(score)
    probability = np.clip(np.where(positive[known], score[known], 1 - score[known]), SMALLEST_PROBABILITY, 1)
    loss, brier = -np.log(probability), (1 - probability) ** 2
    sums = np.stack([np.ones(len(loss)), loss, loss**2, brier, brier**2], axis=1)
    cells = np.broadcast_to(layout.blocks["probability"].start + np.arange(len(PROBABILITY)), sums.shape)
    return Contributions(np.repeat(rows[known], len(PROBABILITY)), cells.ravel(), sums.ravel())
