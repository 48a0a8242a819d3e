"""Metrics of a user's own, as functions of the counts that everything else is made of.

A pane holds no rows, so a function takes what can be merged: of a classifier the confusion counts, of a regression the sums of its errors. Functions come from outside
(`streams.metric_functions` finds them by their names); here they are called, and their intervals found without knowing anything about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors.event_batch import Float64
from detectors.metric import UNDEFINED, Metric, Z
from detectors.panes.layout import REGRESSION

Function = Callable[..., Any]
"""``f(confusion, classes)`` with (K, K) counts, row = label, column = prediction, and the K names; or ``f(sums)`` with `detectors.panes.layout.REGRESSION` by name."""

MOST_CELLS = 400
"""Cells with counts in them up to which an interval is found, by one call for each; twenty classes."""


def of_confusion(name: str, function: Function, block: Float64, classes: Sequence[str], squares: Float64 | None = None) -> Metric:
    """A metric of a classifier, of the rows whose label and prediction are known classes.

    The interval is the jackknife's (Efron & Tibshirani 1993, chapter 11): events are left out one by one, and all of one cell are alike. It suits what is smooth in the
    counts, such as a ratio of sums, and not a maximum or a median.

    Parameters
    ----------
    block : ((K + 1)^2,) confusion counts, last = unknown.
    classes : (K,) names.
    squares : as the block, of the squares of what rows stand for; None where each stands for itself.

    Examples
    --------
    >>> profit = lambda confusion, classes: (100 * confusion[1, 1] - 30 * confusion[0, 1]) / confusion.sum()
    >>> found = of_confusion("profit", profit, np.array([50.0, 10, 0, 5, 35, 0, 0, 0, 0]), ("no", "yes"))
    >>> found.value, found.n, [round(end, 1) for end in found.interval]
    (32.0, 100.0, [22.0, 42.0])
    """
    counts = block.reshape(len(classes) + 1, -1)[:-1, :-1]
    n = float(counts.sum())
    if n <= 0:
        return Metric(name, float("nan"), 0.0)
    value = float(function(counts.copy(), tuple(classes)))
    cells = np.argwhere(counts > 0)
    if n < 2 or len(cells) > MOST_CELLS or not np.isfinite(value):
        return Metric(name, value, n)
    without = np.array([float(function(_less_one(counts, row, column), tuple(classes))) for row, column in cells.tolist()])
    weights = counts[tuple(cells.T)]
    apart = (without - weights @ without / n) ** 2
    variance = (n - 1) / n * float(weights @ apart)
    if squares is not None:
        of_squares = squares.reshape(len(classes) + 1, -1)[:-1, :-1][tuple(cells.T)]
        weighed = float(of_squares @ apart)
        n, variance = n * (variance / weighed if weighed > 0 else n / float(of_squares.sum())), weighed
    half = Z * float(np.sqrt(variance))
    return Metric(name, value, n, (value - half, value + half) if np.isfinite(half) else UNDEFINED)


def of_sums(name: str, function: Function, block: Float64) -> Metric:
    """A metric of a regression; of sums alone there is no interval.

    Parameters
    ----------
    block : the sums `detectors.panes.layout.REGRESSION`.

    Examples
    --------
    >>> of_sums("largest", lambda sums: sums["absolute_error"] / sums["rows"], np.array([4.0, 0, 0, 0, 2, 0, 0, 0])).value
    0.5
    """
    sums = dict(zip(REGRESSION, block.tolist(), strict=True))
    return Metric(name, float(function(sums)) if sums["rows"] > 0 else float("nan"), sums["rows"])


def metrics_of_users(functions: Mapping[str, Function], block: Float64, classes: Sequence[str] | None, squares: Float64 | None = None) -> tuple[Metric, ...]:
    """All of a model's; ``classes`` are None for a regression, and without any a classifier has none; for ``squares`` see `of_confusion`."""
    if classes is None:
        return tuple(of_sums(name, function, block) for name, function in functions.items())
    return tuple(of_confusion(name, function, block, classes, squares) for name, function in functions.items()) if classes else ()


def _less_one(counts: Float64, row: int, column: int) -> Float64:
    less = counts.copy()
    less[row, column] -= 1
    return less
