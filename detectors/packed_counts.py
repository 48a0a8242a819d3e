"""Summary vectors as they wait for their pane to close: counts in a byte each where that is enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.history import Cells, narrow


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """A vector in an eighth of its memory.

    Attributes
    ----------
    counts : (size,) whole numbers, in the smallest type that holds them; 0 where there is none.
    places, sums : (s,) the other cells, which hold sums.

    Examples
    --------
    >>> packed = PackedCounts.of(np.array([0.0, 3.0, 0.25]))
    >>> packed.counts.dtype, packed.dense()
    (dtype('uint8'), array([0.  , 3.  , 0.25]))
    """

    counts: Cells
    places: Int64
    sums: Float64

    @classmethod
    def of(cls, vector: Float64) -> PackedCounts:
        """Pack a vector."""
        whole = (vector == np.floor(vector)) & (vector >= 0) & (vector < 2**32)
        if whole.all():
            return cls(narrow(vector), _NOWHERE, _NOTHING)
        places = np.flatnonzero(~whole)
        return cls(narrow(np.where(whole, vector, 0)), places, vector[places])

    def dense(self) -> Float64:
        """(size,) again."""
        vector: Float64 = self.counts.astype(np.float64)
        vector[self.places] = self.sums
        return vector


_NOWHERE, _NOTHING = np.empty(0, np.int64), np.empty(0)
