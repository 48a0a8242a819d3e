"""How much two models' losses differ on the same rows, with an interval that allows for rows that resemble their neighbours.

For a course that is over and is looked at once, such as a replay. A verdict on a challenger is the business of `gate`, and on a table of independent rows of `held_out`.
The interval is theirs, for as many independent rows as these are worth; how many that is tells the dependence that monitors allow for, too.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from detectors.event_batch import Float64, Int64
from detectors.metric import UNDEFINED, Metric, Z, mean
from detectors.statistics.dependence import Dependence
from detectors.statistics.sampling import effective_share
from retrainer.gate import interval

ROWS_OF_BLOCK = 10
"""Rows that are added up before neighbours are compared; an interval takes twenty blocks, or more."""


def paired_difference(difference: Float64, weight: Float64, stage: Int64, *, bounded: bool) -> Metric:
    """Mean difference of two models' losses, its 95 % interval and the rows behind it.

    The interval is one of the mean over such rows with the models that served in each stage, and not of another course of trainings: what a promotion changes is no noise.
    It is nan where rows are too few to tell how much they depend on each other.

    Parameters
    ----------
    difference : (n,) loss of one minus loss of the other on the same row, in the order of the rows: below 0 the one is better.
    weight : (n,) rows of the traffic that each stands for.
    stage : (n,) from 0 on; rows that the same models answered have the same.
    bounded : whether losses lie in [0, 1]; then the interval is `retrainer.gate.interval`, which is never of width 0. Else it is a normal one.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> new, old = (rng.random((2, 1_000)) < [[0.10], [0.30]]).astype(float)
    >>> found = paired_difference(new - old, np.ones(1_000), np.zeros(1_000, np.int64), bounded=True)
    >>> f"{found.value:.3f} ({found.interval[0]:.3f} to {found.interval[1]:.3f}), n {found.n:.0f}"
    '-0.194 (-0.233 to -0.154), n 1000'
    """
    if not len(difference):
        return Metric("difference", math.nan, 0.0)
    rows = float(weight.sum())
    of_stage = np.bincount(stage, weight * difference) / np.maximum(np.bincount(stage, weight), 1e-9)
    rest = difference - of_stage[stage]
    value, variance = float(weight @ difference) / rows, float(weight @ rest**2) / rows
    sums, weighed = (np.stack([np.ones(len(rest)), rest, rest**2]) @ of for of in (weight, weight**2))
    n = rows * float(effective_share(sums[0], sums[1], sums[2], (weighed[0], weighed[1], weighed[2])))
    worth = n / _stretch(weight * rest)
    if math.isnan(worth):
        between = UNDEFINED
    else:
        told = value * worth, (variance + value**2) * worth
        between = interval(worth, *told) if bounded else mean("", *told, worth).interval
    return Metric("difference", value, n, between)


def _stretch(values: Float64) -> float:
    """How many of these rows say as much as an independent one does; nan where that cannot be told."""
    blocks = len(values) // ROWS_OF_BLOCK
    if blocks < 2:
        return math.nan
    cells = values[: blocks * ROWS_OF_BLOCK].reshape(blocks, ROWS_OF_BLOCK, 1)
    totals, rows, level = cells.sum(axis=1), ROWS_OF_BLOCK, 0
    dependence = Dependence.empty(1).with_panes(np.full((blocks, 1), float(rows)), totals, (cells**2).sum(axis=1), np.ones((1, 1), np.bool_))
    while len(totals) > 1:
        pairs = totals[: len(totals) // 2 * 2].reshape(-1, 2, 1).swapaxes(0, 1)
        dependence = dependence.with_contrasts([level] * pairs.shape[1], np.full(pairs.shape, float(rows)), pairs, np.ones((1, 1), np.bool_))
        totals, rows, level = pairs.sum(axis=0), 2 * rows, level + 1
    told = dependence.estimated()
    return float(told.inflation[0] * (special.stdtrit(told.freedom[0], 0.975) / Z) ** 2)
