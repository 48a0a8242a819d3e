"""Arrow arrays to columns of a batch. A value of another type than its column may have is never guessed at: its row is marked as odd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.coded_text import MISSING, CodedText
from detectors.columns.class_names import class_name
from detectors.event_batch import Bool, Float64, Int64, UInt64
from streams.formats.event_checks import FIRST_TIME, LAST_TIME
from streams.formats.id_hashes import id_hashes

_DICTIONARY = pa.dictionary(pa.int8(), pa.string()).id
_TEXTS = frozenset(kind.id for kind in (pa.string(), pa.large_string(), pa.string_view()))
_FLOATS = (pa.float16(), pa.float32(), pa.float64())
_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_NUMBERS = frozenset(kind.id for kind in (*_FLOATS, *_INTEGERS))
_BLOCK = 4_096  # rows that stay near while one member after the other is put into them
_FEW_BYTES = 1_024  # of all texts of a dictionary: not worth a look at each
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def is_number(kind: pa.DataType) -> bool:
    """Integers and floats; neither decimals nor truth values."""
    return kind.id in _NUMBERS


def is_text(kind: pa.DataType) -> bool:
    """Text, also dictionary-encoded."""
    return (kind.value_type.id if kind.id == _DICTIONARY else kind.id) in _TEXTS


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


def number_matrix(column: pa.Array, members_of: Mapping[str, pa.Array], names: Sequence[str], rows: Int64) -> tuple[Float64, Bool | None]:
    """(m, F) numbers of an object's members, nan where there is none; and the odd rows, if any, as in `numbers`.

    Parameters
    ----------
    column : (n,) the object.
    members_of : its `members`.
    names : (F,) of the members to take.
    rows : (m,) which rows, in this order.
    """
    odd = np.zeros(len(rows), bool)
    by_member: list[Float64 | None] = []
    for name in names:
        member = members_of.get(name)
        inner = None if member is None else column.field(name)
        if inner is not None and is_number(inner.type) and not inner.null_count:
            by_member.append(inner.to_numpy(zero_copy_only=False))  # whatever stands in rows without the object, it goes below
            continue
        values, found = (None, None) if member is None else numbers(member)
        by_member.append(values)
        if found is not None:
            odd |= found[rows]
    matrix = np.empty((len(rows), len(names)))
    for first in range(0, len(rows), _BLOCK):
        cells, some = matrix[first : first + _BLOCK], rows[first : first + _BLOCK]
        for place, values in enumerate(by_member):
            cells[:, place] = np.nan if values is None else values.take(some)
        if np.isinf(cells).any():
            odd[first : first + _BLOCK] |= np.isinf(cells).any(axis=1)
    if column.null_count:
        is_given = given(column)[rows]
        matrix[~is_given] = np.nan
        odd &= is_given
    return matrix, odd if odd.any() else None


def vectors(column: pa.Array, dimension: int) -> tuple[Float64, Bool | None]:
    """(n, dimension) numbers of an embedding, nan where there is none; and the odd rows, if any: of another length, with what is no finite number."""
    out = np.full((len(column), dimension), np.nan)
    if pa.types.is_null(column.type):
        return out, None
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not is_number(kind.value_type):
        return out, given(column)
    is_given = given(column)
    fits = is_given & np.asarray(column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False) == dimension)
    some = column if fits.all() else column.filter(pa.array(fits))
    values = some.flatten().to_numpy(zero_copy_only=False).astype(np.float64, copy=False).reshape(-1, dimension)
    out[fits] = values
    odd = is_given & ~fits
    odd[fits] |= ~np.isfinite(values).all(axis=1)
    return out, odd if odd.any() else None


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
    found = encoded.dictionary.to_pylist()
    if pa.types.is_floating(encoded.dictionary.type):
        found = [None if level != level else level for level in found]  # noqa: PLR0124  nan is a missing value, in every column
    levels = CodedText.of([None if level is None else name_of(level) for level in found])
    places = _filled(encoded.indices, MISSING).to_numpy(zero_copy_only=False)
    if len(levels.levels) == len(found):  # each is another one
        return CodedText(levels.levels, places), odd
    return CodedText(levels.levels, np.append(levels.codes, np.int32(MISSING))[places]), odd  # the code of none is the last place


def classes(column: pa.Array) -> tuple[CodedText, Bool | None]:
    """(n,) classes under their canonical names, see `class_name`; and the odd rows, if any."""
    return texts(column, class_name, is_scalar)


def ids(column: pa.Array) -> tuple[UInt64, Bool]:
    """(n,) `event_hash` of each event id; and the odd rows: none, empty, or of another type than text or integers."""
    kind = column.type
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return np.zeros(len(column), np.uint64), np.ones(len(column), bool)
    if pa.types.is_dictionary(kind):
        hashes, odd = ids(column.dictionary)
        places = _filled(column.indices, len(hashes)).to_numpy(zero_copy_only=False)  # texts are not put into each row: a long one would be repeated
        return np.append(hashes, np.uint64(0))[places], np.append(odd, True)[places]
    if pa.types.is_integer(kind):
        column = column.cast(pa.string())
    if not len(column):
        return np.empty(0, np.uint64), np.empty(0, bool)
    _, starts, texts = column.buffers()
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    offsets = np.frombuffer(starts, width, len(column) + 1, column.offset * width().itemsize).astype(np.int64)  # the buffer may have bytes beyond the last
    hashes = id_hashes(offsets, np.frombuffer(texts or b"", np.uint8))
    odd = offsets[1:] == offsets[:-1]
    return hashes, odd if not column.null_count else odd | ~given(column)


def times(column: pa.Array, otherwise: Int64) -> tuple[Int64, Bool]:
    """(n,) epoch milliseconds, of the record where there is none, just outside of the years 1 to 9999 where out of range; and the odd rows."""
    kind = column.type
    odd = np.zeros(len(column), bool)
    if pa.types.is_null(kind):
        return otherwise, odd
    if pa.types.is_integer(kind) or (pa.types.is_timestamp(kind) and kind.tz is not None):
        missing = ~given(column) if column.null_count else None
        if pa.types.is_uint64(kind):
            column = pc.min_element_wise(column, pa.scalar(LAST_TIME + 1, pa.uint64()))
        whole = _filled(column if pa.types.is_int64(kind) else column.cast(pa.int64()), 0).to_numpy()
        if pa.types.is_timestamp(kind) and kind.unit != "ms":
            values = np.rint(np.clip(whole / _PER_SECOND[kind.unit] * 1_000, FIRST_TIME - 1, LAST_TIME + 1)).astype(np.int64)
        else:
            values = np.clip(whole, FIRST_TIME - 1, LAST_TIME + 1)
        return values if missing is None else np.where(missing, otherwise, values), odd
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


def text_bytes(column: pa.Array) -> Int64:
    """(n,) bytes that each text of a column of text takes, 0 for none."""
    if pa.types.is_dictionary(column.type):
        sizes = text_bytes(column.dictionary)
        return np.asarray(np.append(sizes, 0)[_filled(column.indices, len(column.dictionary)).to_numpy(zero_copy_only=False)], np.int64)
    return np.asarray(pc.binary_length(column).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def longest_text(column: pa.Array) -> int:
    """Bytes that no text of a column of text is longer than, which costs less than to look at each."""
    values = column.dictionary if column.type.id == _DICTIONARY else column
    whole = values.get_total_buffer_size()
    return int(whole) if whole <= _FEW_BYTES else pc.max(pc.binary_length(values)).as_py() or 0
