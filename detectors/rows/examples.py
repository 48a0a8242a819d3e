"""Joined rows (features, prediction, label): what a model is trained on and judged by.

Columns again, because a training set is a table. Each row names the source record that completed it, so a reader can drop what it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Column, Float64, Int64, Text, UInt64


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Columns of ``n`` labelled events of one model.

    Attributes
    ----------
    model : the model's name.
    partition, offset, index : (n,) source record (and place in it) that completed the row; unique.
    event_id : (n,) 64-bit hash of the event id; a later row of the same event corrects the earlier one.
    predicted_at, labelled_at : (n,) event times, epoch milliseconds.
    version : (n,) version of the model that predicted.
    segment : (n,) as in `EventBatch`.
    prediction, label : (n,) class names or numbers.
    score : (n,) probability of the positive class, or nan.
    features : a column for each declared feature.
    """

    model: str
    partition: Int64
    offset: Int64
    index: Int64
    event_id: UInt64
    predicted_at: Int64
    labelled_at: Int64
    version: Text
    segment: Text
    prediction: Column
    label: Column
    score: Float64
    features: dict[str, Column]

    def __len__(self) -> int:
        return len(self.offset)

    def take(self, rows: Any) -> Examples:
        """The same columns at some rows: a mask, a slice or positions."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in {"model", "features"}}
        return Examples(model=self.model, features={name: column[rows] for name, column in self.features.items()}, **columns)

    @staticmethod
    def concatenate(parts: Sequence[Examples]) -> Examples:
        """All rows of the parts, in their order. At least one part; all of one model.

        Parts of several revisions may differ: a feature that a part does not have is missing there, and what is a number in one part and a
        class in another becomes text, as classes are.
        """
        first = parts[0]
        names = [f.name for f in fields(Examples) if f.name not in {"model", "features"}]
        columns = {name: _joined([getattr(part, name) for part in parts]) for name in names}
        declared = dict.fromkeys(name for part in parts for name in part.features)
        features = {name: _joined([part.features.get(name, len(part)) for part in parts]) for name in declared}
        return Examples(model=first.model, features=features, **columns)


def _joined(parts: Sequence[Column | int]) -> Column:
    """One column; a number stands for so many missing values."""
    known = [part for part in parts if not isinstance(part, int)]
    text = any(part.dtype == object for part in known)
    if text and any(part.dtype != object for part in known):
        parts = [part if isinstance(part, int) else class_names(part) for part in parts]
    missing, dtype = (None, object) if text else (np.nan, np.float64)
    return np.concatenate([np.full(part, missing, dtype) if isinstance(part, int) else part for part in parts])
