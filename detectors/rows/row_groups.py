"""Which rows of a batch are counted together: those of one window of event time, model version and segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import Float64, Int64
from detectors.pane import pane_start
from detectors.rows.row_store import position_of

GroupKey = tuple[int, str, str]
"""Start of the window in epoch milliseconds, model version, segment."""

_WIDEST = 2**40  # combinations that a code may tell apart before it is made dense again


@dataclass(frozen=True)
class RowGroups:
    """Groups of ``n`` rows.

    Attributes
    ----------
    keys : of the groups; none is empty.
    of : (n,) each row's group; None where there is one group alone, which spares the work of telling rows apart.
    n : number of rows.
    weights : (n,) by which rows are counted; None where each counts once.
    """

    keys: list[GroupKey]
    of: Int64 | None
    n: int
    weights: Float64 | None = None

    @classmethod
    def by(cls, timestamp: Int64, length: int, version: CodedText, segment: CodedText | None, owner: Int64 | None = None) -> RowGroups:
        """Groups of rows by aligned windows of ``length`` milliseconds, version and segment; without segments where None.

        With ``owner``, (n,), rows of several owners are apart, too, and the groups are in the order of the owners.

        Examples
        --------
        >>> versions = CodedText.of(["1", "2", "1"])
        >>> groups = RowGroups.by(np.array([0, 15, 19]), 10, versions, None)
        >>> groups.keys, groups.of.tolist()
        ([(0, '1', ''), (10, '1', ''), (10, '2', '')], [0, 2, 1])
        """
        n = len(timestamp)
        is_one_window = int(timestamp.min()) // length == int(timestamp.max()) // length
        window = None if is_one_window else np.floor_divide(timestamp, length)  # which takes longer than all that is asked here of a batch of one group
        code, width = np.zeros(1, np.int64), 1
        for part in [part for part in (owner, window, version.codes, None if segment is None else segment.codes) if part is not None]:
            first = int(part.min())
            values = int(part.max()) - first + 1
            if values > 1:
                if width * values > _WIDEST:
                    used, code = np.unique(code, return_inverse=True)
                    width = len(used)
                code = code * values + part - first
                width *= values
        if width == 1:
            rows, of = np.zeros(1, np.int64), None
        else:
            number, of = _distinct(code, width)
            place = np.empty(number, np.int64)
            place[of] = np.arange(n)  # some row of each group
            rows = place
        same: dict[int, int] = {}
        starts = [same.setdefault(start, start) for start in pane_start(timestamp[rows], length).tolist()]  # by which each of a thousand models holds its windows
        return cls(list(zip(starts, _texts(version, rows), [""] * len(rows) if segment is None else _texts(segment, rows), strict=True)), of, n)

    @property
    def is_plain(self) -> bool:
        """Whether there is one group alone, and each row counts once."""
        return self.of is None and self.weights is None

    def counts(self, cells: Int64, size: int, rows: Int64 | None = None, weights: Float64 | None = None) -> Float64:
        """Counts (or sums of weights) by group and cell.

        Parameters
        ----------
        cells : (m,) or (m, k) cells in 0 ... size - 1 of some rows.
        rows : (m,) which rows they are; None: all of them, so m = n.
        weights : of the same shape as the cells; None: 1 each.

        Returns
        -------
        (groups, size)
        """
        if self.of is not None:
            of = self.of if rows is None else self.of[rows]
            cells = cells + (of if cells.ndim == 1 else of[:, None]) * size
        if self.weights is not None:
            of_rows = self.weights if rows is None else self.weights[rows]
            by_cell = of_rows if cells.ndim == 1 else of_rows[:, None]
            weights = np.broadcast_to(by_cell, cells.shape) if weights is None else weights * by_cell
        flat = None if weights is None else weights.ravel()
        return np.bincount(cells.ravel(), weights=flat, minlength=len(self.keys) * size).astype(np.float64, copy=False).reshape(len(self.keys), size)

    def firsts(self) -> Int64:
        """(groups,) the first row of each group."""
        if self.of is None:
            return np.zeros(1, np.int64)
        rows = np.empty(len(self.keys), np.int64)
        rows[self.of[::-1]] = np.arange(self.n - 1, -1, -1)  # the last that is written stays
        return rows

    def begins(self, offset: Int64, index: Int64) -> Int64:
        """(groups,) position in the log of the first row of each group; the rows, (n,), are in the order of the log within a group."""
        if self.of is None:
            return position_of(offset[:1], index[:1])
        rows = self.firsts()
        return position_of(offset[rows], index[rows])

    def owners(self, owner: Int64) -> Int64:
        """(groups,) the owner of each group."""
        return owner[self.firsts()]

    def sizes(self, rows: Int64 | None = None) -> Float64:
        """(groups,) number of rows of each group, or of some of the rows."""
        if self.weights is not None:
            return self.sums(np.ones(self.n if rows is None else len(rows)), rows)
        if self.of is None:
            return np.array([self.n if rows is None else len(rows)], np.float64)
        return np.bincount(self.of if rows is None else self.of[rows], minlength=len(self.keys)).astype(np.float64)

    def sums(self, values: Float64, rows: Int64 | None = None) -> Float64:
        """(groups,) sums of the values (m,) of all rows, or of some of them."""
        if self.weights is not None:
            values = values * (self.weights if rows is None else self.weights[rows])
        if self.of is None:
            return np.array([values.sum()])
        return np.bincount(self.of if rows is None else self.of[rows], weights=values, minlength=len(self.keys)).astype(np.float64, copy=False)

    def squares(self, values: Float64, rows: Int64 | None = None) -> Float64:
        """(groups,) sums of the squares of values, as `sums`."""
        return np.array([values @ values]) if self.is_plain else self.sums(values * values, rows)


def _distinct(code: Int64, width: int) -> tuple[int, Int64]:
    """How many distinct codes there are, and which of them each row has."""
    if width > 4 * len(code) + 1_024:
        used, of = np.unique(code, return_inverse=True)
        return len(used), of.astype(np.int64, copy=False)
    used = np.flatnonzero(np.bincount(code, minlength=width))
    place = np.empty(width, np.int64)
    place[used] = np.arange(len(used))
    return len(used), place[code]


def _texts(column: CodedText, rows: Int64) -> list[str]:
    levels = (*column.levels, "")  # the code of a missing value is the last place
    return [levels[code] for code in column.codes[rows].tolist()]
