"""Predictions meet their labels, whichever comes first.

The join is by event id, within one source partition, and is decided by positions in the log alone: a pair is joined where its second half
stands. Reading the same records again therefore joins the same pairs at the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import Bool, Coded, EventBatch, Int64, both, coded, plain, present
from detectors.rows.id_index import Found
from detectors.rows.labelled_rows import LabelledRows
from detectors.rows.row_entries import RowKeys
from detectors.rows.row_store import Part, RowStore
from detectors.specification import MonitorSpecification

GROUPS_PER_TIMEOUT = 16
"""Waiting rows are dropped in sixteenths of the label timeout: a row waits at most 1/16 longer than it has to."""

_CATEGORY = "category:"


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """Which of some joined rows correct an earlier label: their places, that label, and its time."""

    places: Int64
    label: Coded
    labelled_at: Int64


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Labelled predictions, each at the row of the log that completed it; ``high`` is that row's, as in `EventBatch`."""

    rows: LabelledRows
    high: Int64
    corrections: Corrections | None = None


@dataclass(frozen=True, kw_only=True)
class JoinInput:
    """Rows of a batch by kind, None where there are none.

    ``predictions`` hold no duplicates; ``late`` are those whose pane had closed, and may. The rows of each model are in the order of the log.
    """

    predictions: EventBatch | None
    late: EventBatch | None
    labels: EventBatch | None
    features: EventBatch | None


@dataclass(frozen=True, kw_only=True)
class JoinOutput:
    """What was joined, which predictions were new, and which labels repeat one already known.

    With ``at_once`` the first of what was joined are all of the predictions, each with the label that it came with in time.
    """

    joined: list[Joined]
    predictions: EventBatch | None
    repeated: Bool | None
    at_once: bool


