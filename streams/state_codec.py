"""State values to bytes and back: MessagePack for the structure, raw buffers for the arrays, zstd (but for small values) and a digest around it.

Nothing here can run code: a value is numbers, text, lists, dicts and arrays of known types.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

FORMAT = 4
"""Of every piece, manifest and bundle: one more with each change of what they hold, so that a release refuses what it would misread."""

_WORTHWHILE = 1_024  # bytes from which on a value is compressed; for fewer it would save little, and take most of the time
_HEAD = struct.Struct("<B?Q")  # format, whether compressed, length
_DIGEST_BYTES = 16
_CODEC = pa.Codec("zstd", compression_level=1)  # level 3 saves 4 % more and costs three times the time


class StateError(RuntimeError):
    """Saved state that cannot be used: the worker stops, and acknowledges nothing."""


class FormatError(StateError):
    """Saved state or a bundle that another release wrote; nothing is damaged."""


def encode_state(value: Any) -> bytes:
    """Bytes of a state value: digest, format, whether compressed, length, MessagePack, which is compressed where that is worth the time."""
    plain: bytes = _ENCODER.encode(_plain(value))
    compressed = len(plain) >= _WORTHWHILE
    packed = _HEAD.pack(FORMAT, compressed, len(plain)) + (_CODEC.compress(plain, asbytes=True) if compressed else plain)
    return hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest() + packed


def decode_state(data: bytes, name: str) -> Any:
    """The value again.

    Raises
    ------
    StateError
        If the digest does not match.
    FormatError
        If another release wrote it.
    """
    digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest() != digest:
        raise StateError(f"{name}: its digest does not match its {len(data)} bytes; it is damaged, or another program writes to it")
    if packed[0] != FORMAT:
        raise FormatError(f"{name}: format {packed[0]}, expected {FORMAT}; another release of Driftwarden wrote it")
    _, compressed, size = _HEAD.unpack_from(packed)
    content = packed[_HEAD.size :]
    return _restored(_DECODER.decode(_CODEC.decompress(content, decompressed_size=size, asbytes=True) if compressed else content))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            levels, codes = _dictionary(value)
            return {"__array__": "text", "levels": levels, "codes": codes.tobytes(), "shape": list(value.shape)}
        return {"__array__": value.dtype.str, "data": np.ascontiguousarray(value).tobytes(), "shape": list(value.shape)}
    if isinstance(value, dict):
        items = {key: _plain(item) for key, item in value.items()}
        return {"__array__": "dict", "items": list(items.items())} if "__array__" in items else items  # names come from users: a model may be called so
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _dictionary(column: np.ndarray[Any, np.dtype[np.object_]]) -> tuple[list[str | None], np.ndarray[Any, np.dtype[np.int32]]]:
    levels: dict[str | None, int] = {}
    codes = np.fromiter((levels.setdefault(value, len(levels)) for value in column.ravel()), np.int32, column.size)
    return list(levels), codes


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        kind = value.get("__array__")
        if kind == "text":
            levels = np.empty(len(value["levels"]), dtype=object)
            levels[:] = value["levels"]
            return levels[np.frombuffer(value["codes"], np.int32)].reshape(value["shape"])
        if kind == "dict":
            return {key: _restored(item) for key, item in value["items"]}
        if kind is not None:
            return np.frombuffer(value["data"], np.dtype(kind)).reshape(value["shape"])
        return {key: _restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    return value


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder()
