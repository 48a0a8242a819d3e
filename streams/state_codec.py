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

FORMAT = 17
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
    writer = _Writer()
    plain = writer.encode(value)
    compressed = len(plain) >= _WORTHWHILE
    content = _CODEC.compress(plain, asbytes=True) if compressed else plain
    parts = [_HEAD.pack(FORMAT, compressed, len(plain), len(content)), content, *writer.buffers]
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
    return _Reader(arrays).decode(_CODEC.decompress(content, decompressed_size=size, asbytes=True) if compressed else content)


class _Writer:
    """Encodes one value; what MessagePack has no form for comes by `_extended`, so that all else is walked through by the encoder itself."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []

    def encode(self, value: Any) -> bytes:
        """Bytes of a value, without its large arrays."""
        return msgspec.msgpack.encode(value, enc_hook=self._extended)  # an encoder kept here would refer to it, and large arrays wait for the garbage collector

    def _extended(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._text(value) if value.dtype == object else self._array(value)
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"a {type(value).__name__} has no form in state")

    def _array(self, array: AnyArray) -> msgspec.msgpack.Ext:
        if array.nbytes < _LARGE:
            return msgspec.msgpack.Ext(_ARRAY, _ENCODER.encode((array.dtype.str, array.shape, array.tobytes())))
        packed, first = pack(array), sum(map(len, self.buffers))
        self.buffers += packed.buffers
        sizes = [len(buffer) for buffer in packed.buffers]
        return msgspec.msgpack.Ext(_LARGE_ARRAY, _ENCODER.encode((array.dtype.str, array.shape, packed.form, packed.how, first, sizes)))

    def _text(self, column: AnyArray) -> msgspec.msgpack.Ext:
        levels: dict[str | None, int] = {}
        codes = np.fromiter((levels.setdefault(value, len(levels)) for value in column.ravel()), np.int32, column.size)
        return msgspec.msgpack.Ext(_TEXT, self.encode((column.shape, list(levels), codes)))


class _Reader:
    """Decodes one value, whose large arrays lie in a buffer of their own."""

    def __init__(self, arrays: memoryview) -> None:
        self._arrays = arrays

    def decode(self, data: Buffer) -> Any:
        """What was encoded."""
        return msgspec.msgpack.decode(data, ext_hook=self._of_extended)  # without a decoder that would refer to it, as above

    def _of_extended(self, code: int, data: memoryview) -> AnyArray:
        if code == _ARRAY:
            kind, shape, content = _OF_ARRAY.decode(data)
            return np.frombuffer(content, kind).reshape(shape)
        if code == _LARGE_ARRAY:
            kind, shape, form, how, first, sizes = _OF_LARGE_ARRAY.decode(data)
            ends = first + np.cumsum([0, *sizes])
            buffers: list[Buffer] = [self._arrays[begin:end] for begin, end in pairwise(ends.tolist())]
            return unpack(PackedArray(form, how, buffers), np.dtype(kind), shape)
        shape, names, codes = self.decode(data)
        levels = np.empty(len(names), dtype=object)
        levels[:] = names
        column: AnyArray = levels[codes].reshape(shape)
        return column


_ARRAY, _LARGE_ARRAY, _TEXT = 1, 2, 3
"""Codes of MessagePack's extensions: arrays in their place, arrays behind the others, and columns of text."""

_ENCODER = msgspec.msgpack.Encoder()
_OF_ARRAY = msgspec.msgpack.Decoder(tuple[str, list[int], bytes])
_OF_LARGE_ARRAY = msgspec.msgpack.Decoder(tuple[str, list[int], str, list[Any], int, list[int]])
