"""Which columns of a table are features, and of which type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column
from detectors.specification import Feature, is_readable
from streams.tables import Table

_IDENTIFIER_SHARE = 0.5  # distinct texts in rows; past it a column names rows instead of describing them


def features_of(table: Table, *, leave_out: set[str | None], tell: Callable[[str], None]) -> dict[str, Feature]:
    """The columns of a table that describe its rows, with their types.

    Parameters
    ----------
    table : as it was read.
    leave_out : names of columns that are something else.
    tell : hears of each column that is not watched, and why.
    """
    features: dict[str, Feature] = {}
    for name, column in table.columns.items():
        if name in leave_out:
            continue
        reason = _not_watched(column) if is_readable(name) else "its name holds a quote, a backslash or a control character, which events cannot carry; rename it"
        if reason is not None:
            tell(f"column {name!r} is not watched: {reason}")
            continue
        features[name] = _feature(column)
    return features


def _feature(column: Column) -> Feature:
    if column.ndim > 1:
        return Feature(type="embedding", dimension=column.shape[1])
    if column.dtype == object and _distinct(column) > _most_levels(len(column)):
        return Feature(type="text")
    return Feature(type="categorical" if column.dtype == object or column.dtype.kind == "b" else "numeric")


def _distinct(column: Column) -> int:
    return len(set(class_names(column).tolist()) - {None})


def _most_levels(rows: int) -> float:
    """Of a column that describes rows; with more it names them, or says something about each."""
    return max(64, _IDENTIFIER_SHARE * rows)


def _is_prose(column: Column) -> bool:
    """Whether most of its texts are of several words."""
    texts = [value for value in column.tolist() if isinstance(value, str)]
    return sum(len(text.split()) > 1 for text in texts) > len(texts) / 2


def _not_watched(column: Column) -> str | None:
    """Why a column is no feature; None if it is one."""
    rows, kind, reason = len(column), column.dtype.kind, None
    if kind == "M":
        reason = "it holds times; name it with --time if it is when the event happened"
    elif kind == "O":
        if any(isinstance(value, list) for value in column.tolist()):
            return "it holds lists of different lengths, or of what is no number"
        distinct = _distinct(column)
        if not distinct:
            reason = "it has no value"
        elif distinct > _most_levels(rows) and not _is_prose(column):
            reason = f"{distinct:,} distinct texts in {rows:,} rows look like an identifier"
    elif kind == "f" and not np.isfinite(column).any():
        reason = "it has no value"
    elif kind == "i" and rows > 64 and bool((np.diff(column) == 1).all()):
        reason = "it counts the rows"
    return reason
