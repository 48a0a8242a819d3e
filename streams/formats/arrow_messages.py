"""What the messages of an Arrow IPC stream say of themselves, read before Arrow unpacks any of them.

A stream is a message with the schema, messages with dictionaries, and messages with rows. Each is a flatbuffer of metadata and a body of buffers:
numbers of rows and bytes stand in the metadata, those of compressed buffers before each of them. So twenty kilobytes that would become a gigabyte are
refused for what they say. The numbers of fields are those of ``Message.fbs`` in Arrow's format.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as OutOfBounds  # noqa: N812  it is raised for nothing else
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.errors import EventError

STREAM_START = b"\xff\xff\xff\xff"
"""How every message of a stream begins, and so the stream; no JSON does, for these bytes are not UTF-8."""

MAX_ROWS = 100_000
"""Of one record: a column of nulls takes no bytes however long it says that it is."""

MAX_BYTES = 16 * 1024 * 1024
"""Of one record's columns."""

MAX_GROWTH = 100
"""Bytes of columns for each of a record's bytes: what is compressed in the stream may take a thousandth of what it takes in memory, in each record of a fetch."""

_TEXT_BYTES = 8  # that a text of a dictionary takes at least while it is looked at; nulls take none in the stream, however many it says that there are

_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3  # what a message's header may be
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3  # fields of a message
_ENDIANNESS = 0  # field of a schema
_DATA = 1  # field of a dictionary: its values, as rows of one column
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3  # fields of rows
_AS_IT_IS = 2**64 - 1  # stands before a buffer that did not become smaller
_OLD_COMPRESSION = b"ARROW:experimental_compression"  # of Arrow 0.17, which told nowhere how much it is

_NO_BUFFERS = np.empty((0, 2), np.uint64)

