"""Events of the bench as Arrow IPC streams, a record for some hundreds of one partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from detectors.event_batch import Bool, Int64

if TYPE_CHECKING:
    from bench.workload import Events


def streams(
    events: Events, keys: Sequence[str], partition: Int64, *, labelled: bool, model: str, names: Sequence[str], classes: Sequence[str], rows: int
) -> Iterator[tuple[int, bytes, int]]:
    """Partition, value and time of each record; the events of a partition keep their order. ``labelled``: predictions carry their labels."""
    kept = events.is_label
    columns = {
        "event_id": pa.array(keys),
        "model": _text([model], np.zeros(len(events), np.int64)),
        "kind": _text(["prediction", "label"], kept.astype(np.int64)),
        "timestamp": pa.array(events.time),
        "model_version": _text(["1"], np.zeros(len(events), np.int64), kept),
        "prediction": _text(classes, events.predicted, kept),
        "label": _text(classes, events.label, None if labelled else ~kept),
        "score": pa.array(0.25 + events.predicted / 2, mask=kept),
        "features": pa.StructArray.from_arrays([pa.array(column) for column in events.matrix.T], list(names), mask=pa.array(kept)),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    for number in range(int(partition.max()) + 1):
        mine = np.flatnonzero(partition == number)
        for start in range(0, len(mine), rows):
            chosen = mine[start : start + rows]
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch.take(pa.array(chosen)))
            yield number, sink.getvalue().to_pybytes(), int(events.time[chosen[-1]])


def _text(levels: Sequence[str], codes: Int64, missing: Bool | None = None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8), mask=missing), pa.array(list(levels)))
