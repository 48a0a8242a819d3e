"""Distances between two sets of counts, for people: PSI, Jensen-Shannon, Hellinger, total variation, L-infinity, Kolmogorov-Smirnov, Wasserstein.

None of them alarms. Each comes with the value that it exceeds once in twenty times when nothing has changed (a PSI of .1 means something else
for 500 rows than for 50,000), and with a 95 % interval for the distance between the two laws that the counts were drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.event_batch import Float64
from detectors.metric import UNDEFINED
from detectors.statistics.folded_normal import quantile_of_largest
from detectors.statistics.noncentrality import noncentrality

NATS_TO_BITS = 1 / np.log(2)
KOLMOGOROV_95 = 1.358099  # 95 % quantile of the largest |Brownian bridge|


@dataclass(frozen=True)
class Distance:
    """A distance between a reference and current counts.

    Attributes
    ----------
    name : ``psi``, ``jensen_shannon``, ``hellinger``, ``total_variation``, ``l_infinity``, ``kolmogorov_smirnov`` or ``wasserstein``.
    value : nan when one side has no rows.
    n_reference, n_current : rows.
    interval : 95 %, of the distance between the laws; sampling noise alone makes `value` larger than that.
    null_quantile : 95 % of the values lie below it while nothing has changed.
    """

    name: str
    value: float
    n_reference: float
    n_current: float
    interval: tuple[float, float] = UNDEFINED
    null_quantile: float = float("nan")

    @property
    def beyond_chance(self) -> bool:
        """Whether a single look would call it a change, at 5 %."""
        return self.value > self.null_quantile


def distances(reference: Float64, current: Float64, scores: Float64 | None = None) -> tuple[Distance, ...]:
    """All distances that the column allows.

    Parameters
    ----------
    reference, current : (B,) counts of the same bins or levels.
    scores : (B,) ascending standard scores of a numeric column's bins; None for categories, which have no order, so no Kolmogorov-Smirnov and no Wasserstein.

    Examples
    --------
    >>> for distance in distances(np.array([100.0, 100.0]), np.array([90.0, 10.0]), np.array([-1.0, 1.0])):
    ...     print(f"{distance.name} {distance.value:.3f}, by chance up to {distance.null_quantile:.3f}")
    psi 0.853, by chance up to 0.058
    jensen_shannon 0.383, by chance up to 0.102
    hellinger 0.325, by chance up to 0.085
    total_variation 0.400, by chance up to 0.117
    l_infinity 0.400, by chance up to 0.132
    kolmogorov_smirnov 0.400, by chance up to 0.166
    wasserstein 0.800, by chance up to 0.233
    """
    found = tuple(distance(reference, current) for distance in (psi, jensen_shannon, hellinger, total_variation, l_infinity))
    if scores is None:
        return found
    return (*found, kolmogorov_smirnov(reference, current), wasserstein(reference, current, scores))


def psi(reference: Float64, current: Float64) -> Distance:
    """Population stability index, with half a row added to each bin.

    While nothing has changed it is ``(1/n + 1/m)`` times chi-square with B - 1 degrees of freedom (Yurdakul & Naranjo 2020).

    Parameters
    ----------
    reference, current : (B,) counts; n and m rows.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("psi", float("nan"), n, m)
    p, q = (reference + 0.5) / (n + 0.5 * len(reference)), (current + 0.5) / (m + 0.5 * len(current))
    value = float(np.sum((q - p) * np.log(q / p)))
    scale = 1 / n + 1 / m
    degrees = _degrees(reference, current)
    low, high = _chi_square_bounds(value / scale, degrees)
    return Distance("psi", value, n, m, (low * scale, high * scale), _chi_square_quantile(degrees) * scale)


def psi_p_value(distance: Distance, bins: int) -> float:
    """Chance of a PSI this large over `bins` bins while nothing has changed; for a single look.

    Examples
    --------
    >>> round(psi_p_value(Distance("psi", 0.03, 1_000, 1_000), bins=10), 3)
    0.091
    """
    return float(special.chdtrc(bins - 1, distance.value / (1 / distance.n_reference + 1 / distance.n_current)))


def jensen_shannon(reference: Float64, current: Float64) -> Distance:
    """Jensen-Shannon distance to base 2 (the root of the divergence), from 0 to 1, as ``scipy.spatial.distance.jensenshannon(..., base=2)``.

    Parameters
    ----------
    reference, current : (B,) counts.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("jensen_shannon", float("nan"), n, m)
    p, q = reference / n, current / m
    middle = (p + q) / 2
    divergence = max(0.0, float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2)
    scale = (1 / n + 1 / m) / 8
    degrees = _degrees(reference, current)

    def distance_of(bound: float) -> float:
        return float(np.minimum(1.0, np.sqrt(bound * scale * NATS_TO_BITS)))  # keeps nan

    low, high = _chi_square_bounds(divergence / scale, degrees)
    bounds = distance_of(low), distance_of(high)
    return Distance("jensen_shannon", float(np.sqrt(divergence * NATS_TO_BITS)), n, m, bounds, distance_of(_chi_square_quantile(degrees)))


def hellinger(reference: Float64, current: Float64) -> Distance:
    """Hellinger distance ``sqrt(sum((sqrt(p) - sqrt(q))^2) / 2)``, from 0 to 1; its square has the null law of a Jensen-Shannon divergence in nats.

    Parameters
    ----------
    reference, current : (B,) counts.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("hellinger", float("nan"), n, m)
    squared = float(np.square(np.sqrt(reference / n) - np.sqrt(current / m)).sum()) / 2
    scale = (1 / n + 1 / m) / 8
    degrees = _degrees(reference, current)
    low, high = _chi_square_bounds(squared / scale, degrees)
    bounds = float(np.minimum(1.0, np.sqrt(low * scale))), float(np.minimum(1.0, np.sqrt(high * scale)))
    return Distance("hellinger", float(np.sqrt(squared)), n, m, bounds, min(1.0, float(np.sqrt(_chi_square_quantile(degrees) * scale))))


