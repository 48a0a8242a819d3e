"""How far the correlations of a rolling window are from the reference's: for charts, not for alarms."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.event_batch import Float64
from detectors.monitors.correlation_drift import FOLDED
from detectors.profile import CorrelationProfile
from detectors.references.correlation_reference import pairs_of


class CorrelationDistance:
    """Mean absolute difference of the correlations of all pairs.

    Parameters
    ----------
    profile : of the correlations.
    block : where `detectors.panes.correlation_sums` stand in a summary vector.
    """

    def __init__(self, profile: CorrelationProfile, block: slice) -> None:
        self._block = block
        self._features, self._rows = len(profile.features), profile.rows
        self._first, self._second = pairs_of(self._features)
        upper = np.triu_indices(self._features)
        self._own, self._others = (np.flatnonzero((upper[0] == upper[1]) == same) for same in (True, False))
        self._correlations, deviations = np.asarray(profile.correlations), np.asarray(profile.deviations)
        pairs = len(deviations)
        # Of |x| and |y| at correlation r the covariance is about r^2 / pi, and 1 - 2 / pi where they are the same.
        variance = np.square(deviations).mean() * ((1 - 2 / np.pi) * pairs + (profile.traces[0] - pairs) / np.pi) / pairs**2
        mean = FOLDED * deviations.mean()
        self._by_chance = float(special.gammaincinv(mean**2 / variance, 0.95) * variance / mean)

    def fields(self, counts: Float64) -> dict[str, float]:
        """Of a window's counts (size,): distance, 95 % interval (by the triangle inequality), what 95 % are below by chance, and the rows; nan of fewer than three."""
        block = counts[self._block]
        n, scores, products = float(block[0]), block[1 : 1 + self._features], block[1 + self._features :]
        with np.errstate(all="ignore"):
            means = scores / n
            spread = np.sqrt(np.maximum(products[self._own] / n - means**2, 0))
            found = (products[self._others] / n - means[self._first] * means[self._second]) / (spread[self._first] * spread[self._second])
            known = np.isfinite(found) & (n > 2)  # a column that is constant for a while has no correlations
            distance = float(np.abs(found - self._correlations)[known].mean()) if known.any() else float("nan")
            by_chance = self._by_chance * float(np.sqrt(1 / np.float64(n) + 1 / self._rows)) if known.any() else float("nan")
        return {
            "difference": distance,
            "difference_low": max(distance - by_chance, 0.0) if known.any() else float("nan"),
            "difference_high": distance + by_chance,
            "difference_by_chance": by_chance,
            "n": n,
        }
