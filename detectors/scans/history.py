"""The multi-scale history of a bank: closed panes in an exponential histogram.

The newest panes are kept singly, older ones in buckets of two, four, eight ... panes, at most `BUCKETS_OF_A_SIZE` of each size, so that the
suffixes of the history are recent windows of any age with a resolution of about a half power of two (the buckets of ADWIN, Bifet & Gavaldà
2007), and a million panes need some sixty buckets. What falls off the end is older than `LARGEST` panes a bucket.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Float64, Int64
from detectors.scans.calibration import LONGEST, price

BUCKETS_OF_A_SIZE = 3
LARGEST = 2**19  # panes in the largest bucket: with three of them the history spans more than a million panes
_NO_BUCKET = -1
_WIDE = 512  # numbers beside each other, of which a call of numpy costs less than summing them up one by one
_NEVER = np.iinfo(np.int64).max
_PRICES = price(np.arange(LONGEST + 1))  # by the panes of a window

Cells = npt.NDArray[np.unsignedinteger[Any]]
"""Bin counts of a bucket, as `narrow` keeps them."""


@dataclass(frozen=True)
class Merge:
    """Buckets ``position`` and ``position + 1`` became one of ``2 ** level`` panes."""

    position: int
    level: int


def merges_after(sizes: list[int]) -> tuple[list[int], list[Merge], bool]:
    """What happens to the buckets when a pane is added behind them.

    Parameters
    ----------
    sizes : panes in each bucket, the oldest first; the new pane is the last, of size 1.

    Returns
    -------
    sizes after the merges, the merges (positions before any of them, no two overlap), and whether the oldest bucket is dropped.

    Examples
    --------
    >>> sizes = []
    >>> for _ in range(11):
    ...     sizes, _, _ = merges_after([*sizes, 1])
    >>> sizes
    [4, 2, 2, 1, 1, 1]
    """
    sizes, drop = list(sizes), False
    merges: list[Merge] = []
    end, size, level = len(sizes), 1, 0
    while True:
        first = end
        while first > 0 and sizes[first - 1] == size:
            first -= 1
        if end - first <= BUCKETS_OF_A_SIZE:
            return sizes, merges, drop
        if size >= LARGEST:
            return sizes[1:], merges, True
        level += 1
        merges.append(Merge(first, level))
        size *= 2
        sizes[first : first + 2] = [size]
        end = first + 1


@dataclass(frozen=True)
class Histogram:
    """Buckets of closed panes, the oldest first.

    Attributes
    ----------
    sizes : panes in each of the ``b`` buckets.
    starts : (b,) start of each bucket's first pane, epoch milliseconds.
    sums : (b, q) sums over events of whatever the bank needs.
    labels : (b, k) what was known when the bucket began; a merged bucket keeps the older one's.
    cells : bin counts of each bucket, for the evidence; none where the sums hold them already.
    """

    sizes: list[int]
    starts: Int64
    sums: Float64
    labels: Float64
    cells: list[Cells]

    @staticmethod
    def empty(*, sums: int, labels: int) -> Histogram:
        """No panes yet."""
        return Histogram([], np.empty(0, np.int64), np.empty((0, sums)), np.empty((0, labels)), [])

    @staticmethod
    def of_state(state: dict[str, Any]) -> Histogram:
        """The histogram in a detector's state."""
        return Histogram(state["sizes"], state["starts"], state["sums"], state["labels"], state["cells"])

    def as_state(self) -> dict[str, Any]:
        """Arrays and lists by name."""
        return {"sizes": self.sizes, "starts": self.starts, "sums": self.sums, "labels": self.labels, "cells": self.cells}

    def suffixes(self) -> Float64:
        """(b, q) sums from each bucket to the newest: the recent windows, the longest first."""
        totals: Float64 = np.cumsum(self.sums[::-1], axis=0)[::-1]
        return totals

    def cells_since(self, bucket: int) -> Float64:
        """Bin counts from a bucket to the newest."""
        cells: Float64 = np.sum(np.stack(self.cells[bucket:]), axis=0, dtype=np.float64)
        return cells


@dataclass(frozen=True)
class HistoryWindows:
    """Recent windows at ``k`` times, the longest first.

    Attributes
    ----------
    sums : (k, w, q) over each window; 0 where there are fewer windows than at another time.
    noted : (k, w) row of what was known when the window began.
    begins : (k, w) epoch milliseconds; the end of time where there is none.
    prices : (k, w) of the windows, see `price`.
    """

    sums: Float64
    noted: Int64
    begins: Int64
    prices: Float64


