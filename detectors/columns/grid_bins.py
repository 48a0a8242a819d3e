"""Bins of many numeric columns at once, by a table over a uniform grid instead of a search.

A value's place on the grid takes one addition, which is monotone in floating point: of a number so large that the last bit of the sum is a step
of the grid, a power of two. Where a column's edges are two places apart, a place has one edge at most and the next place has none: so one comparison
settles a value, which moves on by a place where it is not below the edge in its own. What lies behind the last edge shares a place with what is missing,
and only the former moves on. The result is that of ``numpy.searchsorted(edges, x, side="right")``, exactly, at a tenth of its time.

Many values are counted by place first, and by bin then: the places are far fewer than the values, so that the bin of each value is never looked up.
More still, and those of several groups, are counted by `grid_counts`, which is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.event_batch import Float64, Int32, Int64

try:
    from detectors.columns.grid_counts import count_places, count_rows
except ImportError:  # nothing was compiled when Driftwarden was installed
    COMPILED = False
else:
    COMPILED = True
"""Whether many values are counted by compiled loops."""

LARGEST_GRID = 8_192
"""Most places of a column's grid; a column whose edges need more is searched."""

MANY_VALUES = 1_024
"""From so many on, values are counted by compiled loops, where there are any."""

_CELLS_AT_ONCE = 32_768  # what a pass works on stays in the processor's cache; with a quarter of them, calls cost a tenth of all
_OWNERS_AT_ONCE = 16  # their tables stay in the cache
_COARSEST = 3  # the first grid that is tried has about two to the power of this many places
_WHOLE_BITS = 52  # from 2**52 to twice as much a float64 is a whole number, and its bits are those of 2**52 plus what it is more
_TILE = 2_048  # parameters are repeated to rows of about this many cells: numpy's inner loop over 20 columns alone would be mostly overhead
_BUFFER = 512  # values; with more than the row of a tile, numpy would copy the parameters to a buffer for each operation, which takes as long as the operation
_APART = 2  # places from one edge to the next, at least


