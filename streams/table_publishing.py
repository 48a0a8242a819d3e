"""A table as a stream of events: rows become predictions, and their labels come when they would have become known."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.duration import parse_duration
from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.published_event import Event, Features, Label, Prediction
from streams.tables import Table

_ROW_LENGTH = 1_000  # a table without a time column has its row number as seconds


@dataclass(frozen=True, kw_only=True)
class LabelDelay:
    """How long a label takes: so many milliseconds, or so many events."""

    duration: int | None = None
    events: int | None = None


def parse_label_delay(text: str) -> LabelDelay:
    """Read ``500`` (events) or ``2h``.

    Examples
    --------
    >>> parse_label_delay("500").events, parse_label_delay("2h").duration
    (500, 7200000)
    """
    if text.strip().isdecimal():
        return LabelDelay(events=int(text))
    try:
        return LabelDelay(duration=parse_duration(text))
    except ValueError:
        raise SettingsError(f"a label delay is a number of events such as 500, or a duration such as 2h; got {text!r}") from None


@dataclass(frozen=True, kw_only=True)
class EventColumns:
    """Which column is what; None where the table has none."""

    time: str | None = None
    time_format: str | None = None
    prediction: str | None = None
    score: str | None = None
    label: str | None = None
    event_id: str | None = None
    version: str | None = None
    latency: str | None = None
    sampling_fraction: str | None = None


def events_of(tables: Iterable[Table], specification: MonitorSpecification, columns: EventColumns, *, delay: LabelDelay, name: str) -> Iterator[Event]:
    """Events in the order in which they happened, as far as the table is in the order of time.

    Parameters
    ----------
    tables : chunks of one file, in order; a chunk is sorted by time.
    specification : says which columns are features and segments.
    columns : which column is what.
    delay : between a prediction and its label.
    name : the beginning of event ids where no column has them.
    """
    pending: list[tuple[int, int, Label]] = []  # by due time (or due row), and row
    rows = itertools.count()
    latest = 0
    for table in tables:
        for event, label in _rows(table, specification, columns, name):
            row = next(rows)
            latest = max(latest, event.timestamp)
            while pending and pending[0][0] <= (row if delay.events is not None else event.timestamp):
                yield _known(heapq.heappop(pending)[2], event.timestamp, delay)
            if label is not None and isinstance(event, Prediction) and not (delay.events or delay.duration):
                event.label = label
            elif label is not None:
                due = row + delay.events if delay.events is not None else event.timestamp + (delay.duration or 0)
                heapq.heappush(pending, (due, row, Label(event.event_id, specification.model, event.timestamp, label)))
            yield event
    while pending:
        due, _, label_event = heapq.heappop(pending)
        yield _known(label_event, latest, delay) if delay.events is not None else _known(label_event, due, delay)


def end_of_time(latest: int, specification: MonitorSpecification) -> int:
    """Event time (epoch milliseconds) at which the pane of the latest event is closed: past its end, plus the lateness.

    Examples
    --------
    >>> end_of_time(12_345, MonitorSpecification(model="loans", pane=10_000, lateness=300_000))
    320001
    """
    return (latest // specification.pane + 1) * specification.pane + specification.lateness + 1


def record_span(specification: MonitorSpecification) -> int:
    """Milliseconds of event time that one record may cover without making its own first events late.

    A record's timestamp is that of its latest event, and a pane is closed once the watermark (timestamp less lateness) reaches its end.
    """
    return (specification.lateness // specification.pane + 1) * specification.pane


def _known(label: Label, at: int, delay: LabelDelay) -> Label:
    outcome = label.timestamp
    label.timestamp = at if delay.events is not None else outcome + (delay.duration or 0)
    label.outcome_at = outcome
    return label


def _rows(table: Table, specification: MonitorSpecification, columns: EventColumns, name: str) -> Iterator[tuple[Prediction | Features, Any]]:
    length = len(table)
    number = np.arange(table.first_row, table.first_row + length)
    times = number * _ROW_LENGTH if columns.time is None else table.times(columns.time, columns.time_format)
    order = np.argsort(times, kind="stable")
    roles = {columns.time, columns.prediction, columns.score, columns.label, columns.event_id, columns.version, columns.latency, columns.sampling_fraction}
    names = list(specification.features) or [column for column in table.columns if column not in roles and column not in specification.segments]
    features = {feature: _values(table, feature, order) for feature in names}
    segments = {segment: _values(table, segment, order) for segment in specification.segments}

    def values(column: str | None) -> list[Any]:
        return [None] * length if column is None else _values(table, column, order)

    ids = values(columns.event_id) if columns.event_id else [f"{name}-{row}" for row in number[order].tolist()]
    predictions, scores, labels, versions, latencies = (values(column) for column in (columns.prediction, columns.score, columns.label, columns.version, columns.latency))
    fractions = values(columns.sampling_fraction)
    for place, (event_id, timestamp) in enumerate(zip(ids, times[order].tolist(), strict=True)):
        if event_id is None:
            raise SettingsError(f"{table.source}: column {columns.event_id!r}, row {table.first_row + int(order[place]) + 1}: expected an event id, got nothing")
        inputs = {feature: column[place] for feature, column in features.items()}
        if columns.prediction is None:
            yield Features(str(event_id), specification.model, timestamp, inputs), labels[place]
            continue
        prediction = Prediction(str(event_id), specification.model, timestamp, features=inputs, prediction=predictions[place], score=scores[place], latency_ms=latencies[place])
        prediction.model_version = None if versions[place] is None else str(versions[place])
        if segments:
            prediction.segments = {segment: column[place] for segment, column in segments.items()}
        if fractions[place] is not None:
            prediction.sampling_fraction = fractions[place]
        if prediction.prediction is None:
            prediction.status = "error"
        yield prediction, labels[place]


def _values(table: Table, name: str, order: Any) -> list[Any]:
    column = table.column(name)[order]
    if column.ndim > 1:
        return [None if is_missing else vector for vector, is_missing in zip(column.tolist(), np.isnan(column).any(axis=1).tolist(), strict=True)]
    if column.dtype.kind == "M":
        return [str(value) for value in column]
    if column.dtype.kind == "f":
        # Whole numbers are read as floats where a later row may have a fraction; as a class or an id, 7 is 7, not 7.0.
        return [None if value != value else int(value) if value.is_integer() and abs(value) < 2**53 else value for value in column.tolist()]  # noqa: PLR0124  nan
    values: list[Any] = column.tolist()
    return values
