"""Labelled rows to records of ``monitoring.examples``, and records to examples: Arrow IPC streams, readable by any Arrow library.

They are not compressed: most of their bytes are measured numbers, which no codec makes smaller for less than they cost to send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.coded_text import CodedText
from detectors.event_batch import Column, Float64, put_together
from detectors.rows.examples import Examples
from detectors.rows.labelled_rows import LabelledRows

_FEATURE = "feature:"
_MODEL = "model"
_OWN_RECORD = 256  # rows of a model from which on it has records of its own, whose key is its name
_BLOCK = 1_024  # rows that stay near while one column after the other is taken out of them
_CHARACTERS_AT_ONCE = 1 << 26  # of texts that become Arrow columns together; one of them holds 2 GiB at most
_END_BYTES = 8  # how a stream ends
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
    parts : a model's rows are in one record each, in their order; those of its revisions may have other columns, and so other records.
    """
    alike = [list(rows) for _, rows in groupby(parts, key=_form)]
    of_model = Counter(model for rows in alike for model in _sizes(rows))
    alone: list[list[LabelledRows]] = []
    sharing: dict[Any, list[LabelledRows]] = {}
    for rows in alike:
        sizes = _sizes(rows)
        by_itself = {model for model, size in sizes.items() if size >= _OWN_RECORD or of_model[model] > 1}  # shared records would bring two revisions out of their order
        if by_itself and len(sizes) == 1:
            alone.append(rows)
            continue
        together = LabelledRows.concatenate([replace(part, model="", models=part.model_of) for part in rows])
        model_of = together.model_of
        is_alone = np.array([model in by_itself for model in model_of.levels])[model_of.codes]
        alone += [[own] for own in together.take(is_alone).by_model()]
        if not is_alone.all():
            sharing.setdefault(_form(together), []).append(together.take(~is_alone) if by_itself else together)
    return [record for rows in (*alone, *sharing.values()) for record in _records(rows, max_bytes)]


def _form(rows: LabelledRows) -> Hashable:
    """The same for rows that have the same columns."""
    return rows.partition, isinstance(rows.prediction, CodedText), isinstance(rows.label, CodedText), rows.numeric_names, tuple(rows.categorical)


def _sizes(parts: Sequence[LabelledRows]) -> Counter[str]:
    """How many rows there are of each model."""
    sizes: Counter[str] = Counter()
    for model_of in (rows.model_of for rows in parts):
        for level, size in zip(model_of.levels, np.bincount(model_of.codes, minlength=len(model_of.levels)).tolist(), strict=True):
            sizes[level] += size
    return +sizes  # without those that are only named


