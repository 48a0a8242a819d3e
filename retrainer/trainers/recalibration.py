"""Numbers of batch models, recalibrated by the labels since: a line is fitted to what each of them said, and what was found.

A model of numbers is right about the shape for longer than about the level: demand that grows by half makes it wrong on every row, by what a line can tell. It costs no training.
The line is least squares of fading rows, drawn towards no correction by a few rows of a prior. Do not use it for classes: for their probabilities there is
`retrainer.trainers.shrinkage`.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64

HALF_LIFE = 250
"""Rows after which one counts half as much: two numbers are learnt from fewer rows than the models that learn row by row need. From 200 to 500 errors changed by 2 % at most."""

PRIOR = 10.0
"""Rows that speak for no correction; of the slope, rows whose numbers lie a scale apart."""

FARTHEST = 3.0
"""Scales beyond which an error counts no more: a single wild label cannot move a line far, and a world that has doubled is followed still."""

_FADES = 0.5 ** (1 / HALF_LIFE)
_SUMS = 5  # of rows, of numbers, of errors, of squared numbers, of numbers times errors


def nothing(members: int) -> Float64:
    """(m, 5) sums before the first label."""
    return np.zeros((members, _SUMS))


def learnt(sums: Float64, numbers: Float64, label: Float64, awake: Bool, *, scale: float) -> Float64:
    """(m, 5) sums after labels, in their order: the same rows give the same sums however they are batched.

    Parameters
    ----------
    sums : (m, 5) before them.
    numbers : (m, n) that each model said by itself.
    label : (n,)
    awake : (m, n) False where a row says nothing of a model, as it was trained on it.
    scale : absolute error that counts as a loss of 1.
    """
    errors = label - numbers
    known = awake & np.isfinite(errors)
    numbers, errors = np.where(known, numbers, 0.0), np.clip(np.where(known, errors, 0.0), -FARTHEST * scale, FARTHEST * scale)
    rows = np.stack([np.ones_like(numbers), numbers, errors, numbers**2, numbers * errors], axis=2)
    for place, mine in enumerate(known.T):
        sums = np.where(mine[:, None], _FADES * sums + rows[:, place], sums)
    return sums


def lines(sums: Float64, scale: float) -> Float64:
    """(m, 2) level and slope for each model: what it says becomes ``level + slope x number``.

    Examples
    --------
    >>> said = np.tile([100.0, 300.0], 500)[None]
    >>> found = learnt(nothing(1), said, 1.5 * said[0], np.ones((1, 1000), bool), scale=400.0)
    >>> (lines(found, 400.0) @ [1, 200]).round().tolist(), lines(nothing(1), 400.0).tolist()
    ([297.0], [[0.0, 1.0]])
    """
    count, number, error, square, product = sums.T
    rows = np.maximum(count, np.finfo(np.float64).tiny)
    number, error = number / rows, error / rows
    slope = (product - count * number * error) / (np.maximum(square - count * number**2, 0.0) + PRIOR * scale**2)
    level = count / (count + PRIOR) * error
    return np.column_stack([level - slope * number, 1 + slope])
