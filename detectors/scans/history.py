"""The multi-scale history of a bank: closed panes in an exponential histogram.

The newest panes are kept singly, older ones in buckets of two, four, eight ... panes, at most `BUCKETS_OF_A_SIZE` of each size, so that the
suffixes of the history are recent windows of any age with a resolution of about a half power of two (the buckets of ADWIN, Bifet & Gavaldà
2007), and a million panes need some sixty buckets. What falls off the end is older than `LARGEST` panes a bucket.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Float64, Int64
from detectors.scans.calibration import price

BUCKETS_OF_A_SIZE = 3
LARGEST = 2**19  # panes in the largest bucket: with three of them the history spans more than a million panes

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


class GrowingHistogram:
    """A histogram that panes are added to, one after another; `Histogram` is what is left of it between batches.

    Parameters
    ----------
    sizes, starts, sums : of the buckets before, see `Histogram`; never changed.
    room : panes that may be added.

    Attributes
    ----------
    origins : the first pane of each bucket, or the bucket of before that it began as; panes count on from there.
    noted : row of what was known when each bucket began.
    """

    def __init__(self, sizes: list[int], starts: Int64, sums: Float64, *, room: int) -> None:
        self._sums = np.empty((len(sizes) + room, sums.shape[1]))
        self._sums[: len(sizes)] = sums
        self._items = len(sizes)
        self.sizes = sizes
        self.starts: list[int] = starts.tolist()
        self.noted = list(range(self._items))
        self.origins = list(range(self._items))

    def append(self, start: int, sums: Float64, noted: int) -> list[tuple[int, int, Float64]]:
        """Add a pane; returns the pairs of buckets that were merged: level of each of the two, start of the older one, and the sums (2, q) of both."""
        end = len(self.sizes)
        self._sums[end] = sums
        self.starts.append(start)
        self.noted.append(noted)
        self.origins.append(self._items)
        self._items += 1
        self.sizes, merges, drop = merges_after([*self.sizes, 1])
        merged = []
        # From the newest on, so that the positions of the older ones stay as they are.
        for merge in merges:
            position = merge.position
            merged.append((merge.level - 1, self.starts[position], self._sums[position : position + 2].copy()))
            self._sums[position] += self._sums[position + 1]
            self._remove(position + 1, end)
            end -= 1
        if drop:
            self._remove(0, end)
        return merged

    def _remove(self, position: int, end: int) -> None:
        self._sums[position:end] = self._sums[position + 1 : end + 1]
        for row in (self.starts, self.noted, self.origins):
            del row[position]

    def suffixes(self) -> Float64:
        """(b, q) the recent windows, the longest first."""
        end = len(self.sizes)
        windows = np.empty((end, self._sums.shape[1]))
        if end:
            self._sums[end - 1 :: -1].cumsum(axis=0, out=windows[::-1])
        return windows

    def prices(self) -> Float64:
        """(b,) of the recent windows, see `price`."""
        return price(np.cumsum(self.sizes[::-1], dtype=np.int64)[::-1])

    @property
    def sums(self) -> Float64:
        """(b, q) of the buckets."""
        return self._sums[: len(self.sizes)]

    def cells(self, before: list[Cells], fresh: list[Cells]) -> list[Cells]:
        """Bin counts of the buckets, from those before and those of the panes that were added; none where none are kept."""
        items = [*before, *fresh]
        bounds = [*self.origins, len(items)]
        parts = [items[first:behind] for first, behind in itertools.pairwise(bounds)] if fresh else []
        return [part[0] if len(part) == 1 else narrow(np.sum(np.stack(part), axis=0, dtype=np.float64)) for part in parts]


def narrow(counts: Float64) -> Cells:
    """Whole counts in as few bytes as hold the largest."""
    largest = counts.max(initial=0)
    return counts.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)
