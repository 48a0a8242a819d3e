"""Wire format v1: JSON, one event or JSON Lines a record, to columns.

Decoding is in two steps, because a fetch mixes models: the envelope of every event first, then the features of each model's events by a
struct made from its specification. Both steps are one call for many events; only when a call fails are its events taken one by one, so that
a bad event costs its neighbours nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
import numpy as np
import xxhash

from detectors.class_names import class_names
from detectors.coded_text import CodedText
from detectors.errors import EventError
from detectors.event_batch import FEATURES, LABEL, PREDICTION, Coded, Column, EventBatch, Float64, Int64
from detectors.monitor import Monitors
from detectors.specification import Feature, MonitorSpecification
from detectors.summarise import Fetch
from streams.source_records import SourceRecords

KINDS = {"prediction": PREDICTION, "label": LABEL, "features": FEATURES}
CONTROL = "time"
"""Kind of the record that does nothing but move event time: `publish` ends with one in each partition."""

Time = Annotated[datetime, msgspec.Meta(tz=True)] | int | float
Scalar = str | int | float | bool


class Event(msgspec.Struct):
    """The envelope of an event; features stay as bytes until the model is known."""

    event_id: str | int
    model: str
    kind: str = "prediction"
    model_version: str | int | None = None
    timestamp: Time | None = None
    features: msgspec.Raw = msgspec.Raw(b"{}")
    prediction: Scalar | None = None
    label: Scalar | None = None
    score: float | None = None
    probabilities: dict[str, float] | None = None
    segments: dict[str, Scalar | None] | None = None
    latency_ms: float | None = None
    status: int | str = 200


class _Kind(msgspec.Struct):
    kind: str = "prediction"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Input that could not be counted: its bytes as received, and why."""

    offset: int
    index: int
    value: bytes | None
    reason: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A fetch as columns, and what was refused."""

    fetch: Fetch
    dead_letters: tuple[DeadLetter, ...]


@dataclass(slots=True)
class _Row:
    event: Event
    source: bytes
    offset: int
    index: int
    record_timestamp: int
    high: int
    time: int


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bad input: beside its own errors, those for bytes that are not UTF-8 and for brackets nested a thousand deep."""

