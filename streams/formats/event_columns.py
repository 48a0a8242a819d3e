"""Events that were read, to the columns that the summarise stage takes.

What every event has is turned into columns once for all models of a fetch, and then cut: with a thousand models in a fetch, a dozen array operations
for each of them would cost more than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import xxhash

from detectors.class_names import class_name
from detectors.coded_text import CodedText
from detectors.event_batch import Bool, Coded, EventBatch, Float64, Int64, UInt8, UInt64
from detectors.specification import MonitorSpecification
from streams.formats.event_checks import suspicious, times
from streams.formats.event_schema import CONTROL, KINDS, ModelSchema, numbers_of

UNKNOWN_CODE, CONTROL_CODE = 254, 255
CODES = KINDS | {CONTROL: CONTROL_CODE}
"""How kinds are written into a column; the last two never leave a decoder."""
_SHARED_LEVELS = 8  # a column with so few texts is coded for all models at once; with more, each would look up the others' texts, too
_OF_SPECIFICATION = ("version", "segment", "prediction", "label", "numeric")  # columns that may have to be made for each model


@dataclass(frozen=True, kw_only=True)
class ModelEvents:
    """Events of one model in log order, as its schema read them; ``lines`` says which lines they were."""

    schema: ModelSchema
    lines: list[int]
    events: list[Any]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where some rows stand in the log; each (n,), see `EventBatch`."""

    offset: Int64
    index: Int64
    high: Int64
    record_timestamp: Int64


class EventColumns:
    """Columns of the events of some models, one model after the other.

    Parameters
    ----------
    groups : one for each model.
    places : of all their events.
    """

    def __init__(self, groups: Sequence[ModelEvents], places: Places) -> None:
        self._groups = groups
        self._record_timestamp = places.record_timestamp
        self.events = groups[0].events if len(groups) == 1 else [event for group in groups for event in group.events]
        self._ends = list(accumulate((len(group.events) for group in groups), initial=0))
        events = self.events
        self._event_ids = [event.event_id for event in events]
        self._predictions = [event.prediction for event in events]
        self._labels = [event.label for event in events]
        self._versions = [event.model_version for event in events]
        statuses = [event.status for event in events]
        all_answered = statuses.count(200) == len(statuses)
        self._columns: dict[str, Any] = {
            "kind": _kinds([event.kind for event in events]),
            "event_id": event_hashes(self._event_ids),
            "timestamp": times([event.timestamp for event in events], places.record_timestamp),
            "high": places.high,
            "offset": places.offset,
            "index": places.index,
            "score": _floats([event.score for event in events]),
            "latency": _floats([event.latency_ms for event in events]),
            "failed": np.zeros(len(events), bool) if all_answered else np.array([status != 200 for status in statuses], bool),
        }
        self._complete = len(self._columns) + len(_OF_SPECIFICATION)
        self._probabilities = [event.probabilities for event in events]
        self._any_probabilities = self._probabilities.count(None) < len(events)
        self._share()

    def _share(self) -> None:
        """Columns that depend on the specification, where they do not after all."""
        specifications = [group.schema.specification for group in self._groups]
        shared: dict[str, Any] = {"version": _coded_versions(self._versions)}
        if not any(specification.segments for specification in specifications):
            shared["segment"] = CodedText.constant("", len(self.events))
        if all(specification.task == "classification" for specification in specifications):
            shared["prediction"] = coded_classes(self._predictions)
            shared["label"] = coded_classes(self._labels)
        self._columns |= {name: column for name, column in shared.items() if len(self._groups) == 1 or len(column.levels) <= _SHARED_LEVELS}
        if len({len(group.schema.numeric) for group in self._groups}) == 1:
            self._columns["numeric"] = numbers_of([event.features for event in self.events], len(self._groups[0].schema.numeric))

    @property
    def is_control(self) -> Bool:
        """(n,) rows that only move time."""
        return np.asarray(self._columns["kind"] == CONTROL_CODE)

    def suspicious(self) -> Int64:
        """Rows that have to be looked at, each by itself."""
        specifications = [group.schema.specification for group in self._groups]
        sizes = np.diff(self._ends)
        columns = self._columns
        found = suspicious(
            kind=columns["kind"],
            event_ids=self._event_ids,
            time=columns["timestamp"],
            latest=self._record_timestamp + np.repeat([specification.max_ahead for specification in specifications], sizes),
            predictions=self._predictions,
            labels=self._labels,
            numeric=np.repeat([specification.task == "regression" for specification in specifications], sizes),
            scores=columns["score"],
            probabilities=self._probabilities,
            failed=columns["failed"],
        )
        return np.flatnonzero((found | (columns["kind"] == UNKNOWN_CODE)) & (columns["kind"] != CONTROL_CODE))

    def group_of(self, row: int) -> tuple[ModelEvents, int]:
        """Whose event a row is, and which of theirs."""
        number = int(np.searchsorted(self._ends, row, side="right")) - 1
        return self._groups[number], row - self._ends[number]

    def batches(self, refused: Bool) -> list[EventBatch]:
        """A batch for each model, without the refused rows, (n,)."""
        any_refused = bool(refused.any())
        found = []
        for number, group in enumerate(self._groups):
            rows: Any = slice(self._ends[number], self._ends[number + 1])
            if any_refused and refused[rows].any():
                rows = rows.start + np.flatnonzero(~refused[rows])
            batch = self._batch(group.schema, rows)
            if len(batch):
                found.append(batch)
        return found

    def _batch(self, schema: ModelSchema, rows: Any) -> EventBatch:
        def own(values: list[Any]) -> list[Any]:
            return values[rows] if isinstance(rows, slice) else [values[row] for row in rows.tolist()]

        specification = schema.specification
        columns = {name: column[rows] for name, column in self._columns.items()}
        if len(columns) < self._complete:
            makers: dict[str, Callable[[], Any]] = {
                "version": lambda: _coded_versions(own(self._versions)),
                "segment": lambda: _segments(specification.segments, own(self.events)),
                "prediction": lambda: _outcomes(specification, own(self._predictions)),
                "label": lambda: _outcomes(specification, own(self._labels)),
                "numeric": lambda: numbers_of([event.features for event in own(self.events)], len(schema.numeric)),
            }
            columns |= {name: make() for name, make in makers.items() if name not in columns}
        if self._any_probabilities and any(event.probabilities for event in own(self.events)):
            columns["score"] = _scores(specification, own(self.events), columns["score"])
        categorical: dict[str, CodedText] = {}
        if schema.categorical:
            values = schema.categories([event.features for event in own(self.events)])
            categorical = {name: coded_classes(mine) for name, mine in zip(schema.categorical, values, strict=True)}
        return EventBatch(model=specification.model, numeric_names=schema.numeric, categorical=categorical, revisions=schema.revisions, **columns)


