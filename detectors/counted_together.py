"""Rows of many models counted in one pass.

With few rows each, the dozens of array operations that counting takes would cost more than the rows. Models whose summaries are laid out alike
share them: their rows are counted as those of one, apart by the request that they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.contributions import Contributions, Members
from detectors.event_batch import Float64, Int64
from detectors.group_tables import GroupTables
from detectors.row_groups import RowGroups

MODELS_AT_ONCE, ROWS_AT_ONCE = 64, 16_384  # of one pass; its vectors stay in the processor's cache

Fill = Callable[[Contributions, Float64, RowGroups, Any, Members | None], None]
"""Adds what some rows contribute to (groups, width) sums; see `detectors.contributions` for members."""


@dataclass(frozen=True, kw_only=True)
class Counting:
    """A request: rows of one model, in the order of the log, to count into a table of its windows.

    Attributes
    ----------
    tables : where the sums go.
    add : of the model.
    fill : what to count.
    width : cells of a vector.
    length : of a window, milliseconds.
    timestamp, version, segment : (n,) by which the rows are told apart; without segments where None.
    offset, index : (n,) where the rows stand in the log.
    rows : what is counted; has a static ``concatenate``.
    """

    tables: GroupTables
    add: Contributions
    fill: Fill
    width: int
    length: int
    timestamp: Int64
    version: CodedText
    segment: CodedText | None
    offset: Int64
    index: Int64
    rows: Any


def count_together(requests: Iterable[Counting]) -> None:
    """Do what was asked for; each table has its vectors added, in no particular order."""
    alike: dict[Any, list[Counting]] = {}
    for one in requests:
        alike.setdefault((one.fill, one.add.alike, one.length), []).append(one)
    for several in alike.values():
        for some in _bounded(several):
            _count(some)


def _bounded(requests: Sequence[Counting]) -> Iterator[Sequence[Counting]]:
    first, rows = 0, 0
    for place, one in enumerate(requests):
        if place > first and (place - first == MODELS_AT_ONCE or rows + len(one.timestamp) > ROWS_AT_ONCE):
            yield requests[first:place]
            first, rows = place, 0
        rows += len(one.timestamp)
    yield requests[first:]


def _count(requests: Sequence[Counting]) -> None:
    first = requests[0]
    if len(requests) == 1:
        groups = RowGroups.by(first.timestamp, first.length, first.version, first.segment)
        first.tables.add(groups.keys, _sums(first, groups, first.rows, None), groups.begins(first.offset, first.index))
        return
    bounds = list(accumulate((len(one.timestamp) for one in requests), initial=0))
    owner = np.repeat(np.arange(len(requests)), np.diff(bounds))
    timestamp, offset, index = (np.concatenate([getattr(one, name) for one in requests]) for name in ("timestamp", "offset", "index"))
    version = CodedText.concatenate([one.version for one in requests])
    segment = None if first.segment is None else CodedText.concatenate([one.segment for one in requests if one.segment is not None])
    rows = type(first.rows).concatenate([one.rows for one in requests])
    groups = RowGroups.by(timestamp, first.length, version, segment, owner)
    sums = _sums(first, groups, rows, Members([one.add for one in requests], owner, bounds))
    begins = groups.begins(offset, index)
    ends = np.searchsorted(groups.owners(owner), np.arange(len(requests) + 1)).tolist()
    for one, begin, end in zip(requests, ends[:-1], ends[1:], strict=True):
        one.tables.add(groups.keys[begin:end], sums[begin:end], begins[begin:end])


def _sums(request: Counting, groups: RowGroups, rows: Any, members: Members | None) -> Float64:
    sums = np.zeros((len(groups.keys), request.width))
    request.fill(request.add, sums, groups, rows, members)
    return sums
