"""Rows of many models counted in one pass.

With few rows each, the dozens of array operations that counting takes would cost more than the rows. Models whose summaries are laid out alike
share them: their rows are counted as those of one, apart by the model that they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors.event_batch import Float64, Int32, Int64
from detectors.panes.contributions import Contributions, Members
from detectors.panes.group_tables import GroupTables
from detectors.rows.row_groups import RowGroups

MODELS_AT_ONCE, ROWS_AT_ONCE = 64, 16_384  # of one pass; its vectors stay in the processor's cache

Fill = Callable[[Contributions, Float64, RowGroups, Any, Members | None], None]
"""Adds what some rows contribute to (groups, width) sums; see `detectors.panes.contributions` for members."""


@dataclass(frozen=True)
class Coarser:
    """Windows that the same rows count in, too, each of which is made of whole windows of the other kind.

    Attributes
    ----------
    tables : of each model.
    length : of a window, milliseconds.
    cells : (size,) places in a vector of the other kind of what theirs is made of.
    """

    tables: Sequence[GroupTables]
    length: int
    cells: Int64


@dataclass(frozen=True, kw_only=True)
class Counting:
    """A request: rows to count into tables of windows.

    Attributes
    ----------
    tables, add : of each model; where its sums go, and what makes them. The models are alike.
    fill : what to count.
    width : cells of a vector.
    length : of a window, milliseconds.
    owner : (n,) place of each row's model, ascending; the rows of a model are in the order of the log.
    timestamp : (n,) whose window a row counts in.
    rows : n events or labelled rows.
    by_segment : whether segments are counted apart.
    coarser : windows without segments that get sums of what is counted here, which spares them a pass over the rows; or None.
    """

    tables: Sequence[GroupTables]
    add: Sequence[Contributions]
    fill: Fill
    width: int
    length: int
    owner: Int32
    timestamp: Int64
    rows: Any
    by_segment: bool = True
    coarser: Coarser | None = None


def count_together(request: Counting) -> list[int]:
    """Do what was asked for; the vectors are added to the tables. Returns the places of the models that have rows."""
    bounds = _bounds(request.owner)
    owners: list[int] = request.owner[bounds[:-1]].tolist()
    for first, end in _bounded(bounds):
        _count(request, owners[first:end], bounds[first : end + 1])
    return owners


def _bounds(owner: Int32) -> list[int]:
    """Where the rows of each owner begin, and the end."""
    cuts = [] if owner[0] == owner[-1] else (np.flatnonzero(owner[1:] != owner[:-1]) + 1).tolist()
    return [0, *cuts, len(owner)]


def _bounded(bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Models of one pass: the first, and the end."""
    first = 0
    for place in range(1, len(bounds) - 1):
        if place - first == MODELS_AT_ONCE or bounds[place + 1] - bounds[first] > ROWS_AT_ONCE:
            yield first, place
            first = place
    yield first, len(bounds) - 1


def _count(request: Counting, owners: Sequence[int], bounds: Sequence[int]) -> None:
    is_all = bounds[-1] - bounds[0] == len(request.owner)
    some = slice(bounds[0], bounds[-1])
    rows = request.rows if is_all else request.rows.take(some)
    timestamp = request.timestamp[some]
    members, dense = None, None
    if len(owners) > 1:
        dense = np.repeat(np.arange(len(owners)), np.diff(bounds))
        members = Members([request.add[owner] for owner in owners], dense, [bound - bounds[0] for bound in bounds])
    groups = RowGroups.by(timestamp, request.length, rows.version, rows.segment if request.by_segment else None, dense)
    sums = np.zeros((len(groups.keys), request.width))
    add = request.add[owners[0]]
    if add.weighs:
        half = request.width // 2
        for part, weights in ((sums[:, :half], rows.weight), (sums[:, half:], None if rows.weight is None else rows.weight**2)):
            request.fill(add, part, replace(groups, weights=weights), rows, members)
    else:
        request.fill(add, sums, groups, rows, members)
    begins = groups.begins(rows.offset, rows.index).tolist()
    of = [0] * len(begins) if dense is None else groups.owners(dense).tolist()
    for place, key, added, begin in zip(of, groups.keys, sums, begins, strict=True):
        request.tables[owners[place]].add(key, added, begin)
    if (coarser := request.coarser) is not None:
        for place, (start, version, _), added, begin in zip(of, groups.keys, sums[:, coarser.cells], begins, strict=True):
            coarser.tables[owners[place]].add((start // coarser.length * coarser.length, version, ""), added, begin)
