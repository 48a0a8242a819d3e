"""Which partition an event id belongs to: murmur2, as Kafka's Java client and kafka-python choose by default.

Written for many ids at once; byte by byte in Python it would cost more than all the rest of publishing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


def murmur2(keys: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """(n,) 32-bit murmur2 hashes of some keys, with Kafka's seed.

    Examples
    --------
    >>> murmur2([b"21", b"foobar"]).view("int32").tolist()  # the values of Kafka's own unit test
    [-973932308, -790332482]
    """
    lengths = np.fromiter((len(key) for key in keys), np.int64, len(keys))
    if not len(keys):
        return np.empty(0, np.uint32)
    width = (int(lengths.max()) // 4 + 1) * 4
    padded = np.frombuffer(b"".join(key.ljust(width, b"\0") for key in keys), np.dtype("<u4")).reshape(len(keys), width // 4)
    hashes = _SEED ^ lengths.astype(np.uint32)
    for column in range(width // 4):
        whole = column < lengths // 4
        words = padded[:, column] * _M
        words ^= words >> np.uint32(24)
        words *= _M
        hashes = np.where(whole, (hashes * _M) ^ words, hashes)
    tail = padded[np.arange(len(keys)), lengths // 4]  # zero where the length is a multiple of four: then nothing is mixed in
    hashes = np.where(lengths % 4 > 0, (hashes ^ tail) * _M, hashes)
    hashes ^= hashes >> np.uint32(13)
    hashes *= _M
    hashes ^= hashes >> np.uint32(15)
    return hashes.astype(np.uint32)


def partition_of(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int64]:
    """(n,) partition of each key among ``partitions``."""
    return (murmur2(keys) & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
