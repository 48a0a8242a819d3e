"""Normal scores: a value by the bin that it fell in, on the scale of a standard normal.

Correlations of normal scores do not depend on the columns' own laws (van der Waerden 1952): heavy tails and skewness do not make them unsteady, and a monotone
change of a unit changes nothing. A score is a multiple of `STEP`, so that sums of products are exact, in whatever order they are added.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.event_batch import Float64
from detectors.profile import NumericProfile

STEP = 1 / 32


def normal_scores(profile: NumericProfile) -> Float64:
    """(B,) the score of each bin: the normal quantile of the middle of its ranks.

    Examples
    --------
    >>> profile = NumericProfile(edges=(-1.0, 1.0), counts=(16, 68, 16), scores=(-1.5, 0.0, 1.5), mean=0.0, deviation=1.0, minimum=-2.0, maximum=2.0)
    >>> normal_scores(profile).tolist()
    [-1.375, 0.0, 1.375]
    """
    counts = np.asarray(profile.counts, np.float64)
    middle = (np.cumsum(counts) - counts / 2 + 0.5) / (counts.sum() + 1)  # half a value more on either side: the middle of an empty first bin is not 0
    scores: Float64 = np.rint(special.ndtri(middle) / STEP) * STEP
    return scores
