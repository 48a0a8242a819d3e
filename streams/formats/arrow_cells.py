"""Arrow arrays to columns of a batch. A value of another type than its column may have is never guessed at: its row is marked as odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from detectors.class_names import class_name
from detectors.coded_text import MISSING, CodedText
from detectors.event_batch import Bool, Float64, Int64, UInt64
from streams.formats.event_checks import FIRST_TIME, LAST_TIME

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def is_number(kind: pa.DataType) -> bool:
    """Integers and floats; neither decimals nor truth values."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_text(kind: pa.DataType) -> bool:
    """Text, also dictionary-encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_scalar(kind: pa.DataType) -> bool:
    """What JSON can say without brackets."""
    return is_number(kind) or is_text(kind) or bool(pa.types.is_boolean(kind))


def given(column: pa.Array) -> Bool:
    """(n,) rows that have a value, of whatever type."""
    if column.null_count == 0 and not pa.types.is_null(column.type):
        return np.ones(len(column), bool)
    return np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False))


def _filled(column: pa.Array, value: Any) -> pa.Array:
    """The column with a value where it has none; a column that has all is not copied."""
    return column.fill_null(value) if column.null_count else column


def numbers(column: pa.Array) -> tuple[Float64, Bool | None]:
    """(n,) numbers, nan where there is none; and the odd rows, if any: other types, infinities."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan), None
    if not is_number(column.type):
        return np.full(len(column), np.nan), given(column)
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype != np.float64:
        values = values.astype(np.float64)
    infinite = np.isinf(values)
    return values, infinite if infinite.any() else None


def texts(column: pa.Array, name_of: Callable[[Any], str | None], allowed: Callable[[pa.DataType], bool]) -> tuple[CodedText, Bool | None]:
    """(n,) texts of values of the allowed types, missing where there is none; and the odd rows, if any."""
    if pa.types.is_null(column.type):
        return CodedText.constant(None, len(column)), None
    if not allowed(column.type):
        return CodedText.constant(None, len(column)), given(column)
    odd = None
    if pa.types.is_floating(column.type):
        infinite = np.isinf(column.to_numpy(zero_copy_only=False))
        odd = infinite if infinite.any() else None
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    nameless = encoded.dictionary.is_null(nan_is_null=True).to_pylist()
    levels = CodedText.of([None if none else name_of(level) for level, none in zip(encoded.dictionary.to_pylist(), nameless, strict=True)])
    places = _filled(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)  # after the last level is the code of none
    return CodedText(levels.levels, np.append(levels.codes, np.int32(MISSING))[places]), odd


def classes(column: pa.Array) -> tuple[CodedText, Bool | None]:
    """(n,) classes under their canonical names, see `class_name`; and the odd rows, if any."""
    return texts(column, class_name, is_scalar)


def ids(column: pa.Array) -> tuple[UInt64, Bool]:
    """(n,) `event_hash` of each event id; and the odd rows: none, empty, or of another type than text or integers."""
    kind = column.type
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return np.zeros(len(column), np.uint64), np.ones(len(column), bool)
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
    values = _filled(column, "").cast(pa.large_binary()).to_numpy(zero_copy_only=False).tolist()
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, values), np.uint64, len(values))
    if b"" not in values:
        return hashes, np.zeros(len(values), bool)
    return hashes, np.fromiter((value == b"" for value in values), bool, len(values))


def times(column: pa.Array, otherwise: Int64) -> tuple[Int64, Bool]:
    """(n,) epoch milliseconds, of the record where there is none, just outside of the years 1 to 9999 where out of range; and the odd rows."""
    kind = column.type
    odd = np.zeros(len(column), bool)
    if pa.types.is_null(kind):
        return otherwise, odd
    if pa.types.is_integer(kind) or (pa.types.is_timestamp(kind) and kind.tz is not None):
        missing = ~given(column)
        if pa.types.is_uint64(kind):
            column = pc.min_element_wise(column, pa.scalar(LAST_TIME + 1, pa.uint64()))
        whole = _filled(column.cast(pa.int64()), 0).to_numpy()
        if pa.types.is_timestamp(kind) and kind.unit != "ms":
            values = np.rint(np.clip(whole / _PER_SECOND[kind.unit] * 1_000, FIRST_TIME - 1, LAST_TIME + 1)).astype(np.int64)
        else:
            values = np.clip(whole, FIRST_TIME - 1, LAST_TIME + 1)
        return np.where(missing, otherwise, values) if missing.any() else values, odd
    if pa.types.is_floating(kind):
        some = column.to_numpy(zero_copy_only=False).astype(np.float64)
        missing = np.isnan(some)
        values = np.clip(np.trunc(np.where(missing, 0, some)), FIRST_TIME - 1, LAST_TIME + 1).astype(np.int64)
        return np.where(missing, otherwise, values), np.isinf(some)
    return otherwise, given(column)


def members(column: pa.Array | None) -> dict[str, pa.Array] | None:
    """Columns of an object by their names, null where the object is; None where the column is not one, or names a member twice."""
    if column is None or pa.types.is_null(column.type):
        return {}
    if not pa.types.is_struct(column.type):
        return None
    names = [field.name for field in column.type]
    return dict(zip(names, column.flatten(), strict=True)) if len(set(names)) == len(names) else None


def text_bytes(column: pa.Array) -> Int64 | int:
    """(n,) bytes that each text takes, 0 for none and for what is no text."""
    if not is_text(column.type):
        return 0
    if pa.types.is_dictionary(column.type):
        sizes = pc.binary_length(column.dictionary.cast(pa.large_string())).fill_null(0).to_numpy(zero_copy_only=False)
        return np.asarray(np.append(sizes, 0)[column.indices.fill_null(len(sizes)).to_numpy(zero_copy_only=False)], np.int64)
    return np.asarray(pc.binary_length(column.cast(pa.large_string())).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def longest_text(column: pa.Array) -> int:
    """Bytes of the longest text of a column, which costs less than to look at each."""
    if not is_text(column.type):
        return 0
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    return pc.max(pc.binary_length(values.cast(pa.large_string()))).as_py() or 0
