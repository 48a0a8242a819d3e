"""Large arrays in as few bytes as their values need, found by arithmetic on whole columns.

A compressor that knows nothing of numbers takes 4 ns for each byte of measured values, to halve them. They are halved in a tenth of that, since
most of what is measured has few decimals: 36.6 is 366 tenths. Positions and times lie near each other: their differences from the smallest are
small. Every value is the same again, bit by bit; those few that would not be are kept beside the others.

For decimals this is what ALP does (Afroozeh, Kuffó, Boncz 2023, "ALP: Adaptive Lossless floating-Point Compression"), without its bit-packing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.event_batch import Float64

AnyArray = np.ndarray[Any, np.dtype[Any]]
Buffer = bytes | memoryview

_CODEC = pa.Codec("lz4_raw")  # for what is neither: nothing costs it nothing (numbers of full precision), and missing values all but vanish
_POWERS = 10.0 ** np.arange(7)
_SAMPLE = 32  # rows that choose the decimals of each column
_ROWS = 1_024  # at once: they stay in the processor's cache
_EXCEPTIONS = 1 / 16  # of the values; with more of them it would not be worth it


@dataclass(frozen=True)
class PackedArray:
    """An array as bytes: ``form`` names the way there, ``how`` holds what the way back needs beside dtype and shape."""

    form: str
    how: list[Any]
    buffers: list[Buffer]


def pack(array: AnyArray) -> PackedArray:
    """An array in few bytes.

    Parameters
    ----------
    array : numbers or booleans of any shape, not empty.

    Examples
    --------
    >>> packed = pack(np.array([[36.6, 0.25], [37.1, 0.5]]))
    >>> packed.form, packed.how, sum(map(len, packed.buffers))
    ('decimals', [[10.0, 100.0]], 16)
    >>> packed = pack(np.arange(1_000_000, 1_000_100))
    >>> packed.form, packed.how, sum(map(len, packed.buffers))
    ('differences', [1000000, '|u1'], 100)
    """
    array = np.ascontiguousarray(array)
    packed = None
    if array.dtype == np.float64:
        packed = _decimals(array.reshape(len(array), -1))
    elif array.dtype.kind in "iu":
        packed = _differences(array)
    return packed or PackedArray("lz4", [], [_CODEC.compress(_bytes(array), asbytes=True)])


def unpack(packed: PackedArray, dtype: np.dtype[Any], shape: Sequence[int]) -> AnyArray:
    """The array again, bit by bit."""
    if packed.form == "decimals":
        scales = np.array(packed.how[0])
        whole, places, values = packed.buffers
        array: AnyArray = np.frombuffer(whole, np.int32).reshape(-1, len(scales)) / scales
        array.ravel()[np.frombuffer(places, np.int64)] = np.frombuffer(values, np.float64)
        return array.reshape(shape)
    if packed.form == "differences":
        smallest, kind = packed.how
        array = np.frombuffer(packed.buffers[0], kind).astype(dtype)
        array += dtype.type(smallest)
        return array.reshape(shape)
    size = dtype.itemsize * int(np.prod(shape))
    return np.frombuffer(_CODEC.decompress(packed.buffers[0], decompressed_size=size), dtype).reshape(shape)


def _decimals(columns: Float64) -> PackedArray | None:
    """(n, F) numbers as whole ones and a power of ten for each column; None where many need more digits."""
    scales = _scales(columns[:: -(-len(columns) // _SAMPLE)])
    if scales is None:
        return None
    whole = np.empty(columns.shape, np.int32)
    exceptions, count = [np.empty(0, np.int64)], 0
    with np.errstate(invalid="ignore", over="ignore"):  # what fits no int32 is not the same again, and so an exception
        for first in range(0, len(columns), _ROWS):
            some, cells = columns[first : first + _ROWS], whole[first : first + _ROWS]
            scaled = some * scales
            np.copyto(cells, np.rint(scaled, out=scaled), casting="unsafe")
            other = np.divide(cells, scales, out=scaled).view(np.int64) != some.view(np.int64)
            if other.any():
                exceptions.append(first * len(scales) + np.flatnonzero(other))
                count += len(exceptions[-1])
                if count > _EXCEPTIONS * columns.size:
                    return None
    places = np.concatenate(exceptions)
    return PackedArray("decimals", [scales.tolist()], [_bytes(whole), _bytes(places), _bytes(columns.ravel()[places])])


def _scales(sample: Float64) -> Float64 | None:
    """For each column the smallest power of ten that makes most of a sample whole numbers; None where one has no such."""
    powers = _POWERS[:, None, None]
    with np.errstate(invalid="ignore", over="ignore"):
        exact = (np.rint(sample * powers) / powers == sample).mean(axis=1) >= 1 - _EXCEPTIONS
    return _POWERS[exact.argmax(axis=0)] if exact.any(axis=0).all() else None


def _differences(array: AnyArray) -> PackedArray | None:
    """Whole numbers less their smallest, where that takes fewer bytes."""
    smallest, largest = int(array.min()), int(array.max())
    kind = np.min_scalar_type(largest - smallest)
    if kind.itemsize >= array.dtype.itemsize:
        return None
    return PackedArray("differences", [smallest, kind.str], [_bytes((array - array.dtype.type(smallest)).astype(kind))])


def _bytes(array: AnyArray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