class GridBins:
    """Bins of the columns of a matrix.

    Parameters
    ----------
    edges : for each column its (B - 1,) inner edges, strictly ascending; B = 1 has none.
    starts : for each column the cell of its first bin; the cell after its last one is for missing values.

    Examples
    --------
    >>> bins = GridBins([np.array([0.0, 1.0]), np.array([5.0])], starts=[0, 10])
    >>> matrix = np.array([[-0.1, 5.0], [0.0, np.nan], [1.0, -np.inf]])
    >>> bins.cells(matrix).tolist()
    [[0, 11], [1, 12], [2, 10]]
    >>> bins.counts(matrix, 13).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, edges: Sequence[Float64], starts: Sequence[int]) -> None:
        self.width = len(edges)
        self._searched: list[tuple[int, Float64, int]] = []
        parameters, origins, offset = [], [], 0
        tables, uppers = [np.empty(0, np.int64)], [np.empty(0)]
        for column, (one, start) in enumerate(zip(edges, starts, strict=True)):
            grid = _grid(one)
            if grid is None:
                self._searched.append((column, one, start))
                grid = _NO_EDGES
            parameters.append((grid.shift, grid.low, grid.high))
            origins.append(int(np.float64(grid.low).view(np.int64)) - offset)
            tables.append(start + grid.bins)
            uppers.append(grid.upper)
            offset += len(grid.bins)
        self.table: Int64 = np.concatenate(tables)
        self.upper: Float64 = np.concatenate(uppers)
        self._repeats = max(1, _TILE // max(self.width, 1))
        self._parameters = np.tile(np.array(parameters, np.float64).reshape(-1, 3).T, self._repeats)
        self._origins = np.tile(np.array(origins, np.int64), self._repeats)
        self._shift, self._low, self._high = self.parameters.copy()  # each in a row of memory, as compiled code wants it
        self._origin = self.origins.copy()

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
        for rows, places in self._places(matrix):
            np.take(self.table, places, out=out[rows], mode="clip")
        for column, edges, start in self._searched:
            values = matrix[:, column]
            out[:, column] = start + np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
        return out

    def counts(self, matrix: Float64, size: int) -> Float64:
        """(size,) how many values of an (n, F) matrix are in each cell, in two thirds of the time that `cells` and counting them take where there are many."""
        if self._searched or matrix.size < len(self.table):
            return np.bincount(self.cells(matrix).ravel(), minlength=size).astype(np.float64)
        if COMPILED and matrix.size >= MANY_VALUES:
            return np.bincount(self.table, weights=self._by_place(matrix), minlength=size).astype(np.float64, copy=False)
        by_place = np.zeros(len(self.table), np.int64)
        for _, places in self._places(matrix):
            by_place += np.bincount(places.ravel(), minlength=len(by_place))
        return np.bincount(self.table, weights=by_place, minlength=size).astype(np.float64, copy=False)

    def _by_place(self, matrix: Float64) -> Int32:
        """How many of many values are in each place of the table; in half the time that array operations take."""
        counts = np.zeros(len(self.table), np.int32)
        count_places(np.ascontiguousarray(matrix), self._shift, self._low, self._high, self._origin, self.upper, counts)
        return counts

    def add_counts(self, matrix: Float64, of: Int64, sums: Float64, first: int) -> None:
        """Count many values by group, in a fifth of the time that `cells` and counting them take. No column may be searched.

        Parameters
        ----------
        matrix : (n, F).
        of : (n,) group of each row.
        sums : (groups, width) which are added to, in the cells from ``first`` on.
        """
        count_rows(np.ascontiguousarray(matrix), of, self._shift, self._low, self._high, self._origin, self.upper, self.table, sums, first)

    def _places(self, matrix: Float64) -> Iterator[tuple[slice, Int64]]:
        """Some rows at a time, and the place in the table of each of their values; it is good until the next are asked for."""
        at_once = max(1, _CELLS_AT_ONCE // max(self.width * self._repeats, 1)) * self._repeats
        room = np.empty((2, min(at_once, len(matrix)), self.width))
        for first in range(0, len(matrix) if self.width else 0, at_once):
            values = np.ascontiguousarray(matrix[first : first + at_once])
            rows = slice(first, first + len(values))
            places, edges = room[0, : len(values)].view(np.int64), room[1, : len(values)]
            tiled = len(values) // self._repeats * self._repeats
            if tiled:
                shape = (tiled // self._repeats, self._repeats * self.width)
                _find_places(values[:tiled].reshape(shape), self._parameters, self._origins, self.upper, places[:tiled].reshape(shape), edges[:tiled].reshape(shape))
            if tiled < len(values):
                _find_places(values[tiled:], self.parameters, self.origins, self.upper, places[tiled:], edges[tiled:])
            yield rows, places


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
    for first in range(0, len(bins), _OWNERS_AT_ONCE):
        some = bins[first : first + _OWNERS_AT_ONCE]
        begin, end = bounds[first], bounds[first + len(some)]
        _fill_together(some, owner[begin:end] - first, matrix[begin:end], out[begin:end])
    return out


def add_together(bins: Sequence[GridBins], bounds: Sequence[int], matrix: Float64, of: Int64, sums: Float64, first: int) -> bool:
    """Count many values by group and cell; False, and nothing is done, where it is left to `cells_together`: they are few, some column is searched, or nothing is compiled.

    Parameters
    ----------
    bins, bounds, matrix : as for `cells_together`.
    of : (n,) group of each row.
    sums : (groups, width) which are added to, in the cells from ``first`` on.

    Examples
    --------
    >>> bins, sums = GridBins([np.array([0.0])], starts=[0]), np.zeros((2, 3))
    >>> add_together([bins], [0, 40_000], np.linspace(-1, 2, 40_000)[:, None], np.arange(40_000) % 2, sums, 0), sums.tolist()
    (True, [[6667.0, 13333.0, 0.0], [6666.0, 13334.0, 0.0]])
    """
    if not COMPILED or matrix.size < MANY_VALUES or any(one.is_searched for one in bins):
        return False
    if all(one is bins[0] for one in bins):
        bins[0].add_counts(matrix, of, sums, first)
        return True
    for one, begin, end in zip(bins, bounds[:-1], bounds[1:], strict=True):
        one.add_counts(matrix[begin:end], of[begin:end], sums, first)
    return True


def _fill_together(bins: Sequence[GridBins], owner: Int64, values: Float64, out: Int64) -> None:
    tables = [one.table for one in bins]
    parameters = np.stack([one.parameters for one in bins], axis=1)  # (3, owners, F)
    origins = np.stack([one.origins for one in bins]) - np.cumsum([0, *map(len, tables[:-1])])[:, None]
    upper = np.concatenate([one.upper for one in bins])
    places = np.empty(values.shape, np.int64)
    _find_places(values, parameters[:, owner], origins[owner], upper, places, np.empty(values.shape))
    np.take(np.concatenate(tables), places, out=out, mode="clip")


def _find_places(values: Float64, parameters: Float64, origins: Int64, upper: Float64, places: Int64, edges: Float64) -> None:
    """Find places in the table; they are read from the bits of sums, at a third of the time of a conversion.

    Parameters
    ----------
    values : of any shape, as ``places`` and ``edges``, which is room to work in.
    parameters, origins : of each value's column, see `GridBins`.
    upper : edge in each place of the table.
    """
    sums = places.view(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        np.setbufsize(_BUFFER)
        np.add(values, parameters[0], out=sums)
        np.maximum(sums, parameters[1], out=sums)
        np.fmin(sums, parameters[2], out=sums)  # fmin, not minimum: what is missing has the last place
        places -= origins
        np.take(upper, places, out=edges, mode="clip")
        places += values >= edges


@dataclass(frozen=True)
class _Grid:
    """The places of a column's edges.

    Attributes
    ----------
    shift, low, high : what is added to a value; that sum at the first place, and at the place of what is not below the last edge, or is missing.
    bins : (P,) bin of what is in each place; the last two are that of a missing value, and the last bin.
    upper : (P,) edge in each place; nan where there is none.
    """

    shift: float
    low: float
    high: float
    bins: Int64
    upper: Float64


def _grid(edges: Float64) -> _Grid | None:
    """The coarsest grid that keeps the edges apart; None where there is none."""
    if not len(edges):
        return _NO_EDGES
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        step = np.ldexp(1.0, np.frexp(edges[-1] - edges[0] or edges[0])[1] - _COARSEST)
        while True:
            low = np.ldexp(step, _WHOLE_BITS)
            shift = low - np.floor(edges[0] / step) * step
            places = (edges + shift).view(np.int64) - low.view(np.int64)
            last = int(places[-1]) + _APART
            if not np.isfinite(shift) or last >= LARGEST_GRID:
                return None
            if places[0] >= 0 and (np.diff(places) >= _APART).all():
                break
            step /= 2
    bins = np.searchsorted(places, np.arange(last + 2), side="left")
    bins[last] += 1
    upper = np.full(last + 2, np.nan)
    upper[places], upper[last] = edges, edges[-1]
    return _Grid(float(shift), float(low), float(low + last * step), bins, upper)


_NO_EDGES = _Grid(0.0, 1.0, 1.0, np.array([1, 0]), np.array([-np.inf, np.nan]))  # all values share a place with what is missing, and move on
