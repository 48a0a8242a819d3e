"""Wire format v1: JSON, one event or JSON Lines a record, to columns.

Decoding is in two steps, because a fetch mixes models: the envelope of every event first, then the features of each model's events by a
struct made from its specification. Both steps are one call for many events; only when a call fails are its events taken one by one, so that
a bad event costs its neighbours nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np
import xxhash

from detectors.class_names import class_names
from detectors.errors import EventError
from detectors.event_batch import FEATURES, LABEL, PREDICTION, Column, EventBatch, Float64, Int64
from detectors.monitor import Monitor, Monitors
from detectors.specification import Feature, MonitorSpecification
from detectors.summarise import Fetch

KINDS = {"prediction": PREDICTION, "label": LABEL, "features": FEATURES}
CONTROL = "time"
"""Kind of the record that does nothing but move event time: `publish` ends with one in each partition."""

Time = Annotated[datetime, msgspec.Meta(tz=True)] | int | float
Scalar = str | int | float | bool


MAX_STORY = 200  # characters of a dead letter's reason, and of its path
MAX_DEAD_LETTERS = 100  # of one record; more lines may be bad in a megabyte than anyone reads, and each letter has headers of its own
MAX_NAME = 200  # characters of a model's name; those of unmonitored ones are kept in the state
MAX_KEPT_BYTES = 256 * 1024  # of an event; three of one id must fit a record of examples


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


class Record(Protocol):
    """What is read of a Kafka record."""

    offset: int
    timestamp: int
    value: bytes | None


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Input that could not be counted: its bytes as received, and why."""

    offset: int
    index: int
    value: bytes | None
    reason: str
    path: str = ""

    def __post_init__(self) -> None:
        for name in ("reason", "path"):
            text = getattr(self, name)
            if len(text) > MAX_STORY:  # it may quote what was received, and goes into a header
                object.__setattr__(self, name, f"{text[: MAX_STORY - 3]}...")


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

LARGEST = float(np.finfo(np.float64).max)
"""JSON knows no largest integer, a column does."""

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
        self._features: dict[_View, _FeatureDecoder] = {}

    def decode(self, records: Sequence[Record], *, high: int, end: int) -> Decoded:
        """Columns of some records.

        Parameters
        ----------
        records : in log order.
        high : largest record timestamp before them, `NO_TIME` at the partition's beginning.
        end : offset after the last record.
        """
        rows: list[_Row] = []
        dead: list[DeadLetter] = []
        for record in records:
            high = max(high, record.timestamp)
            self._read(record, high, rows, dead)
        batches: list[EventBatch] = []
        unmonitored: dict[str, int] = {}
        for model, mine in _by_model(rows).items():
            if self._monitors.of(model):
                batches += [batch for batch in self._batches(model, mine, dead) if len(batch)]
            else:
                unmonitored[model] = len(mine)
        fetch = Fetch(end=end, high=high, batches=tuple(batches), unmonitored=unmonitored, rejected=len(dead))
        return Decoded(fetch=fetch, dead_letters=_bounded(dead, records))

    def _read(self, record: Record, high: int, rows: list[_Row], dead: list[DeadLetter]) -> None:
        value = record.value
        if value is None:
            dead.append(DeadLetter(offset=record.offset, index=0, value=None, reason="the record has no value"))
            return
        lines = [line for line in value.split(b"\n") if line.strip()]
        if not lines:
            dead.append(DeadLetter(offset=record.offset, index=0, value=value, reason="the record's value is empty"))
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
                time = record.timestamp if event.timestamp is None else _milliseconds(event.timestamp)
                self._check(event, time, record.timestamp)
                if len(line) > MAX_KEPT_BYTES:
                    _check_size(event)
            except EventError as error:
                dead.append(DeadLetter(offset=record.offset, index=index, value=line, reason=error.reason, path=error.path))
            else:
                rows.append(_Row(event, line, record.offset, index, record.timestamp, high, time))

    def _check(self, event: Event, time: int, record_timestamp: int) -> None:
        if event.kind not in KINDS:
            raise EventError(f"expected one of {', '.join(KINDS)}, got {event.kind!r}", path="kind")
        if not event.model:
            raise EventError("expected a name, got ''", path="model")
        if len(event.model) > MAX_NAME:
            raise EventError(f"expected a name of at most {MAX_NAME} characters, got {len(event.model)}", path="model")
        if event.event_id == "":
            raise EventError("expected an id, got ''; without one its label cannot find it", path="event_id")
        if event.kind == "label" and event.label is None:
            raise EventError("a label event without a label", path="label")
        if event.kind == "prediction" and event.prediction is None and event.status == 200:
            raise EventError("a prediction event without a prediction; say status 'error' where the model gave none", path="prediction")
        if not FIRST_TIME <= time <= LAST_TIME:
            raise EventError(f"expected a time of the years 1 to 9999 in milliseconds, got {time}", path="timestamp")
        _check_probabilities(event)
        revisions = self._monitors.of(event.model)
        if not revisions:
            return
        specification = self._in_force(event.model, time).specification
        ahead = time - record_timestamp
        if ahead > specification.max_ahead:
            raise EventError(f"{ahead} ms after its record's timestamp, allowed are {specification.max_ahead} ms", path="timestamp")
        try:
            _check_outcomes(specification, event)
        except EventError:  # a label may belong to a prediction of another revision's time
            if event.kind != "label" or not any(_reads_outcomes(other.specification, event) for other in revisions):
                raise

    def _in_force(self, model: str, time: int) -> Monitor:
        """The revision that judges an event of a time; the first one before any is in force."""
        revisions = self._monitors.of(model)
        return revisions[0] if len(revisions) == 1 else self._monitors.at(model, time) or revisions[0]

    def _batches(self, model: str, rows: list[_Row], dead: list[DeadLetter]) -> list[EventBatch]:
        """A batch for all revisions that read events alike: the rows of their own time, and every label that they can read."""
        revisions = self._monitors.of(model)
        views: dict[_View, list[Monitor]] = {}
        for monitor in revisions:
            views.setdefault(_view(monitor.specification), []).append(monitor)
        if len(views) == 1:
            return [self._columns(revisions[-1].specification, rows, dead)]
        batches = []
        own = [_view(self._in_force(model, row.time).specification) for row in rows]
        for view, readers in views.items():
            specification = readers[-1].specification
            mine = [row for row, of in zip(rows, own, strict=True) if (_reads_outcomes(specification, row.event) if row.event.kind == "label" else of == view)]
            if mine:
                batches.append(replace(self._columns(specification, mine, dead), revisions=tuple(monitor.revision for monitor in readers)))
        return batches

    def _columns(self, specification: MonitorSpecification, rows: list[_Row], dead: list[DeadLetter]) -> EventBatch:
        key = _view(specification)
        if key not in self._features:
            self._features[key] = _FeatureDecoder(specification.features)
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
            structs = self._many.decode(b"[" + b",".join([_features(row.event) for row in rows]) + b"]")
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
                structs.append(self._one.decode(_features(row.event)))
                good.append(row)
            except _UNREADABLE as error:
                reason, path = _story(error, "features")
                dead.append(DeadLetter(offset=row.offset, index=row.index, value=row.source, reason=reason, path=path))
        return good, structs


