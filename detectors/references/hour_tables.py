"""Tables of counts by hour of the week: made from a declared reference or learnt from the stream, and kept in the profile.

A numeric column's table has seven numbers for each hour: values, the sums of their scores to the powers 1 to 4, missing ones, and those out of range.
A categorical column's has its levels, then unseen and missing values; that of wrong answers has rows and errors. In the profile it is
base64 of compressed float32, some two kilobytes a numeric column.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors.event_batch import NO_TIME, Float64
from detectors.panes.layout import Layout
from detectors.profile import ColumnProfile, NumericProfile, Profile
from detectors.references.hours_of_week import HOURS, WEEK, hour_of_week

MISSING, OUT_OF_RANGE = 5, 6
"""Places in a numeric column's table, behind the sums of the powers 0 to 4."""


def packed(table: Float64) -> str:
    """Text of a table (168, k).

    Examples
    --------
    >>> table = np.arange(336.0).reshape(168, 2)
    >>> bool((unpacked(packed(table)) == table).all())
    True
    """
    return base64.b64encode(zlib.compress(np.ascontiguousarray(table, "<f4").tobytes(), 9)).decode()


def unpacked(text: str) -> Float64:
    """The table (168, k) of a text."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f4").astype(np.float64).reshape(HOURS, -1)


def column_table(profile: ColumnProfile, counts: Float64) -> Float64:
    """(n, k) table of a column, from its block (n, cells) of summary vectors."""
    if not isinstance(profile, NumericProfile):
        return counts
    bins = counts[:, : len(profile.scores)]
    powers = np.asarray(profile.scores)[:, None] ** np.arange(MISSING)
    return np.concatenate((bins @ powers, counts[:, len(profile.scores) :]), axis=1)


def error_table(layout: Layout, counts: Float64) -> Float64:
    """(n, 2) rows and wrong answers in summary vectors (n, size) of a classifier."""
    block, classes = layout.blocks["performance"], len(layout.specification.classes)
    known = counts[:, block.start : block.stop - 1]  # label and prediction may both be unknown classes, the last cell
    rows = known.sum(axis=1)
    return np.stack((rows, rows - known[:, :: classes + 2].sum(axis=1)), axis=1)


def with_hours(profile: Profile, tables: Mapping[str, str]) -> Profile:
    """A profile with the packed tables of ``feature:NAME``, ``prediction`` and ``errors``."""

    def of(name: str, column: ColumnProfile) -> ColumnProfile:
        return column.model_copy(update={"hours": tables.get(name)})

    features = {name: of(f"feature:{name}", column) for name, column in profile.features.items()}
    prediction = None if profile.prediction is None else of("prediction", profile.prediction)
    return profile.model_copy(update={"features": features, "prediction": prediction, "error_hours": tables.get("errors")})


def has_hours(profile: Profile) -> bool:
    """Whether some column's hours are known."""
    return any(column.hours is not None for column in profile.features.values()) or profile.error_hours is not None


class HourTables:
    """Tables that are learnt from the first weeks of a stream.

    Parameters
    ----------
    layout : of the summary vectors; its profile says which columns there are.
    weeks : of seven days from the first pane on.

    Attributes
    ----------
    known : the packed tables, once the weeks are over.

    Memory is bounded: 168 times seven numbers for each numeric column and one for each level.
    """

    def __init__(self, layout: Layout, weeks: int) -> None:
        self._layout, self._lasting = layout, weeks * WEEK
        self._columns = [(f"feature:{name}", profile) for name, profile in layout.columns.items()]
        self._first = NO_TIME
        self._rows: dict[int, Float64] = {}
        self.known: dict[str, str] = {}

    def until(self, pane: int) -> int | None:
        """When the weeks are over, if the next pane begins at a time; None where the tables are known."""
        return None if self.known else (pane if self._first == NO_TIME else self._first) + self._lasting

    def is_due(self, pane: int) -> bool:
        """Whether the weeks are over when a pane begins, and nothing was made of them yet."""
        until = self.until(pane)
        return until is not None and pane >= until

    def add(self, starts: Sequence[int], totals: Float64, serving: Float64) -> None:
        """Take closed panes, unless enough is known: of all versions, and of the one that serves; (k, size) each."""
        if self.known:
            return
        self._first = starts[0] if self._first == NO_TIME else self._first
        rows = np.concatenate([*self._parts(totals, serving).values()], axis=1)
        for hour, row in zip(hour_of_week(np.asarray(starts, np.int64)).tolist(), rows, strict=True):
            self._rows[hour] = self._rows[hour] + row if hour in self._rows else row

    def learn(self) -> None:
        """Make the tables."""
        nothing = np.zeros((1, self._layout.size))
        widths = {name: part.shape[1] for name, part in self._parts(nothing, nothing).items()}
        table = np.zeros((HOURS, sum(widths.values())))
        for hour, row in self._rows.items():
            table[hour] = row
        ends = np.cumsum([*widths.values()])
        parts = zip(widths, np.split(table, ends[:-1], axis=1), strict=True)
        self.known, self._rows = {name: packed(part) for name, part in parts}, {}

    def _parts(self, totals: Float64, serving: Float64) -> dict[str, Float64]:
        """By name (k, n) what panes add to the tables."""
        parts = {name: column_table(profile, totals[:, self._layout.blocks[name]]) for name, profile in self._columns}
        if self._layout.prediction is not None:
            parts["prediction"] = column_table(self._layout.prediction, serving[:, self._layout.blocks["prediction"]])
        return parts | ({"errors": error_table(self._layout, serving)} if self._layout.specification.classes else {})

    def state(self) -> dict[str, Any]:
        """What to save."""
        return {"first": self._first, "rows": [[hour, row] for hour, row in sorted(self._rows.items())], "known": dict(self.known)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._first, self._rows, self.known = state["first"], dict(state["rows"]), dict(state["known"])
