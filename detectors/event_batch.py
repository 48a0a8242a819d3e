"""A batch of decoded events as columns: what a decoder makes and the summarise stage takes.

All rows belong to one model and one source partition, in log order. A row is a prediction (perhaps with its label), a label, or features alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Text = npt.NDArray[np.object_]
"""A column of ``str``, or None where the value is missing."""
Column = npt.NDArray[Any]
"""`Float64` (nan is missing) for a numeric column, `Text` for a categorical one."""

PREDICTION, LABEL, FEATURES = 0, 1, 2

NO_TIME = np.iinfo(np.int64).min
"""Stands for "no time yet" in integer times."""


@dataclass(frozen=True, kw_only=True)
class EventBatch:
    """Columns of ``n`` events of one model.

    Attributes
    ----------
    model : the model's name.
    kind : (n,) PREDICTION, LABEL or FEATURES.
    event_id : (n,) 64-bit hash of the event id.
    timestamp : (n,) event time, epoch milliseconds.
    high : (n,) largest record timestamp of the source partition up to and including this row's record, epoch milliseconds.
    offset, index : (n,) the record's offset, and the event's place in its record; together they name the row for ever.
    version : (n,) model version of a prediction, "" where unknown.
    segment : (n,) "name=value" of the declared segments, joined by ","; "" without segments.
    prediction, label : (n,) class names (classification) or numbers (regression); None or nan where the row has none.
    score : (n,) probability of the positive class, nan where there is none.
    latency : (n,) milliseconds, nan where unknown.
    failed : (n,) True where the service reported an error instead of a prediction.
    features : a column for each declared feature, each (n,).
    revisions : the revisions of the specification that the columns are typed for, where not all read events alike; () for all.
    """

    model: str
    kind: UInt8
    event_id: UInt64
    timestamp: Int64
    high: Int64
    offset: Int64
    index: Int64
    version: Text
    segment: Text
    prediction: Column
    label: Column
    score: Float64
    latency: Float64
    failed: Bool
    features: dict[str, Column]
    revisions: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Any) -> EventBatch:
        """The same columns at some rows: a mask or positions."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in {"model", "features", "revisions"}}
        return EventBatch(model=self.model, revisions=self.revisions, features={name: column[rows] for name, column in self.features.items()}, **columns)
