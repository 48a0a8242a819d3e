"""Bins of many numeric columns at once, by a table over a uniform grid instead of a search.

A value's place on the grid takes one addition, which is monotone in floating point: of a number so large that the last bit of the sum is a step
of the grid, a power of two. Where no two edges of a column share a place, the table says which bin begins the place, and one comparison with the
only edge that can lie in it settles the rest. The result is that of ``numpy.searchsorted(edges, x, side="right")``, exactly, at a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.event_batch import Float64, Int64

LARGEST_GRID = 8_192
"""Most places of a column's grid; a column whose edges need more is searched."""

_CELLS_AT_ONCE = 65_536  # what a pass works on stays in the processor's cache; with a quarter of them, calls cost a tenth of all
_OWNERS_AT_ONCE = 16  # their tables stay in the cache
_COARSEST = 3  # the first grid that is tried has about two to the power of this many places
_WHOLE_BITS = 52  # from 2**52 to twice as much a float64 is a whole number, and its bits are those of 2**52 plus what it is more
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
        parameters, origins, tables, offset = [], [], [], 0
        for column, (one, start) in enumerate(zip(edges, starts, strict=True)):
            grid = _grid(one)
            if grid is None:
                self._searched.append((column, one, start))
                grid = _Grid(0.0, 1.0, 1.0, np.empty(0, np.int64))
            else:
                self.upper[start : start + len(one)] = one
            parameters.append((grid.shift, grid.low, grid.high))
            origins.append(int(np.float64(grid.low).view(np.int64)) - offset)
            tables.append(start + np.searchsorted(grid.places, np.arange(grid.size), side="left"))
            offset += grid.size
        self.table: Int64 = np.concatenate([np.empty(0, np.int64), *tables])
        self._repeats = max(1, _TILE // max(self.width, 1))
        self._parameters = np.tile(np.array(parameters, np.float64).reshape(-1, 3).T, self._repeats)
        self._origins = np.tile(np.array(origins, np.int64), self._repeats)

    @property
    def is_searched(self) -> bool:
        """Whether some column's edges are too close for a grid."""
        return bool(self._searched)

    @property
    def parameters(self) -> Float64:
        """(3, F) what is added to values, and the sums at the first and the last place of the grid."""
        return self._parameters[:, : self.width]

    @property
    def origins(self) -> Int64:
        """(F,) bits of the sum that would be at the first place of the table."""
        return self._origins[: self.width]

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
            self._look_up(values[:whole].reshape(shape), self._parameters, self._origins, out[:whole].reshape(shape))
        if whole < len(values):
            self._look_up(values[whole:], self.parameters, self.origins, out[whole:])
        for column, edges, start in self._searched:
            out[:, column] = start + np.searchsorted(edges, values[:, column], side="right")
        missing = np.isnan(values)
        if missing.any():
            np.copyto(out, self.missing, where=missing)

    def _look_up(self, values: Float64, parameters: Float64, origins: Int64, out: Int64) -> None:
        places = _places(values, parameters, origins)
        np.take(self.table, places, out=out, mode="clip")
        above = places.view(np.float64)  # its memory is in the cache, and nobody needs the places any more
        np.take(self.upper, out, out=above, mode="clip")
        out += values >= above


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


def _places(values: Float64, parameters: Float64, origins: Int64) -> Int64:
    """Places on the grid. They are read from the bits of the sums, at a third of the time of a conversion."""
    shift, low, high = parameters
    places: Float64 = values + shift
    np.fmax(places, low, out=places)  # fmax, not maximum: a nan has to get some place, too
    np.fmin(places, high, out=places)
    bits = places.view(np.int64)
    bits -= origins
    return bits


def _fill_together(bins: Sequence[GridBins], owner: Int64, values: Float64, out: Int64) -> None:
    tables, uppers = [one.table for one in bins], [one.upper for one in bins]
    parameters = np.stack([one.parameters for one in bins], axis=1)  # (3, owners, F)
    origins = np.stack([one.origins for one in bins]) - _starts(tables)[:, None]
    places = _places(values, parameters[:, owner], origins[owner])
    np.take(np.concatenate(tables), places, out=out)
    out += values >= np.concatenate(uppers)[out + _starts(uppers)[owner, None]]
    missing = np.isnan(values)
    if missing.any():
        np.copyto(out, np.stack([one.missing for one in bins])[owner], where=missing)


def _starts(parts: Sequence[Float64 | Int64]) -> Int64:
    """Where each part begins when they are put together."""
    return np.cumsum([0, *map(len, parts[:-1])])


@dataclass(frozen=True)
class _Grid:
    """The places of a column's edges; ``low`` and ``high`` are ``shift`` more than its first and its last place."""

    shift: float
    low: float
    high: float
    places: Int64

    @property
    def size(self) -> int:
        return int(self.places[-1]) + 1 if len(self.places) else 1


def _grid(edges: Float64) -> _Grid | None:
    """The coarsest grid that keeps the edges apart; None where there is none."""
    if len(edges) < 2:
        return _Grid(0.0, 1.0, 1.0, np.zeros(len(edges), np.int64))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        step = np.ldexp(1.0, np.frexp(edges[-1] - edges[0])[1] - _COARSEST)
        while True:
            low = np.ldexp(step, _WHOLE_BITS)
            shift = low - np.floor(edges[0] / step) * step
            places = (edges + shift).view(np.int64) - low.view(np.int64)
            if not np.isfinite(shift) or places[-1] >= LARGEST_GRID:
                return None
            if places[0] >= 0 and (np.diff(places) > 0).all():
                return _Grid(float(shift), float(low), float(low + places[-1] * step), places)
            step /= 2