def event_hash(event_id: str | int) -> int:
    """64-bit hash that an event id is known by; ``7`` and ``"7"`` are the same id."""
    return xxhash.xxh3_64_intdigest(str(event_id).encode())


def event_hashes(event_ids: list[Any]) -> UInt64:
    """(n,) `event_hash` of each id."""
    try:
        return np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, event_ids)), np.uint64, len(event_ids))
    except TypeError:  # numbers among them
        return np.fromiter(map(event_hash, event_ids), np.uint64, len(event_ids))


def coded_classes(values: list[Any]) -> CodedText:
    """Classes or categories under their canonical names (see `class_name`).

    Examples
    --------
    >>> coded_classes([True, None, 1, "1"]).to_text().tolist()
    ['true', None, '1', '1']
    """
    types = set(map(type, values)) - {type(None)}
    if types <= {str}:
        return _coded(values)
    if len(types) > 1:  # True, 1 and 1.0 are one key of a dictionary, but not one class
        return CodedText.of([class_name(value) for value in values])
    names = {value: class_name(value) for value in dict.fromkeys(values)}
    return CodedText.of([names[value] for value in values])


def _coded(values: list[str | None]) -> CodedText:
    if values and values.count(values[0]) == len(values):
        return CodedText.constant(values[0], len(values))
    return CodedText.of(values)


def _coded_versions(given: list[Any]) -> CodedText:
    if set(map(type, given)) <= {str}:
        return _coded(given)
    return _coded(["" if version is None else str(version) for version in given])


def _floats(values: list[Any]) -> Float64:
    if values.count(None) == len(values):
        return np.full(len(values), np.nan)
    return np.array(values, np.float64)


def _kinds(names: list[str]) -> UInt8:
    if names.count("prediction") == len(names):
        return np.zeros(len(names), np.uint8)
    return np.fromiter((CODES.get(name, UNKNOWN_CODE) for name in names), np.uint8, len(names))


def _outcomes(specification: MonitorSpecification, values: list[Any]) -> Coded:
    """Predictions or labels: class names, or numbers with nan for none."""
    return _floats(values) if specification.task == "regression" else coded_classes(values)


def _scores(specification: MonitorSpecification, events: Sequence[Any], scores: Float64) -> Float64:
    positive = specification.positive_class or ""
    return np.array([(event.probabilities or {}).get(positive) if np.isnan(score) else score for event, score in zip(events, scores.tolist(), strict=True)], np.float64)


def _segments(declared: tuple[str, ...], events: Sequence[Any]) -> CodedText:
    if not declared:
        return CodedText.constant("", len(events))
    given = [event.segments or {} for event in events]
    return _coded([",".join([f"{name}={values.get(name)}" for name in declared]) for values in given])
