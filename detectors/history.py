"""The multi-scale history of a bank: closed panes in an exponential histogram.

The newest panes are kept singly, older ones in buckets of two, four, eight ... panes, at most `BUCKETS_OF_A_SIZE` of each size, so that the
suffixes of the history are recent windows of any age with a resolution of about a half power of two (the buckets of ADWIN, Bifet & Gavaldà
2007), and a million panes need some sixty buckets. What falls off the end is older than `LARGEST` panes a bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Float64, Int64

BUCKETS_OF_A_SIZE = 3
LARGEST = 2**19  # panes in the largest bucket: with three of them the history spans more than a million panes

Cells = npt.NDArray[np.float32]


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
    cells : bin counts of each bucket, for the evidence; empty where the sums hold them already.
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

    def append(self, *, start: int, sums: Float64, labels: Float64, cells: Cells) -> tuple[Histogram, list[tuple[int, int, Float64]]]:
        """The histogram with one more pane, and the blocks that merging completed: (level, start, sums) each."""
        sizes, merges, drop = merges_after([*self.sizes, 1])
        starts = np.append(self.starts, start)
        rows = np.concatenate((self.sums, sums[None]))
        noted = np.concatenate((self.labels, labels[None]))
        kept = [*self.cells, cells]
        if merges:
            firsts = np.ones(len(starts), np.bool_)
            for merge in merges:
                position = merge.position
                firsts[position + 1] = False
                kept[position] = kept[position] + kept[position + 1]
            keep = np.flatnonzero(firsts)
            completed = [(merge.level, int(starts[merge.position]), rows[merge.position] + rows[merge.position + 1]) for merge in merges]
            rows = np.add.reduceat(rows, keep, axis=0)
            starts, noted, kept = starts[keep], noted[keep], [kept[i] for i in keep]
        else:
            completed = []
        if drop:
            starts, rows, noted, kept = starts[1:], rows[1:], noted[1:], kept[1:]
        return Histogram(sizes, starts, rows, noted, kept), completed

    def suffixes(self) -> Float64:
        """(b, q) sums from each bucket to the newest: the recent windows, the longest first."""
        totals: Float64 = np.cumsum(self.sums[::-1], axis=0)[::-1]
        return totals

    def cells_since(self, bucket: int) -> Cells:
        """Bin counts from a bucket to the newest."""
        cells: Cells = np.sum(np.stack(self.cells[bucket:]), axis=0, dtype=np.float32)
        return cells
