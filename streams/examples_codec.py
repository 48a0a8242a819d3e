"""Labelled rows to records of ``monitoring.examples``, and records to examples: Arrow IPC streams, readable by any Arrow library.

They are not compressed: most of their bytes are measured numbers, which no codec makes smaller for less than they cost to send.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.coded_text import CodedText
from detectors.event_batch import Column
from detectors.examples import Examples
from detectors.labelled_rows import LabelledRows

_FEATURE = "feature:"
_NUMBERS = {"offset": pa.int64(), "index": pa.int64(), "event_id": pa.uint64(), "predicted_at": pa.int64(), "labelled_at": pa.int64(), "score": pa.float64()}
_PLAIN = ("partition", "offset", "index", "event_id", "predicted_at", "labelled_at", "version", "segment", "prediction", "label", "score")


def encode_examples(rows: LabelledRows, *, max_bytes: int) -> list[bytes]:
    """Arrow IPC streams of the rows, each about ``max_bytes`` at most unless a single row is larger."""
    batch = _batch(rows)
    schema_bytes = 128 * batch.num_columns
    at_once = max(1, (max_bytes - schema_bytes) * len(rows) // max(batch.nbytes, 1))
    return [_write(batch.slice(first, at_once)) for first in range(0, len(rows), at_once)]


def _batch(rows: LabelledRows) -> pa.RecordBatch:
    n = len(rows)
    outcomes = {name: pa.string() if isinstance(column, CodedText) else pa.float64() for name, column in (("prediction", rows.prediction), ("label", rows.label))}
    schema = _schema(rows.model, outcomes["prediction"], outcomes["label"], rows.numeric_names, tuple(rows.categorical))
    columns: dict[str, Any] = {name: pa.array(getattr(rows, name), kind, from_pandas=False) for name, kind in _NUMBERS.items()}
    columns["partition"] = pa.array(np.full(n, rows.partition, np.int64))
    columns |= {name: _texts(column) for name, column in (("version", rows.version), ("segment", rows.segment))}
    columns |= {
        name: _texts(column) if isinstance(column, CodedText) else pa.array(column, from_pandas=False) for name, column in (("prediction", rows.prediction), ("label", rows.label))
    }
    numeric = np.ascontiguousarray(rows.numeric.T)  # Arrow's columns lie in one piece each
    features = [pa.array(column, from_pandas=False) for column in numeric] + [_texts(column) for column in rows.categorical.values()]
    return pa.RecordBatch.from_arrays([*(columns[name] for name in _PLAIN), *features], schema=schema)


@lru_cache(maxsize=4_096)
def _schema(model: str, prediction: pa.DataType, label: pa.DataType, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> pa.Schema:
    kinds = _NUMBERS | {"partition": pa.int64(), "version": pa.string(), "segment": pa.string(), "prediction": prediction, "label": label}
    fields = [(name, kinds[name]) for name in _PLAIN] + [(_FEATURE + name, pa.float64()) for name in numeric] + [(_FEATURE + name, pa.string()) for name in categorical]
    return pa.schema(fields, metadata={"model": model})


def _texts(column: CodedText) -> pa.Array:
    levels = pa.array(column.levels, pa.string())
    return levels.take(pa.array(column.codes, mask=~column.present))


def _write(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def decode_examples(data: bytes) -> Examples:
    """Rows of one record.

    Texts and numbers come as plain columns; the model's name is in the schema's metadata.
    """
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    columns: dict[str, Any] = {name: _numpy(table.column(name)) for name in _PLAIN}
    features = {name.removeprefix(_FEATURE): _numpy(table.column(name)) for name in table.column_names if name.startswith(_FEATURE)}
    return Examples(model=(table.schema.metadata or {})[b"model"].decode(), features=features, **columns)


def _numpy(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type):
        values = np.empty(len(column), dtype=object)
        values[:] = column.to_pylist()
        return values
    return np.array(column.to_numpy())