class GrowingHistogram:
    """A histogram that panes are added to, one after another; `Histogram` is what is left of it between batches.

    A bucket keeps its number; one that was merged of two has a number of its own.

    Parameters
    ----------
    sizes, starts, sums : of the buckets before, see `Histogram`; never changed.
    room : panes that may be added.

    Attributes
    ----------
    sizes : panes in each bucket.
    buckets : their numbers.
    """

    def __init__(self, sizes: list[int], starts: Int64, sums: Float64, *, room: int) -> None:
        self._items = len(sizes)
        self._sums = np.empty((2 * (self._items + room) + 1, sums.shape[1]))  # a merge leaves one bucket less
        self._sums[: self._items] = sums
        self._sums[_NO_BUCKET] = -0.0  # changes no sum that it is added to
        self.sizes = sizes
        self.buckets = list(range(self._items))
        self._panes = list(sizes)  # and the rest of each bucket by its number
        self._starts: list[int] = starts.tolist()
        self._noted = list(range(self._items))
        self._origins = list(range(self._items))  # the first pane of each bucket, or the bucket of before that it began as; panes count on from there

    def append(self, start: int, sums: Float64, noted: int) -> list[tuple[int, int, Float64]]:
        """Add a pane; returns the pairs of buckets that were merged: level of each of the two, start of the older one, and the sums (2, q) of both.

        ``noted`` is the row of what is known as the bucket begins.
        """
        number = len(self._panes)
        self._sums[number] = sums
        self._begin(1, start, noted, self._items)
        self._items += 1
        buckets = [*self.buckets, number]
        self.sizes, merges, drop = merges_after([*self.sizes, 1])
        merged = []
        # From the newest on, so that the positions of the older ones stay as they are.
        for merge in merges:
            number, pair = len(self._panes), buckets[merge.position : merge.position + 2]
            of_pair, older = self._sums[pair], pair[0]
            self._sums[number] = of_pair[0] + of_pair[1]
            self._begin(2**merge.level, self._starts[older], self._noted[older], self._origins[older])
            merged.append((merge.level - 1, self._starts[older], of_pair))
            buckets[merge.position : merge.position + 2] = [number]
        self.buckets = buckets[1:] if drop else buckets
        return merged

    def _begin(self, panes: int, start: int, noted: int, origin: int) -> None:
        self._panes.append(panes)
        self._starts.append(start)
        self._noted.append(noted)
        self._origins.append(origin)

    def windows(self, buckets: Sequence[list[int]]) -> HistoryWindows:
        """The recent windows at ``k`` times, by the `buckets` that there were."""
        numbers = _rectangle(buckets)
        sums = self._sums[numbers]
        newest_first = sums[:, ::-1]  # as a sum depends on its order
        if len(buckets) * sums.shape[2] < _WIDE:
            np.cumsum(newest_first, axis=1, out=newest_first)
        else:  # numpy sums up along the last axis well, and along others number by number
            for place in range(1, newest_first.shape[1]):
                newest_first[:, place] += newest_first[:, place - 1]
        panes, starts, noted = (np.array([*column, none], np.int64)[numbers] for column, none in ((self._panes, 0), (self._starts, _NEVER), (self._noted, 0)))
        prices = _PRICES[np.minimum(np.cumsum(panes[:, ::-1], axis=1)[:, ::-1], LONGEST)]
        none = numbers == _NO_BUCKET
        if none.any():
            sums[none] = prices[none] = 0.0
        return HistoryWindows(sums, noted, starts, prices)

    @property
    def starts(self) -> Int64:
        """(b,) of the buckets."""
        return np.array([self._starts[number] for number in self.buckets], np.int64)

    @property
    def noted(self) -> list[int]:
        """Row of what was known when each bucket began."""
        return [self._noted[number] for number in self.buckets]

    def sums(self, columns: slice) -> Float64:
        """(b, q) of the buckets, some of the columns."""
        sums: Float64 = self._sums[:, columns][self.buckets]
        return sums

    def cells(self, before: list[Cells], fresh: list[Cells]) -> list[Cells]:
        """Bin counts of the buckets, from those before and those of the panes that were added; none where none are kept."""
        items = [*before, *fresh]
        bounds = [*(self._origins[number] for number in self.buckets), len(items)]
        parts = [items[first:behind] for first, behind in itertools.pairwise(bounds)] if fresh else []
        return [part[0] if len(part) == 1 else narrow(np.sum(np.stack(part), axis=0, dtype=np.float64)) for part in parts]


def narrow(counts: Float64) -> Cells:
    """Whole counts in as few bytes as hold the largest."""
    largest = counts.max(initial=0)
    return counts.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)


def narrow_each(counts: Float64) -> list[Cells]:
    """Rows of whole counts (k, B), each as `narrow` keeps it; nothing holds more than its own row."""
    if counts.max(initial=0) < 2**8:
        return [row.copy() for row in counts.astype(np.uint8)]
    return [narrow(row) for row in counts]


def _rectangle(buckets: Sequence[list[int]]) -> Int64:
    """Numbers of the buckets at several times side by side, the fewer ones filled up; one at least."""
    longest = max(1, *map(len, buckets))
    return np.array([[*row, *[_NO_BUCKET] * (longest - len(row))] for row in buckets], np.int64)
