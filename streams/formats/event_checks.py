"""What an event may not say, though it can be read.

`check` says what is wrong with one event, and is what counts. Looking at a million events with it would be slow; so `suspicious` looks at whole columns
first, and what it lets pass would have passed `check`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from detectors.errors import EventError
from detectors.event_batch import LABEL, PREDICTION, Bool, Float64, Int64, UInt8
from detectors.specification import MonitorSpecification
from detectors.statistics.sampling import SMALLEST_FRACTION
from streams.formats.event_schema import KINDS

FIRST_TIME, LAST_TIME = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, epoch milliseconds: what RFC 3339 can write down."""

MAX_NAME = 200  # characters of a model's name; those of unmonitored ones are kept in the state
MAX_KEPT_BYTES = 256 * 1024  # of an event; three of one id must fit a record of examples

_LARGEST = sys.float_info.max
_NUMBERS = frozenset({int, float, type(None)})


def is_number(value: Any) -> bool:
    """Whether an outcome is none, or a number that a model may make."""
    return type(value) in _NUMBERS and abs(value or 0) <= _LARGEST


def milliseconds(time: datetime | float | None, record_timestamp: int) -> int:
    """Event time of an event, epoch milliseconds; its record's where it has none. Any number: it may be out of every range."""
    if time is None:
        return record_timestamp
    return round(time.timestamp() * 1000) if isinstance(time, datetime) else int(time)


def times(given: list[datetime | float | None], record_timestamps: Int64) -> Int64:
    """(n,) event times, epoch milliseconds; those out of range lie just outside of it."""
    types = set(map(type, given))
    try:
        if types == {int}:
            return np.asarray(np.clip(np.array(given, np.int64), FIRST_TIME - 1, LAST_TIME + 1))
        if types == {datetime}:
            seconds = np.array([time.timestamp() for time in given if isinstance(time, datetime)])
            return np.asarray(np.rint(seconds * 1000), np.int64)
        if types <= {type(None)}:
            return record_timestamps
    except OverflowError:  # an integer that no machine word holds
        pass
    exact = [milliseconds(time, record) for time, record in zip(given, record_timestamps.tolist(), strict=True)]
    return np.array([min(max(time, FIRST_TIME - 1), LAST_TIME + 1) for time in exact], np.int64)


def suspicious(
    *,
    kind: UInt8,
    event_ids: Sequence[str | int],
    time: Int64,
    latest: Int64,
    predicted: Bool,
    labelled: Bool,
    numbers: Sequence[Sequence[Any]],
    scores: Float64,
    probabilities: Sequence[dict[str, float] | None],
    failed: Bool,
) -> Bool:
    """(n,) rows that `check` has to look at.

    ``latest`` are the times that are still allowed; ``predicted`` and ``labelled`` mark events with a prediction and a label; ``numbers`` are those, where
    they should be numbers.
    """
    n = len(kind)
    found = (time < FIRST_TIME) | (time > LAST_TIME) | (time > latest) | (scores < 0) | (scores > 1)
    if "" in event_ids:
        found |= np.fromiter((event_id == "" for event_id in event_ids), bool, n)
    found |= (kind == PREDICTION) & ~(predicted | failed)
    found |= (kind == LABEL) & ~labelled
    if any(probabilities):
        found |= np.fromiter(map(bool, probabilities), bool, n)
    for values in numbers:
        if not set(map(type, values)) <= {float, type(None)}:
            found |= np.fromiter((not is_number(value) for value in values), bool, n)
    return np.asarray(found)


def check(event: Any, record_timestamp: int, specification: MonitorSpecification | None) -> None:
    """Look at one event.

    Parameters
    ----------
    record_timestamp : of its record, epoch milliseconds.
    specification : None for a model that nobody monitors.

    Raises
    ------
    EventError
        With what was expected and what was got.
    """
    time = milliseconds(event.timestamp, record_timestamp)
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
        raise EventError(f"expected a time of the years 1 to 9999 in milliseconds, got {min(max(time, -(10**20)), 10**20):.6g}", path="timestamp")
    _check_probabilities(event)
    if specification is None:
        return
    ahead = time - record_timestamp
    if ahead > specification.max_ahead:
        raise EventError(f"{ahead} ms after its record's timestamp, allowed are {specification.max_ahead} ms", path="timestamp")
    check_outcomes(event, specification)
    if specification.sampling == "weighted" and event.kind != "label" and not is_fraction(event.sampling_fraction):
        got = repr(event.sampling_fraction)[:100]
        raise EventError(f"expected the share of the traffic that is published, a number from {SMALLEST_FRACTION:g} to 1, got {got}", path="sampling_fraction")


def is_fraction(value: Any) -> bool:
    """Whether a sampling fraction is none, or one that an event can be weighed by."""
    return value is None or (type(value) in _NUMBERS and SMALLEST_FRACTION <= value <= 1)


def check_outcomes(event: Any, specification: MonitorSpecification) -> None:
    """Look at what was predicted, and at what was true.

    Raises
    ------
    EventError
        If that is no number where the model makes numbers.
    """
    if specification.task == "regression":
        for name, value in (("prediction", event.prediction), ("label", event.label)):
            if value is not None and (isinstance(value, bool | str) or abs(value) > _LARGEST):
                raise EventError(f"expected a number from {-_LARGEST:.2g} to {_LARGEST:.2g}, got {value!r:.100}", path=name)


def check_size(event: Any) -> None:
    """Look at what is kept of an event, whose features were not read yet: all but the fields that nobody declared outside its features.

    Raises
    ------
    EventError
        If that is more than `MAX_KEPT_BYTES`.
    """
    values = (event.event_id, event.model_version, event.prediction, event.label, *(event.segments or {}).values(), *(event.probabilities or {}))
    size = len(bytes(event.features)) + sum(len(str(value).encode()) for value in values)
    if size > MAX_KEPT_BYTES:
        raise EventError(f"its id, version, features, prediction, label and segments take {size} bytes, allowed are {MAX_KEPT_BYTES}; leave out what no monitor declares")


def _check_probabilities(event: Any) -> None:
    if event.score is not None and not 0 <= event.score <= 1:
        raise EventError(f"expected a probability from 0 to 1, got {event.score}", path="score")
    for name, probability in (event.probabilities or {}).items():
        if not 0 <= probability <= 1:
            raise EventError(f"expected a probability from 0 to 1, got {probability}", path=f"probabilities.{name}")
