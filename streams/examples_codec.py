"""Examples to records of ``monitoring.examples`` and back: Arrow IPC streams, readable by any Arrow library, zstd inside."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.event_batch import Column
from detectors.examples import Examples

_FEATURE = "feature:"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")
_PLAIN = tuple(field.name for field in fields(Examples) if field.name not in {"model", "features"})


def encode_examples(examples: Examples, *, max_bytes: int) -> list[bytes]:
    """Arrow IPC streams of the rows, each at most ``max_bytes`` unless a single row is larger."""
    table = examples_to_arrow(examples)
    data = _write(table)
    if len(data) <= max_bytes or len(examples) <= 1:
        return [data]
    half = len(examples) // 2
    return encode_examples(examples.take(slice(None, half)), max_bytes=max_bytes) + encode_examples(examples.take(slice(half, None)), max_bytes=max_bytes)


def _write(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def examples_to_arrow(examples: Examples) -> pa.Table:
    """The rows as an Arrow table; the model's name is in the schema's metadata."""
    columns = {name: pa.array(getattr(examples, name), from_pandas=False) for name in _PLAIN}
    columns |= {f"{_FEATURE}{name}": pa.array(column, from_pandas=False) for name, column in examples.features.items()}
    typed = {name: column.cast(pa.string()) if column.type == pa.null() else column for name, column in columns.items()}
    return pa.table(typed).replace_schema_metadata({"model": examples.model})


def examples_from_arrow(table: pa.Table) -> Examples:
    """The rows again."""
    columns: dict[str, Any] = {name: _numpy(table.column(name)) for name in _PLAIN}
    features = {name.removeprefix(_FEATURE): _numpy(table.column(name)) for name in table.column_names if name.startswith(_FEATURE)}
    return Examples(model=(table.schema.metadata or {})[b"model"].decode(), features=features, **columns)


def decode_examples(data: bytes) -> Examples:
    """Rows of one record."""
    with pa.ipc.open_stream(data) as reader:
        return examples_from_arrow(reader.read_all())


def _numpy(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type):
        values = np.empty(len(column), dtype=object)
        values[:] = column.to_pylist()
        return values
    return np.array(column.to_numpy())
