"""State values to bytes and back: MessagePack for the structure and small arrays, compressed by zstd, large arrays behind it, and a checksum.

Nothing here can run code: a value is numbers, text, lists, dicts and arrays of known types.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams.checksums import checksum
from streams.packed_arrays import AnyArray, Buffer, PackedArray, pack, unpack

FORMAT = 14
"""Of every piece, manifest and bundle: one more with each change of what they hold, so that a release refuses what it would misread."""

_WORTHWHILE = 1_024  # bytes from which on a value is compressed; for fewer it would save little, and take most of the time
_LARGE = 65_536  # bytes from which on an array is packed by itself, behind the others
_HEAD = struct.Struct("<B?QQ")  # format, whether compressed, length, length as stored
_CHECKSUM = struct.Struct("<I")
_CODEC = pa.Codec("zstd", compression_level=1)  # level 3 saves 4 % more and costs three times the time


class StateError(RuntimeError):
    """Saved state that cannot be used: the worker stops, and acknowledges nothing."""


class FormatError(StateError):
    """Saved state or a bundle that another release wrote; nothing is damaged."""


def encode_state(value: Any) -> bytes:
    """Bytes of a state value."""
    return b"".join(encode_buffers(value))


def encode_buffers(value: Any) -> list[Buffer]:
    """Bytes of a state value where they lie: checksum, format, lengths, MessagePack, which is compressed where that is worth the time, and large arrays behind it."""
    buffers: list[Buffer] = []
    plain: bytes = _ENCODER.encode(_plain(value, buffers))
    compressed = len(plain) >= _WORTHWHILE
    content = _CODEC.compress(plain, asbytes=True) if compressed else plain
    parts = [_HEAD.pack(FORMAT, compressed, len(plain), len(content)), content, *buffers]
    return [_CHECKSUM.pack(checksum(parts)), *parts]


def decode_state(data: bytes, name: str) -> Any:
    """The value again.

    Raises
    ------
    StateError
        If the checksum does not match.
    FormatError
        If another release wrote it.
    """
    packed = memoryview(data)[_CHECKSUM.size :]
    if len(packed) < _HEAD.size or _CHECKSUM.pack(checksum([packed])) != data[: _CHECKSUM.size]:
        raise StateError(f"{name}: its checksum does not match its {len(data)} bytes; it is damaged, or another program writes to it")
    if packed[0] != FORMAT:
        raise FormatError(f"{name}: format {packed[0]}, expected {FORMAT}; another release of Driftwarden wrote it")
    _, compressed, size, stored = _HEAD.unpack_from(packed)
    content, arrays = packed[_HEAD.size : _HEAD.size + stored], packed[_HEAD.size + stored :]
    return _restored(_DECODER.decode(_CODEC.decompress(content, decompressed_size=size, asbytes=True) if compressed else content), arrays)


def _plain(value: Any, buffers: list[Buffer]) -> Any:
    if isinstance(value, np.ndarray):
        return _plain_array(value, buffers)
    if isinstance(value, dict):
        items = {key: _plain(item, buffers) for key, item in value.items()}
        return {"__array__": "dict", "items": list(items.items())} if "__array__" in items else items  # names come from users: a model may be called so
    if isinstance(value, list | tuple):
        return value if _SIMPLE.issuperset(map(type, value)) else [_plain(item, buffers) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _plain_array(array: AnyArray, buffers: list[Buffer]) -> dict[str, Any]:
    shape = list(array.shape)
    if array.dtype == object:
        levels, codes = _dictionary(array)
        return {"__array__": "text", "levels": levels, "codes": _plain_array(codes, buffers), "shape": shape}
    if array.nbytes < _LARGE:
        return {"__array__": array.dtype.str, "data": np.ascontiguousarray(array).tobytes(), "shape": shape}
    packed, first = pack(array), sum(map(len, buffers))
    buffers += packed.buffers
    return {"__array__": array.dtype.str, "form": packed.form, "how": packed.how, "first": first, "sizes": [len(buffer) for buffer in packed.buffers], "shape": shape}


def _dictionary(column: np.ndarray[Any, np.dtype[np.object_]]) -> tuple[list[str | None], np.ndarray[Any, np.dtype[np.int32]]]:
    levels: dict[str | None, int] = {}
    codes = np.fromiter((levels.setdefault(value, len(levels)) for value in column.ravel()), np.int32, column.size)
    return list(levels), codes


def _restored(value: Any, arrays: memoryview) -> Any:
    if isinstance(value, dict):
        kind = value.get("__array__")
        if kind == "text":
            levels = np.empty(len(value["levels"]), dtype=object)
            levels[:] = value["levels"]
            return levels[_restored(value["codes"], arrays)].reshape(value["shape"])
        if kind == "dict":
            return {key: _restored(item, arrays) for key, item in value["items"]}
        if kind is not None:
            return _array(value, np.dtype(kind), arrays)
        return {key: _restored(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return value if _SIMPLE.issuperset(map(type, value)) else [_restored(item, arrays) for item in value]
    return value


def _array(value: dict[str, Any], dtype: np.dtype[Any], arrays: memoryview) -> AnyArray:
    if "data" in value:
        return np.frombuffer(value["data"], dtype).reshape(value["shape"])
    ends = value["first"] + np.cumsum([0, *value["sizes"]])
    buffers: list[Buffer] = [arrays[first:end] for first, end in pairwise(ends.tolist())]
    return unpack(PackedArray(value["form"], value["how"], buffers), dtype, value["shape"])


_SIMPLE = {str, int, float, bool, type(None)}  # thousands of names are looked at by their types alone
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder()