class LabelJoin:
    """Waiting predictions, labels and features of some models in one source partition.

    Parameters
    ----------
    specification : of one of them; they agree in what it says about labels and lateness.
    partition : goes into the joined rows.
    keys : of rows of a batch or of joined ones.
    """

    def __init__(self, specification: MonitorSpecification, partition: int, keys: Callable[[EventBatch | LabelledRows], RowKeys]) -> None:
        labels = specification.labels
        length = max(labels.timeout // GROUPS_PER_TIMEOUT, 1)
        self._partition = partition
        self._keys = keys
        self._corrections = labels.corrections
        self._weighs = specification.sampling == "weighted"
        self._wait = specification.lateness + labels.timeout
        self.stores = {kind: RowStore(group_length=length, max_rows=labels.max_waiting) for kind in ("predictions", "labels", "features")}

    def absorb(self, given: JoinInput) -> JoinOutput:
        """Take rows of a batch and join what is complete."""
        if given.features is not None:
            self._keep("features", given.features, _features(given.features))
        predictions, labelled = self._predictions(given)
        with_label = predictions.take(labelled) if self._corrections and predictions is not None and labelled is not None else None
        labels = both(given.labels, with_label)
        if labels is not None:
            self._keep("labels", labels, {"label": labels.label})
        joined = []
        if predictions is not None and labelled is not None:
            if labelled.any():
                at_once = predictions if labelled.all() else predictions.take(labelled)
                joined.append(Joined(rows=self._rows(at_once, at_once.label, at_once.timestamp), high=at_once.high))
            if len(self.stores["labels"]) and not labelled.all():
                joined += self._label_came_first(predictions.take(~labelled))
        repeated = None
        if given.labels is not None:
            late, repeated = self._label_came_later(given.labels)
            joined += late
        are_at_once = labelled is not None and bool(labelled.all()) and given.late is None
        return JoinOutput(joined=[self._with_features(one) for one in joined], predictions=predictions, repeated=repeated, at_once=are_at_once)

    def _predictions(self, given: JoinInput) -> tuple[EventBatch | None, Bool | None]:
        """Let predictions wait for their labels, or for a correction; returns those that are new, in the order of the log, and which of them came with theirs."""
        predictions, labelled = given.predictions, None
        if predictions is not None:
            labelled = present(predictions.label)
            if self._corrections or not labelled.any():
                self._keep_predictions(predictions)
            elif not labelled.all():
                self._keep_predictions(predictions.take(~labelled))
        if given.late is not None:
            self._keep_predictions(given.late)
            known_late = given.late.take(~self._find("predictions", given.late).mask)
            predictions = both(predictions, known_late)
            labelled = None if predictions is None else present(predictions.label)
        return predictions, labelled

    def _keep_predictions(self, batch: EventBatch) -> None:
        columns = {"version": batch.version, "segment": batch.segment, "prediction": batch.prediction, "score": batch.score}
        if self._weighs:
            columns["weight"] = np.ones(len(batch)) if batch.weight is None else batch.weight
        self._keep("predictions", batch, columns | _features(batch))

    def _keep(self, kind: str, batch: EventBatch, columns: dict[str, Coded]) -> None:
        self.stores[kind].append(self._keys(batch), columns)

    def _label_came_first(self, waiting: EventBatch) -> list[Joined]:
        early = self._find("labels", waiting)
        use = early.mask & (waiting.timestamp >= self._since(waiting))  # as if the prediction had come first
        if not use.any():
            return []
        mine = waiting.take(use)
        return [Joined(rows=self._rows(mine, self.stores["labels"].column("label", early, use), early.timestamp[use]), high=mine.high)]

    def _label_came_later(self, labels: EventBatch) -> tuple[list[Joined], Bool]:
        store = self.stores["predictions"]
        previous = self._find("labels", labels)
        same = np.zeros(len(labels), dtype=bool)
        before = np.flatnonzero(previous.mask)
        if len(before):
            same[before] = _equal(labels.label[before], self.stores["labels"].column("label", previous, previous.mask))
        found = self._find("predictions", labels)
        use = found.mask & ~same
        if not use.any():
            return [], same
        numeric_names, categorical = labels.numeric_names, tuple(labels.categorical)
        names = ["version", "segment", "prediction", "score", "numeric", *(["weight"] if self._weighs else []), *(_CATEGORY + name for name in categorical)]
        of_prediction = store.columns(names, found, use)
        rows = LabelledRows(
            model=labels.model,
            partition=self._partition,
            offset=labels.offset[use],
            index=labels.index[use],
            event_id=labels.event_id[use],
            predicted_at=found.timestamp[use],
            labelled_at=labels.timestamp[use],
            version=_text(of_prediction["version"]),
            segment=_text(of_prediction["segment"]),
            prediction=of_prediction["prediction"],
            label=labels.label[use],
            score=_numbers(of_prediction["score"]),
            numeric=_numbers(of_prediction["numeric"]),
            numeric_names=numeric_names,
            categorical={name: _text(of_prediction[_CATEGORY + name]) for name in categorical},
            models=None if labels.models is None else labels.models[use],
            weight=_numbers(of_prediction["weight"]) if self._weighs else None,
        )
        corrects = use & previous.mask
        corrections = None
        if corrects.any():
            earlier = self.stores["labels"].column("label", previous, corrects)
            corrections = Corrections(places=np.flatnonzero(corrects[use]), label=earlier, labelled_at=previous.timestamp[corrects])
        return [Joined(rows=rows, high=labels.high[use], corrections=corrections)], same

    def _rows(self, batch: EventBatch, label: Coded, labelled_at: Int64) -> LabelledRows:
        return LabelledRows(
            model=batch.model,
            partition=self._partition,
            offset=batch.offset,
            index=batch.index,
            event_id=batch.event_id,
            predicted_at=batch.timestamp,
            labelled_at=labelled_at,
            version=batch.version,
            segment=batch.segment,
            prediction=batch.prediction,
            label=label,
            score=batch.score,
            numeric=batch.numeric,
            numeric_names=batch.numeric_names,
            categorical=batch.categorical,
            models=batch.models,
            weight=batch.weight,
        )

    def _find(self, kind: str, batch: EventBatch) -> Found:
        """The latest row of each event that stands before it in the log and still waits."""
        return self.stores[kind].find(self._keys(batch), self._since(batch))

    def _since(self, batch: EventBatch) -> Int64:
        """Event time of the oldest that still waits at each row."""
        return batch.high - self._wait + 1

    def _with_features(self, joined: Joined) -> Joined:
        """Fill features from a feature pipeline's own event where the prediction carried none."""
        store, rows = self.stores["features"], joined.rows
        if not len(store):
            return joined
        found = store.find(self._keys(rows), joined.high - self._wait + 1)
        if not found.mask.any():
            return joined
        places = np.flatnonzero(found.mask)
        numeric = rows.numeric.copy()
        numeric[places] = np.where(np.isnan(numeric[places]), _numbers(store.column("numeric", found, found.mask)), numeric[places])
        categorical = {}
        for name, column in rows.categorical.items():
            texts, given = plain(column).copy(), plain(store.column(_CATEGORY + name, found, found.mask))
            texts[places] = np.where(column.present[places], texts[places], given)
            categorical[name] = _text(coded(texts))
        return replace(joined, rows=replace(rows, numeric=numeric, categorical=categorical))

    def reach(self, owners: int) -> None:
        """Let rows belong to owners 0 ... owners - 1."""
        for store in self.stores.values():
            store.reach(owners)

    def restored(self) -> None:
        """Every saved row is there."""
        for store in self.stores.values():
            store.restored()

    def trim(self) -> Int64:
        """Give up what is beyond the bound; returns (owners,) how many rows of each."""
        return np.asarray(sum(store.trim() for store in self.stores.values()))

    def expire(self, before: int) -> list[tuple[str, int]]:
        """Give up what waited past the label timeout; returns (store, group) of what was dropped."""
        return [(kind, group) for kind, store in self.stores.items() for group in store.expire(before)]

    def unsaved(self) -> list[tuple[str, Part]]:
        """Parts to save, by store."""
        return [(kind, part) for kind, store in self.stores.items() for part in store.unsaved()]


def _features(batch: EventBatch) -> dict[str, Coded]:
    return {"numeric": batch.numeric, **{_CATEGORY + name: column for name, column in batch.categorical.items()}}


def _equal(one: Coded, other: Coded) -> Bool:
    if isinstance(one, CodedText) and isinstance(other, CodedText):
        return one.equals(other)
    return np.asarray(one == other)


def _text(column: Coded) -> CodedText:
    assert isinstance(column, CodedText)  # noqa: S101  what was kept as text is found as text
    return column


def _numbers(column: Coded) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    assert not isinstance(column, CodedText)  # noqa: S101  what was kept as numbers is found as numbers
    return column
