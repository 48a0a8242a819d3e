"""A table's rows as the events that they were: a prediction each, and its label when it would have become known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.class_names import class_names
from detectors.columns.irregular_features import irregular_text
from detectors.columns.watched_columns import watched_columns
from detectors.errors import SettingsError
from detectors.event_batch import LABEL, NO_TIME, PREDICTION, Bool, Column, EventBatch, Float64, Int64, Text, coded, plain
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from detectors.statistics.sampling import SMALLEST_FRACTION, whole_weights
from detectors.summarise import Fetch
from streams.tables import Table


@dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """Which column of a file is what; features have their own names.

    ``label_delay`` is in milliseconds of event time, ``label_delay_rows`` in rows; at most one of the two is given.
    """

    time: str | None = None
    time_format: str | None = None
    prediction: str | None = None
    score: str | None = None
    label: str | None = None
    version: str | None = None
    latency: str | None = None
    sampling_fraction: str | None = None
    label_delay: int = 0
    label_delay_rows: int = 0

    def __post_init__(self) -> None:
        if self.label_delay < 0 or self.label_delay_rows < 0 or (self.label_delay and self.label_delay_rows):
            raise SettingsError(f"a label delay is >= 0, in rows or in time; got {self.label_delay_rows} rows and {self.label_delay} ms")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a file, typed as the specification says.

    ``time`` is (n,) epoch milliseconds; ``prediction`` and ``label`` are None or nan where the file has none; ``irregular`` is None where all is as declared.
    ``version`` is "" and ``latency`` (milliseconds) nan where it is not said, ``fraction`` is nan where a row stands for itself.
    """

    first: int
    time: Int64
    features: dict[str, Column]
    prediction: Column
    score: Float64
    label: Column
    version: Text
    segment: Text
    irregular: Text
    latency: Float64
    fraction: Float64

    def __len__(self) -> int:
        return len(self.time)

    def split(self, size: int) -> Iterator[Rows]:
        """The same rows in parts of at most ``size``."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def take(self, rows: slice) -> Rows:
        """Some of the rows."""
        return Rows(
            first=self.first + (rows.start or 0),
            time=self.time[rows],
            features={name: column[rows] for name, column in self.features.items()},
            prediction=self.prediction[rows],
            score=self.score[rows],
            label=self.label[rows],
            version=self.version[rows],
            segment=self.segment[rows],
            irregular=self.irregular[rows],
            latency=self.latency[rows],
            fraction=self.fraction[rows],
        )

    @staticmethod
    def concatenate(parts: Sequence[Rows]) -> Rows:
        """All rows of parts that follow each other; one part at least."""
        if len(parts) == 1:
            return parts[0]
        plain_columns = ("time", "prediction", "score", "label", "version", "segment", "irregular", "latency", "fraction")
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in plain_columns}
        features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
        return Rows(first=parts[0].first, features=features, **columns)


def outcome_column(specification: MonitorSpecification, table: Table, name: str | None) -> Column:
    """A column of predictions or labels; without a name, a column of missing values."""
    if specification.task == "regression":
        return np.full(len(table), np.nan) if name is None else table.numbers(name)
    return np.full(len(table), None, dtype=object) if name is None else table.texts(name)


def feature_columns(specification: MonitorSpecification, table: Table) -> dict[str, Column]:
    """Declared features as they are watched; one that the file does not have is refused. Texts in a numeric column are missing where types are watched."""
    return table_columns(specification.features, _forgiven(specification, table))


def input_columns(specification: MonitorSpecification, table: Table) -> dict[str, Column]:
    """Those of `feature_columns` that a model is given, and trained on."""
    return table_columns(specification.inputs, _forgiven(specification, table))


def _forgiven(specification: MonitorSpecification, table: Table) -> Table:
    """The table without texts in columns of numbers, where the specification asks how many there are."""
    columns = dict(table.columns)
    for name, which in _texts_in_numbers(specification, table).items():
        columns[name] = columns[name].copy()
        columns[name][which] = None
    return replace(table, columns=columns)


def _texts_in_numbers(specification: MonitorSpecification, table: Table) -> dict[str, Bool]:
    if not specification.quality.forgives:
        return {}
    found = {name: table.not_numbers(name) for name, feature in specification.features.items() if feature.type == "numeric"}
    return {name: which for name, which in found.items() if which.any()}


def _irregular(specification: MonitorSpecification, table: Table, names: ColumnNames) -> Text:
    """(n,) what of each row is not as declared, see `detectors.columns.irregular_features`."""
    of_type = _texts_in_numbers(specification, table)
    undeclared: dict[str, Bool] = {}
    if "schema" in specification.quality.monitors:
        roles = {names.time, names.prediction, names.score, names.label, names.version, names.latency, names.sampling_fraction, *specification.segments}
        known = {*specification.features, *specification.quality.ignored, *roles}
        undeclared = {name: has for name, column in table.columns.items() if name not in known and (has := _has_value(column)).any()}
    if not (of_type or undeclared):
        return np.full(len(table), None, dtype=object)
    found, codes = np.unique(np.stack([*of_type.values(), *undeclared.values()], axis=1), axis=0, return_inverse=True)
    texts: Text = np.empty(len(found), dtype=object)
    for place, row in enumerate(found):
        texts[place] = irregular_text(*(list(compress(part, flags)) for part, flags in ((of_type, row), (undeclared, row[len(of_type) :]))))
    return texts[codes.ravel()]


def _has_value(column: Column) -> Bool:
    return np.asarray(_present(column) if column.ndim == 1 else ~np.isnan(column).all(axis=1))


def table_columns(features: Mapping[str, Feature], table: Table) -> dict[str, Column]:
    """The columns of some features, by the names that they are watched under."""
    read = {"numeric": table.numbers, "categorical": table.texts, "text": table.texts}
    if all(feature.type in {"numeric", "categorical"} for feature in features.values()):
        return {name: read[feature.type](name) for name, feature in features.items()}
    given = {name: table.vectors(name, feature.dimension) if feature.dimension is not None else coded(read[feature.type](name)) for name, feature in features.items()}
    return {name: plain(column) for name, column in watched_columns(given, features).items()}


def rows_of(table: Table, specification: MonitorSpecification, names: ColumnNames, *, first: int = 0) -> Rows:
    """Type a table's columns.

    Parameters
    ----------
    first : rows before this table in the history that it is a part of; without a time column the row number in the history is the time in seconds.
    """
    n = len(table)
    time = np.arange(first, first + n, dtype=np.int64) * 1_000 if names.time is None else table.times(names.time, names.time_format)
    segment = np.full(n, "", dtype=object)
    if specification.segments:
        values = [[f"{name}={value}" for value in table.texts(name)] for name in specification.segments]
        segment[:] = [",".join(row) for row in zip(*values, strict=True)]
    return Rows(
        first=first,
        time=time,
        features=feature_columns(specification, table),
        prediction=outcome_column(specification, table, names.prediction),
        score=np.full(n, np.nan) if names.score is None else _scores_of(table, names.score, specification),
        label=outcome_column(specification, table, names.label),
        version=np.full(n, "", dtype=object) if names.version is None else _versions_of(table, names.version),
        segment=segment,
        irregular=_irregular(specification, table, names),
        latency=np.full(n, np.nan) if names.latency is None else _latencies_of(table, names.latency),
        fraction=np.full(n, np.nan) if names.sampling_fraction is None else fractions_of(table, names.sampling_fraction),
    )


def _scores_of(table: Table, name: str, specification: MonitorSpecification) -> Float64:
    """(n,) a column of probabilities of the positive class; nan where there is none. A regression has no use for it, whatever it holds."""
    found = table.numbers(name)
    if specification.task == "classification":
        unfit = (found < 0) | (found > 1)
        table.refuse(name, found, unfit, "the score is a probability, from 0 to 1; name the column of the positive class's probability, or leave --score out")
    return found


def _versions_of(table: Table, name: str) -> Text:
    """(n,) a column of versions; "" where there is none."""
    found = class_names(table.column(name))
    return np.where(found == None, "", found)  # noqa: E711  elementwise


def _latencies_of(table: Table, name: str) -> Float64:
    """(n,) a column of latencies in milliseconds; nan where there is none."""
    found = table.numbers(name)
    table.refuse(name, found, found < 0, "expected milliseconds >= 0; name the column of the time that an answer took, or leave --latency out")
    return found


def fractions_of(table: Table, name: str) -> Float64:
    """(n,) a column of sampling fractions; nan where a row stands for itself."""
    found = table.numbers(name)
    table.refuse(name, found, (found < SMALLEST_FRACTION) | (found > 1), f"expected the share of the traffic that the row is of, from {SMALLEST_FRACTION:g} to 1")
    return found


class EventOrder:
    """Puts predictions and labels into one log: a label follows the row after which it is known.

    Parameters
    ----------
    specification : of the model.
    names : label delays.
    """

    def __init__(self, specification: MonitorSpecification, names: ColumnNames) -> None:
        self._specification = specification
        self._names = names
        self._offset = 0
        self._high = NO_TIME
        self._waiting: list[_Labels] = []
        self._no_rows: Rows | None = None

    def fetch(self, rows: Rows) -> Fetch:
        """The rows' predictions, and the labels that become known among them."""
        at_once = not (self._names.label_delay or self._names.label_delay_rows)
        order = np.arange(rows.first, rows.first + len(rows), dtype=np.float64)
        known = np.flatnonzero(_present(rows.label))
        if not at_once and len(known):
            self._waiting.append(self._delayed(rows, known, order))
        due = [] if at_once else self._due(rows, order)
        batch = self._batch(replace(rows, label=rows.label if at_once else _nothing(rows.label)), order, due)
        self._no_rows = rows.take(slice(0, 0))
        return self._fetched(batch)

    def rest(self) -> Fetch | None:
        """Labels that were still to come when the rows ended: with the last row where their delay is in rows, else at their own times."""
        if not self._waiting or self._no_rows is None:
            return None
        placed = [
            replace(labels, after=labels.time.astype(np.float64)) if labels.time is not None else replace(labels, time=np.full(len(labels.row), self._high, np.int64))
            for labels in self._waiting
        ]
        self._waiting = []
        return self._fetched(self._batch(self._no_rows, np.empty(0), placed))

    def _fetched(self, batch: EventBatch) -> Fetch:
        self._offset += len(batch)
        self._high = int(batch.high[-1])
        return Fetch(end=self._offset, high=self._high, batches=(batch,))

    def _delayed(self, rows: Rows, known: Int64, order: Float64) -> _Labels:
        if self._names.label_delay_rows:
            after = order[known] + self._names.label_delay_rows
            return _Labels(row=rows.first + known, after=after, time=None, label=rows.label[known])
        return _Labels(row=rows.first + known, after=None, time=rows.time[known] + self._names.label_delay, label=rows.label[known])

    def _due(self, rows: Rows, order: Float64) -> list[_Labels]:
        """Labels that become known before the rows end, placed behind the row after which they do."""
        due, waiting = [], []
        for labels in self._waiting:
            placed = labels.placed(rows.time, order)
            ready = placed.after <= order[-1] if placed.after is not None else np.zeros(len(placed.row), bool)
            due.append(placed.take(ready))
            waiting.append(labels.take(~ready))
        self._waiting = [labels for labels in waiting if len(labels.row)]
        return [labels for labels in due if len(labels.row)]

    def _batch(self, rows: Rows, order: Float64, due: list[_Labels]) -> EventBatch:
        n = len(rows)
        row = np.concatenate([np.arange(rows.first, rows.first + n), *(labels.row for labels in due)])
        kind = np.concatenate([np.full(n, PREDICTION), *(np.full(len(labels.row), LABEL) for labels in due)]).astype(np.uint8)
        place = np.concatenate([order, *(labels.after for labels in due if labels.after is not None)])
        m = len(row)
        sequence = np.lexsort((row, kind, place)) if due else slice(None)  # rows alone are in their order
        time = np.concatenate([rows.time, *(labels.time for labels in due if labels.time is not None)])[sequence]

        def padded(column: Column, fill: object) -> Column:
            return np.concatenate([column, np.full(m - n, fill, dtype=column.dtype)])[sequence] if due else column

        label = np.concatenate([rows.label, *(labels.label for labels in due)])[sequence]
        irregular = CodedText.of(padded(rows.irregular, None)) if _present(rows.irregular).any() else None
        event_id = row.astype(np.uint64)[sequence]
        fraction = padded(rows.fraction, np.nan)
        numeric = rows.prediction.dtype != object
        names = tuple(name for name, column in rows.features.items() if column.dtype != object)
        return EventBatch(
            model=self._specification.model,
            kind=kind[sequence],
            event_id=event_id,
            timestamp=time,
            high=np.maximum(np.maximum.accumulate(time), self._high),
            offset=np.arange(self._offset, self._offset + m, dtype=np.int64),
            index=np.zeros(m, dtype=np.int64),
            version=CodedText.of(padded(rows.version, "")),
            segment=CodedText.of(padded(rows.segment, "")),
            prediction=coded(padded(rows.prediction, np.nan if numeric else None)),
            label=coded(label),
            score=padded(rows.score, np.nan),
            latency=padded(rows.latency, np.nan),
            failed=np.zeros(m, dtype=bool),
            numeric=np.column_stack([padded(rows.features[name], np.nan) for name in names]) if names else np.empty((m, 0)),
            numeric_names=names,
            categorical={name: CodedText.of(padded(column, None)) for name, column in rows.features.items() if column.dtype == object},
            irregular=irregular,
            weight=None if np.isnan(fraction).all() else whole_weights(fraction, event_id),
        )


