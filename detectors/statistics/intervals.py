"""Values of many rows at once, each with its 95 % interval and the number of rows behind it: arrays (..., 4) of value, low, high and n."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64
from detectors.metric import Metric, Z

PARTS = ("", "_low", "_high", "_n")
"""What a field is called behind the name of its metric, in the order of the last axis."""


def known(value: Float64, low: Float64, high: Float64, n: Float64) -> Float64:
    """(..., 4) of values, bounds and rows, (...) each."""
    found = np.empty((*np.shape(value), 4))
    found[..., 0], found[..., 1], found[..., 2], found[..., 3] = value, low, high, n
    return found


def rates(successes: Float64, n: Float64) -> Float64:
    """(..., 4) shares of n rows with Wilson's interval, see `detectors.metric.wilson`; nan of none.

    Examples
    --------
    >>> rates(np.array([0.0, 3.0]), np.array([20.0, 4.0])).round(3)
    array([[ 0.   ,  0.   ,  0.161, 20.   ],
           [ 0.75 ,  0.301,  0.954,  4.   ]])
    """
    with np.errstate(all="ignore"):
        rate = successes / n
        shrink = 1 + Z**2 / n
        centre = (rate + Z**2 / (2 * n)) / shrink
        half = Z / shrink * np.sqrt(np.maximum(rate * (1 - rate) / n, 0) + (Z / (2 * n)) ** 2)
        return known(rate, np.maximum(centre - half, 0), np.minimum(centre + half, 1), n)


def like_rates(value: Float64, variance: Float64, n: Float64, least: Float64 | float = 0.0, most: Float64 | float | None = None) -> Float64:
    """(..., 4) metrics between `least` and 1, with Wilson's interval for a rate of the same variance (Korn & Graubard 1998).

    Such an interval does not leave the range, and does not vanish where the variance does: it is never narrower than that of a rate of `most` rows.
    Without `most` that is so where the variance is 0 only, and for n rows.

    Examples
    --------
    >>> like_rates(np.array([1.0]), np.array([0.0]), np.array([20.0]), least=-1.0).round(3)
    array([[ 1.   ,  0.678,  1.   , 20.   ]])
    """
    width = 1 - least
    with np.errstate(all="ignore"):
        share = np.clip((value - least) / width, 0, 1)
        spread = share * (1 - share) * width**2
        trials = np.where((variance > 0) & (spread > 0), spread / variance, n if most is None else most)
        trials = trials if most is None else np.minimum(trials, most)
        found = rates(share * trials, np.where(np.isnan(value), np.nan, trials))
    return known(value, least + width * found[..., 1], least + width * found[..., 2], n)


def means_of_independent(parts: Float64, n: Float64) -> Float64:
    """(..., 4) means over the last but one axis of independent values (..., k, 4), each as far from its bounds as they are together (MOVER, Zou & Donner 2008).

    Parts that are nan are left out; n is given.

    Examples
    --------
    >>> means_of_independent(rates(np.array([9.0, 0.0]), np.array([10.0, 0.0])), 10.0).round(3)
    array([ 0.9  ,  0.596,  0.982, 10.   ])
    """
    defined = ~np.isnan(parts[..., 0])
    filled = np.where(defined[..., None], parts, 0)
    value, low, high = filled[..., 0], filled[..., 1], filled[..., 2]
    with np.errstate(all="ignore"):
        count = defined.sum(axis=-1) / np.where(defined.any(axis=-1), 1, 0)  # nan of none
        mean = value.sum(axis=-1) / count
        below, above = (np.sqrt(np.square(value - bound).sum(axis=-1)) / count for bound in (low, high))
    return known(mean, mean - below, mean + above, n)


def metrics_of(names: tuple[str, ...], found: Float64) -> tuple[Metric, ...]:
    """Metrics by their names, from (k, 4)."""
    return tuple(Metric(name, value, n, (low, high)) for name, (value, low, high, n) in zip(names, found.tolist(), strict=True))
