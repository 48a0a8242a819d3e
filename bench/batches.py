"""The stream as decoded batches, for rows that measure the pure core without Kafka and without JSON."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.workload import BLOCK, CLASSES, Events, Workload
from detectors.coded_text import MISSING, CodedText
from detectors.event_batch import LABEL, PREDICTION, EventBatch, Int64, UInt64
from detectors.summarise import Fetch

_MIX = np.uint64(0x9E3779B97F4A7C15)


def fetch(workload: Workload, first: int, end: int) -> Fetch:
    """A part of the stream as one fetch with one batch, as a decoder makes it: with a column that says whose each row is where there are several models."""
    events = workload.events(first, end)
    batch = _batch(workload, events)
    if workload.models == 1:
        return Fetch(end=end, high=int(events.time[-1]), batches=(replace(batch, model=workload.model(0)),))
    models = CodedText(tuple(map(workload.model, range(workload.models))), (events.of % workload.models).astype(np.int32))
    return Fetch(end=end, high=int(events.time[-1]), batches=(replace(batch, models=models),))


def labels(workload: Workload, of: Int64, *, first: int) -> Fetch:
    """Labels of predictions of a single model at some places of the stream, as a fetch that begins at the place ``first``."""
    n, end = len(of), first + len(of)
    time = np.full(n, int(workload.time(np.array([first]))[0]))
    blocks = of // BLOCK
    truth = np.empty(n, np.int32)
    for block in np.unique(blocks):
        mine = blocks == block
        truth[mine] = workload.events(int(block) * BLOCK, (int(block) + 1) * BLOCK).label[of[mine] % BLOCK]
    batch = EventBatch(
        model=workload.model(0),
        kind=np.full(n, LABEL, np.uint8),
        event_id=_ids(of),
        timestamp=time,
        high=time,
        offset=np.arange(first, end),
        index=np.zeros(n, np.int64),
        version=CodedText.constant("", n),
        segment=CodedText.constant("", n),
        prediction=CodedText.constant(None, n),
        label=CodedText(CLASSES, truth),
        score=np.full(n, np.nan),
        latency=np.full(n, np.nan),
        failed=np.zeros(n, bool),
        numeric=np.full((n, workload.features), np.nan),
        numeric_names=workload.names,
        categorical={},
    )
    return Fetch(end=end, high=int(time[-1]), batches=(batch,))


def _ids(places: Int64) -> UInt64:
    """(n,) well mixed 64-bit numbers, as hashes of ids are."""
    ids = (places.astype(np.uint64) + np.uint64(1)) * _MIX
    return ids ^ ids >> np.uint64(31)


def _batch(workload: Workload, events: Events) -> EventBatch:
    n, is_label = len(events), events.is_label
    prediction = np.where(is_label, MISSING, events.predicted)
    label = np.where(is_label | (workload.labels == "in the event"), events.label, MISSING)
    return EventBatch(
        model="",
        kind=np.where(is_label, LABEL, PREDICTION).astype(np.uint8),
        event_id=_ids(events.of),
        timestamp=events.time,
        high=events.time,
        offset=events.place,
        index=np.zeros(n, np.int64),
        version=CodedText.constant("1", n),
        segment=CodedText.constant("", n),
        prediction=CodedText(CLASSES, prediction.astype(np.int32)),
        label=CodedText(CLASSES, label.astype(np.int32)),
        score=0.25 + events.predicted / 2,
        latency=np.full(n, np.nan),
        failed=np.zeros(n, bool),
        numeric=np.ascontiguousarray(np.where(is_label[:, None], np.nan, events.matrix)),
        numeric_names=workload.names,
        categorical={},
    )