_FIELDS = Struct("<5H")  # no table of a message has more
_FRAME, _UINT8, _UINT16, _INT32, _UINT32, _INT64, _UINT64 = (Struct(form) for form in ("<4si", "<B", "<H", "<i", "<I", "<q", "<Q"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """A stream that is within all bounds, if Arrow can read it.

    Attributes
    ----------
    head : schema and dictionaries, all that stands before the first rows.
    head_size : bytes that the columns of the dictionaries take.
    batches : where the message of each batch of rows begins and ends.
    rows : of all batches.
    is_plain : whether all that comes behind the head is rows, where buffers lie as they have to and numbers are little-endian: then they can be read without the head.
    """

    head: bytes
    head_size: int
    batches: tuple[tuple[int, int], ...]
    rows: int
    is_plain: bool


class _Message(NamedTuple):
    kind: int
    end: int
    rows: int
    size: int
    is_little_endian: bool = True


def max_bytes(value: bytes) -> int:
    """How many bytes a record may become.

    Examples
    --------
    >>> max_bytes(bytes(2_000))
    200000
    """
    return min(MAX_BYTES, MAX_GROWTH * len(value))


def outline(value: bytes, before: Outline | None = None) -> Outline:
    """Look through a stream.

    Parameters
    ----------
    before : of another stream: its head is not looked at again, where this one has the same.

    Raises
    ------
    EventError
        If it is cut off, has no rows, or has more rows than `MAX_ROWS` or than bytes, or more than `max_bytes` of columns.
    """
    try:
        return _outline(value, before if before is not None and before.is_plain and value.startswith(before.head) else None)
    except (OutOfBounds, ValueError, OverflowError) as error:
        raise EventError(f"not an Arrow IPC stream: {error}") from None


def _outline(value: bytes, before: Outline | None) -> Outline:
    place = head = size = head_size = 0
    if before is not None:
        place = head = len(before.head)
        size = head_size = before.head_size
    rows = 0
    batches: list[tuple[int, int]] = []
    limit = max_bytes(value)
    is_plain = True
    while (message := _message(value, place)) is not None:
        if (message.kind == _SCHEMA) != (place == 0):
            raise ValueError("it has to begin with its schema, and to have one")
        size += message.size if message.kind != _DICTIONARY else max(message.size, _TEXT_BYTES * message.rows)
        is_plain &= message.is_little_endian
        if message.kind == _ROWS:
            rows += message.rows
            batches.append((place, message.end))
            is_plain &= (place | message.end) % 8 == 0
        elif batches:
            is_plain = False
        else:
            head, head_size = message.end, size
        place = message.end
        if size > limit:
            raise EventError(f"expected at most {limit} bytes of columns in a record of {len(value)}, got {size} or more; let Kafka compress (compression.type)")
        if rows > MAX_ROWS:
            raise EventError(f"expected at most {MAX_ROWS} rows in a record, got {rows} or more")
        if rows > len(value):
            raise EventError(f"expected at most a row for each of the record's {len(value)} bytes, got {rows} or more")
    if not rows:
        raise EventError("the record is an Arrow IPC stream without rows")
    return Outline(head=before.head if before is not None and head == len(before.head) else value[:head], head_size=head_size, batches=tuple(batches), rows=rows, is_plain=is_plain)


def _message(value: bytes, place: int) -> _Message | None:
    """The message that begins at a place; None where the stream ends."""
    if place == len(value) or value[place : place + 4] == bytes(4):
        return None
    start, length = _FRAME.unpack_from(value, place)
    if start != STREAM_START:
        raise ValueError(f"a message has to begin with FF FF FF FF, got {start.hex(' ').upper()} at byte {place}")
    if length == 0:
        return None
    body = place + _FRAME.size + length
    metadata = value[place + _FRAME.size : body]
    if _OLD_COMPRESSION in metadata:
        raise EventError("compressed in a way that Arrow has left; let Kafka compress (compression.type)")
    message, fields = _table(metadata, 0)
    kind = _number(metadata, message, fields[_HEADER_TYPE], _UINT8)
    body_length = _number(metadata, message, fields[_BODY_LENGTH], _INT64)
    end = body + body_length
    if length < 0 or body_length < 0 or end > len(value):
        raise ValueError(f"a message of {length} and {body_length} bytes begins at byte {place} of {len(value)}")
    if kind == _SCHEMA:
        schema, fields = _table(metadata, _given(message, fields[_HEADER]))
        return _Message(kind, end, 0, 0, is_little_endian=not _number(metadata, schema, fields[_ENDIANNESS], _UINT16))
    if kind not in {_DICTIONARY, _ROWS}:
        raise ValueError(f"expected messages with rows or dictionaries, got one of the kind {kind}")
    data, fields = _table(metadata, _given(message, fields[_HEADER]))
    if kind == _DICTIONARY:
        data, fields = _table(metadata, _given(data, fields[_DATA]))
    rows = _number(metadata, data, fields[_LENGTH], _INT64)
    if rows < 0:
        raise ValueError(f"a message of {rows} rows")
    buffers = _pairs(metadata, _given(data, fields[_BUFFERS])) if fields[_BUFFERS] else _NO_BUFFERS
    if fields[_COMPRESSION]:
        return _Message(kind, end, rows, _unpacked(buffers, memoryview(value)[body:end]))
    return _Message(kind, end, rows, int(buffers[:, 1].sum(dtype=np.float64)))


def _unpacked(buffers: npt.NDArray[np.uint64], body: memoryview) -> int:
    """Bytes that compressed buffers take."""
    size = 0
    for offset, length in buffers.tolist():
        if length:
            unpacked = _UINT64.unpack_from(body, offset)[0]
            size += length if unpacked == _AS_IT_IS else unpacked
    return size


def _table(metadata: bytes, place: int) -> tuple[int, tuple[int, ...]]:
    """The table that is led to from a place: where it is, and how far behind that its fields are, 0 for those that it does not have."""
    place += _UINT32.unpack_from(metadata, place)[0]
    fields = place - _INT32.unpack_from(metadata, place)[0]
    if fields < 0:  # which would be counted from the end
        raise ValueError(f"something has to be at byte {fields} of a message")
    size = _UINT16.unpack_from(metadata, fields)[0]
    return place, _FIELDS.unpack(metadata[fields + 4 : fields + size][: _FIELDS.size].ljust(_FIELDS.size, b"\0"))


def _given(place: int, field: int) -> int:
    """Where a field is that has to be there."""
    if not field:
        raise ValueError("a message is without what it has to say")
    return place + field


def _number(metadata: bytes, place: int, field: int, form: Struct) -> int:
    return form.unpack_from(metadata, place + field)[0] if field else 0


def _pairs(metadata: bytes, place: int) -> npt.NDArray[np.uint64]:
    """(n, 2) a list of two integers each, which is led to from a place; what is below zero is very large."""
    place += _UINT32.unpack_from(metadata, place)[0]
    return np.frombuffer(metadata, "<u8", 2 * _UINT32.unpack_from(metadata, place)[0], place + 4).reshape(-1, 2)
