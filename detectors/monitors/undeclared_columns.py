"""Columns that come although nobody declared them: a producer was changed, and what it sends is no longer what the model was trained on.

The share of events that have such a column is a rate like any other, one-sided, and the evidence names the columns. Of a column that goes away, ``missing`` tells
by its name, and ``type`` of one whose values are of another type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.rate_change import Rate, RateChange
from detectors.panes.irregular_counts import NAME_CELLS, names_of
from detectors.scans.scored_windows import Bank, Scored, Told, Windows


class UndeclaredColumns(RateChange):
    """One monitor; `Verdicts.effect` is the difference of the shares of events with such a column.

    Parameters
    ----------
    bank : name, budget and times.
    block : of the counts of irregular features in a summary vector.
    reference : events with such a column and all of the reference.
    floor : smallest material rise of the share, absolute.
    """

    def __init__(self, bank: Bank, *, block: slice, reference: tuple[float, float] | None, floor: float) -> None:
        super().__init__(bank, rates=[Rate(hits=[block.stop - NAME_CELLS - 1], events=[block.start], reference=reference)], floor=floor)
        self.width += NAME_CELLS
        self._names = slice(block.stop - NAME_CELLS, block.stop)

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, q) events, those with such a column, and what their names add up to."""
        return np.concatenate((super().sums_of(counts, starts), counts[:, self._names]), axis=1)

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """Excess over the reference's rate in every window."""
        return replace(super().score(replace(windows, sums=windows.sums[..., :-NAME_CELLS]), state), windows=windows)

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Events of both, and the names."""
        told = super().tell(state, monitor, bucket, scored)
        names, mixed = names_of(scored.windows.sums[bucket, -NAME_CELLS:])
        return replace(told, current=told.current | {"columns": list(names)}, basis=told.basis | {"counted": "undeclared columns", "unnamed": mixed})
