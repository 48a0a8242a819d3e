"""Summary vectors as they are saved: without the zeros, and counts as small integers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Float64

_NUMBERS_AT_ONCE = 1 << 15


def sparse(vectors: Sequence[Float64]) -> dict[str, Any]:
    """Vectors of one length as a value of state.

    Examples
    --------
    >>> saved = sparse([np.array([0.0, 0.0, 3.0]), np.array([0.0, 0.5, 0.0])])
    >>> saved["cells"].tolist(), dense(saved).tolist()
    ([2, 4], [[0.0, 0.0, 3.0], [0.0, 0.5, 0.0]])
    """
    flat = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)
    cells = np.flatnonzero(flat != 0).astype(np.uint16 if len(flat) < 2**16 else np.int32)
    if 2 * len(cells) > len(flat):
        return {"vectors": len(vectors), "size": len(vectors[0]), "cells": None, "values": small(flat)}
    return {"vectors": len(vectors), "size": len(vectors[0]), "cells": cells, "values": small(flat[cells])}


def sparse_each(tables: Iterable[Sequence[Float64]]) -> Iterator[dict[str, Any]]:
    """Several tables of vectors, each as `sparse` makes it, in a third of the time; some at a time, so that they stay in the processor's cache."""
    some: list[Sequence[Float64]] = []
    numbers = 0
    for vectors in tables:
        size = sum(map(len, vectors))
        if some and numbers + size > _NUMBERS_AT_ONCE:
            yield from _together(some)
            some, numbers = [], 0
        some.append(vectors)
        numbers += size
    if some:
        yield from _together(some)


def _together(tables: Sequence[Sequence[Float64]]) -> list[dict[str, Any]]:
    flat = np.concatenate([vector for vectors in tables for vector in vectors])
    ends = np.cumsum([sum(map(len, vectors)) for vectors in tables])
    held = np.flatnonzero(flat != 0)
    behind = np.searchsorted(held, ends)
    sizes, counts = np.diff(ends, prepend=0), np.diff(behind, prepend=0)
    usual = (counts > 0) & (2 * counts <= sizes) & (sizes < 2**16)
    if not usual.all():
        return [sparse(vectors) for vectors in tables]
    cells = (held - np.repeat(ends - sizes, counts)).astype(np.uint16)
    values = flat[held]
    whole = (values == np.rint(values)) & (np.abs(values) < 2**31)
    first = behind - counts
    as_bytes = np.logical_and.reduceat(whole & (values >= 0) & (values < 2**8), first).tolist()
    with np.errstate(invalid="ignore"):
        in_bytes = values.astype(np.uint8)
    return [
        {"vectors": len(vectors), "size": len(vectors[0]), "cells": cells[some], "values": {"counts": in_bytes[some]} if fits else small(values[some])}
        for vectors, some, fits in zip(tables, map(slice, first.tolist(), behind.tolist()), as_bytes, strict=True)
    ]


def dense(saved: dict[str, Any]) -> Float64:
    """(vectors, size) again."""
    shape = (saved["vectors"], saved["size"])
    values = large(saved["values"])
    if saved["cells"] is None:
        return values.reshape(shape)
    flat = np.zeros(shape[0] * shape[1])
    flat[saved["cells"]] = values
    return flat.reshape(shape)


def small(values: Float64) -> dict[str, Any]:
    """The same numbers in as few bytes as most need: whole ones as counts, and apart those that are sums.

    Examples
    --------
    >>> saved = small(np.array([3.0, 0.25, 1.0]))
    >>> saved["counts"], saved["places"], saved["sums"]
    (array([3, 0, 1], dtype=uint8), array([1]), array([0.25]))
    """
    whole = (values == np.rint(values)) & (np.abs(values) < 2**31)
    if whole.all():
        return {"counts": _counts(values)}
    places = np.flatnonzero(~whole)
    return {"counts": _counts(np.where(whole, values, 0)), "places": places, "sums": values[places]}


def large(saved: dict[str, Any]) -> Float64:
    """The opposite of `small`."""
    values: Float64 = saved["counts"].astype(np.float64)
    if "places" in saved:
        values[saved["places"]] = saved["sums"]
    return values


def _counts(values: Float64) -> npt.NDArray[Any]:
    lowest, highest = values.min(initial=0), values.max(initial=0)
    return values.astype(np.int32 if lowest < 0 else np.uint8 if highest < 2**8 else np.uint16 if highest < 2**16 else np.int32)
