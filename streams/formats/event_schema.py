"""The form of an event on the wire, and the structs that read it: one for any event, and one made from each model's specification.

Reading an event into a struct that knows the model's features checks their types, leaves out what nobody declared, and costs a quarter of
reading it into a dictionary.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from detectors.event_batch import FEATURES, LABEL, PREDICTION, Float64
from detectors.specification import MonitorSpecification
from streams.formats.decoded import UNREADABLE

KINDS = {"prediction": PREDICTION, "label": LABEL, "features": FEATURES}
CONTROL = "time"
"""Kind of the record that does nothing but move event time: `publish` ends with one in each partition."""

Time = Annotated[datetime, msgspec.Meta(tz=True)] | int | float
Scalar = str | int | float | bool
Shape = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of numeric and of other features."""

_FIELDS: list[tuple[str, Any, Any]] = [
    ("kind", str, "prediction"),
    ("model_version", str | int | None, None),
    ("timestamp", Time | None, None),
    ("prediction", Scalar | None, None),
    ("label", Scalar | None, None),
    ("score", float | None, None),
    ("probabilities", dict[str, float] | None, None),
    ("segments", dict[str, Scalar | None] | None, None),
    ("latency_ms", float | None, None),
    ("status", int | str, 200),
]


def _event_struct(features: Any, nothing: Any) -> Any:
    """Instances are left out of garbage collection: they hold no cycle, and a fetch makes thousands."""
    return msgspec.defstruct("Event", [("event_id", str | int), ("model", str), *_FIELDS, ("features", features, nothing)], gc=False)


class ModelOf(msgspec.Struct, gc=False):
    """The one field by which events of several models are told apart."""

    model: str


class IdOf(msgspec.Struct, gc=False):
    """The one field by which an event's partition is known."""

    event_id: str | int | None = None


class KindOf(msgspec.Struct, gc=False):
    """The one field by which a control record is known."""

    kind: str = "prediction"


def _features_struct(shape: Shape) -> Any:
    numeric, categorical = shape
    names = {f"f{place}": name for place, name in enumerate((*numeric, *categorical))}
    numbers: list[tuple[str, Any, Any]] = [(field, float | None, math.nan) for field in list(names)[: len(numeric)]]
    others: list[tuple[str, Any, Any]] = [(field, Scalar | None, None) for field in list(names)[len(numeric) :]]
    return msgspec.defstruct("Features", [*numbers, *others], rename=names, gc=False, frozen=True)


@lru_cache(maxsize=1_024)
def _of_shape(shape: Shape) -> tuple[Any, Callable[[bytes], Any]]:
    """The struct of an event with such features, and what reads it."""
    features = _features_struct(shape)
    event = _event_struct(features, features())
    return event, msgspec.json.Decoder(event).decode


def reader_of(shape: Shape) -> Callable[[bytes], Any]:
    """Reads the events of all models with such features."""
    return _of_shape(shape)[1]


ANY_EVENT = msgspec.json.Decoder(_event_struct(msgspec.Raw, msgspec.Raw(b"{}")))
"""Reads an event of any model; its features stay unread."""
MODEL_OF = msgspec.json.Decoder(ModelOf)
ID_OF = msgspec.json.Decoder(IdOf)
KIND_OF = msgspec.json.Decoder(KindOf)


class ModelSchema:
    """Reads the events of one model as one specification has it; those of another model with the same features as well.

    Parameters
    ----------
    specification : says which features there are, and of which types.
    revisions : of the model's monitors, those that read events so; () for all.
    """

    def __init__(self, specification: MonitorSpecification, *, revisions: tuple[int, ...] = ()) -> None:
        self.specification = specification
        self.revisions = revisions
        self.numeric = tuple(name for name, feature in specification.features.items() if feature.type == "numeric")
        self.categorical = tuple(name for name, feature in specification.features.items() if feature.type != "numeric")
        self.shape: Shape = (self.numeric, self.categorical)
        """The same for models whose events have the same features, and can be read in one go."""
        self.form: Hashable = (self.shape, specification.segments, specification.task)
        """The same for models whose events become the same columns."""
        self._event, self.decode = _of_shape(self.shape)

    def without_features(self, event: Any) -> Any:
        """The same event as this schema would read it, had it no features."""
        return self._event(event_id=event.event_id, model=event.model, **{name: getattr(event, name) for name, _, _ in _FIELDS})

    def categories(self, features: Sequence[Any]) -> list[list[Any]]:
        """Values of each categorical feature, None where one is missing."""
        first = len(self.numeric)
        rows = [msgspec.structs.astuple(row)[first:] for row in features]
        return [[row[place] for row in rows] for place in range(len(self.categorical))]


def numbers_of(features: Sequence[Any], width: int) -> Float64:
    """(n, width) the first fields of some structs of features, nan where one is missing."""
    n = len(features)
    pack = struct.Struct(f"{width}d").pack
    try:  # packing rows of floats takes a third of the time that numpy takes to look at each number
        if n and len(features[0].__struct_fields__) == width:
            return np.frombuffer(b"".join([pack(*row) for row in map(msgspec.structs.astuple, features)])).reshape(n, width)
        return np.frombuffer(b"".join([pack(*row[:width]) for row in map(msgspec.structs.astuple, features)])).reshape(n, width)
    except struct.error:  # an explicit null
        return np.array([row[:width] for row in map(msgspec.structs.astuple, features)], np.float64).reshape(n, width)


def decode_each(decode: Callable[[bytes], Any], texts: Sequence[bytes], *, patience: float = math.inf) -> tuple[list[Any], dict[int, Exception], int]:
    """Decode texts one by one; a bad one costs its neighbours nothing.

    Parameters
    ----------
    patience : share of failures, beyond a few, after which the rest is not tried.

    Returns
    -------
    what was decoded, in order; why not, by the place of each that could not be; and how many were tried.
    """
    decoded: list[Any] = []
    failed: dict[int, Exception] = {}
    source = iter(texts)
    while True:
        try:
            decoded.extend(map(decode, source))  # what was decoded before a failure stays
        except UNREADABLE as error:
            failed[len(decoded) + len(failed)] = error
            if len(failed) > 16 + patience * len(decoded):
                break
        else:
            break
    return decoded, failed, len(decoded) + len(failed)
