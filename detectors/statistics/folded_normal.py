"""How large ``sum(weights * |x|)`` and ``max(|x|)`` become by chance, for many normal laws about 0 at once; the sum by a gamma law with the exact mean and variance.

The covariance of ``|x|`` and ``|y|`` at correlation r is ``(2 / pi) g(r)`` sigma sigma with ``g(r) = sqrt(1 - r^2) + r asin r - 1``. The sum over all pairs is
what costs. Correlations of shares are products, one factor of each share, so where none is large the power series of g needs no pairs. Elsewhere each pair is
computed in 32 bits: quantiles are then exact to 1e-6, and what taking the law for a gamma law leaves out is far more.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, Polynomial
from scipy import special

from detectors.event_batch import Float64

_FULL = np.pi / 2 - 1  # g(1)
_FEW = 0.2  # shares up to this have correlations up to 1/4, for which `_TERMS` terms of the series are exact
_TERMS = 12
_NOTHING = 1e-15
_FAR = 2.6
_ROWS_AT_ONCE = 32  # more would not fit the processor's caches
_STRIP = 32  # pairs are taken from strips of the square of all of them, which costs half as many again, but no gathering


def _of_root(s: Float64) -> Float64:
    """``g(sqrt(1 - s^2))``, which is smooth on [0, 1]; g itself is not where r is 1."""
    value: Float64 = s + np.sqrt(1 - s * s) * np.arccos(s) - 1
    return value


_OF_ROOT: list[float] = Chebyshev.interpolate(_of_root, 8, domain=[0, 1]).convert(kind=Polynomial, domain=[-1, 1]).coef.tolist()
"""A polynomial of it: off by 2e-8 at most, less than the rounding of the 32 bits in which pairs are computed."""


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


def quantile_of_largest(sigma: Float64) -> Float64:
    """95 % quantile of the largest ``|x|``, for normal x about 0, as if they were independent, which errs to the large side (Sidak 1967).

    A smaller sigma counts as so many of the largest one as reach as far: ``exp(-x^2 / 2 (1 / sigma^2 - 1))`` in its unit, at x = 2.6, where the quantile is for a dozen.

    Parameters
    ----------
    sigma : (r, B) >= 0; padded by 0.

    Examples
    --------
    >>> exact = np.sqrt(2) * special.erfinv(0.95 ** (1 / np.array([1, 10, 64])))
    >>> found = [quantile_of_largest(np.ones((1, number)))[0] for number in (1, 10, 64)]
    >>> bool(np.allclose(found, exact))
    True
    """
    largest = sigma.max(axis=1, initial=0)
    with np.errstate(all="ignore"):
        count = np.exp(-(_FAR**2) / 2 * (np.square(largest[:, None] / sigma) - 1)).sum(axis=1)
        quantile: Float64 = np.where(largest > 0, largest * special.ndtri((1 + 0.95 ** (1 / count)) / 2), 0.0)
    return quantile


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
    """(r,) sums of ``weighted[i] weighted[j] g(lower[i] upper[j])`` over i < j, to some seven digits."""
    found = np.zeros(len(weighted))
    for start in range(0, len(weighted), _ROWS_AT_ONCE):
        weights, low, high = (part[start : start + _ROWS_AT_ONCE].astype(np.float32) for part in (weighted, lower, upper))
        for first in range(0, weighted.shape[1], _STRIP):
            strip = slice(first, first + _STRIP)
            root = low[:, strip, None] * high[:, None, first:]  # of 1 - r^2, in the end
            np.minimum(root, 1, out=root)
            np.square(root, out=root)
            np.subtract(1, root, out=root)
            np.sqrt(root, out=root)
            covariance = root * _OF_ROOT[-1]
            for coefficient in _OF_ROOT[-2:0:-1]:
                covariance += coefficient
                covariance *= root
            covariance += _OF_ROOT[0]
            covariance *= _behind(*covariance.shape[1:])
            found[start : start + _ROWS_AT_ONCE] += ((covariance @ weights[:, first:, None])[..., 0] * weights[:, strip]).sum(axis=1)
    return found


@cache
def _behind(rows: int, columns: int) -> npt.NDArray[np.float32]:
    """1 where j > i, else 0."""
    return np.triu(np.ones((rows, columns), np.float32), 1)