@dataclass(frozen=True)
class _Labels:
    """Labels that wait: of which row, and after which row (or at which time) they are known."""

    row: Int64
    label: Column
    after: Float64 | None
    time: Int64 | None

    def placed(self, times: Int64, order: Float64) -> _Labels:
        """With both: the row that they follow, and their time."""
        if self.after is not None:
            reached = np.clip(np.searchsorted(order, self.after), 0, len(order) - 1)
            return replace(self, time=times[reached])
        assert self.time is not None  # noqa: S101  one of the two is always known
        # A label that is due before these rows begin stands in front of them: where it would have stood, had they been read with the rows before.
        follows = np.searchsorted(np.maximum.accumulate(times), self.time, side="right") - 1
        after = np.where(self.time <= times.max(), order[0] + follows, np.inf)
        return replace(self, after=after)

    def take(self, which: Column) -> _Labels:
        return _Labels(
            row=self.row[which],
            label=self.label[which],
            after=None if self.after is None else self.after[which],
            time=None if self.time is None else self.time[which],
        )


def _present(column: Column) -> Column:
    if column.dtype == object:
        return np.asarray(column != None, bool)  # noqa: E711  elementwise
    return ~np.isnan(column)


def _nothing(column: Column) -> Column:
    return np.full(len(column), None if column.dtype == object else np.nan, dtype=column.dtype)