_View = tuple[str, str | None, tuple[str, ...], tuple[tuple[str, str], ...]]
"""What reading an event depends on; revisions that agree on it share a batch."""


def _view(specification: MonitorSpecification) -> _View:
    features = tuple((name, feature.type) for name, feature in specification.features.items())
    return specification.task, specification.positive_class, specification.segments, features


def _features(event: Event) -> bytes:
    """A label's features are never counted, so they cannot be bad either: revisions of other times read it, too."""
    return b"{}" if event.kind == "label" else bytes(event.features)


def _check_outcomes(specification: MonitorSpecification, event: Event) -> None:
    if specification.task == "regression":
        for name, value in (("prediction", event.prediction), ("label", event.label)):
            if value is not None and (isinstance(value, bool | str)):
                raise EventError(f"expected a number, got {value!r}", path=name)
            if value is not None and not -LARGEST <= value <= LARGEST:
                raise EventError(f"expected a number from {-LARGEST:.2g} to {LARGEST:.2g}, got {value}", path=name)


def _reads_outcomes(specification: MonitorSpecification, event: Event) -> bool:
    try:
        _check_outcomes(specification, event)
    except EventError:
        return False
    return True


def _check_size(event: Event) -> None:
    """What is kept of an event: all but the fields that nobody declared outside its features."""
    values = (event.event_id, event.model_version, event.prediction, event.label, *(event.segments or {}).values(), *(event.probabilities or {}))
    size = len(bytes(event.features)) + sum(len(str(value).encode()) for value in values)
    if size > MAX_KEPT_BYTES:
        raise EventError(f"its id, version, features, prediction, label and segments take {size} bytes, allowed are {MAX_KEPT_BYTES}; leave out what no monitor declares")


def _bounded(dead: list[DeadLetter], records: Sequence[Record]) -> tuple[DeadLetter, ...]:
    """One letter for a record where each would carry the whole record, or where there would be too many."""
    by_offset: dict[int, list[DeadLetter]] = {}
    for letter in dead:
        by_offset.setdefault(letter.offset, []).append(letter)
    if len(by_offset) == len(dead):
        return tuple(dead)
    received = {record.offset: record.value for record in records}
    letters: list[DeadLetter] = []
    for offset, mine in by_offset.items():
        if len(mine) > 1 and (len(mine) > MAX_DEAD_LETTERS or mine[0].value == received[offset]):
            first = min(mine, key=lambda letter: letter.index)
            letters.append(replace(first, value=received[offset], reason=f"{len(mine)} events of this record; the first: {first.reason}"))
        else:
            letters += mine
    return tuple(letters)


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


def _outcomes(specification: MonitorSpecification, values: list[Any]) -> Column:
    """Predictions or labels: class names, or numbers with nan for none."""
    if specification.task == "regression":
        return np.array(values, dtype=np.float64)
    return class_names(_objects(values))


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
    return EventBatch(
        model=specification.model,
        kind=np.array([KINDS[event.kind] for event in events], dtype=np.uint8),
        event_id=np.array([event_hash(event.event_id) for event in events], dtype=np.uint64),
        timestamp=integers([row.time for row in rows]),
        high=integers([row.high for row in rows]),
        offset=integers([row.offset for row in rows]),
        index=integers([row.index for row in rows]),
        version=_objects(["" if event.model_version is None else str(event.model_version) for event in events]),
        segment=_objects([_segment(specification.segments, event) for event in events]),
        prediction=_outcomes(specification, [event.prediction for event in events]),
        label=_outcomes(specification, [event.label for event in events]),
        score=_scores(specification, rows),
        latency=np.array([event.latency_ms for event in events], dtype=np.float64),
        failed=np.array([event.status != 200 for event in events], dtype=bool),
        features=features,
    )
