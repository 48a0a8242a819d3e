"""Events that were read, to the columns that the summarise stage takes.

Events of many models become columns together, where they have the same: with a thousand models in a fetch, a dozen array operations for each of them
would cost more than all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import xxhash

from detectors.coded_text import CodedText
from detectors.columns.class_names import class_name
from detectors.columns.watched_columns import matrix_and_coded, watched_columns
from detectors.event_batch import LABEL, Bool, EventBatch, Float64, Int64, UInt8, UInt64, present
from detectors.statistics.sampling import whole_weights
from streams.formats.event_checks import is_fraction, is_number, suspicious, times
from streams.formats.event_schema import CONTROL, KINDS, ModelSchema
from streams.formats.read_events import ReadEvents

UNKNOWN_CODE, CONTROL_CODE = 254, 255
CODES = KINDS | {CONTROL: CONTROL_CODE}
"""How kinds are written into a column; the last two never leave a decoder."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where some rows stand in the log; each (n,), see `EventBatch`."""

    offset: Int64
    index: Int64
    high: Int64
    record_timestamp: Int64


class EventColumns:
    """Columns of events.

    Parameters
    ----------
    read : the events.
    places : of their lines.
    irregular : by line, what of the features is not as declared, see `detectors.columns.irregular_features`.
    """

    def __init__(self, read: ReadEvents, places: Places, irregular: Mapping[int, str] = MappingProxyType({})) -> None:
        self._read = read
        self._record_timestamp = places.record_timestamp
        first, events = read.schemas[0], read.events
        self._regression = first.specification.task == "regression"
        self._event_ids = [event.event_id for event in events]
        self._predictions = [event.prediction for event in events]
        self._labels = [event.label for event in events]
        self._probabilities = [event.probabilities for event in events]
        statuses = [event.status for event in events]
        outcomes = _numbers if self._regression else coded_classes
        numeric, numeric_names, categorical = _features(first, events)
        event_id = event_hashes(self._event_ids)
        self._unfit_fractions: Bool | None = None
        weight = None
        if first.specification.sampling == "weighted":
            fractions = [event.sampling_fraction for event in events]
            self._unfit_fractions = np.array([not is_fraction(fraction) for fraction in fractions], bool)
            weight = whole_weights(_floats([fraction if is_fraction(fraction) else None for fraction in fractions]), event_id)
        self._rows = EventBatch(
            model="",
            kind=_kinds([event.kind for event in events]),
            event_id=event_id,
            timestamp=times([event.timestamp for event in events], places.record_timestamp),
            high=places.high,
            offset=places.offset,
            index=places.index,
            version=_versions([event.model_version for event in events]),
            segment=_segments(first.specification.segments, events),
            prediction=outcomes(self._predictions),
            label=outcomes(self._labels),
            score=self._scores(_floats([event.score for event in events])),
            latency=_floats([event.latency_ms for event in events]),
            failed=np.zeros(len(events), bool) if statuses.count(200) == len(statuses) else np.array([status != 200 for status in statuses], bool),
            numeric=numeric,
            numeric_names=numeric_names,
            categorical=categorical,
            irregular=CodedText.of([irregular.get(line) for line in read.lines.tolist()]) if irregular else None,
            weight=weight,
        )

    def _scores(self, scores: Float64) -> Float64:
        """Scores as given, or else the probability of each model's positive class."""
        if not any(self._probabilities):
            return scores
        positive = [schema.specification.positive_class or "" for schema in self._read.schemas]
        given = zip(self._probabilities, self._read.owner.tolist(), scores.tolist(), strict=True)
        return np.array([(probabilities or {}).get(positive[owner]) if math.isnan(score) else score for probabilities, owner, score in given], np.float64)

    @property
    def is_control(self) -> Bool:
        """(n,) rows that only move time."""
        return np.asarray(self._rows.kind == CONTROL_CODE)

    def suspicious(self) -> Int64:
        """Rows that have to be looked at, each by itself."""
        rows = self._rows
        max_ahead = np.array([schema.specification.max_ahead for schema in self._read.schemas])
        found = suspicious(
            kind=rows.kind,
            event_ids=self._event_ids,
            time=rows.timestamp,
            latest=self._record_timestamp + max_ahead[self._read.owner],
            predicted=present(rows.prediction),
            labelled=present(rows.label),
            numbers=(self._predictions, self._labels) if self._regression else (),
            scores=rows.score,
            probabilities=self._probabilities,
            failed=rows.failed,
        )
        if self._unfit_fractions is not None:
            found |= self._unfit_fractions & (rows.kind != LABEL)
        return np.flatnonzero((found | (rows.kind == UNKNOWN_CODE)) & (rows.kind != CONTROL_CODE))

    def batches(self, refused: Bool) -> list[EventBatch]:
        """The rows but the refused ones, (n,): together, but for models whose revisions differ."""
        rows, owner, schemas = self._rows, self._read.owner, self._read.schemas
        if refused.any():
            kept = np.flatnonzero(~refused)
            rows, owner = rows.take(kept), owner[kept]
        if not len(rows):
            return []
        if len(schemas) > 1 and not any(schema.revisions for schema in schemas):
            return [replace(rows, models=CodedText(tuple(schema.specification.model for schema in schemas), owner))]
        several = len(schemas) > 1
        by_schema = [(schema, rows.take(owner == place) if several else rows) for place, schema in enumerate(schemas)]
        return [replace(batch, model=schema.specification.model, revisions=schema.revisions) for schema, batch in by_schema if len(batch)]


def _features(schema: ModelSchema, events: Sequence[Any]) -> tuple[Float64, tuple[str, ...], dict[str, CodedText]]:
    reader = schema.reader
    numeric, coded = reader.numbers(events), dict(zip(schema.coded, map(coded_classes, reader.others(events)), strict=True))
    if not schema.derives:
        return numeric, schema.numeric, coded
    given = dict(zip(schema.numeric, numeric.T, strict=True)) | coded | reader.vectors(events)
    return matrix_and_coded(watched_columns(given, schema.specification.features), len(events))


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
        return CodedText.of(values)
    if len(types) > 1:  # True, 1 and 1.0 are one key of a dictionary, but not one class
        return CodedText.of([class_name(value) for value in values])
    names = {value: class_name(value) for value in dict.fromkeys(values)}
    return CodedText.of([names[value] for value in values])


def _versions(given: list[Any]) -> CodedText:
    if set(map(type, given)) <= {str}:
        return CodedText.of(given)
    return CodedText.of(["" if version is None else str(version) for version in given])


def _floats(values: list[Any]) -> Float64:
    if values.count(None) == len(values):
        return np.full(len(values), np.nan)
    return np.array(values, np.float64)


def _numbers(values: list[Any]) -> Float64:
    """Outcomes of a model that makes numbers; nan for those that are none, which will be refused."""
    try:
        return _floats(values)
    except (OverflowError, TypeError, ValueError):
        return np.array([value if is_number(value) else math.nan for value in values], np.float64)


def _kinds(names: list[str]) -> UInt8:
    return CodedText.of(names).cells(CODES, UNKNOWN_CODE, UNKNOWN_CODE).astype(np.uint8)


def _segments(declared: tuple[str, ...], events: Sequence[Any]) -> CodedText:
    if not declared:
        return CodedText.constant("", len(events))
    given = [event.segments or {} for event in events]
    return CodedText.of([",".join([f"{name}={values.get(name)}" for name in declared]) for values in given])
