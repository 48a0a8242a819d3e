"""How unlike the reference a single event is: its surprise, on the mean over one-dimensional views of it.

Each view has a histogram of the reference, and the surprise is the logarithm of how much less dense it is where the event falls than it would be if it were even
(Goldstein & Dengel 2012; Pevny 2016, Loda, section 2.1). The views are the columns themselves, in which single values stand out, and the principal components
of the numeric ones, of which those of small variance are nearly the same in all events that have the usual relations between columns (Shyu et al. 2003). All of it is a
product of matrices and a look into tables, whatever the number of rows of the reference was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns.shared_arrays import shared
from detectors.event_batch import Float64, Int64
from detectors.profile import AnomalyProfile

_ROWS_AT_ONCE = 1_000  # their views of twenty columns are what a processor's cache holds
_RANGE = 8.0  # deviations, about, that a histogram is wide; beyond it the surprise rises by one with each, as that of an exponential tail
_FARTHEST = 50.0  # of a squashed value; that of the largest number that can be written is 710


def squashed(values: Float64, centres: Float64, scales: Float64) -> Float64:
    """(n, d) values in units of their usual spread, those far away by their logarithm; nan is missing.

    Examples
    --------
    >>> squashed(np.array([[3.0], [1e6], [-np.inf]]), np.array([2.0]), np.array([0.5])).round(2).ravel().tolist()
    [1.44, 15.2, -50.0]
    """
    with np.errstate(over="ignore"):
        return np.clip(np.arcsinh((values - centres) / scales), -_FARTHEST, _FARTHEST)


def views(squashed_values: Float64, components: Float64) -> Float64:
    """(n, d + c) the columns, and their principal components; a missing value is at its centre in these.

    Parameters
    ----------
    squashed_values : (n, d) see `squashed`.
    components : (d, c).
    """
    if not components.size:
        return squashed_values
    known = np.nan_to_num(squashed_values) if np.isnan(squashed_values.sum()) else squashed_values
    return np.concatenate((squashed_values, known @ components), axis=1)


def surprise(counts: Float64, cells: int) -> Float64:
    """Of each cell: minus the logarithm of its share, on the scale of so many cells that are even; half a row is added to each.

    Examples
    --------
    >>> surprise(np.array([50.0, 50.0, 0.0]), 2).round(2).tolist()
    [0.0, 0.0, 4.62]
    """
    found: Float64 = -np.log((counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + 0.5 * counts.shape[-1]) * cells)
    return found


class AnomalyScores:
    """The score of events, by one profile.

    Parameters
    ----------
    profile : of the reference.
    """

    def __init__(self, profile: AnomalyProfile) -> None:
        self.threshold = profile.threshold
        self._centres, self._scales = (shared(np.array(part, np.float64)) for part in (profile.centres, profile.scales))
        columns, bins = len(profile.numeric), len(profile.counts[0]) if profile.counts else 0
        self._components = shared(np.array(profile.components, np.float64).reshape(columns, -1))
        self._lows, self._steps = (np.array(part, np.float64) for part in (profile.lows, profile.steps))
        self._bins = bins
        # Cells of a view: below, the bins, above, missing. Where a view of a component has no missing values, nobody looks.
        counts = np.zeros((len(profile.counts), bins + 3))
        if len(counts):
            counts[:, 1:-2] = profile.counts
            counts[:columns, -1] = profile.missing
        self._tables = shared(surprise(counts, bins))
        self._firsts = np.arange(len(counts), dtype=np.int64) * (bins + 3)
        self._of_levels = [surprise(np.array(levels, np.float64), 1) for levels in profile.levels]

    def scores(self, numbers: Float64, cells: Sequence[Int64]) -> Float64:
        """(n,) mean surprise of events.

        Parameters
        ----------
        numbers : (n, d) the profile's numeric columns, nan is missing.
        cells : (n,) of each of its categorical columns, see `detectors.columns.binning`.
        """
        total = np.zeros(len(numbers))
        for first in range(0, len(numbers) if numbers.shape[1] else 0, _ROWS_AT_ONCE):
            some = slice(first, first + _ROWS_AT_ONCE)
            total[some] = self._of_numbers(numbers[some])
        for table, of_column in zip(self._of_levels, cells, strict=True):
            total += table[of_column]
        return total / max(len(self._tables) + len(cells), 1)

    def _of_numbers(self, numbers: Float64) -> Float64:
        seen = views(squashed(numbers, self._centres, self._scales), self._components)
        seen -= self._lows
        seen /= self._steps
        is_missing = np.isnan(seen) if np.isnan(seen.sum()) else None
        inside = np.clip(seen, -1, self._bins)
        seen -= inside
        np.abs(seen, out=seen)
        if is_missing is not None:
            inside[is_missing] = self._bins + 1
            seen[is_missing] = 0
        np.floor(inside, out=inside)
        places = inside.astype(np.int64)
        places += self._firsts + 1
        total: Float64 = self._tables.take(places).sum(axis=1)
        total += _RANGE / self._bins * seen.sum(axis=1)
        return total
