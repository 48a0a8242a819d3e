"""Bins of many numeric columns at once, by a table over a uniform grid instead of a search.

A value's place on the grid is one multiplication and one addition, both monotone in floating point; the second makes a number so large that it
is whole. Where no two edges of a column share a place, the table says which bin begins the place, and one comparison with the only edge that
can lie in it settles the rest. The result is that of ``numpy.searchsorted(edges, x, side="right")``, exactly, at a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from detectors.event_batch import Float64, Int64

SMALLEST_GRID, LARGEST_GRID = 8, 4_096
"""Places of a column's grid; a column whose edges need more is searched."""

_CELLS_AT_ONCE = 32_768  # with fewer, calls cost more than cells; with many more, what a pass works on leaves the processor's cache
_OWNERS_AT_ONCE = 16  # their tables stay in the cache
_WHOLE = 2.0**52  # from here to twice as much a float64 is a whole number, and its bits are those of this one plus what it is more
_BITS = int(np.float64(_WHOLE).view(np.int64))
_TILE = 512  # parameters are repeated to rows of about this many cells: numpy's inner loop over 20 columns alone would be mostly overhead


class GridBins:
    """Bins of the columns of a matrix.

    Parameters
    ----------
    edges : for each column its (B - 1,) inner edges, strictly ascending; B = 1 has none.
    starts : for each column the cell of its first bin; the cell after its last one is for missing values.

    Examples
    --------
    >>> bins = GridBins([np.array([0.0, 1.0]), np.array([5.0])], starts=[0, 10])
    >>> bins.cells(np.array([[-0.1, 5.0], [0.0, np.nan], [1.0, -np.inf]])).tolist()
    [[0, 11], [1, 12], [2, 10]]
    """

    def __init__(self, edges: Sequence[Float64], starts: Sequence[int]) -> None:
        self.width = len(edges)
        last = max((start + len(one) + 1 for one, start in zip(edges, starts, strict=True)), default=0)
        self.upper = np.full(last + 1, np.nan)  # by cell: the edge above it; nothing is above the last bin, as no comparison with nan holds
        self.missing = np.array([start + len(one) + 1 for one, start in zip(edges, starts, strict=True)], np.int64)
        self._searched: list[tuple[int, Float64, int]] = []
        parameters, tables, offset = [], [], 0
        for column, (one, start) in enumerate(zip(edges, starts, strict=True)):
            grid = _grid(one, offset)
            if grid is None:
                self._searched.append((column, one, start))
                grid = (0.0, _WHOLE + offset, 1, np.empty(0, np.int64))
            else:
                self.upper[start : start + len(one)] = one
            scale, shift, size, places = grid
            parameters.append((scale, shift, _WHOLE + offset, _WHOLE + offset + size - 1))
            tables.append(start + np.searchsorted(places, np.arange(offset, offset + size), side="left"))
            offset += size
        self.table: Int64 = np.concatenate([np.empty(0, np.int64), *tables])
        self._repeats = max(1, _TILE // max(self.width, 1))
        self._parameters = np.tile(np.array(parameters, np.float64).reshape(-1, 4).T, self._repeats)

    @property
    def is_searched(self) -> bool:
        """Whether some column's edges are too close for a grid."""
        return bool(self._searched)

    @property
    def parameters(self) -> Float64:
        """(4, F) scale and shift to places on the grid, first and last place; the last three `_WHOLE` more than they are."""
        return self._parameters[:, : self.width]

    def cells(self, matrix: Float64) -> Int64:
        """(n, F) cell of each value of an (n, F) matrix; a nan is in its column's cell for missing values."""
        out = np.empty(matrix.shape, np.int64)
        rows = max(1, _CELLS_AT_ONCE // max(self.width * self._repeats, 1)) * self._repeats
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(matrix) if self.width else 0, rows):
                self._fill(np.ascontiguousarray(matrix[first : first + rows]), out[first : first + rows])
        return out

    def _fill(self, values: Float64, out: Int64) -> None:
        whole = len(values) // self._repeats * self._repeats
        if whole:
            shape = (whole // self._repeats, self._repeats * self.width)
            np.take(self.table, _places(values[:whole].reshape(shape), self._parameters), out=out[:whole].reshape(shape), mode="clip")
        if whole < len(values):
            np.take(self.table, _places(values[whole:], self._parameters[:, : self.width]), out=out[whole:], mode="clip")
        out += values >= self.upper.take(out)
        for column, edges, start in self._searched:
            out[:, column] = start + np.searchsorted(edges, values[:, column], side="right")
        missing = np.isnan(values)
        if missing.any():
            np.copyto(out, self.missing, where=missing)


@lru_cache(maxsize=4_096)
def grid_bins(edges: tuple[tuple[float, ...], ...], starts: tuple[int, ...]) -> GridBins:
    """`GridBins`, made once for all who have the same: the partitions of a model, and models that were made from one reference."""
    return GridBins([np.asarray(one, np.float64) for one in edges], starts)


def cells_together(bins: Sequence[GridBins], owner: Int64, bounds: Sequence[int], matrix: Float64) -> Int64:
    """(n, F) cells of rows that are binned each by the bins of its owner.

    Parameters
    ----------
    bins : of each owner; all of F columns.
    owner : (n,) ascending.
    bounds : (owners + 1,) where each owner's rows begin, and the end.
    matrix : (n, F).

    Examples
    --------
    >>> one, other = GridBins([np.array([0.0])], starts=[0]), GridBins([np.array([5.0, 7.0])], starts=[0])
    >>> cells_together([one, other], np.array([0, 0, 1]), [0, 2, 3], np.array([[-1.0], [6.0], [6.0]])).tolist()
    [[0], [1], [1]]
    """
    if all(one is bins[0] for one in bins):
        return bins[0].cells(matrix)
    if any(one.is_searched for one in bins):
        return np.concatenate([one.cells(matrix[first:end]) for one, first, end in zip(bins, bounds[:-1], bounds[1:], strict=True)])
    out = np.empty(matrix.shape, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, len(bins), _OWNERS_AT_ONCE):
            some = bins[first : first + _OWNERS_AT_ONCE]
            begin, end = bounds[first], bounds[first + len(some)]
            _fill_together(some, owner[begin:end] - first, matrix[begin:end], out[begin:end])
    return out


def _places(values: Float64, parameters: Float64) -> Int64:
    """Places on the grid. They are read from the bits of numbers that were made whole by being large, at a third of the time of a conversion."""
    scale, shift, low, high = parameters
    places: Float64 = values * scale
    places += shift
    np.fmax(places, low, out=places)  # fmax, not maximum: a nan has to get some place, too
    np.fmin(places, high, out=places)
    bits = places.view(np.int64)
    bits -= _BITS
    return bits


def _fill_together(bins: Sequence[GridBins], owner: Int64, values: Float64, out: Int64) -> None:
    parameters = np.stack([one.parameters for one in bins], axis=1)  # (4, owners, F)
    tables, uppers = [one.table for one in bins], [one.upper for one in bins]
    places = _places(values, parameters[:, owner])
    places += _starts(tables)[owner, None]
    np.take(np.concatenate(tables), places, out=out)
    out += values >= np.concatenate(uppers)[out + _starts(uppers)[owner, None]]
    missing = np.isnan(values)
    if missing.any():
        np.copyto(out, np.stack([one.missing for one in bins])[owner], where=missing)


def _starts(parts: Sequence[Float64 | Int64]) -> Int64:
    """Where each part begins when they are put together."""
    return np.cumsum([0, *map(len, parts[:-1])])


def _grid(edges: Float64, offset: int) -> tuple[float, float, int, Int64] | None:
    """Scale, shift and size of the smallest grid that keeps the edges apart, and the places of the edges on it; None where there is none."""
    if len(edges) < 2:
        return 0.0, _WHOLE + offset, 1, np.full(len(edges), offset)
    size = SMALLEST_GRID
    while size <= LARGEST_GRID:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            scale = (size - 1) / (edges[-1] - edges[0])
            shift = _WHOLE + (offset - edges[0] * scale)
        if np.isfinite(scale) and scale > 0 and np.isfinite(shift):
            places = _places(edges, np.array([scale, shift, _WHOLE + offset, _WHOLE + offset + size - 1]).reshape(4, 1))
            if (np.diff(places) > 0).all():
                return float(scale), float(shift), size, places
        size *= 2
    return None
