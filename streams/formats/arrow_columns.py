"""Rows of Arrow tables to the columns that the summarise stage takes, without an object for any of them.

Only what is plainly right is taken here. Every other row is odd: it is written as JSON (`streams.formats.arrow_events`) and goes the way of all JSON
events, which reads it after all or says what is wrong with it. So there is one rule for what an event may say, and sound events do not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.coded_text import CodedText
from detectors.columns.irregular_features import irregular_text
from detectors.columns.watched_columns import matrix_and_coded, watched_columns
from detectors.event_batch import LABEL, PREDICTION, Bool, EventBatch, Float64, Int64, UInt8, order_of
from detectors.statistics.sampling import SMALLEST_FRACTION, whole_weights
from streams.formats.arrow_cells import classes, given, ids, is_scalar, is_text, longest_text, members, number_matrix, numbers, text_bytes, texts, times, vectors
from streams.formats.arrow_records import ArrowRows
from streams.formats.coded_columns import segment_names, with_default
from streams.formats.event_checks import FIRST_TIME, LAST_TIME, MAX_KEPT_BYTES, MAX_NAME
from streams.formats.event_columns import CODES, CONTROL_CODE, UNKNOWN_CODE, Places
from streams.formats.event_schema import ModelSchema
from streams.formats.model_schemas import ModelSchemas

_LONG = MAX_KEPT_BYTES // 8  # bytes of an event's texts above which its size is looked at; JSON may need six times as many to say the same

_Read = tuple[Any, Bool | None]
"""A column, and its odd rows if there are any."""


class ArrowColumns:
    """Columns of rows of any models.

    Parameters
    ----------
    rows : those of a record in their order.
    places : where they stand in the log.

    Attributes
    ----------
    odd : (n,) rows that have to be looked at one by one; grows while batches are made.
    timestamp : (n,) event times, epoch milliseconds; see `streams.formats.arrow_cells.times`.
    text_bytes : (n,) bytes of the texts of each row; None where they are few.
    """

    def __init__(self, rows: ArrowRows, places: Places) -> None:
        n = len(rows)
        self._rows = rows
        self._places = places
        self._columns = rows.columns
        self._nothing = pa.nulls(n)
        self._read: dict[tuple[str, ...], _Read] = {}
        self._in_order = np.empty(0, np.int64)
        self.odd: Bool = np.zeros(n, bool)
        self.text_bytes: Int64 | None = None
        self._objects = {name: self._object(name) for name in ("features", "segments", "probabilities")}
        self._kind = self._kinds()
        self._models: CodedText = self._marked(texts(self._column("model"), str, is_text))
        self._event_id = self._marked(ids(self._column("event_id")))
        self.timestamp: Int64 = self._marked(times(self._column("timestamp"), places.record_timestamp))
        self._version = with_default(self._marked(texts(self._column("model_version"), str, lambda kind: is_text(kind) or bool(pa.types.is_integer(kind)))), "")
        self._failed = self._status()
        self._latency: Float64 = self._marked(numbers(self._column("latency_ms")))
        self._score: Float64 = self._marked(numbers(self._column("score")))
        self._check()
        self.odd &= self._kind != CONTROL_CODE  # a record that only moves time may be without all that an event must have

    def _column(self, name: str) -> pa.Array:
        return self._columns.get(name, self._nothing)

    def _object(self, name: str) -> dict[str, pa.Array]:
        column = self._column(name)
        found = members(column)
        if found is None:
            self.odd |= given(column)
        return found or {}

    def _marked(self, read: _Read) -> Any:
        values, odd = read
        if odd is not None:
            self.odd |= odd
        return values

    def _kinds(self) -> UInt8:
        column = self._column("kind")
        if pa.types.is_null(column.type):
            return np.full(len(self._rows), PREDICTION, np.uint8)
        return self._marked(texts(column, str, is_text)).cells(CODES, unseen=UNKNOWN_CODE, missing=PREDICTION).astype(np.uint8)  # type: ignore[no-any-return]

    def _status(self) -> Bool:
        column = self._column("status")
        if column is self._nothing:
            return np.zeros(len(column), bool)
        if is_text(column.type):
            return given(column)  # an answer has the number 200, no text says so
        if not pa.types.is_integer(column.type) and not pa.types.is_null(column.type):
            self.odd |= given(column)
        status = numbers(column)[0]
        return np.asarray(~np.isnan(status) & (status != 200))

    def _check(self) -> None:
        """Mark what breaks a rule for events of any model, see `streams.formats.event_checks.check`."""
        self.odd |= self._kind == UNKNOWN_CODE
        named = np.array([0 < len(level) <= MAX_NAME for level in self._models.levels] + [False])
        self.odd |= ~named[self._models.codes]  # the code of none is the last place
        members_of = [member for objects in self._objects.values() for member in objects.values()]
        columns = [column for column in (*self._columns.values(), *members_of) if is_text(column.type)]
        if sum(map(longest_text, columns)) > _LONG:
            sizes: Int64 = np.add.reduce([text_bytes(column) for column in columns])
            self.text_bytes = sizes
            self.odd |= sizes > _LONG
        self.odd |= (self.timestamp < FIRST_TIME) | (self.timestamp > LAST_TIME)
        for probability in (self._score, *(self._marked(numbers(member)) for member in self._objects["probabilities"].values())):
            self.odd |= (probability < 0) | (probability > 1)
        for member in self._objects["segments"].values():
            if not is_scalar(member.type):
                self.odd |= given(member)
        for kind, name, excused in ((PREDICTION, "prediction", self._failed), (LABEL, "label", None)):
            asked = self._kind == kind
            if asked.any():
                without = asked & ~self._has(name)
                self.odd |= without if excused is None else without & ~excused

    def _has(self, name: str) -> Bool:
        column = self._column(name)
        return ~np.isnan(column.to_numpy(zero_copy_only=False)) if pa.types.is_floating(column.type) else given(column)

    def ids_at(self, rows: list[int]) -> list[str]:
        """Event ids of some rows, where they have one."""
        column = self._column("event_id")
        if not (is_text(column.type) or pa.types.is_integer(column.type)):
            return []
        return [str(event_id) for event_id in column.take(pa.array(rows, pa.int64())).to_pylist() if event_id not in {None, ""}]

    def by_model(self) -> list[tuple[str, slice]]:
        """Which of the rows in order (see `batch`) are of each model, without the odd ones and those that only move time."""
        rows = np.flatnonzero(~self.odd & (self._kind != CONTROL_CODE))
        key = 2 * self._models.codes[rows] + (self._kind[rows] == LABEL)  # apart from the others, labels need no matrix of features to be taken out of
        if (key[1:] < key[:-1]).any():
            order = order_of(key)
            rows, key = rows[order], key[order]
        self._in_order = rows
        models = key >> 1
        bounds = [0, *(np.flatnonzero(np.diff(models)) + 1).tolist(), len(rows)]
        return [(self._models.levels[models[first]], slice(first, end)) for first, end in pairwise(bounds) if end > first]

    def batch(self, schemas: ModelSchemas, which: slice) -> EventBatch:
        """Rows of one model, labels last, without those that are odd by its specification; these are marked.

        Where revisions read events in several ways, so are labels and what is not of the newest one's time.
        """
        schema = schemas.newest
        specification = schema.specification
        rows = self._in_order[which]
        times_of_rows = self.timestamp[rows]
        odd = schemas.ahead_of(times_of_rows, self._places.record_timestamp[rows]) > 0
        if not schemas.is_uniform:
            odd |= (self._kind[rows] == LABEL) | ~schemas.is_newest(times_of_rows)
        outcomes = {name: self._once((specification.task, name), self._column(name), _OUTCOMES[specification.task]) for name in ("prediction", "label")}
        matrix, odd_numbers = self._numeric(schema.numeric)
        matrix = matrix[which]
        if odd_numbers is not None:
            odd |= odd_numbers[which]
        members_of = self._objects["features"]
        coded = {name: self._once(("feature", name), members_of.get(name), classes) for name in schema.coded}
        vectors_of = {name: self._once(("vector", name, str(size)), members_of.get(name), partial(vectors, dimension=size)) for name, size in schema.vectors}
        segments = [self._once(("segment", name), self._objects["segments"].get(name), _segment_values) for name in specification.segments]
        for _, found in (*outcomes.values(), *coded.values(), *vectors_of.values(), *segments):
            if found is not None:
                odd |= found[rows]
        fraction = self._fractions() if specification.sampling == "weighted" else None
        if fraction is not None and fraction[1] is not None:
            odd |= fraction[1][rows]
        if odd.any():
            self.odd[rows[odd]] = True
            rows, matrix = rows[~odd], matrix[~odd]
        at: Any = slice(None) if len(rows) == len(self.odd) and (rows[1:] > rows[:-1]).all() else rows
        places, n = self._places, len(rows)
        numeric, numeric_names, categorical = matrix, schema.numeric, {name: _taken(values, at) for name, (values, _) in coded.items()}
        if schema.derives:
            given_columns = dict(zip(schema.numeric, matrix.T, strict=True)) | categorical | {name: values[at] for name, (values, _) in vectors_of.items()}
            numeric, numeric_names, categorical = matrix_and_coded(watched_columns(given_columns, specification.features), n)
        return EventBatch(
            model=specification.model,
            kind=self._kind[at],
            event_id=self._event_id[at],
            timestamp=self.timestamp[at],
            high=places.high[at],
            offset=places.offset[at],
            index=places.index[at],
            version=_taken(self._version, at),
            segment=segment_names(dict(zip(specification.segments, (_taken(values, at) for values, _ in segments), strict=True)), n),
            score=self._scores(specification.positive_class)[at],
            latency=self._latency[at],
            failed=self._failed[at],
            numeric=numeric,
            numeric_names=numeric_names,
            revisions=schema.revisions,
            categorical=categorical,
            irregular=self._irregular(schema, rows),
            weight=None if fraction is None else whole_weights(fraction[0][at], self._event_id[at]),
            **{name: _taken(values, at) for name, (values, _) in outcomes.items()},
        )

    def _numeric(self, names: tuple[str, ...]) -> _Read:
        """(n, F) features that are numbers of all rows in order, made once for all models that have the same."""
        key = ("numeric", *names)
        if key not in self._read:
            self._read[key] = number_matrix(self._column("features"), self._objects["features"], names, self._in_order)
        return self._read[key]

    def _irregular(self, schema: ModelSchema, rows: Int64) -> CodedText | None:
        """(n,) names of columns that nobody declared, of some rows that have what is declared; None where there are none, or nobody asks."""
        if schema.ignored is None:
            return None
        declared = {*schema.specification.features, *schema.ignored}
        has = {name: given(column)[rows] for name, column in self._objects["features"].items() if name not in declared}
        has = {name: which for name, which in has.items() if which.any()}
        if not has:
            return None
        found, codes = np.unique(np.stack([*has.values()], axis=1), axis=0, return_inverse=True)
        texts_of = [irregular_text((), [name for name, is_there in zip(has, row, strict=True) if is_there]) for row in found.tolist()]
        told = CodedText.of(texts_of)
        return CodedText(told.levels, told.codes[codes.ravel()])

    def _fractions(self) -> _Read:
        """Sampling fractions; what is none is odd, but for a label, which has its prediction's."""
        fraction, odd = self._once(("sampling_fraction",), self._column("sampling_fraction"), numbers)
        unfit = (fraction < SMALLEST_FRACTION) | (fraction > 1) | (False if odd is None else odd)
        return np.where(unfit, np.nan, fraction), unfit & (self._kind != LABEL)

    def _once(self, key: tuple[str, ...], column: pa.Array | None, read: Callable[[pa.Array], _Read]) -> _Read:
        """A column is read once for all models that have it."""
        if key not in self._read:
            self._read[key] = read(self._nothing if column is None else column)
        return self._read[key]

    def _scores(self, positive: str | None) -> Float64:
        probability = self._objects["probabilities"].get(positive or "")
        return self._score if probability is None else np.where(np.isnan(self._score), numbers(probability)[0], self._score)


_OUTCOMES: dict[str, Callable[[pa.Array], _Read]] = {"classification": classes, "regression": numbers}


def _segment_values(column: pa.Array) -> _Read:
    values, odd = texts(column, str, is_scalar)
    return with_default(values, "None"), odd


def _taken(column: Any, at: Any) -> Any:
    """Some rows of texts or numbers; texts that only other models use are left behind."""
    if isinstance(at, slice):
        return column
    found = column[at]
    return found.compact() if isinstance(found, CodedText) and len(found.levels) > len(found) else found
