"""How large ``sum(weights * |x|)`` becomes by chance, for many normal laws about 0 at once: a gamma law with the exact mean and variance.

The covariance of ``|x|`` and ``|y|`` at correlation r is ``(2 / pi) g(r)`` sigma sigma with ``g(r) = sqrt(1 - r^2) + r asin r - 1``. The sum over all pairs is
what costs. Correlations of shares are products, one factor of each share, so where none is large the power series of g needs no pairs.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

from detectors.event_batch import Float64, Int64

_FULL = np.pi / 2 - 1  # g(1)
_FEW = 0.2  # shares up to this have correlations up to 1/4, for which `_TERMS` terms of the series are exact
_TERMS = 12
_NOTHING = 1e-15
_ROWS_AT_ONCE = 8  # more would not fit the processor's caches


def quantile_of_shares(shares: Float64, scale: Float64) -> Float64:
    """95 % quantile of half the sum of the absolute errors of shares.

    Parameters
    ----------
    shares : (r, B) of draws, each row's sum is 1; padded by 0.
    scale : (r,) variance of the errors over that of a single draw.
    """
    sigma = np.sqrt(np.maximum(shares * (1 - shares), 0)) / 2
    factor = np.divide(shares, 1 - shares, out=np.zeros_like(shares), where=sigma > 0)  # r^2 is the product of two
    of_pairs = np.empty(len(shares))
    few = shares.max(axis=1, initial=0) <= _FEW
    of_pairs[few] = _pairs_by_series(sigma[few], factor[few])
    if not few.all():
        many = np.sqrt(factor[~few])
        of_pairs[~few] = _pairs(sigma[~few], many, many)
    return _quantile(sigma, of_pairs, scale)


def quantile_of_distribution(gaps: Float64, below: Float64, scale: Float64) -> Float64:
    """95 % quantile of the area between a distribution function and its estimate.

    Parameters
    ----------
    gaps : (r, E) widths of the steps of the function; padded by 0.
    below : (r, E) the function there, ascending.
    scale : (r,) variance of its errors over that of a single draw.
    """
    sigma = np.sqrt(np.maximum(below * (1 - below), 0))
    odds = np.sqrt(np.divide(below, 1 - below, out=np.zeros_like(below), where=sigma > 0))  # r is the ratio of the lower to the upper
    inverse = np.divide(1, odds, out=np.zeros_like(odds), where=odds > 0)
    weighted = gaps * sigma
    return _quantile(weighted, _pairs(weighted, odds, inverse), scale)


def _quantile(weighted: Float64, of_pairs: Float64, scale: Float64) -> Float64:
    mean = np.sqrt(2 / np.pi * scale) * weighted.sum(axis=1)
    variance = 2 / np.pi * scale * (_FULL * np.square(weighted).sum(axis=1) + 2 * of_pairs)
    alive = mean > 0
    shape, unit = np.divide(mean**2, variance, out=np.ones_like(mean), where=alive), np.divide(variance, mean, out=np.zeros_like(mean), where=alive)
    quantile: Float64 = special.gammaincinv(shape, 0.95) * unit
    return quantile


def _pairs_by_series(weighted: Float64, factor: Float64) -> Float64:
    """(r,) sums of ``weighted[i] weighted[j] g(sqrt(factor[i] factor[j]))`` over i < j."""
    total = np.zeros(len(weighted))
    power, of_power, largest = weighted, 1.0, float(factor.max(initial=0))
    for term in range(1, _TERMS + 1):
        power = power * factor
        total += of_power / (4 * term * (2 * term - 1)) * (power.sum(axis=1) ** 2 - np.einsum("ij,ij->i", power, power))
        if largest ** (2 * term) < _NOTHING:
            break
        of_power *= (2 * term - 1) / (2 * term)
    return total


def _pairs(weighted: Float64, lower: Float64, upper: Float64) -> Float64:
    """(r,) sums of ``weighted[i] weighted[j] g(lower[i] upper[j])`` over i < j."""
    first, second = _below(weighted.shape[1])
    found = np.empty(len(weighted))
    for start in range(0, len(weighted), _ROWS_AT_ONCE):
        weights, low, high = (part[start : start + _ROWS_AT_ONCE] for part in (weighted, lower, upper))
        correlation = low.take(first, axis=1)
        correlation *= high.take(second, axis=1)
        np.minimum(correlation, 1, out=correlation)
        covariance = np.square(correlation)
        np.subtract(1, covariance, out=covariance)
        np.sqrt(covariance, out=covariance)
        covariance -= 1
        correlation *= np.arcsin(correlation)
        covariance += correlation
        covariance *= weights.take(first, axis=1)
        found[start : start + _ROWS_AT_ONCE] = np.einsum("ij,ij->i", covariance, weights.take(second, axis=1))
    return found


@cache
def _below(width: int) -> tuple[Int64, Int64]:
    """Both places of every pair."""
    first: npt.NDArray[np.int64]
    first, second = np.triu_indices(width, 1)
    return first, second