FIRST_TIME, LAST_TIME = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, epoch milliseconds: what RFC 3339 can write down."""

_EVENT = msgspec.json.Decoder(Event)
_KIND = msgspec.json.Decoder(_Kind)


class Decoder:
    """Decodes fetches of one source partition.

    Parameters
    ----------
    monitors : the applied specifications; a model without one is counted, not decoded further.
    """

    def __init__(self, monitors: Monitors) -> None:
        self._monitors = monitors
        self._features: dict[tuple[tuple[str, int], ...], _FeatureDecoder] = {}

    def decode(self, records: SourceRecords, *, high: int, end: int) -> Decoded:
        """Columns of some records.

        Parameters
        ----------
        records : in log order.
        high : largest record timestamp before them, `NO_TIME` at the partition's beginning.
        end : offset after the last record.
        """
        rows: list[_Row] = []
        dead: list[DeadLetter] = []
        for offset, timestamp, value in zip(records.offsets.tolist(), records.timestamps.tolist(), records.values, strict=True):
            high = max(high, timestamp)
            self._read(offset, timestamp, value, high, rows, dead)
        batches: list[EventBatch] = []
        unmonitored: dict[str, int] = {}
        for model, mine in _by_model(rows).items():
            if self._monitors.of(model):
                batch = self._columns(model, mine, dead)
                if len(batch):
                    batches.append(batch)
            else:
                unmonitored[model] = len(mine)
        return Decoded(fetch=Fetch(end=end, high=high, batches=tuple(batches), unmonitored=unmonitored, rejected=len(dead)), dead_letters=tuple(dead))

    def _read(self, offset: int, timestamp: int, value: bytes | None, high: int, rows: list[_Row], dead: list[DeadLetter]) -> None:
        if value is None:
            dead.append(DeadLetter(offset=offset, index=0, value=None, reason="the record has no value"))
            return
        lines = [line for line in value.split(b"\n") if line.strip()]
        if not lines:
            dead.append(DeadLetter(offset=offset, index=0, value=value, reason="the record's value is empty"))
            return
        events: Sequence[Event | EventError]
        try:
            events = _EVENT.decode_lines(value) if len(lines) > 1 else [_EVENT.decode(value)]
        except _UNREADABLE:
            events = [_one(line) for line in lines]
        if len(events) != len(lines):  # an event was written over several lines, which JSON allows
            lines = [value] * len(events)
        for index, (line, event) in enumerate(zip(lines, events, strict=True)):
            try:
                if isinstance(event, EventError):
                    raise event
                if event.kind == CONTROL:
                    continue
                time = timestamp if event.timestamp is None else _milliseconds(event.timestamp)
                self._check(event, time, timestamp)
            except EventError as error:
                dead.append(DeadLetter(offset=offset, index=index, value=line, reason=error.reason, path=error.path))
            else:
                rows.append(_Row(event, line, offset, index, timestamp, high, time))

    def _check(self, event: Event, time: int, record_timestamp: int) -> None:
        if event.kind not in KINDS:
            raise EventError(f"expected one of {', '.join(KINDS)}, got {event.kind!r}", path="kind")
        if not event.model:
            raise EventError("expected a name, got ''", path="model")
        if event.event_id == "":
            raise EventError("expected an id, got ''; without one its label cannot find it", path="event_id")
        if event.kind == "label" and event.label is None:
            raise EventError("a label event without a label", path="label")
        if event.kind == "prediction" and event.prediction is None and event.status == 200:
            raise EventError("a prediction event without a prediction; say status 'error' where the model gave none", path="prediction")
        if not FIRST_TIME <= time <= LAST_TIME:
            raise EventError(f"expected a time of the years 1 to 9999 in milliseconds, got {time:.6g}", path="timestamp")
        _check_probabilities(event)
        monitor = self._monitors.latest(event.model)
        if monitor is None:
            return
        specification = monitor.specification
        ahead = time - record_timestamp
        if ahead > specification.max_ahead:
            raise EventError(f"{ahead} ms after its record's timestamp, allowed are {specification.max_ahead} ms", path="timestamp")
        if specification.task == "regression":
            for name, value in (("prediction", event.prediction), ("label", event.label)):
                if value is not None and (isinstance(value, bool | str)):
                    raise EventError(f"expected a number, got {value!r}", path=name)

    def _columns(self, model: str, rows: list[_Row], dead: list[DeadLetter]) -> EventBatch:
        revisions = self._monitors.of(model)
        specification = revisions[-1].specification
        declared: dict[str, Feature] = {name: feature for monitor in revisions for name, feature in monitor.specification.features.items()}
        key = tuple((monitor.model, monitor.revision) for monitor in revisions)
        if key not in self._features:
            self._features[key] = _FeatureDecoder(declared)
        rows, features = self._features[key].columns(rows, dead)
        return _batch(specification, rows, features)


class _FeatureDecoder:
    """Columns of the declared features, by a struct made from the specification."""

    def __init__(self, declared: dict[str, Feature]) -> None:
        self._declared = declared
        types: dict[str, Any] = {"numeric": float | None, "categorical": Scalar | None}
        fields = [(f"f{place}", types[feature.type], None) for place, feature in enumerate(declared.values())]
        struct = msgspec.defstruct("Features", fields, rename={f"f{place}": name for place, name in enumerate(declared)})
        self._names = {f"f{place}": name for place, name in enumerate(declared)}
        self._one = msgspec.json.Decoder(struct)
        self._many = msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]  # the struct is made here, so no checker can know it

    def columns(self, rows: list[_Row], dead: list[DeadLetter]) -> tuple[list[_Row], dict[str, Column]]:
        """Rows whose features could be read, and their columns; the others go to the dead letters."""
        try:
            structs = self._many.decode(b"[" + b",".join([bytes(row.event.features) for row in rows]) + b"]")
        except _UNREADABLE:
            rows, structs = self._one_by_one(rows, dead)
        values = zip(*map(msgspec.structs.astuple, structs), strict=True) if structs else ((),) * len(self._declared)
        columns: dict[str, Column] = {}
        for (name, feature), column in zip(self._declared.items(), values, strict=False):
            columns[name] = np.array(column, dtype=np.float64) if feature.type == "numeric" else class_names(_objects(column))
        return rows, columns

    def _one_by_one(self, rows: list[_Row], dead: list[DeadLetter]) -> tuple[list[_Row], list[Any]]:
        good, structs = [], []
        for row in rows:
            try:
                structs.append(self._one.decode(row.event.features))
                good.append(row)
            except _UNREADABLE as error:
                reason, path = _story(error, "features")
                dead.append(DeadLetter(offset=row.offset, index=row.index, value=row.source, reason=reason, path=path))
        return good, structs


def _check_probabilities(event: Event) -> None:
    if event.score is not None and not 0 <= event.score <= 1:
        raise EventError(f"expected a probability from 0 to 1, got {event.score}", path="score")
    for name, probability in (event.probabilities or {}).items():
        if not 0 <= probability <= 1:
            raise EventError(f"expected a probability from 0 to 1, got {probability}", path=f"probabilities.{name}")


def _one(line: bytes) -> Event | EventError:
    try:
        return _EVENT.decode(line)
    except msgspec.ValidationError as error:
        if _is_control(line):
            return Event(event_id="", model="", kind=CONTROL)
        return EventError(*_story(error, ""))
    except _UNREADABLE as error:
        return EventError(f"not JSON: {error}")


def _is_control(line: bytes) -> bool:
    try:
        return _KIND.decode(line).kind == CONTROL
    except _UNREADABLE:
        return False


def _story(error: Exception, root: str) -> tuple[str, str]:
    """Reason and path of a msgspec error: ``Expected `float | null`, got `str` - at `$.salary```."""
    reason, _, path = str(error).partition(" - at ")
    place = path.strip("`").removeprefix("$").lstrip(".")
    return reason[:1].lower() + reason[1:], ".".join(part for part in (root, place) if part)


def _milliseconds(time: datetime | float) -> int:
    return round(time.timestamp() * 1000) if isinstance(time, datetime) else int(time)


def _by_model(rows: list[_Row]) -> dict[str, list[_Row]]:
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        grouped.setdefault(row.event.model, []).append(row)
    return grouped


def _objects(values: Sequence[Any]) -> Column:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _outcomes(specification: MonitorSpecification, values: list[Any]) -> Coded:
    """Predictions or labels: class names, or numbers with nan for none."""
    if specification.task == "regression":
        return np.array(values, dtype=np.float64)
    return CodedText.of(class_names(_objects(values)))


def _scores(specification: MonitorSpecification, rows: list[_Row]) -> Float64:
    positive = specification.positive_class
    scores = [row.event.score if row.event.score is not None or row.event.probabilities is None else row.event.probabilities.get(positive or "") for row in rows]
    return np.array(scores, dtype=np.float64)


def _segment(declared: tuple[str, ...], event: Event) -> str:
    if not declared:
        return ""
    values = event.segments or {}
    return ",".join(f"{name}={values.get(name)}" for name in declared)


def event_hash(event_id: str | int) -> int:
    """64-bit hash that an event id is known by; ``7`` and ``"7"`` are the same id."""
    return xxhash.xxh3_64_intdigest(str(event_id).encode())


def _batch(specification: MonitorSpecification, rows: list[_Row], features: dict[str, Column]) -> EventBatch:
    def integers(values: list[int]) -> Int64:
        return np.array(values, dtype=np.int64)

    events = [row.event for row in rows]
    names = tuple(name for name, column in features.items() if column.dtype != object)
    return EventBatch(
        model=specification.model,
        kind=np.array([KINDS[event.kind] for event in events], dtype=np.uint8),
        event_id=np.array([event_hash(event.event_id) for event in events], dtype=np.uint64),
        timestamp=integers([row.time for row in rows]),
        high=integers([row.high for row in rows]),
        offset=integers([row.offset for row in rows]),
        index=integers([row.index for row in rows]),
        version=CodedText.of(["" if event.model_version is None else str(event.model_version) for event in events]),
        segment=CodedText.of([_segment(specification.segments, event) for event in events]),
        prediction=_outcomes(specification, [event.prediction for event in events]),
        label=_outcomes(specification, [event.label for event in events]),
        score=_scores(specification, rows),
        latency=np.array([event.latency_ms for event in events], dtype=np.float64),
        failed=np.array([event.status != 200 for event in events], dtype=bool),
        numeric=np.column_stack([features[name] for name in names]) if names else np.empty((len(rows), 0)),
        numeric_names=names,
        categorical={name: CodedText.of(column) for name, column in features.items() if column.dtype == object},
    )
