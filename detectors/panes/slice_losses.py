"""What labelled rows lose, counted in the slices that they are in (`detectors.columns.slice_cells`)."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.rows.row_groups import RowGroups


def add_losses(sums: Float64, groups: RowGroups, cells: Int64, losses: Float64, *, squares: bool) -> None:
    """Add what labelled rows lose to a block of rows, losses and, where they are other numbers than 0 and 1, squares of losses, slice by slice.

    Parameters
    ----------
    sums : (groups, 2 or 3 slices) the block.
    groups : of the n rows.
    cells : (n, S) slices of each row.
    losses : (n,), finite.
    squares : whether there is a third part.
    """
    size = sums.shape[1] // (3 if squares else 2)
    powers = [None, losses, losses**2] if squares else [None, losses]
    for place, weights in enumerate(powers):
        by_cell = None if weights is None else np.broadcast_to(weights[:, None], cells.shape)
        sums[:, place * size : (place + 1) * size] += groups.counts(cells, size, weights=by_cell)
