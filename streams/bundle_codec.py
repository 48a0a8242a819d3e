"""Bundles to records of the summaries topic and back; a large one is split, and counts when all of its parts are there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.bundle import Bundle, Cohort, Summary
from detectors.panes.gaps import Gaps
from detectors.panes.sparse_counts import large, small
from streams.state_codec import decode_state, encode_state

_CELL = 3
"""Bytes of a cell that is not 0, before all is compressed: its place, and a count."""

_Items = tuple[Sequence[Summary], Sequence[Cohort]]


def encode_bundle(bundle: Bundle, *, max_bytes: int) -> list[bytes]:
    """Records of a bundle, each at most ``max_bytes`` unless a single summary is larger."""
    groups = _groups(bundle, max_bytes)
    while True:
        records = [_encode(replace(bundle, part=part, parts=len(groups), summaries=tuple(mine[0]), cohorts=tuple(mine[1]))) for part, mine in enumerate(groups)]
        if all(len(record) <= max_bytes or _count(mine) <= 1 for record, mine in zip(records, groups, strict=True)):
            return records
        groups = [half for record, mine in zip(records, groups, strict=True) for half in (_halves(mine) if len(record) > max_bytes else [mine])]


def _groups(bundle: Bundle, max_bytes: int) -> list[_Items]:
    """As few as fit by the cells of their vectors, so that few have to be encoded in vain."""
    vectors = [*(summary.counts for summary in bundle.summaries), *(cohort.counts for cohort in bundle.cohorts)]
    sizes = _CELL * np.cumsum([len(vector) for vector in vectors])
    ends = np.flatnonzero(np.diff(sizes // max_bytes)) + 1
    of_cohorts = len(bundle.summaries)
    return [
        (bundle.summaries[first:end], bundle.cohorts[max(first - of_cohorts, 0) : max(end - of_cohorts, 0)])
        for first, end in itertools.pairwise([0, *ends.tolist(), max(len(sizes), 1)])
    ]


def _count(items: _Items) -> int:
    return sum(map(len, items))


def _halves(items: _Items) -> list[_Items]:
    """Two groups of those that did not fit; one of a single item."""
    summaries, cohorts = items
    if summaries and cohorts:
        return [(summaries, ()), ((), cohorts)]
    half = (_count(items) + 1) // 2
    return [part for part in ((summaries[:half], cohorts[:half]), (summaries[half:], cohorts[half:])) if _count(part)]


def _encode(bundle: Bundle) -> bytes:
    return encode_state(vars(bundle) | {"summaries": _table(bundle.summaries), "cohorts": _table(bundle.cohorts)})


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
    gaps = Gaps.of(plain.pop("gaps")).spans
    return Bundle(summaries=summaries, cohorts=cohorts, gaps=gaps, **plain)
