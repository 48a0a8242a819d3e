"""XXH3 of many event ids at once: one by one, to take each text to Python and to hash it costs more than all else that is done with it.

Written for the lengths that ids have, 9 to 64 bytes; the few others are hashed one by one. Each step works on a column of 64-bit words, one of each id.
The algorithm and its constants are those of https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xxhash

from detectors.event_batch import Int64, UInt64

_SECRET = bytes.fromhex(  # as much of it as is used for texts of at most 64 bytes
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
)
_WORD = 8  # bytes
_SHORTEST, _SHORT, _LONGEST = 9, 16, 64  # the least length, the longest that takes one step, and the longest
_ROUND = 32  # bytes that a longer id is mixed in by, half of them from each of its ends
_STEPS = np.array([-1 if not _SHORTEST <= size <= _LONGEST else 0 if size <= _SHORT else (size - 1) // _ROUND + 1 for size in range(_LONGEST + 2)])
"""How often a text of each size is mixed in; 0 where once is enough, -1 where it is not done here."""

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_PRIME = np.uint64(0x9E3779B185EBCA87)
_AVALANCHE = np.uint64(0x165667919E3779F9)


def id_hashes(offsets: Int64, data: npt.NDArray[np.uint8]) -> UInt64:
    """(n,) 64-bit XXH3 of each text.

    Parameters
    ----------
    offsets : (n + 1,) where each text begins in ``data``, and where the last one ends.

    Examples
    --------
    >>> ids = np.frombuffer(b"order-000000017user", np.uint8)
    >>> id_hashes(np.array([0, 15, 19]), ids).tolist() == [xxhash.xxh3_64_intdigest(text) for text in (b"order-000000017", b"user")]
    True
    """
    return span_hashes(offsets[:-1], np.diff(offsets), data)


def span_hashes(starts: Int64, sizes: Int64, data: npt.NDArray[np.uint8]) -> UInt64:
    """(n,) the same of texts that lie anywhere in ``data``: where each begins, and its bytes."""
    if len(sizes) and (sizes == sizes[0]).all():
        return _alike(int(_STEPS[min(sizes[0], _LONGEST + 1)]), starts, sizes, data)
    hashes = np.empty(len(sizes), np.uint64)
    steps = _STEPS[np.minimum(sizes, _LONGEST + 1)]
    for number in np.unique(steps).tolist():
        mine = steps == number
        hashes[mine] = _alike(number, starts[mine], sizes[mine], data)
    return hashes


def _alike(steps: int, starts: Int64, sizes: Int64, data: npt.NDArray[np.uint8]) -> UInt64:
    """Hashes of texts that take as many steps."""
    if steps < 0:
        texts = data.data
        return np.fromiter((xxhash.xxh3_64_intdigest(texts[start : start + size]) for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)), np.uint64, len(starts))
    all_words = np.ndarray((len(data) - _WORD + 1,), "<u8", data, strides=(1,))  # that at each byte
    apart = int(sizes[0]) if (sizes == sizes[0]).all() and (np.diff(starts) == sizes[0]).all() else 0  # what lies so is read without a look at each place

    def words(places: Int64) -> UInt64:
        return np.ndarray((len(places),), "<u8", data, int(places[0]), (apart,)) if apart else all_words[places]

    ends = starts + sizes
    hashes = sizes.astype(np.uint64)
    if steps == 0:
        low, high = words(starts) ^ (_secret(24) ^ _secret(32)), words(ends - _WORD) ^ (_secret(40) ^ _secret(48))
        return _mixed(hashes + low.byteswap() + high + _folded(low, high))
    hashes *= _PRIME
    for step in range(steps):
        for places, secret in ((starts + 16 * step, 32 * step), (ends - 16 * (step + 1), 32 * step + 16)):
            hashes += _folded(words(places) ^ _secret(secret), words(places + _WORD) ^ _secret(secret + _WORD))
    return _mixed(hashes)


def _secret(place: int) -> np.uint64:
    return np.uint64(int.from_bytes(_SECRET[place : place + _WORD], "little"))


def _folded(one: UInt64, other: UInt64) -> UInt64:
    """Both halves of the 128 bits of a product, one upon the other."""
    low, high, other_low, other_high = one & _LOW, one >> _HALF, other & _LOW, other >> _HALF
    crossed = low * other_high
    carried = high * other_low
    carried += (low * other_low) >> _HALF
    carried += crossed & _LOW
    top: UInt64 = high * other_high
    top += crossed >> _HALF
    top += carried >> _HALF
    top ^= one * other
    return top


def _mixed(hashes: UInt64) -> UInt64:
    hashes ^= hashes >> np.uint64(37)
    hashes *= _AVALANCHE
    hashes ^= hashes >> _HALF
    return hashes
