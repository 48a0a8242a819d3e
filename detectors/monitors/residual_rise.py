"""Errors that come to more than was estimated of the same predictions: one-sided, absolute, against a declared reference.

An error that was hardly to be expected counts nearly 1, and nothing counts more. Few labels of a model that is seldom wrong are far from a normal law: four errors of 20
predictions that are wrong once in 50 are 5.7 standard errors too many, and come once in 1,700 windows. So the statistic is the signed root of Hoeffding's bound
for a sum of independent terms of a known variance, none above 1 (W. Hoeffding 1963, Probability inequalities for sums of bounded random variables, theorem 3): however
unlike the predictions are, chance passes a height at most about as often as a normal law does. Not for a quantity without bounds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.mean_rise import MeanRise
from detectors.scans.calibration import normal_of_student
from detectors.scans.scored_windows import Scored, Told, Windows

_LEAST = 1e-12  # variance, of a reference without an error


def root_of_bound(rise: Float64, events: Float64, variance: Float64, bound: float) -> Float64:
    """How surely a mean is above 0, on the scale of a standard normal; 0 where it is not above.

    Parameters
    ----------
    rise : of the windows, any shape: the mean of independent terms.
    events : how many terms.
    variance : of one term, on average, where their mean is 0.
    bound : none of them is larger.

    Examples
    --------
    Four errors of 20 predictions that are wrong once in 50: 5.7 standard errors count for less (so many or more come with a chance of .0006, which is 3.2).

    >>> root_of_bound(np.array([4 / 20 - 0.02]), np.array([20.0]), np.array([0.02 * 0.98]), 1.0).round(1)
    array([3.4])
    """
    with np.errstate(all="ignore"):
        whole = bound**2 + variance
        before, now = variance / whole, np.minimum((variance + bound * np.maximum(rise, 0)) / whole, 1)
        divergence = special.rel_entr(now, before) + special.rel_entr(1 - now, 1 - before)
        root: Float64 = np.sqrt(2 * events * np.maximum(divergence, 0))
    return np.where(rise > 0, root, np.where(events > 0, 0.0, np.nan))


class ResidualRise(MeanRise):
    """One monitor; `Verdicts.effect` is the share of errors beyond the estimated ones.

    Parameters
    ----------
    others : of `MeanRise`; the squares are the variances of what was estimated.
    """

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """Mean of every window against the reference's, raised by the floor."""
        scored = super().score(windows, state)
        shift = self._mean + self._floor
        with np.errstate(all="ignore"):
            estimated = np.clip(np.maximum(windows.sums[..., [2]] / scored.events, self._deviation**2), _LEAST, 0.25)
            # With errors more frequent by the shift: p becomes p + shift; of unlike p that is at most as much as of like ones (Jensen).
            variance = estimated + max(shift, 0.0) * np.maximum(np.sqrt(1 - 4 * estimated) - shift, 0)
            root = root_of_bound(scored.detail["mean"] - shift, scored.events, variance, 1 - shift)
            own, of_reference = variance / scored.events, self._deviation**2 / self._rows
            root *= np.sqrt(own / (own + of_reference) / windows.inflation)
        return replace(scored, statistic=normal_of_student(root, windows.freedom))

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Rows and means of both."""
        told = super().tell(state, monitor, bucket, scored)
        return replace(told, statistic="signed root of Hoeffding's bound, largest over windows", basis={"detector": "residual"})
