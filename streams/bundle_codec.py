"""Bundles to records of the summaries topic and back; a large one is split, and counts when all of its parts are there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.bundle import Bundle, Cohort, FirstRows, Summary
from detectors.panes.gaps import Gaps
from detectors.panes.sparse_counts import large, small
from detectors.rows.earliest_rows import EarliestRows
from streams.state_codec import decode_state, encode_state

_CELL = 3
"""Bytes of a cell that is not 0, before all is compressed: its place, and a count."""

_VALUE = 9
"""Bytes of a row's value in a column, before all is compressed."""

_Items = tuple[Sequence[Summary], Sequence[Cohort], Sequence[FirstRows]]


def encode_bundle(bundle: Bundle, *, max_bytes: int) -> list[bytes]:
    """Records of a bundle, each at most ``max_bytes`` unless a single summary, or a single row, is larger."""
    groups = _groups(bundle, max_bytes)
    while True:
        records = [
            _encode(replace(bundle, part=part, parts=len(groups), summaries=tuple(summaries), cohorts=tuple(cohorts), first_rows=tuple(first_rows)))
            for part, (summaries, cohorts, first_rows) in enumerate(groups)
        ]
        if all(len(record) <= max_bytes or _count(mine) <= 1 for record, mine in zip(records, groups, strict=True)):
            return records
        groups = [half for record, mine in zip(records, groups, strict=True) for half in (_halves(mine) if len(record) > max_bytes else [mine])]


def _groups(bundle: Bundle, max_bytes: int) -> list[_Items]:
    """As few as fit by the cells of their vectors, so that few have to be encoded in vain."""
    cells = [_CELL * len(counts) for counts in (*(summary.counts for summary in bundle.summaries), *(cohort.counts for cohort in bundle.cohorts))]
    rows = [_VALUE * told.rows.cells for told in bundle.first_rows]
    sizes = np.cumsum([*cells, *rows])
    ends = np.flatnonzero(np.diff(sizes // max_bytes)) + 1
    of_cohorts, of_rows = len(bundle.summaries), len(cells)
    return [
        (
            bundle.summaries[first:end],
            bundle.cohorts[max(first - of_cohorts, 0) : max(end - of_cohorts, 0)],
            bundle.first_rows[max(first - of_rows, 0) : max(end - of_rows, 0)],
        )
        for first, end in itertools.pairwise([0, *ends.tolist(), max(len(sizes), 1)])
    ]


def _count(items: _Items) -> int:
    """What can be told apart: rows may be in any record."""
    summaries, cohorts, first_rows = items
    return len(summaries) + len(cohorts) + sum(len(told.rows) for told in first_rows)


def _halves(items: _Items) -> list[_Items]:
    """Two groups of those that did not fit; one of a single item."""
    summaries, cohorts, first_rows = items
    kinds: list[_Items] = [(summaries, (), ()), ((), cohorts, ()), ((), (), first_rows)]
    filled = [kind for kind in kinds if _count(kind)]
    if len(filled) > 1:
        return filled
    if len(first_rows) == 1:
        told, half = first_rows[0], (len(first_rows[0].rows) + 1) // 2
        return [((), (), (replace(told, rows=rows),)) for rows in (told.rows.take(slice(0, half)), told.rows.take(slice(half, None))) if len(rows)]
    half = (sum(map(len, items)) + 1) // 2
    parts: list[_Items] = [(summaries[:half], cohorts[:half], first_rows[:half]), (summaries[half:], cohorts[half:], first_rows[half:])]
    return [part for part in parts if _count(part)]


def _encode(bundle: Bundle) -> bytes:
    rows = [vars(told) | {"rows": told.rows.as_state()} for told in bundle.first_rows]
    return encode_state(vars(bundle) | {"summaries": _table(bundle.summaries), "cohorts": _table(bundle.cohorts), "first_rows": rows})


def _table(items: Sequence[Summary | Cohort]) -> dict[str, Any]:
    """Columns; of the counts of all items only the cells that are not 0."""
    if not items:
        return {}
    counts = [item.counts for item in items]
    sizes = np.array([len(one) for one in counts], np.int64)
    flat = np.concatenate(counts)
    used = np.flatnonzero(flat != 0)  # of booleans: that takes a fifth of the time
    bounds = np.searchsorted(used, np.cumsum([0, *sizes]))
    cells = used - np.repeat(np.cumsum(sizes) - sizes, np.diff(bounds))
    columns = {name: [vars(item)[name] for item in items] for name in vars(items[0]) if name != "counts"}
    return {
        "columns": columns,
        "sizes": sizes.astype(np.int32),
        "used": np.diff(bounds).astype(np.int32),
        "cells": cells.astype(np.uint16 if sizes.max() < 2**16 else np.int32),
        "values": small(flat[used]),
    }


def _items(make: Any, table: dict[str, Any]) -> tuple[Any, ...]:
    if not table:
        return ()
    sizes = table["sizes"].astype(np.int64)
    ends = np.cumsum(sizes)
    flat = np.zeros(int(ends[-1]))
    flat[table["cells"] + np.repeat(ends - sizes, table["used"])] = large(table["values"])
    names, rows = list(table["columns"]), zip(*table["columns"].values(), strict=True)
    return tuple(make(**dict(zip(names, row, strict=True)), counts=counts) for row, counts in zip(rows, np.split(flat, ends[:-1]), strict=True))


def decode_bundle(data: bytes, name: str) -> Bundle:
    """The bundle, or the part of it, again."""
    plain = decode_state(data, name)
    summaries, cohorts = _items(Summary, plain.pop("summaries")), _items(Cohort, plain.pop("cohorts"))
    first_rows = tuple(FirstRows(**told | {"rows": EarliestRows.of_state(told["rows"])}) for told in plain.pop("first_rows"))
    gaps = Gaps.of(plain.pop("gaps")).spans
    return Bundle(summaries=summaries, cohorts=cohorts, first_rows=first_rows, gaps=gaps, **plain)
