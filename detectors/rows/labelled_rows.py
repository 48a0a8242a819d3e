"""Labelled predictions as the summarise stage makes them: the columns of `Examples`, still coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import Coded, Float64, Int64, UInt64, at, plain, positions, put_together, weights_together
from detectors.rows.examples import Examples


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """``n`` labelled predictions from one source partition.

    The columns are those of `Examples`, but for features, which are an (n, F) matrix and coded columns as in `EventBatch`. Rows of several models
    have a column ``models`` with the model of each, the rows of each together; ``model`` is "" then.
    """

    model: str
    partition: int
    offset: Int64
    index: Int64
    event_id: UInt64
    predicted_at: Int64
    labelled_at: Int64
    version: CodedText
    segment: CodedText
    prediction: Coded
    label: Coded
    score: Float64
    numeric: Float64
    numeric_names: tuple[str, ...]
    categorical: dict[str, CodedText]
    models: CodedText | None = None
    weight: Float64 | None = None  # see `EventBatch`; examples do not have it

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def model_of(self) -> CodedText:
        """(n,) the model of each row."""
        return CodedText.constant(self.model, len(self)) if self.models is None else self.models

    def take(self, rows: Any) -> LabelledRows:
        """The same columns at some rows: a mask, a slice or positions."""
        rows = positions(rows)
        columns = {name: at(getattr(self, name), rows) for name in _BY_ROW}
        if self.labelled_at is self.predicted_at:  # as where labels came with their predictions, which spares a look at each delay
            columns["labelled_at"] = columns["predicted_at"]
        categorical = {name: column[rows] for name, column in self.categorical.items()}
        models = None if self.models is None else self.models[rows]
        more: dict[str, Any] = {"models": models, "weight": None if self.weight is None else at(self.weight, rows)}
        return LabelledRows(model=self.model, partition=self.partition, numeric_names=self.numeric_names, categorical=categorical, **more, **columns)

    @staticmethod
    def concatenate(parts: Sequence[LabelledRows]) -> LabelledRows:
        """All rows of the parts, in their order. At least one part; all of one partition, with the same features, and of one model or all with a column of models."""
        first = parts[0]
        if len(parts) == 1:
            return first
        columns = {name: put_together([getattr(part, name) for part in parts]) for name in _BY_ROW}
        categorical = {name: CodedText.concatenate([part.categorical[name] for part in parts]) for name in first.categorical}
        models = None if first.models is None else CodedText.concatenate([part.models for part in parts if part.models is not None])
        more: dict[str, Any] = {"models": models, "weight": weights_together(parts)}
        return LabelledRows(model=first.model, partition=first.partition, numeric_names=first.numeric_names, categorical=categorical, **more, **columns)

    def by_model(self) -> list[LabelledRows]:
        """The rows of each model that there are rows of."""
        if self.models is None or not len(self):
            return [self] * bool(len(self))
        order = np.argsort(self.models.codes, kind="stable")
        codes, starts = np.unique(self.models.codes[order], return_index=True)
        each = np.split(order, starts[1:])
        return [replace(self.take(rows), model=self.models.levels[code], models=None) for code, rows in zip(codes.tolist(), each, strict=True)]

    def without(self, name: str) -> LabelledRows:
        """The same rows without a numeric column."""
        kept = [place for place, one in enumerate(self.numeric_names) if one != name]
        return replace(self, numeric=self.numeric[:, kept], numeric_names=tuple(self.numeric_names[place] for place in kept))

    def examples(self) -> Examples:
        """The same rows with each value in its place, as training takes them."""
        features = dict(zip(self.numeric_names, self.numeric.T, strict=True)) | {name: column.to_text() for name, column in self.categorical.items()}
        return Examples(
            model=self.model,
            partition=np.full(len(self), self.partition, np.int64),
            offset=self.offset,
            index=self.index,
            event_id=self.event_id,
            predicted_at=self.predicted_at,
            labelled_at=self.labelled_at,
            version=self.version.to_text(),
            segment=self.segment.to_text(),
            prediction=plain(self.prediction),
            label=plain(self.label),
            score=self.score,
            features=features,
        )


_BY_ROW = tuple(field.name for field in fields(LabelledRows) if field.name not in {"model", "partition", "numeric_names", "categorical", "models", "weight"})
