"""The stream that the bench publishes: the same events for the same numbers, as records for Kafka and as columns to check against.

An event's place in the stream decides everything about it, so any part of the stream can be made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np

from bench.arrow_batches import streams
from detectors.event_batch import Bool, Float64, Int64
from detectors.specification import MonitorSpecification
from streams.infer import infer
from streams.partitioner import partition_of
from streams.published_event import Label, Prediction
from streams.tables import Table

START = 1_700_000_000_000
"""Event time of the first event, epoch milliseconds; the beginning of a pane."""

PANE = 10_000
BEGINNING = 2 * PANE
"""Event time of the part that brings a worker to its steady state; each timed repeat then takes one pane of event time."""

PARTITIONS = 4
LABEL_AFTER = 4_999
"""A separate label comes so many events after its prediction."""

CLASSES = ("no", "yes")
RIGHT = 0.9
"""Share of the predictions that are right."""

BLOCK = 10_000
"""Events that are drawn together."""


@dataclass(frozen=True)
class SourceRecord:
    """A record for ``inference.events``."""

    partition: int
    key: bytes
    value: bytes
    timestamp: int


@dataclass(frozen=True, kw_only=True)
class Events:
    """Columns of ``n`` events in the order of the stream.

    ``place`` (n,) names an event; ``of`` (n,) is the place of the prediction that a label belongs to, and the event's own place elsewhere.
    """

    place: Int64
    of: Int64
    time: Int64
    is_label: Bool
    matrix: Float64
    predicted: Int64
    label: Int64

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A stream of predictions, with its labels.

    Parameters
    ----------
    models, features : how many; events take turns between models.
    labels : each prediction carries its own; or every tenth event is the label of an earlier prediction; or there are none.
    beginning : events of the first `BEGINNING` of event time.
    per_pane : events of each later pane.
    bad_every : one record in so many cannot be read; 0 for none.
    arrow_rows : events of one model that are sent together as an Arrow IPC stream; 0 for one JSON record each.
    """

    models: int = 1
    features: int = 20
    labels: Literal["in the event", "separate", "none"] = "in the event"
    beginning: int = 20_000
    per_pane: int = 600_000
    bad_every: int = 0
    arrow_rows: int = 0

    def __post_init__(self) -> None:
        if min(self.models, self.features, self.beginning, self.per_pane) < 1:
            raise ValueError("a stream needs models, features and events")
        if self.arrow_rows and (self.models > 1 or self.bad_every or self.labels == "none"):
            raise ValueError("the Arrow stream of the bench is of one model, all of it can be read, and it has labels")

    def model(self, number: int) -> str:
        """Name of a model."""
        return f"bench-{number:04d}"

    def specifications(self, **settings: Any) -> list[MonitorSpecification]:
        """Of every model, with a reference of 5,000 rows of the law that the stream is drawn from."""
        rng = np.random.default_rng(0)
        columns: dict[str, Any] = {name: rng.normal(size=5_000).round(4) for name in self.names}
        label, right = rng.integers(0, 2, 5_000), rng.random(5_000) < RIGHT
        columns |= {name: np.array(CLASSES, object)[codes] for name, codes in (("prediction", np.where(right, label, 1 - label)), ("label", label))}
        base = MonitorSpecification(model="bench", **({"pane": PANE, "lateness": PANE} | settings))
        inferred = infer(Table(source="bench", columns=columns), model="bench", label="label", prediction="prediction", base=base)
        return [inferred.model_copy(update={"model": self.model(number)}) for number in range(self.models)]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return tuple(f"f{place:02d}" for place in range(self.features))

    def time(self, place: Int64) -> Int64:
        """(n,) event time of each place of the stream, epoch milliseconds."""
        later = BEGINNING + (place - self.beginning) * PANE // self.per_pane
        return START + np.where(place < self.beginning, place * BEGINNING // self.beginning, later)

    def events(self, first: int, end: int) -> Events:
        """A part of the stream as columns."""
        parts = [_drawn(block, self.features) for block in range(first // BLOCK, (end - 1) // BLOCK + 1)]
        skip = first % BLOCK
        matrix, predicted, label = (np.concatenate([part[which] for part in parts])[skip : skip + end - first] for which in range(3))
        place = np.arange(first, end)
        is_label = (place % 10 == 9) & (place >= LABEL_AFTER) if self.labels == "separate" else np.zeros(len(place), bool)
        return Events(place=place, of=np.where(is_label, place - LABEL_AFTER, place), time=self.time(place), is_label=is_label, matrix=matrix, predicted=predicted, label=label)

    def records(self, first: int, end: int) -> Iterator[SourceRecord]:
        """A part of the stream as records, one event each or many."""
        for start in range(first, end, BLOCK):
            events = self.events(start, min(start + BLOCK, end))
            keys = [b"event-%010d" % place for place in events.of.tolist()]
            partitions = partition_of(keys, PARTITIONS)
            if self.arrow_rows:
                texts, labelled = [key.decode() for key in keys], self.labels == "in the event"
                records = streams(events, texts, partitions, labelled=labelled, model=self.model(0), names=self.names, classes=CLASSES, rows=self.arrow_rows)
                for partition, value, time in records:
                    yield SourceRecord(partition, b"", value, time)
                continue
            values = self._values(events, keys)
            for key, value, time, partition in zip(keys, values, events.time.tolist(), partitions.tolist(), strict=True):
                yield SourceRecord(partition, key, value, time)

    def _values(self, events: Events, keys: list[bytes]) -> Iterator[bytes]:
        names, encode = self.names, msgspec.json.Encoder().encode
        models = [self.model(number) for number in range(self.models)]
        columns = (events.place, events.of, events.time, events.is_label, events.matrix, events.predicted, events.label)
        for key, place, of, time, is_label, row, predicted, label in zip(keys, *(column.tolist() for column in columns), strict=True):
            model = models[of % self.models]
            if is_label:
                yield encode(Label(key.decode(), model, time, CLASSES[label]))
                continue
            known = CLASSES[label] if self.labels == "in the event" else None
            value = encode(
                Prediction(key.decode(), model, time, "1", None, dict(zip(names, row, strict=True)), CLASSES[predicted], known, 0.25 + predicted / 2),
            )
            yield self._spoilt(value, place) if self.bad_every and place % self.bad_every == self.bad_every // 2 else value

    def _spoilt(self, value: bytes, place: int) -> bytes:
        """A bad record: cut off, or with a text where a number belongs, in turns."""
        return value[:-10] if place // self.bad_every % 2 else value.replace(b'"f00":', b'"f00":"high","was":', 1)

    def bad(self, first: int, end: int) -> int:
        """Number of records that cannot be read."""
        return 0 if not self.bad_every else sum(1 for place in range(first, end) if place % self.bad_every == self.bad_every // 2)


@lru_cache(maxsize=16)
def _drawn(block: int, features: int) -> tuple[Float64, Int64, Int64]:
    """Features (four decimals, as a log would have them), predictions and labels of a block of the stream."""
    rng = np.random.default_rng([1, block])
    matrix = rng.normal(size=(BLOCK, features)).round(4)
    label = rng.integers(0, 2, BLOCK)
    return matrix, np.where(rng.random(BLOCK) < RIGHT, label, 1 - label), label
