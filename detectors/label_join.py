"""Predictions meet their labels, whichever comes first.

The join is by event id, within one source partition, and is decided by positions in the log alone: a pair is joined where its second half
stands. Reading the same records again therefore joins the same pairs at the same places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Bool, Column, EventBatch, Float64, Int64, Text, UInt64
from detectors.row_store import Found, Part, RowStore, position_of
from detectors.specification import MonitorSpecification

GROUPS_PER_TIMEOUT = 16
"""Waiting rows are dropped in sixteenths of the label timeout: a row waits at most 1/16 longer than it has to."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """``n`` labelled predictions, each with the row of the batch that completed it.

    ``replaced`` is the label that a correction takes the place of, at the time ``replaced_at``; ``corrects`` is False elsewhere.
    """

    row: Int64
    event_id: UInt64
    predicted_at: Int64
    labelled_at: Int64
    version: Text
    segment: Text
    prediction: Column
    label: Column
    score: Float64
    features: dict[str, Column]
    corrects: Bool
    replaced: Column
    replaced_at: Int64

    def __len__(self) -> int:
        return len(self.row)


class LabelJoin:
    """Waiting predictions, labels and features of one model in one source partition."""

    def __init__(self, specification: MonitorSpecification) -> None:
        labels = specification.labels
        length = max(labels.timeout // GROUPS_PER_TIMEOUT, 1)
        self._features = tuple(specification.features)
        self._corrections = labels.corrections
        self._timeout, self._lateness = labels.timeout, specification.lateness
        self.stores = {kind: RowStore(group_length=length, max_rows=labels.max_waiting) for kind in ("predictions", "labels", "features")}

    def absorb(self, batch: EventBatch, predictions: Int64, labels: Int64, features: Int64) -> tuple[list[Joined], Int64]:
        """Take rows of a batch and join what is complete.

        Parameters
        ----------
        predictions, labels, features : rows of the batch of each kind; predictions hold no duplicates and have been given to `keep`.

        Returns
        -------
        What was joined, and the rows of labels that repeat a label already known.
        """
        self._keep("features", batch, features, {f"feature:{name}": batch.features[name][features] for name in self._features})
        known_at_once = _present(batch.label[predictions])
        waiting = predictions[~known_at_once]
        self._keep_labels(batch, labels)
        if self._corrections:
            self._keep_labels(batch, predictions[known_at_once])
        joined = [self._at_once(batch, predictions[known_at_once])]
        early = self._find("labels", batch, waiting)
        joined.append(self._label_came_first(batch, waiting, early))
        late, repeated = self._label_came_later(batch, labels)
        joined.append(late)
        return [part for part in joined if len(part)], repeated

    def keep(self, batch: EventBatch, on_time: Int64, late: Int64) -> Int64:
        """Let predictions wait for their labels, or for a correction; returns the late ones that do not repeat one that waits already."""
        self._keep_predictions(batch, on_time if self._corrections else on_time[~_present(batch.label[on_time])])
        self._keep_predictions(batch, late)
        return late[~self._find("predictions", batch, late).mask]

    def _keep_predictions(self, batch: EventBatch, rows: Int64) -> None:
        columns = {name: getattr(batch, name)[rows] for name in ("version", "segment", "prediction", "score")}
        self._keep("predictions", batch, rows, columns | {f"feature:{name}": batch.features[name][rows] for name in self._features})

    def _keep_labels(self, batch: EventBatch, rows: Int64) -> None:
        self._keep("labels", batch, rows, {"label": batch.label[rows]})

    def _keep(self, kind: str, batch: EventBatch, rows: Int64, columns: dict[str, Column]) -> None:
        if len(rows):
            self.stores[kind].append(batch.event_id[rows], position_of(batch.offset[rows], batch.index[rows]), batch.timestamp[rows], columns)

    def _at_once(self, batch: EventBatch, rows: Int64) -> Joined:
        return self._with_features(batch, _joined_from_batch(batch, self._features, rows, batch.label[rows], batch.timestamp[rows]))

    def _label_came_first(self, batch: EventBatch, waiting: Int64, early: Found) -> Joined:
        use = early.mask & (batch.timestamp[waiting] >= self._since(batch, waiting))  # as if the prediction had come first
        return self._with_features(batch, _joined_from_batch(batch, self._features, waiting[use], early.column("label", use), early.column("timestamp", use)))

    def _label_came_later(self, batch: EventBatch, labels: Int64) -> tuple[Joined, Int64]:
        previous = self._find("labels", batch, labels)
        same = np.zeros(len(labels), dtype=bool)
        before = np.flatnonzero(previous.mask)
        same[before] = previous.column("label", previous.mask) == batch.label[labels[before]]
        found = self._find("predictions", batch, labels)
        use = found.mask & ~same
        rows = labels[use]
        corrects = previous.mask[use]
        replaced = batch.label[rows].copy()
        replaced_at = batch.timestamp[rows].copy()
        replaced[corrects] = previous.column("label", use & previous.mask)
        replaced_at[corrects] = previous.column("timestamp", use & previous.mask)
        joined = Joined(
            row=rows,
            event_id=batch.event_id[rows],
            predicted_at=found.column("timestamp", use).astype(np.int64),
            labelled_at=batch.timestamp[rows],
            version=found.column("version", use),
            segment=found.column("segment", use),
            prediction=found.column("prediction", use),
            label=batch.label[rows],
            score=found.column("score", use).astype(np.float64),
            features={name: found.column(f"feature:{name}", use) for name in self._features},
            corrects=corrects,
            replaced=replaced,
            replaced_at=replaced_at,
        )
        return self._with_features(batch, joined), labels[same]

    def _find(self, kind: str, batch: EventBatch, rows: Int64) -> Found:
        """The latest row of each event that stands before it in the log and still waits."""
        return self.stores[kind].find(batch.event_id[rows], position_of(batch.offset[rows], batch.index[rows]), self._since(batch, rows))

    def _since(self, batch: EventBatch, rows: Int64) -> Int64:
        """Event time of the oldest that still waits at each row."""
        return batch.high[rows] - self._lateness - self._timeout + 1

    def _with_features(self, batch: EventBatch, joined: Joined) -> Joined:
        """Fill features from a feature pipeline's own event where the prediction carried none."""
        if not self.stores["features"].rows or not len(joined):
            return joined
        found = self._find("features", batch, joined.row)
        for name, column in joined.features.items():
            fill = found.mask & ~_present(column)
            column[fill] = found.column(f"feature:{name}", fill)
        return joined

    def expire(self, before: int) -> list[tuple[str, int]]:
        """Give up what waited past the label timeout; returns (store, group) of what was dropped."""
        return [(kind, group) for kind, store in self.stores.items() for group in store.expire(before)]

    def unsaved(self) -> list[tuple[str, Part]]:
        """Parts to save, by store."""
        return [(kind, part) for kind, store in self.stores.items() for part in store.unsaved()]


def _present(column: Column) -> Bool:
    """(n,) where a column has a value."""
    if column.dtype == object:
        return np.fromiter((value is not None for value in column), bool, len(column))
    return ~np.isnan(column)


def _joined_from_batch(batch: EventBatch, features: tuple[str, ...], rows: Int64, label: Column, labelled_at: Int64) -> Joined:
    return Joined(
        row=rows,
        event_id=batch.event_id[rows],
        predicted_at=batch.timestamp[rows],
        labelled_at=labelled_at.astype(np.int64),
        version=batch.version[rows],
        segment=batch.segment[rows],
        prediction=batch.prediction[rows],
        label=label,
        score=batch.score[rows],
        features={name: batch.features[name][rows] for name in features},
        corrects=np.zeros(len(rows), dtype=bool),
        replaced=label,
        replaced_at=labelled_at.astype(np.int64),
    )
