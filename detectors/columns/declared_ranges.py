"""Which numbers of a batch break the ranges that were declared of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from detectors.columns.shared_arrays import shared
from detectors.event_batch import Float64, Int64
from detectors.settings.feature import Feature


class DeclaredRanges:
    """Ranges of some numeric columns, made ready once and used for every batch.

    Parameters
    ----------
    features : what is declared of each column.

    Examples
    --------
    >>> ranges = DeclaredRanges([Feature(minimum=0), Feature()])
    >>> [places.tolist() for places in ranges.broken(np.array([[5.0, 7.0], [-1.0, np.nan], [np.nan, -9.0]]))]
    [[1], [0]]
    """

    __slots__ = ("_are_open", "_maximum", "_minimum")

    def __init__(self, features: Iterable[Feature]) -> None:
        limits = [(feature.minimum, feature.maximum) for feature in features]
        self._are_open = all(limit == (None, None) for limit in limits)
        self._minimum = shared(np.array([-np.inf if minimum is None else minimum for minimum, _ in limits], np.float64))
        self._maximum = shared(np.array([np.inf if maximum is None else maximum for _, maximum in limits], np.float64))

    def broken(self, numbers: Float64, of: tuple[Sequence[DeclaredRanges], Int64] | None = None) -> tuple[Int64, Int64]:
        """Rows and columns of the values that are out of their range; a missing value never is.

        Parameters
        ----------
        numbers : (n, m) of the m columns, nan where a value is missing.
        of : where rows are of several models that differ in their ranges: those of each, and (n,) the place of each row's model.
        """
        if all(ranges._are_open for ranges in ((self,) if of is None else of[0])):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        minimum, maximum = self._minimum, self._maximum
        if of is not None:
            models, owner = of
            minimum, maximum = np.stack([one._minimum for one in models])[owner], np.stack([one._maximum for one in models])[owner]
        rows, columns = np.nonzero((numbers < minimum) | (numbers > maximum))
        return rows, columns
