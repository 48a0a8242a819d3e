"""The form of an event on the wire, and the structs that read it: one for any event, and one made from each model's specification.

Reading an event into a struct that knows the model's features checks their types, leaves out what nobody declared, and costs a quarter of
reading it into a dictionary.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from detectors.columns.irregular_features import irregular_text
from detectors.event_batch import FEATURES, LABEL, PREDICTION, Float64
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from streams.unreadable import UNREADABLE

KINDS = {"prediction": PREDICTION, "label": LABEL, "features": FEATURES}
CONTROL = "time"
"""Kind of the record that does nothing but move event time: `publish` ends with one in each partition."""

Time = Annotated[datetime, msgspec.Meta(tz=True)] | int | float
Scalar = str | int | float | bool
Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, int], ...], tuple[str, ...] | None, bool]
"""Names of numeric and of other features, names and dimensions of embeddings; names of columns that may come besides, None for any; whether an event is forgiven
features that are not as declared."""
Packed = bytes | tuple[bytes, tuple[Any, ...]]
"""Features of an event that was read: the numbers as 64-bit floats, and the others where there are any; embeddings as the numbers."""
AT_ONCE = 16  # events that are read before their features are packed: an object for every number of a fetch would be megabytes, which no cache holds

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
    ("sampling_fraction", Any, None),  # of a model whose events are weighed it is looked at, see `event_checks`; of others it may be anything
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
    numeric, others, vectors, ignored, _ = shape
    names = {f"f{place}": name for place, name in enumerate((*numeric, *others, *(name for name, _ in vectors), *(ignored or ())))}
    kinds: list[tuple[Any, Any]] = [(float | None, math.nan)] * len(numeric) + [(Scalar | None, None)] * len(others)
    kinds += [(Annotated[list[float], msgspec.Meta(min_length=dimension, max_length=dimension)] | None, None) for _, dimension in vectors]
    kinds += [(msgspec.Raw, msgspec.Raw(b"null"))] * len(ignored or ())  # left unread
    fields = [(field, kind, nothing) for field, (kind, nothing) in zip(names, kinds, strict=True)]
    return msgspec.defstruct("Features", fields, rename=names, gc=False, frozen=True, forbid_unknown_fields=ignored is not None)


ANY_EVENT = msgspec.json.Decoder(_event_struct(msgspec.Raw, msgspec.Raw(b"{}")))
"""Reads an event of any model; its features stay unread."""
_ANY_FEATURES = msgspec.json.Decoder(dict[str, msgspec.Raw])
MODEL_OF = msgspec.json.Decoder(ModelOf)
ID_OF = msgspec.json.Decoder(IdOf)
KIND_OF = msgspec.json.Decoder(KindOf)


class EventReader:
    """Reads the events of all models whose features have one shape.

    The features of an event that was read are `Packed`.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        features = _features_struct(shape)
        self._struct = _event_struct(features, features())
        self._decode = msgspec.json.Decoder(self._struct).decode
        self._width, self._others = len(shape[0]), len(shape[1])
        self._vectors, self._ignored, self._forgives = shape[2:]
        self._features = features
        self._pack = struct.Struct(f"{self._width}d").pack

    @staticmethod
    @lru_cache(maxsize=1_024)
    def of(shape: Shape) -> EventReader:
        """The one of a shape."""
        return EventReader(shape)

    def decode(self, text: bytes) -> tuple[Any, str | None]:
        """One event; and what of its features is not as declared, where that is forgiven, see `irregular_text`."""
        try:
            event, irregular = self._decode(text), None
        except UNREADABLE:
            if not self._forgives:
                raise
            event, irregular = self._forgiven(text)
        self._pack_features([event])
        return event, irregular

    def decode_each(self, texts: Sequence[bytes], *, patience: float = math.inf) -> tuple[list[Any], dict[int, Exception], dict[int, str], int]:
        """Many events.

        Parameters
        ----------
        texts : of the events.
        patience : the share of failures and of irregular events, beyond a few, after which the rest is not tried.

        Returns
        -------
        What was read, in order; by the place of a text, why it could not be, and what of it is irregular; and how many were tried.
        """
        events: list[Any] = []
        failed: dict[int, Exception] = {}
        irregular: dict[int, str] = {}
        for first in range(0, len(texts), AT_ONCE):
            some, errors = decode_each(self._decode, texts[first : first + AT_ONCE])
            if errors and self._forgives:
                some, errors, told = self._forgiven_each(texts[first : first + AT_ONCE], some, errors)
                irregular |= {first + place: text for place, text in told.items()}
            self._pack_features(some)
            events += some
            failed |= {first + place: error for place, error in errors.items()}
            if len(failed) + len(irregular) > 16 + patience * len(events):  # other models' events may look irregular
                return events, failed, irregular, min(first + AT_ONCE, len(texts))
        return events, failed, irregular, len(texts)

    def _forgiven_each(self, texts: Sequence[bytes], events: list[Any], errors: dict[int, Exception]) -> tuple[list[Any], dict[int, Exception], dict[int, str]]:
        """Events that were read and those that can be forgiven, in order; why the others could not be read, and what is irregular, by their places."""
        read, found = iter(events), []
        failed: dict[int, Exception] = {}
        irregular: dict[int, str] = {}
        for place, text in enumerate(texts):
            if place not in errors:
                found.append(next(read))
                continue
            try:
                event, told = self._forgiven(text)
            except UNREADABLE:
                failed[place] = errors[place]
                continue
            found.append(event)
            if told is not None:
                irregular[place] = told
        return found, failed, irregular

    def _forgiven(self, text: bytes) -> tuple[Any, str | None]:
        """An event without the values that are of another type than declared, its features not packed; and what is irregular."""
        whole = ANY_EVENT.decode(text)
        given = _ANY_FEATURES.decode(whole.features)
        undeclared = [] if self._ignored is None else [name for name in given if name not in self._decoders and bytes(given[name]) != b"null"]
        try:
            return self._decode_any_name(text), irregular_text((), undeclared)
        except UNREADABLE:
            read, of_type = {}, []
        for name, (field, decode) in self._decoders.items():
            if name in given:
                try:
                    read[field] = decode(given[name])
                except UNREADABLE:
                    of_type.append(name)
        return self._alike(whole, self._features(**read)), irregular_text(of_type, undeclared)

    @cached_property
    def _decode_any_name(self) -> Callable[[bytes], Any]:
        """Reads what is declared, whatever else there is."""
        return EventReader.of((*self._shape[:3], None, False))._decode

    @cached_property
    def _decoders(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """By feature, its field and what reads it."""
        return {field.encode_name: (field.name, msgspec.json.Decoder(field.type).decode) for field in msgspec.structs.fields(self._features)}

    def without_features(self, event: Any) -> Any:
        """The same event as it would be read, had it no features."""
        alike = self._alike(event, self._features())
        self._pack_features([alike])
        return alike

    def _alike(self, event: Any, features: Any) -> Any:
        return self._struct(event_id=event.event_id, model=event.model, features=features, **{name: getattr(event, name) for name, _, _ in _FIELDS})

    def _pack_features(self, events: Sequence[Any]) -> None:
        pack, width, others, vectors = self._pack, self._width, self._others, self._vectors
        all_numbers = not (others or vectors)
        as_it_is = all_numbers and not self._ignored
        for event in events:
            row = msgspec.structs.astuple(event.features)
            numbers = row if as_it_is else row[:width]
            try:
                packed = pack(*numbers)
            except struct.error:  # an explicit null
                packed = pack(*(math.nan if number is None else number for number in numbers))
            event.features = packed if all_numbers else (packed, row[width : width + others])
            if vectors:
                event.features = (
                    packed,
                    (*row[width : width + others], *(None if vector is None else array("d", vector).tobytes() for vector in row[width + others : width + others + len(vectors)])),
                )

    def numbers(self, events: Sequence[Any]) -> Float64:
        """(n, F) the numeric features of events that were read, nan where one is missing."""
        packed = [event.features[0] for event in events] if self._others or self._vectors else [event.features for event in events]
        return np.frombuffer(b"".join(packed)).reshape(len(events), self._width)

    def others(self, events: Sequence[Any]) -> list[list[Any]]:
        """Values of each other feature, None where one is missing."""
        return [[event.features[1][place] for event in events] for place in range(self._others)]

    def vectors(self, events: Sequence[Any]) -> dict[str, Float64]:
        """(n, dimension) of each embedding, nan where one is missing."""
        found = {}
        for place, (name, dimension) in enumerate(self._vectors, start=self._others):
            missing = np.full(dimension, np.nan).tobytes()
            found[name] = np.frombuffer(b"".join([event.features[1][place] or missing for event in events])).reshape(len(events), dimension)
        return found


def reading(feature: Feature) -> Hashable:
    """What a feature's column depends on."""
    return (feature.type, feature.dimension, feature.projections, feature.seed) if feature.type == "embedding" else feature.type


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
        features = specification.features.items()
        self.numeric = tuple(name for name, feature in features if feature.type == "numeric")
        self.coded = tuple(name for name, feature in features if feature.type in {"categorical", "text"})
        self.vectors = tuple((name, feature.dimension) for name, feature in features if feature.dimension is not None)
        quality = specification.quality
        self.ignored = tuple(name for name in quality.ignored if name not in specification.features) if "schema" in quality.monitors else None
        """Columns that may come besides; None for any."""
        self.shape: Shape = (self.numeric, self.coded, self.vectors, self.ignored, quality.forgives)
        """The same for models whose events have the same features, and can be read in one go."""
        self.derives = specification.derives
        """Whether what is watched is not all as events carry it."""
        derived = tuple((name, reading(feature)) for name, feature in features) if self.derives else ()
        self.form: Hashable = (self.shape, specification.segments, specification.task, specification.sampling, derived)
        """The same for models whose events become the same columns."""
        self.reader = EventReader.of(self.shape)


def decode_each(decode: Callable[[bytes], Any], texts: Sequence[bytes]) -> tuple[list[Any], dict[int, Exception]]:
    """Decode texts one by one; a bad one costs its neighbours nothing.

    Returns
    -------
    what was decoded, in order; and why not, by the place of each that could not be.
    """
    decoded: list[Any] = []
    failed: dict[int, Exception] = {}
    source = iter(texts)
    while True:
        try:
            decoded.extend(map(decode, source))  # what was decoded before a failure stays
        except UNREADABLE as error:
            failed[len(decoded) + len(failed)] = error
        else:
            return decoded, failed
