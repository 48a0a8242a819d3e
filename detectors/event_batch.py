"""A batch of decoded events as columns: what a decoder makes and the summarise stage takes.

All rows belong to one source partition, and to one model, or to many whose events have the same columns. A row is a prediction (perhaps with its
label), a label, or features alone; the labels of a model are in log order, and so are its other rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.coded_text import CodedText

Int32 = npt.NDArray[np.int32]
UInt16 = npt.NDArray[np.uint16]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt8 = npt.NDArray[np.uint8]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Text = npt.NDArray[np.object_]
"""A column of ``str``, or None where the value is missing."""
Column = npt.NDArray[Any]
"""`Float64` (nan is missing) for a numeric column, `Text` for a categorical one."""
Coded = CodedText | Float64
"""A column of a batch: `CodedText` for classes and categories, `Float64` (nan is missing) for numbers. Both take rows by ``column[rows]``."""

PREDICTION, LABEL, FEATURES = 0, 1, 2

NO_TIME = np.iinfo(np.int64).min
"""Stands for "no time yet" in integer times."""


@dataclass(frozen=True, kw_only=True)
class EventBatch:
    """Columns of ``n`` events.

    Attributes
    ----------
    model : the model's name; "" where there are several.
    kind : (n,) PREDICTION, LABEL or FEATURES.
    event_id : (n,) 64-bit hash of the event id.
    timestamp : (n,) event time, epoch milliseconds.
    high : (n,) largest record timestamp of the source partition up to and including this row's record, epoch milliseconds.
    offset, index : (n,) the record's offset, and the event's place in its record; together they name the row for ever.
    version : (n,) model version of a prediction, "" where unknown.
    segment : (n,) "name=value" of the declared segments, joined by ","; "" without segments.
    prediction, label : (n,) class names (classification) or numbers (regression); missing where the row has none.
    score : (n,) probability of the positive class, nan where there is none.
    latency : (n,) milliseconds, nan where unknown.
    failed : (n,) True where the service reported an error instead of a prediction.
    numeric : (n, F) declared numeric features, nan where the value is missing.
    numeric_names : (F,) their names.
    categorical : a column for each declared categorical feature, each (n,).
    revisions : the revisions of the specification that the columns are typed for, where not all read events alike; () for all.
    models : (n,) the model of each row where they are of several, whose revisions read alike; ``model`` is "" then.
    irregular : (n,) what of a row's features is not as declared, see `detectors.columns.irregular_features`; None where that is nothing, or nobody asks.
    weight : (n,) events that each row stands for, see `detectors.statistics.sampling`; None where each stands for itself, or nobody asks.
    """

    model: str
    kind: UInt8
    event_id: UInt64
    timestamp: Int64
    high: Int64
    offset: Int64
    index: Int64
    version: CodedText
    segment: CodedText
    prediction: Coded
    label: Coded
    score: Float64
    latency: Float64
    failed: Bool
    numeric: Float64
    numeric_names: tuple[str, ...]
    categorical: dict[str, CodedText]
    revisions: tuple[int, ...] = ()
    models: CodedText | None = None
    irregular: CodedText | None = None
    weight: Float64 | None = None

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def form(self) -> Hashable:
        """The same for batches that can be put together, but for whose they are."""
        return self.models is None, self.numeric_names, tuple(self.categorical), isinstance(self.label, CodedText)

    @property
    def model_of(self) -> CodedText:
        """(n,) the model of each row."""
        return CodedText.constant(self.model, len(self)) if self.models is None else self.models

    def take(self, rows: Any) -> EventBatch:
        """The same columns at some rows: a mask or positions."""
        rows = positions(rows)
        columns = {name: at(getattr(self, name), rows) for name in _BY_ROW}
        categorical = {name: column[rows] for name, column in self.categorical.items()}
        models = None if self.models is None else self.models[rows]
        irregular = None if self.irregular is None else self.irregular[rows]
        weight = None if self.weight is None else at(self.weight, rows)
        kept: dict[str, Any] = {"numeric_names": self.numeric_names, "revisions": self.revisions, "weight": weight}
        return EventBatch(model=self.model, categorical=categorical, models=models, irregular=irregular, **kept, **columns)

    def by_model(self) -> list[EventBatch]:
        """A batch for each model that has rows."""
        if self.models is None:
            return [self]
        order = order_of(self.models.codes)
        ends = np.cumsum(np.bincount(self.models.codes, minlength=len(self.models.levels))).tolist()
        rows = replace(self.take(order), models=None)
        return [replace(_tidy(rows.take(slice(first, end))), model=model) for model, (first, end) in zip(self.models.levels, pairwise([0, *ends]), strict=True) if end > first]

    @staticmethod
    def concatenate(parts: Sequence[EventBatch], order: Int64 | None = None) -> EventBatch:
        """All rows of the parts, in their order. At least one part; all of one form, and of one model where they do not say whose each row is.

        With ``order``, (n,), row ``order[0]`` of these comes first; the features, most of what there is to move, are moved once even then.
        """
        first = parts[0]
        if order is not None:
            rest = EventBatch.concatenate([replace(part, numeric=part.numeric[:, :0]) for part in parts])
            return replace(rest.take(order), numeric=_in_order([part.numeric for part in parts], order))
        if len(parts) == 1:
            return first
        models = CodedText.concatenate([part.models for part in parts if part.models is not None]) if first.models is not None else None
        columns = {name: put_together([getattr(part, name) for part in parts]) for name in _BY_ROW}
        categorical = {name: CodedText.concatenate([part.categorical[name] for part in parts]) for name in first.categorical}
        kept: dict[str, Any] = {"numeric_names": first.numeric_names, "revisions": first.revisions, "weight": weights_together(parts)}
        return EventBatch(model=first.model, categorical=categorical, models=models, irregular=_irregular(parts), **kept, **columns)

    def with_features(self, numeric_names: tuple[str, ...], categorical_names: tuple[str, ...]) -> EventBatch:
        """The batch with these features and no others; one that it does not have is missing in every row."""
        if self.numeric_names == numeric_names and tuple(self.categorical) == categorical_names:
            return self
        numeric = self.numeric
        if self.numeric_names != numeric_names:
            place = {name: place for place, name in enumerate(self.numeric_names)}
            numeric = np.full((len(self), len(numeric_names)), np.nan)
            for column, name in enumerate(numeric_names):
                if name in place:
                    numeric[:, column] = self.numeric[:, place[name]]
        categorical = {name: self.categorical[name] if name in self.categorical else CodedText.constant(None, len(self)) for name in categorical_names}
        return replace(self, numeric=numeric, numeric_names=numeric_names, categorical=categorical)

    def feature(self, name: str) -> Coded:
        """(n,) a declared feature's column."""
        if name in self.categorical:
            return self.categorical[name]
        return self.numeric[:, self.numeric_names.index(name)]


