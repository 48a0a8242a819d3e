"""Labelled rows to records of ``monitoring.examples``, and records to examples: Arrow IPC streams, readable by any Arrow library.

They are not compressed: most of their bytes are measured numbers, which no codec makes smaller for less than they cost to send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.coded_text import CodedText
from detectors.event_batch import Column
from detectors.examples import Examples
from detectors.labelled_rows import LabelledRows

_FEATURE = "feature:"
_MODEL = "model"
_OWN_RECORD = 256  # rows of a model from which on it has records of its own, whose key is its name
_NUMBERS = {"offset": pa.int64(), "index": pa.int64(), "event_id": pa.uint64(), "predicted_at": pa.int64(), "labelled_at": pa.int64(), "score": pa.float64()}
_PLAIN = ("partition", "offset", "index", "event_id", "predicted_at", "labelled_at", "version", "segment", "prediction", "label", "score")


@dataclass(frozen=True)
class ExamplesRecord:
    """An Arrow IPC stream, and the model that all of its rows are of; None where they are of several."""

    model: str | None
    value: bytes


def encode_examples(parts: Sequence[LabelledRows], *, max_bytes: int) -> list[ExamplesRecord]:
    """Records of rows of some models, each ``max_bytes`` at most unless a single row is larger.

    Models with few rows and the same columns share their records: thirty columns of ten rows cost as much as of ten thousand, and are mostly schema.

    Parameters
    ----------
    parts : a model's rows are in one record each, in their order; those of its revisions may be in several parts.
    """
    of_model = Counter(model for rows in parts for model in _models(rows))
    alone: list[LabelledRows] = []
    sharing: dict[Any, list[LabelledRows]] = {}
    for rows in parts:
        model_of = rows.model_of
        enough = np.bincount(model_of.codes, minlength=len(model_of.levels)) >= _OWN_RECORD
        repeated = np.array([of_model[model] > 1 for model in model_of.levels])  # shared records would bring two revisions out of their order
        by_itself = (enough | repeated)[model_of.codes]
        alone += rows.by_model() if by_itself.all() else rows.take(by_itself).by_model()
        if not by_itself.all():
            outcomes = isinstance(rows.prediction, CodedText), isinstance(rows.label, CodedText)
            others = rows.take(~by_itself) if by_itself.any() else rows
            sharing.setdefault((rows.partition, outcomes, rows.numeric_names, tuple(rows.categorical)), []).append(others)
    return [record for together in (*([rows] for rows in alone), *sharing.values()) if len(together[0]) for record in _records(together, max_bytes)]


def _models(rows: LabelledRows) -> list[str]:
    model_of = rows.model_of
    return [model_of.levels[code] for code in np.unique(model_of.codes).tolist()]


def _records(parts: Sequence[LabelledRows], max_bytes: int) -> list[ExamplesRecord]:
    rows = LabelledRows.concatenate([replace(part, model="", models=part.model_of) for part in parts])
    models = _models(rows)
    batch = _batch(rows, models[0] if len(models) == 1 else None)
    if len(models) > 1:
        batch = batch.append_column(_MODEL, _texts(rows.model_of))
    schema_bytes = 128 * batch.num_columns
    at_once = max(1, (max_bytes - schema_bytes) * len(rows) // max(batch.nbytes, 1))
    values = [value for first in range(0, len(rows), at_once) for value in _written(batch.slice(first, at_once), max_bytes)]
    return [ExamplesRecord(models[0] if len(models) == 1 else None, value) for value in values]


def _written(batch: pa.RecordBatch, max_bytes: int) -> list[bytes]:
    """Streams of a batch, halved where rows larger than the mean lie together."""
    value = _write(batch)
    half = batch.num_rows // 2
    if len(value) <= max_bytes or half == 0:
        return [value]
    return [*_written(batch.slice(0, half), max_bytes), *_written(batch.slice(half), max_bytes)]


def _batch(rows: LabelledRows, model: str | None) -> pa.RecordBatch:
    n = len(rows)
    outcomes = {name: pa.string() if isinstance(column, CodedText) else pa.float64() for name, column in (("prediction", rows.prediction), ("label", rows.label))}
    schema = _schema(model, outcomes["prediction"], outcomes["label"], rows.numeric_names, tuple(rows.categorical))
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
def _schema(model: str | None, prediction: pa.DataType, label: pa.DataType, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> pa.Schema:
    kinds = _NUMBERS | {"partition": pa.int64(), "version": pa.string(), "segment": pa.string(), "prediction": prediction, "label": label}
    fields = [(name, kinds[name]) for name in _PLAIN] + [(_FEATURE + name, pa.float64()) for name in numeric] + [(_FEATURE + name, pa.string()) for name in categorical]
    return pa.schema(fields, metadata=None if model is None else {"model": model})


def _texts(column: CodedText) -> pa.Array:
    levels = pa.array(column.levels, pa.string())
    return levels.take(pa.array(column.codes, mask=~column.present))


def _write(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def decode_examples(data: bytes) -> list[Examples]:
    """Rows of one record, by model.

    Texts and numbers come as plain columns. The model's name is in the schema's metadata, or in a column where the record is of several.
    """
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    if _MODEL not in table.column_names:
        return [_examples((table.schema.metadata or {})[b"model"].decode(), table)]
    model = table.column(_MODEL).combine_chunks().dictionary_encode()
    codes, names = model.indices.to_numpy(), model.dictionary.to_pylist()
    return [_examples(names[code], table.take(np.flatnonzero(codes == code))) for code in np.unique(codes).tolist()]


def _examples(model: str, table: pa.Table) -> Examples:
    columns: dict[str, Any] = {name: _numpy(table.column(name)) for name in _PLAIN}
    features = {name.removeprefix(_FEATURE): _numpy(table.column(name)) for name in table.column_names if name.startswith(_FEATURE)}
    return Examples(model=model, features=features, **columns)


def _numpy(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type):
        values = np.empty(len(column), dtype=object)
        values[:] = column.to_pylist()
        return values
    return np.array(column.to_numpy())
