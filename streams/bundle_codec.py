"""Bundles to records of the summaries topic and back; a large one is split, and counts when all of its parts are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.bundle import Bundle, Cohort, Summary
from detectors.panes.gaps import Gaps
from detectors.panes.sparse_counts import large, small
from streams.state_codec import decode_state, encode_state

_NUMBERS = 32
"""Bytes kept free for the numbers of the part, which are known only when all parts are."""


def encode_bundle(bundle: Bundle, *, max_bytes: int) -> list[bytes]:
    """Records of a bundle, each at most ``max_bytes`` unless a single summary is larger."""
    whole = _encode(bundle)
    if len(whole) <= max_bytes or len(bundle.summaries) + len(bundle.cohorts) <= 1:
        return [whole]
    groups = _halved(bundle, max_bytes)
    return [_encode(replace(bundle, part=part, parts=len(groups), summaries=tuple(summaries), cohorts=tuple(cohorts))) for part, (summaries, cohorts) in enumerate(groups)]


def _halved(bundle: Bundle, max_bytes: int) -> list[tuple[Sequence[Summary], Sequence[Cohort]]]:
    """Split until every part fits."""
    waiting: list[tuple[Sequence[Summary], Sequence[Cohort]]] = [(bundle.summaries, bundle.cohorts)]
    fitting = []
    while waiting:
        summaries, cohorts = waiting.pop(0)
        single = len(summaries) + len(cohorts) <= 1
        if single or len(_encode(replace(bundle, summaries=tuple(summaries), cohorts=tuple(cohorts)))) <= max_bytes - _NUMBERS:
            fitting.append((summaries, cohorts))
        elif cohorts and summaries:
            waiting = [(summaries, ()), ((), cohorts), *waiting]
        else:
            items = len(summaries or cohorts) // 2
            waiting = [(summaries[:items], cohorts[:items]), (summaries[items:], cohorts[items:]), *waiting]
    return fitting


def _encode(bundle: Bundle) -> bytes:
    return encode_state(vars(bundle) | {"summaries": _table(bundle.summaries), "cohorts": _table(bundle.cohorts)})


def _table(items: Sequence[Summary | Cohort]) -> dict[str, Any]:
    """Columns; of the counts of all items only the cells that are not 0."""
    if not items:
        return {}
    counts = [item.counts for item in items]
    sizes = np.array([len(one) for one in counts], np.int64)
    flat = np.concatenate(counts)
    used = np.flatnonzero(flat)
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