_SHARED_LEVELS = 8  # a column of text with more keeps those of its own rows alone

_BY_ROW = tuple(field.name for field in fields(EventBatch) if field.name not in {"model", "numeric_names", "categorical", "revisions", "models", "irregular", "weight"})


def _tidy(batch: EventBatch) -> EventBatch:
    """The same rows, without the texts of other models: whoever reads a column looks up every level."""
    columns: dict[str, Any] = {name: _compact(getattr(batch, name)) for name in ("version", "segment", "prediction", "label")}
    return replace(batch, categorical={name: _compact(column) for name, column in batch.categorical.items()}, **columns)


def _compact(column: Any) -> Any:
    return column.compact() if isinstance(column, CodedText) and len(column.levels) > _SHARED_LEVELS else column


def _irregular(parts: Sequence[EventBatch]) -> CodedText | None:
    """What is irregular in the rows of all parts."""
    if all(part.irregular is None for part in parts):
        return None
    return CodedText.concatenate([CodedText.constant(None, len(part)) if part.irregular is None else part.irregular for part in parts])


def _in_order(parts: Sequence[Float64], order: Int64) -> Float64:
    """Rows of the parts, put together and taken in an order."""
    width = parts[0].shape[1]
    if len(parts) == 1 or not width:
        return np.concatenate(parts).take(order, axis=0)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    row = np.dtype((np.void, parts[0].itemsize * width))  # moved as a whole, in half the time that its values take
    out, first = np.empty((len(order), width)), 0
    for part in parts:
        out.view(row)[place[first : first + len(part)], 0] = np.ascontiguousarray(part).view(row)[:, 0]
        first += len(part)
    return out


def both(one: EventBatch | None, other: EventBatch | None) -> EventBatch | None:
    """Rows of two batches in the order of the log, those of each model together; None where neither has any."""
    given = [batch for batch in (one, other) if batch is not None and len(batch)]
    if len(given) < 2:
        return given[0] if given else None
    together = EventBatch.concatenate(given)
    by_position = (together.index, together.offset)
    return together.take(np.lexsort(by_position if together.models is None else (*by_position, together.models.codes)))


def order_of(places: Int32) -> Int64:
    """Positions of rows by their places from 0 on; those of one place as they are. Numbers of 16 bits are sorted without comparing them."""
    return np.argsort(places.astype(np.uint16) if len(places) and places.max() < 2**16 else places, kind="stable")


def present(column: Coded) -> Bool:
    """(n,) which rows of a column have a value."""
    return column.present if isinstance(column, CodedText) else ~np.isnan(column)


def plain(column: Coded) -> Column:
    """The column with each row's own value in it: texts, or the numbers as they are."""
    return column.to_text() if isinstance(column, CodedText) else column


def coded(column: Column) -> Coded:
    """The opposite of `plain`."""
    return CodedText.of(column) if column.dtype == object else column


def positions(rows: Any) -> Any:
    """A mask as positions, which a dozen columns are taken at in half the time, or as a slice, which takes none; positions and slices as they are."""
    if not isinstance(rows, np.ndarray) or rows.dtype != np.bool_:
        return rows
    found = np.flatnonzero(rows)
    first, end = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
    return slice(first, end) if end - first == len(found) else found


def at(column: Any, rows: Any) -> Any:
    """A column at some positions, or a slice of it; a matrix is taken from row by row, not value by value."""
    return column[rows] if isinstance(rows, slice) or isinstance(column, CodedText) else column.take(rows, axis=0)


def weights_together(parts: Sequence[Any]) -> Float64 | None:
    """Weights of all rows of batches, one after the other; None where no row has one."""
    if all(part.weight is None for part in parts):
        return None
    return np.concatenate([np.ones(len(part)) if part.weight is None else part.weight for part in parts])


def put_together(parts: Sequence[Any]) -> Any:
    """Columns of one kind, one after the other; at least one."""
    if len(parts) == 1:
        return parts[0]
    return CodedText.concatenate(parts) if isinstance(parts[0], CodedText) else np.concatenate(parts)
