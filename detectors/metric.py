"""One metric with its uncertainty: a rate of 3 out of 4 and one of 3,000 out of 4,000 are not the same news."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from detectors.event_batch import Float64

Z = 1.959964  # 95 % of a normal law lie within so many standard errors
_STEPS = 6  # of Newton's, after which the place in a bin is known to a hundredth of it
UNDEFINED = (float("nan"), float("nan"))


class Metric(msgspec.Struct, frozen=True):
    """A value, the number of rows behind it, and its 95 % interval; nan where undefined."""

    name: str
    value: float
    n: float
    interval: tuple[float, float] = UNDEFINED


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate (Wilson 1927): never outside of 0 to 1, and of a width > 0 even at 0 of n.

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(0, 20)]
    [0.0, 0.161]
    """
    if n <= 0:
        return UNDEFINED
    rate, shrink = successes / n, 1 + Z**2 / n
    centre = (rate + Z**2 / (2 * n)) / shrink
    half = Z / shrink * math.sqrt(max(0.0, rate * (1 - rate) / n) + (Z / (2 * n)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def rate(name: str, successes: float, n: float) -> Metric:
    """A share of `n` rows; nan of none.

    Examples
    --------
    >>> rate("failed", 0, 0).value
    nan
    """
    return Metric(name, successes / n if n > 0 else float("nan"), n, wilson(successes, n))


def mean(name: str, total: float, squares: float, n: float) -> Metric:
    """A mean from a sum and a sum of squares, with the normal 95 % interval; no interval below two rows."""
    if n <= 0:
        return Metric(name, float("nan"), n)
    value = total / n
    if n < 2:
        return Metric(name, value, n)
    half = Z * math.sqrt(max(0.0, squares / n - value**2) / (n - 1))
    return Metric(name, value, n, (value - half, value + half))


def histogram_quantile(counts: Float64, edges: Float64, probability: Float64) -> Float64:
    """Quantiles of histograms, interpolated on the logarithm inside a bin.

    Inside a bin the distribution is a cubic, whose densities at the two edges are the geometric means of the neighbouring bins' (at most three times its own, so that
    it rises throughout: Fritsch & Carlson 1980). With a straight line quantiles would come out too large on every falling flank, where the interesting ones are.

    Parameters
    ----------
    counts : (m, B) of the bins ``edges[b-1] <= x < edges[b]``.
    edges : (B - 1,) inner edges, > 0. What lies below the first or above the last is reported as that edge.
    probability : (m, q) between 0 and 1.

    Returns
    -------
    (m, q) in the unit of the edges; nan without counts.

    Examples
    --------
    >>> histogram_quantile(np.array([[0.0, 10.0, 0.0]]), np.array([1.0, 100.0]), np.array([[0.5]]))
    array([[10.]])
    """
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        ends = np.cumsum(counts, axis=1) / total
        asked = np.minimum(np.maximum(probability, 0.0), 1.0)
        place = np.minimum((ends[:, None] < asked[..., None]).sum(axis=2), counts.shape[1] - 1)
        inner = np.minimum(np.maximum(place, 1), counts.shape[1] - 2)
        share = np.take_along_axis(counts, inner, axis=1) / total
        below, above = (np.take_along_axis(counts, inner + side, axis=1) / total for side in (-1, 1))
        wanted = np.minimum(np.maximum((probability - (np.take_along_axis(ends, inner, axis=1) - share)) / share, 0.0), 1.0)
        inside = _risen_to(wanted, np.minimum(np.sqrt(below / share), 3.0), np.minimum(np.sqrt(above / share), 3.0))
        value = edges[inner - 1] * (edges[inner] / edges[inner - 1]) ** inside
    found: Float64 = np.where(place == inner, value, edges[np.where(place == 0, 0, -1)])
    found[total[:, 0] <= 0] = np.nan
    return found


def _risen_to(wanted: Float64, first: Float64, last: Float64) -> Float64:
    """Where a cubic that rises from 0 to 1 between 0 and 1, with so steep a beginning and end, comes to a height; each of the same shape."""
    square, cube = 3 - 2 * first - last, first + last - 2
    place = wanted
    for _ in range(_STEPS):
        height, slope = place * (first + place * (square + place * cube)), first + place * (2 * square + 3 * place * cube)
        place = np.minimum(np.maximum(place - (height - wanted) / np.maximum(slope, 0.05), 0.0), 1.0)
    return place


def quantiles(counts: Float64, edges: Float64, percents: Sequence[int], worth: Float64 | None = None) -> Float64:
    """(m, k, 4) quantiles of histograms (m, B): value, low, high and n, with the 95 % interval of order statistics; of weighted counts for the events each is ``worth``, (m, k)."""
    n, probability = counts.sum(axis=1)[:, None, None] if worth is None else worth[..., None], np.array(percents)[:, None] / 100
    with np.errstate(all="ignore"):
        half = np.where(n > 0, Z * np.sqrt(probability * (1 - probability) / n), 0.0)
    asked = probability + half * np.array([0, -1, 1])
    found = histogram_quantile(counts, edges, asked.reshape(len(counts), -1)).reshape(asked.shape)
    found[..., 1], found[..., 2] = np.minimum(found[..., 1], found[..., 0]), np.maximum(found[..., 2], found[..., 0])
    return np.concatenate([found, np.broadcast_to(n, (*found.shape[:2], 1))], axis=2)
