"""95 % intervals of the non-centrality of chi-square laws, of many at once: from tables, as the inverse takes longer than all else that is measured of a column."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from detectors.event_batch import Float64, Int64
from detectors.metric import Z

_PLACES = 96
_BEYOND = 12.0  # roots of a statistic this far above that of its degrees of freedom are in the table; further out the law is normal


def noncentrality(statistic: Float64, degrees: Int64) -> Float64:
    """Non-centralities for which a statistic is at the 97.5 % and at the 2.5 % quantile.

    Parameters
    ----------
    statistic, degrees : (...) of the same shape; at least one degree of freedom.

    Returns
    -------
    (2, ...) low and high, to a hundredth of their value; 0 where even a central law has its quantile above; nan of nan.

    Examples
    --------
    >>> noncentrality(np.array([20.0, 0.5]), np.array([4, 1])).round(1).tolist()
    [[4.1, 0.0], [37.8, 7.1]]
    """
    known, of = np.unique(degrees, return_inverse=True)
    tables, of = np.stack([_table(int(one)) for one in known]), of.reshape(degrees.shape)
    with np.errstate(invalid="ignore"):
        root, reach = np.sqrt(np.maximum(statistic, 0)), np.sqrt(degrees) + _BEYOND
        place = root / reach * (_PLACES - 1)
        before = np.clip(np.nan_to_num(place), 0, _PLACES - 2).astype(np.int64)
        low, high = (tables[of, side, before] + (place - before) * (tables[of, side, before + 1] - tables[of, side, before]) for side in (0, 1))
        found = np.stack([np.where(place > _PLACES - 1, _far(root, degrees, side), bound**2) for side, bound in ((-1, low), (1, high))])
    return np.where(np.isnan(statistic), np.nan, found)


def _far(root: Float64, degrees: Int64, side: int) -> Float64:
    """The root of a statistic far out is normal about that of its mean, with variance 1."""
    bound: Float64 = np.square(root + side * Z) - (degrees - 1)
    return bound


@cache
def _table(degrees: int) -> Float64:
    """(2, places) roots of both bounds, over equal steps of the root of the statistic."""
    roots = np.linspace(0, np.sqrt(degrees) + _BEYOND, _PLACES)
    found = np.zeros((2, _PLACES))
    for side, level in enumerate((0.975, 0.025)):
        above = special.chdtr(degrees, roots**2) > level
        found[side, above] = np.sqrt(special.chndtrinc(roots[above] ** 2, degrees, level))
    return found
