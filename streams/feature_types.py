"""Which columns of a table are features, and of which type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column
from detectors.settings.feature import Feature, is_readable
from streams.tables import Table

_FEWEST_LEVELS = 64  # below this many distinct texts a column describes rows, however few there are
_PROSE_SHARE = 0.5  # distinct texts of several words among those that are there; past it each says something of its own
_IDENTIFIER_SHARE = 0.95  # distinct words among those that are there; past it they name rows. Surnames or places of which half come once describe them


def features_of(table: Table, *, leave_out: set[str | None], declared: Mapping[str, Feature], tell: Callable[[str], None]) -> dict[str, Feature]:
    """The columns of a table that describe its rows, with their types.

    Parameters
    ----------
    table : as it was read.
    leave_out : names of columns that are something else.
    declared : what a person said of columns before, which is kept as it is.
    tell : hears of each column that is not watched, and why.
    """
    features: dict[str, Feature] = {}
    for name, column in table.columns.items():
        if name in leave_out:
            continue
        if name in declared:
            features[name] = declared[name]
            continue
        reason = _not_watched(column) if is_readable(name) else "its name holds a quote, a backslash or a control character, which events cannot carry; rename it"
        if reason is not None:
            tell(f"column {name!r} is not watched: {reason}")
            continue
        features[name] = _feature(column)
    gone = [name for name in declared if name not in features]
    if gone:
        tell(f"declared before, but no feature in this table, so no longer watched: {', '.join(gone)}")
    return features


def _feature(column: Column) -> Feature:
    if column.ndim > 1:
        return Feature(type="embedding", dimension=column.shape[1])
    if column.dtype == object and _is_prose(column) and _distinct(column) > _most_levels(column, _PROSE_SHARE):
        return Feature(type="text")
    return Feature(type="categorical" if column.dtype == object or column.dtype.kind == "b" else "numeric")


def _distinct(column: Column) -> int:
    return len(set(class_names(column).tolist()) - {None})


def _most_levels(column: Column, share: float) -> float:
    """Of a column that describes rows: at most so many of the values that are there are distinct."""
    return max(_FEWEST_LEVELS, share * sum(value is not None for value in class_names(column).tolist()))


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
        elif distinct > _most_levels(column, _IDENTIFIER_SHARE) and not _is_prose(column):
            reason = f"{distinct:,} distinct texts in {rows:,} rows look like an identifier"
    elif kind == "f" and not np.isfinite(column).any():
        reason = "it has no value"
    elif kind in "iu" and rows > _FEWEST_LEVELS and bool((column[1:] > column[:-1]).all()):
        reason = "it counts the rows" if int(column[-1]) - int(column[0]) == rows - 1 else "it rises with every row, as an identifier or a time does"
    return reason
