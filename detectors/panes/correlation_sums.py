"""What rows add to the block ``correlation`` of a summary vector: how many there are, and sums of normal scores and of their products.

A row counts where no column of the block misses a value, so that all correlations are of the same rows. A column that begins to miss values is told by its
own monitor, and does not look like a change of correlations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns.normal_scores import normal_scores
from detectors.event_batch import Float64, Int64
from detectors.profile import NumericProfile
from detectors.rows.row_groups import RowGroups


def block_size(features: int) -> int:
    """Cells of the block: rows, sums of scores, sums of products of scores (also with themselves).

    Examples
    --------
    >>> block_size(20)
    231
    """
    return 1 + features + features * (features + 1) // 2


class CorrelationSums:
    """Scores of some of the numeric columns, by the cells that their values are counted in.

    Parameters
    ----------
    profiles : of the ``d`` columns.
    starts : where each column's bins begin among the cells.
    places : (d,) which of the numeric columns they are.
    size : number of cells of all numeric columns.
    """

    def __init__(self, profiles: Sequence[NumericProfile], *, starts: Sequence[int], places: Sequence[int], size: int) -> None:
        self.places = np.array(places, np.int64)
        self.scores = np.full(size + 1, np.nan)  # a missing value has none
        for profile, start in zip(profiles, starts, strict=True):
            self.scores[start : start + len(profile.counts)] = normal_scores(profile)
        self._upper = np.triu_indices(len(places))

    def add(self, block: Float64, groups: RowGroups, scores: Float64) -> None:
        """Add rows to the block.

        Parameters
        ----------
        block : (groups, `block_size`).
        groups : of the n rows.
        scores : (n, d), nan is missing.
        """
        of = groups.of
        whole = ~np.isnan(scores.sum(axis=1))
        if not whole.all():
            scores, of = scores[whole], None if of is None else of[whole]
        if of is None:
            self._add(block[0], scores)
            return
        order = np.argsort(of, kind="stable")
        scores, sizes = scores[order], np.bincount(of, minlength=len(block))
        ends = np.cumsum(sizes).tolist()
        for group in np.flatnonzero(sizes).tolist():
            self._add(block[group], scores[ends[group] - sizes[group] : ends[group]])

    def _add(self, cells: Float64, scores: Float64) -> None:
        features = scores.shape[1]
        cells[0] += len(scores)
        cells[1 : 1 + features] += scores.sum(axis=0)
        cells[1 + features :] += (scores.T @ scores)[self._upper]


def scores_of(sums: CorrelationSums, cells: Int64) -> Float64:
    """(n, d) scores of rows whose numeric columns fell into cells (n, F)."""
    scores: Float64 = sums.scores[cells[:, sums.places]]
    return scores
