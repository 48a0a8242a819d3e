"""Tails of the mean and of the variance of a window, beyond what a normal approximation gives.

A window of 30 values of a column that is mostly zeros is far from normal five standard deviations out. The reference's bins give its whole
law, and so the rate ``I(x)`` at which the chance of a mean ``x`` away from the expected one vanishes (Cramér): ``r = sqrt(2 n I(x))`` takes the
place of ``x sqrt(n) / sigma``. What `rate` alone leaves out, how discrete a sum is and how fast the chance falls from there, is a
correction ``log(ease) / r`` (Barndorff-Nielsen's, with the allowance of `detectors.statistics.lattice`), never below what Chernoff's bound makes certain.
It vanishes as windows grow, so large windows lose nothing by it.

A small variance about the window's own mean is another event than small squares about the reference's: all zeros have no variance, though
each is as far from the reference's mean as ever. Its rate is the smallest over all centres of the squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.statistics.lattice import allowance

POINTS = 512
_TILTS = np.geomspace(1e-3, 300, 240)
_NONE = -50.0  # logarithm of an ease of nothing: only Chernoff's bound is left
_ROUNDS = 12
SMALLEST_ROOT = 1e-3
"""A root counts as at least this, so that it can be divided by."""

_MEAN_OF_LOGARITHM = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class _Tail:
    """Points of one side of a law: (p,) distances from the expected value, rates, and logarithms of the ease."""

    distance: Float64
    rate: Float64
    ease: Float64


@dataclass(frozen=True)
class _Law:
    """What a table is made of: a column's values and their weights, and whether its mean is looked at or its variance about the window's own mean."""

    values: Float64
    weights: Float64
    of_variance: bool

    @cached_property
    def outline(self) -> tuple[float, float, float]:
        """Standard deviation of one value, nan for a constant, and the distances to where the law ends: below, above."""
        values, chances = _counted(self.values, self.weights)
        below, above = (-values.min(), values.max()) if len(values) else (0.0, 0.0)
        if self.of_variance and len(values):
            squares = values**2
            below = chances @ squares
            values = squares - below
            above = values.max()
        sigma = float(np.sqrt(chances @ values**2))
        return (sigma, float(below), float(above)) if sigma > 1e-9 * max(1.0, below, above) else (np.nan, 0.0, 0.0)

    def tail(self, sigma: float, *, above: bool) -> _Tail:
        """One side of it."""
        values, chances = _distinct(*_counted(self.values, self.weights))
        if self.of_variance:
            if not above:
                return _tail_of_small_variance(values, chances, sigma)
            squares = values**2
            values, chances = _distinct(squares - chances @ squares, chances)
        return _tail_of_mean(values, chances, sigma) if above else _tail_of_mean(-values[::-1], chances[::-1], sigma)


class DeviationTable:
    """What a deviation of a mean is worth, for ``c`` laws.

    Points are even in ``x / (|x| + sigma)``, so that they are dense where large windows are and reach the ends of any law. A side of a table is made when it
    is first asked for: it takes milliseconds, and thousands of columns that stay within their floors need none.

    Attributes
    ----------
    scale : (c,) standard deviation of one value of each law; nan for a constant.
    """

    def __init__(self, laws: Sequence[_Law]) -> None:
        self._laws = tuple(laws)
        self.scale, below, above = np.array([law.outline for law in laws]).reshape(-1, 3).T
        low, high = -below / (self.scale + below), above / (self.scale + above)
        self._low, self._step = low, (high - low) / (POINTS - 1)  # of each table, on the scale of its points
        self._below = np.nan_to_num(np.ceil(-self._low / self._step)).astype(np.int64)  # points below the expected value
        self._slopes, self._eases = np.empty((2, len(laws) * POINTS))  # sqrt(2 I(x)) / |x|, which is 1 / sigma at 0; logarithm of the correction's ease
        self._made = np.zeros((len(laws), 2), bool)
        for number in np.flatnonzero(np.isnan(self.scale)).tolist():
            row = slice(number * POINTS, (number + 1) * POINTS)
            self._slopes[row] = self._eases[row] = np.nan
            self._made[number] = True

    @staticmethod
    def of_means(laws: Sequence[tuple[Float64, Float64]]) -> DeviationTable:
        """A table for the mean of each law: values and their weights."""
        return DeviationTable([_Law(*law, of_variance=False) for law in laws])

    @staticmethod
    def of_variances(laws: Sequence[tuple[Float64, Float64]]) -> DeviationTable:
        """A table for the variance (divided by n, about the window's own mean) of each law."""
        return DeviationTable([_Law(*law, of_variance=True) for law in laws])

    def beside(self, other: DeviationTable) -> DeviationTable:
        """Both, one after the other."""
        return DeviationTable(self._laws + other._laws)

    def at(self, deviation: Float64, law: Int64) -> tuple[Float64, Float64]:
        """(...) slopes and eases of deviations (...) by the laws of these numbers; deviations beyond a law take its end.

        The slope is ``sqrt(2 I(x)) / |x|``, which is ``1 / sigma`` at 0 and smaller on the side of a heavy tail; the ease is the logarithm of what the
        correction needs, at most 0.
        """
        deviation, law = np.broadcast_arrays(deviation, law)
        place = (deviation / (np.abs(deviation) + self.scale[law]) - self._low[law]) / self._step[law]
        place = np.fmax(np.fmin(place, POINTS - 1.001), 0)
        point: Int64 = place.astype(np.int64)
        part = place - point
        for side, asked in enumerate((point < self._below[law], point + 1 >= self._below[law])):
            missing = law[asked & ~self._made[law, side]]
            for number in np.unique(missing).tolist() if len(missing) else ():
                self._make(number, side)
        point = point + POINTS * law
        slopes: Float64 = self._slopes[point] * (1 - part) + self._slopes[point + 1] * part
        eases: Float64 = self._eases[point] * (1 - part) + self._eases[point + 1] * part
        return slopes, eases

    def _make(self, number: int, side: int) -> None:
        """Fill in one side of a table: 0 below, 1 above."""
        law, between = self._laws[number], int(self._below[number])
        sigma = float(self.scale[number])
        tail = law.tail(sigma, above=side == 1)
        own = np.arange(POINTS)[between:] if side else np.arange(POINTS)[:between]
        points = np.abs(self._low[number] + self._step[number] * own)
        distance = sigma * points / (1 - points)
        near = tail.distance > 1e-2 * sigma  # nearer to 0 the rate is lost in rounding
        at = np.append(0.0, tail.distance[near])
        slopes = np.interp(distance, at, np.append(1 / sigma, np.sqrt(2 * tail.rate[near]) / tail.distance[near]))
        # Far out the slope may rise from one point to the next; between them it counts as the smaller one.
        far = distance > 0.5 * tail.distance[-1]
        far[own % (POINTS - 1) == 0] = False  # an end is a chance that is known: all values at the law's edge
        smallest = np.minimum(np.append(slopes[1:], slopes[-1:]), np.append(slopes[:1], slopes[:-1]))
        self._slopes[number * POINTS + own] = np.where(far, np.minimum(slopes, smallest), slopes)
        self._eases[number * POINTS + own] = np.interp(distance, at, np.append(0.0, tail.ease[near]))
        self._made[number, side] = True


def normal_of_root(root: Float64, ease: Float64) -> Float64:
    """A standard normal value whose tail is about the chance of a deviation.

    Parameters
    ----------
    root : ``sqrt(2 n I(x))``, at least 0.
    ease : from `DeviationTable.at`.

    Examples
    --------
    Thirty zeros where 58 % are: a chance of 8e-8, which is 5.24 sigma.

    >>> root = np.sqrt(np.array([-2 * 30 * np.log(0.58)]))
    >>> normal_of_root(root, np.array([-50.0])).round(2)
    array([5.25])
    """
    safe = np.maximum(root, SMALLEST_ROOT)  # keeps nan
    # Chernoff: the chance is at most exp(-root^2 / 2) whatever the law.
    correction = np.maximum(ease, -np.log(safe) - _MEAN_OF_LOGARITHM) / safe
    value: Float64 = np.maximum(safe + np.minimum(correction, 0), 0)
    return value


def _counted(values: Float64, weights: Float64) -> tuple[Float64, Float64]:
    """Values about their mean, and their chances. A value seen once may as well be twice as likely, so each gets one more."""
    held = weights > 0
    values, chances = values[held], weights[held]
    chances = chances + (1.0 if chances.sum() > len(chances) else 0.0)
    chances = chances / max(chances.sum(), 1e-300)
    return values - chances @ values, chances


def _distinct(values: Float64, chances: Float64) -> tuple[Float64, Float64]:
    """Distinct values, ascending."""
    values, place = np.unique(values, return_inverse=True)
    return values, np.bincount(place, chances, len(values)).astype(np.float64)


def _tail_of_mean(values: Float64, chances: Float64, sigma: float) -> _Tail:
    """Upper tail of the mean of a centred law with ascending values, up to its largest value.

    Examples
    --------
    A rare large value makes large means likelier than the normal law says.

    >>> tail = _tail_of_mean(np.array([-0.1, 9.9]), np.array([0.99, 0.01]), np.sqrt(0.99))
    >>> bool((np.sqrt(2 * tail.rate) < tail.distance)[tail.distance > 0.1].all()), float(np.exp(-tail.rate[-1]).round(3))
    (True, 0.01)
    """
    tilts = _TILTS / sigma
    tilted, logarithm = _tilted(tilts[:, None] * values, chances)
    distance = tilted @ values
    rate = tilts * distance - logarithm
    ease = _ease(tilts, rate, (tilted * (values - distance[:, None]) ** 2).sum(axis=1), allowance(tilts, tilted, values))
    inside = np.append(True, np.diff(distance) > 0) & (distance < values[-1])
    return _Tail(np.append(distance[inside], values[-1]), np.append(np.maximum(rate[inside], 0), -np.log(chances[-1])), np.append(ease[inside], _NONE))


def _tail_of_small_variance(values: Float64, chances: Float64, sigma: float) -> _Tail:
    """Lower tail of the variance about the window's own mean, down to 0.

    ``variance <= v`` says that the squares about some centre have a mean of at most ``v``. The likeliest centre is the mean of the law that is tilted
    so; it is found by going there (mean shift) from several places, as a law of many zeros has several.
    """
    total = float(chances @ values**2)
    starts = np.interp(np.linspace(0, 1, 7), np.cumsum(chances), values)
    starts = np.unique(np.append(starts, [values[np.argmax(chances)], 0.0]))
    # Bins come first in every array: the long axis is the one that numpy runs along.
    tilts = np.repeat(_TILTS / sigma, len(starts))
    centres = _centres(values, chances, tilts, np.tile(starts, len(_TILTS)))
    squares = (values[:, None] - centres) ** 2
    tilted, logarithm = _tilted((-tilts * squares).T, chances)
    variance = (tilted.T * squares).sum(axis=0)
    rate = -tilts * variance - logarithm
    spread = (tilted.T * (squares - variance) ** 2).sum(axis=0)
    centres, logarithm = centres.reshape(-1, len(starts)), logarithm.reshape(-1, len(starts))
    # Every centre near the likeliest one gives the event a chance of its own, and so does every other place where centres end.
    near = np.abs(centres[..., None] - centres[..., None, :]) < 0.02 * np.sqrt(total)
    first = ~np.tril(near, -1).any(axis=-1)
    places = (first[:, None, :] * np.minimum(1, np.exp(np.minimum(30 * (logarithm[:, None, :] - logarithm[..., None]), 0)))).sum(axis=-1).ravel()
    order = np.argsort(variance)
    least = np.minimum.accumulate(np.append(-np.log(chances.max()), np.maximum(rate[order], 0)))[1:]
    # An event that a smaller variance is part of has at least its chance.
    kept = order[(rate[order] <= least) & (variance[order] < total) & (np.diff(variance[order], prepend=0.0) > 0)]
    squares, tilts, variance = squares.T[kept], tilts[kept], variance[kept]
    by_size = np.argsort(squares, axis=-1)
    discrete = allowance(tilts, np.take_along_axis(tilted[kept], by_size, -1), np.take_along_axis(squares, by_size, -1))
    ease = _ease(tilts, rate[kept], spread[kept], discrete) + 0.5 * np.log(np.clip(1 - 2 * tilts * variance, 0.005, 1)) - np.log(np.maximum(places[kept], 1))
    distances, rates = total - np.append(0.0, variance), np.append(-np.log(chances.max()), np.maximum(rate[kept], 0))
    return _Tail(distances[::-1], rates[::-1], np.append(_NONE, ease)[::-1])


def _centres(values: Float64, chances: Float64, tilts: Float64, starts: Float64) -> Float64:
    """(s,) where mean shift under each tilt has gone after some rounds; those that stand still are left alone."""
    centres, moving = starts.copy(), np.arange(len(starts))
    sums = np.stack((chances * values, chances))
    for _ in range(_ROUNDS):
        weights = values[:, None] - centres[moving]
        np.square(weights, out=weights)
        weights *= -tilts[moving]
        weights -= weights.max(axis=0)
        total, weight = sums @ np.exp(weights, out=weights)
        before, centres[moving] = centres[moving], total / weight
        moving = moving[centres[moving] != before]
    return centres


def _tilted(exponents: Float64, chances: Float64) -> tuple[Float64, Float64]:
    """Chances weighted by ``exp(exponents)``, and the logarithm of their sum."""
    peak = exponents.max(axis=-1, keepdims=True)
    weights = chances * np.exp(exponents - peak)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / total, (np.log(total) + peak)[..., 0]


def _ease(tilts: Float64, rate: Float64, spread: Float64, discrete: Float64) -> Float64:
    """Logarithm of ``sqrt(K'') tilt / (sqrt(2 I) discrete)``: 0 for a normal law, at most 0."""
    with np.errstate(all="ignore"):
        ease = 0.5 * np.log(spread) + np.log(tilts) - np.log(discrete) - 0.5 * np.log(2 * rate)
    return np.clip(np.nan_to_num(ease, nan=_NONE, neginf=_NONE), _NONE, 0.0)