def total_variation(reference: Float64, current: Float64) -> Distance:
    """Half the sum of the absolute differences of the shares: the share of rows that has moved.

    Parameters
    ----------
    reference, current : (B,) counts.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("total_variation", float("nan"), n, m)
    p, q, pooled = reference / n, current / m, (reference + current) / (n + m)
    weights = np.full(len(p), 0.5)
    null = _folded_quantile(weights, _covariance(pooled) * (1 / n + 1 / m))
    value = float(np.abs(p - q).sum() / 2)
    return Distance("total_variation", value, n, m, _around(value, null, largest=1.0), null)


def l_infinity(reference: Float64, current: Float64) -> Distance:
    """Largest absolute difference of the shares of a bin or level, as TensorFlow Data Validation uses it for categories.

    Parameters
    ----------
    reference, current : (B,) counts.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("l_infinity", float("nan"), n, m)
    p, q, pooled = reference / n, current / m, (reference + current) / (n + m)
    value = float(np.abs(p - q).max())
    null = float(quantile_of_largest(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))[None])[0])
    return Distance("l_infinity", value, n, m, _around(value, null, largest=1.0), null)


def kolmogorov_smirnov(reference: Float64, current: Float64) -> Distance:
    """Largest difference of the distribution functions at the edges of the bins; what happens inside of a bin is not seen, so it errs to the small side.

    Parameters
    ----------
    reference, current : (B,) counts of ordered bins.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("kolmogorov_smirnov", float("nan"), n, m)
    value = float(np.abs(np.cumsum(reference / n - current / m)).max())
    null = min(1.0, KOLMOGOROV_95 * float(np.sqrt(1 / n + 1 / m)))
    return Distance("kolmogorov_smirnov", value, n, m, _around(value, null, largest=1.0), null)


def wasserstein(reference: Float64, current: Float64, scores: Float64) -> Distance:
    """Wasserstein-1 distance in units of the reference's sigma, each bin standing at its score.

    Parameters
    ----------
    reference, current : (B,) counts of ordered bins.
    scores : (B,) ascending, see `NumericProfile.scores`.
    """
    n, m = float(reference.sum()), float(current.sum())
    if min(n, m) <= 0:
        return Distance("wasserstein", float("nan"), n, m)
    p, q = reference / n, current / m
    gaps = np.diff(scores)
    value = float(np.sum(gaps * np.abs(np.cumsum(p - q)[:-1])))
    null = _folded_quantile(gaps, _bridge(reference + current) * (1 / n + 1 / m))
    return Distance("wasserstein", value, n, m, _around(value, null, largest=float("inf")), null)


def _around(value: float, noise: float, *, largest: float) -> tuple[float, float]:
    """By the triangle inequality a norm of the observed difference is off by the norm of its noise at most, which is taken to be what it is while nothing has changed."""
    return max(0.0, value - noise), min(largest, value + noise)


def _degrees(reference: Float64, current: Float64) -> int:
    return max(1, int(np.count_nonzero(reference + current)) - 1)


def _chi_square_quantile(degrees: int) -> float:
    """95 % of the central law lie below."""
    return float(special.chdtri(degrees, 0.05))


def _chi_square_bounds(statistic: float, degrees: int) -> tuple[float, float]:
    low, high = noncentrality(np.array([statistic]), np.array([degrees]))[:, 0].tolist()
    return low, high


def _covariance(shares: Float64) -> Float64:
    """Covariance of the shares of one draw: (B, B)."""
    return np.diag(shares) - np.outer(shares, shares)


def _bridge(counts: Float64) -> Float64:
    """Covariance of the distribution function at the inner edges, for one draw: (B - 1, B - 1)."""
    ends: Float64 = np.cumsum(counts)[:-1] / counts.sum()  # of counts, so that it is 1 exactly where nothing is left
    covariance: Float64 = np.minimum.outer(ends, ends) - np.outer(ends, ends)
    return covariance


def _folded_quantile(weights: Float64, covariance: Float64) -> float:
    """95 % quantile of ``sum(weights * |x|)`` for a normal x about 0: a gamma law with its exact mean and variance.

    The covariance of |x| and |y| at correlation r is ``(2 / pi) (sqrt(1 - r^2) + r asin r - 1)`` sigma sigma.
    """
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    alive = sigma > 0
    if not alive.any():
        return 0.0
    scaled = weights[alive] * sigma[alive]
    correlation = np.clip(covariance[np.ix_(alive, alive)] / np.outer(sigma[alive], sigma[alive]), -1.0, 1.0)
    mean = np.sqrt(2 / np.pi) * scaled.sum()
    variance = 2 / np.pi * scaled @ (np.sqrt(1 - correlation**2) + correlation * np.arcsin(correlation) - 1) @ scaled
    return float(special.gammaincinv(mean**2 / variance, 0.95) * variance / mean)