def _records(parts: Sequence[LabelledRows], max_bytes: int) -> list[ExamplesRecord]:
    if (some := _halves(parts)) and sum(map(_characters, parts)) > _CHARACTERS_AT_ONCE:
        return [record for half in some for record in _records(half, max_bytes)]
    models = list(_sizes(parts))
    batch = _batch(parts, models[0] if len(models) == 1 else None)
    if len(models) > 1:
        batch = batch.append_column(_MODEL, _texts([rows.model_of for rows in parts]))
    schema_bytes = 128 * batch.num_columns
    at_once = max(1, (max_bytes - schema_bytes) * batch.num_rows // max(batch.nbytes, 1))
    values = [value for first in range(0, batch.num_rows, at_once) for value in _written(batch.slice(first, at_once), max_bytes)]
    return [ExamplesRecord(models[0] if len(models) == 1 else None, value) for value in values]


def _halves(parts: Sequence[LabelledRows]) -> list[Sequence[LabelledRows]]:
    """None of a single row."""
    if len(parts) > 1:
        return [parts[: len(parts) // 2], parts[len(parts) // 2 :]]
    half = len(parts[0]) // 2
    return [[parts[0].take(slice(half))], [parts[0].take(slice(half, None))]] if half else []


def _characters(rows: LabelledRows) -> int:
    """Of all texts when they are written out: a dictionary may say a long one once, and all rows mean it."""
    texts = [column for column in (rows.version, rows.segment, rows.prediction, rows.label, *rows.categorical.values()) if isinstance(column, CodedText)]
    return sum(int(np.array([*map(len, column.levels), 0]).take(column.codes).sum()) for column in texts)  # the code of a missing value is the last place


def _written(batch: pa.RecordBatch, max_bytes: int) -> list[bytes]:
    """Streams of a batch, halved where rows larger than the mean lie together."""
    value = _write(batch)
    half = batch.num_rows // 2
    if len(value) <= max_bytes or half == 0:
        return [value]
    return [*_written(batch.slice(0, half), max_bytes), *_written(batch.slice(half), max_bytes)]


def _batch(parts: Sequence[LabelledRows], model: str | None) -> pa.RecordBatch:
    """All rows of the parts, which have the same columns; each value is moved once, to where it is sent from."""
    first = parts[0]
    outcomes = {name: pa.string() if isinstance(getattr(first, name), CodedText) else pa.float64() for name in ("prediction", "label")}
    schema = _schema(model, outcomes["prediction"], outcomes["label"], first.numeric_names, tuple(first.categorical))
    columns: dict[str, Any] = {"partition": pa.array(np.full(sum(map(len, parts)), first.partition, np.int64))}
    columns |= {name: _column([getattr(rows, name) for rows in parts]) for name in _PLAIN if name not in columns}
    features = [pa.array(column, from_pandas=False) for column in _columns_of([rows.numeric for rows in parts])]
    features += [_texts([rows.categorical[name] for rows in parts]) for name in first.categorical]
    return pa.RecordBatch.from_arrays([*(columns[name] for name in _PLAIN), *features], schema=schema)


def _columns_of(matrices: Sequence[Float64]) -> Float64:
    """(F, n) all rows of (n, F) matrices, as Arrow's columns lie: in one piece each."""
    columns, first = np.empty((matrices[0].shape[1], sum(map(len, matrices)))), 0
    for matrix in matrices:
        for start in range(0, len(matrix), _BLOCK):
            some = matrix[start : start + _BLOCK]
            columns[:, first : first + len(some)] = some.T
            first += len(some)
    return columns


@lru_cache(maxsize=4_096)
def _schema(model: str | None, prediction: pa.DataType, label: pa.DataType, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> pa.Schema:
    kinds = _NUMBERS | {"partition": pa.int64(), "version": pa.string(), "segment": pa.string(), "prediction": prediction, "label": label}
    fields = [(name, kinds[name]) for name in _PLAIN] + [(_FEATURE + name, pa.float64()) for name in numeric] + [(_FEATURE + name, pa.string()) for name in categorical]
    return pa.schema(fields, metadata=None if model is None else {"model": model})


def _column(parts: Sequence[Any]) -> pa.Array:
    return _texts(parts) if isinstance(parts[0], CodedText) else pa.array(put_together(parts), from_pandas=False)


def _texts(parts: Sequence[CodedText]) -> pa.Array:
    column = CodedText.concatenate(parts)
    levels = pa.array(column.levels, pa.string())
    return levels.take(pa.array(column.codes, mask=~column.present))


def _write(batch: pa.RecordBatch) -> bytes:
    room = pa.allocate_buffer(batch.schema.serialize().size + pa.ipc.get_record_batch_size(batch) + _END_BYTES)  # one that grows would be copied as it does
    with pa.FixedSizeBufferWriter(room) as sink:
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        size = sink.tell()
    return bytes(memoryview(room)[:size])


def decode_examples(data: bytes) -> list[Examples]:
    """Rows of one record, by model.

    Texts and numbers come as plain columns. The model's name is in the schema's metadata, or in a column where the record is of several.
    """
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    if _MODEL not in table.column_names:
        return [examples_of((table.schema.metadata or {})[b"model"].decode(), table)]
    model = table.column(_MODEL).combine_chunks().dictionary_encode()
    codes, names = model.indices.to_numpy(), model.dictionary.to_pylist()
    return [examples_of(names[code], table.take(np.flatnonzero(codes == code))) for code in np.unique(codes).tolist()]


def table_of(examples: Examples) -> pa.Table:
    """Rows as an Arrow table with the columns of a record, such as Parquet files hold."""
    columns = {name: _arrow(getattr(examples, name)) for name in _PLAIN} | {_FEATURE + name: _arrow(values) for name, values in examples.features.items()}
    return pa.table(columns)


def _arrow(column: Column) -> pa.Array:
    return pa.array(column, pa.string() if column.dtype == object else None, from_pandas=False)


def examples_of(model: str, table: pa.Table) -> Examples:
    """Rows of one model from an Arrow table with the columns of a record."""
    columns: dict[str, Any] = {name: _numpy(table.column(name)) for name in _PLAIN}
    features = {name.removeprefix(_FEATURE): _numpy(table.column(name)) for name in table.column_names if name.startswith(_FEATURE)}
    return Examples(model=model, features=features, **columns)


def _numpy(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type):
        values = np.empty(len(column), dtype=object)
        values[:] = column.to_pylist()
        return values
    return np.array(column.to_numpy())
