"""From a value to its cell in the summary vector."""

from __future__ import annotations

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.other_levels import KnownLevels
from detectors.columns.shared_arrays import shared
from detectors.event_batch import Bool, Coded, Float64, Int64
from detectors.profile import ColumnProfile
from detectors.settings.feature import Feature


class ColumnBins:
    """The bins of one column, made ready once and used for every batch.

    Parameters
    ----------
    profile : of the column.

    Attributes
    ----------
    missing : the cell of a missing value.
    size : cells of the column's block, see `detectors.panes.layout.column_size`.

    Examples
    --------
    >>> from detectors.profile import CategoricalProfile
    >>> bins = ColumnBins(CategoricalProfile(levels=("no", "yes"), counts=(5, 5)))
    >>> bins.cells(CodedText.of(["yes", "maybe", None])).tolist()
    [1, 2, 3]
    """

    def __init__(self, profile: ColumnProfile) -> None:
        self._edges: Float64 = np.empty(0)
        self._cells: dict[str, int] = {}
        self._other: KnownLevels | None = None
        if profile.kind == "numeric":
            self._edges = shared(np.asarray(profile.edges, np.float64))
            self.missing = len(profile.scores)
            self.size = self.missing + 2
        else:
            self._unseen = len(profile.levels)
            self.missing = self._unseen + 1
            self.size = self.missing + 1
            self._cells = {level: cell for cell, level in enumerate(profile.levels)}
            if profile.other is not None:
                self._other = KnownLevels(profile.other)

    def cells(self, column: Coded) -> Int64:
        """Cell of each value inside the column's block.

        Parameters
        ----------
        column : (n,) float64 with nan as missing for a numeric column; coded text for a categorical one.

        Returns
        -------
        (n,) numeric: the bin, or B where the value is missing; categorical: the level's place (the last one for all that are counted together), K where it is
        unseen, K + 1 where it is missing.
        """
        if isinstance(column, CodedText):
            return column.cells(self._cells if self._other is None else self._with_others(column, self._other), self._unseen, self.missing)
        cells = np.searchsorted(self._edges, column, side="right")
        return np.where(np.isnan(column), self.missing, cells)

    def _with_others(self, column: CodedText, other: KnownLevels) -> dict[str, int]:
        """The cells of all levels that a column has and the reference knows."""
        strange = [level for level in column.levels if level not in self._cells]
        known = zip(strange, other.contains(strange).tolist(), strict=True)
        return self._cells | {level: self._unseen - 1 for level, is_known in known if is_known}


def encode(column: Coded, profile: ColumnProfile) -> Int64:
    """`ColumnBins.cells` for a single use.

    Examples
    --------
    >>> from detectors.profile import NumericProfile
    >>> profile = NumericProfile(edges=(0.0, 1.0), counts=(1, 1, 1), scores=(-1.0, 0.0, 1.0), mean=0.5, deviation=1.0, minimum=-1.0, maximum=2.0)
    >>> encode(np.array([-0.1, 0.0, 0.9, 1.0, np.nan]), profile).tolist()
    [0, 1, 1, 2, 3]
    """
    return ColumnBins(profile).cells(column)


def out_of_range(column: Float64, feature: Feature) -> Bool:
    """Which values of a numeric column break the feature's declared range; a missing value does not.

    They are counted in the cell after ``missing``, in addition to their bin.

    Examples
    --------
    >>> out_of_range(np.array([-1.0, 5.0, np.nan]), Feature(minimum=0)).tolist()
    [True, False, False]
    """
    broken = np.zeros(len(column), bool)
    if feature.type == "numeric" and feature.minimum is not None:
        broken |= column < feature.minimum
    if feature.type == "numeric" and feature.maximum is not None:
        broken |= column > feature.maximum
    return broken
