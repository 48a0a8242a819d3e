"""Summary vectors as they wait for their pane to close: counts in a byte each where that is enough, and compressed where nothing is added to them any more."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Float64
from detectors.scans.history import Cells, narrow

VECTORS_AT_ONCE = 64
"""Are packed together, so that they stay in the processor's cache."""

_RAW = -zlib.MAX_WBITS  # without a header and a checksum
_KINDS = tuple(np.dtype(f"u{size}").char for size in (1, 2, 4))  # what does not fit becomes another number, whichever that is
_WORTHWHILE = 64  # cells; fewer are kept as they are
_SUM_BYTES = 16  # a place, and what is there


class PackedCounts(msgspec.Struct, frozen=True, gc=False):
    """A vector in an eighth of its memory; `squeezed`, in a fiftieth where most of its counts are 0.

    Attributes
    ----------
    cells : places and values of the cells that hold sums, or counts much larger than the others; then the counts of all cells, 0 for those.
    sums : how many cells those are.
    kind : type of the counts, as numpy writes it; of few cells that of the vector itself.
    is_squeezed : whether ``cells`` are compressed.

    Examples
    --------
    >>> packed = PackedCounts.of(np.array([0.0, 3.0, 0.25] + 97 * [1.0]))
    >>> packed.kind, packed.sums, packed.dense()[:4]
    ('B', 1, array([0.  , 3.  , 0.25, 1.  ]))
    >>> waiting = PackedCounts.of(np.random.default_rng(0).poisson(0.1, 1_600).astype(float))
    >>> len(waiting.cells), len(waiting.squeezed().cells)
    (1600, 189)
    """

    cells: bytes
    sums: int
    kind: str
    is_squeezed: bool = False

    @classmethod
    def of(cls, vector: Float64) -> PackedCounts:
        """Pack a vector."""
        if len(vector) < _WORTHWHILE:
            return cls(vector.tobytes(), 0, vector.dtype.char)
        for kind in _KINDS:
            with np.errstate(invalid="ignore"):
                counts: Cells = vector.astype(kind)
            others = np.flatnonzero(counts != vector)
            if len(others) <= len(vector) // _SUM_BYTES:
                break  # a few large counts need not make all others wide
        counts[others] = 0
        if len(others) > len(vector) // _SUM_BYTES:
            counts = narrow(np.where(counts == vector, vector, 0.0))
        return cls(others.tobytes() + vector[others].tobytes() + counts.tobytes(), len(others), counts.dtype.char)

    @classmethod
    def of_each(cls, vectors: Float64) -> list[PackedCounts]:
        """Pack (k, size) vectors, in a fifth of the time that one after another takes."""
        size = vectors.shape[1]
        if size < _WORTHWHILE:
            return [cls.of(vector) for vector in vectors]
        flat = vectors.ravel()
        with np.errstate(invalid="ignore"):
            counts = flat.astype(_KINDS[0])
        others = np.flatnonzero(counts != flat)
        sums, places = flat[others], others % size
        counts[others] = 0
        rows = counts.reshape(vectors.shape)
        bounds = np.searchsorted(others, np.arange(0, len(flat) + 1, size)).tolist()
        most, kind = size // _SUM_BYTES, counts.dtype.char
        return [
            cls(places[first:end].tobytes() + sums[first:end].tobytes() + rows[row].tobytes(), end - first, kind) if end - first <= most else cls.of(vectors[row])
            for row, (first, end) in enumerate(itertools.pairwise(bounds))
        ]

    @classmethod
    def of_all(cls, vectors: Sequence[Float64]) -> list[PackedCounts]:
        """Pack vectors of any sizes, those of one size by `of_each`, some at a time."""
        places: dict[int, list[int]] = {}
        for place, vector in enumerate(vectors):
            places.setdefault(len(vector), []).append(place)
        found: dict[int, PackedCounts] = {}
        for of_size in places.values():
            for first in range(0, len(of_size), VECTORS_AT_ONCE):
                some = of_size[first : first + VECTORS_AT_ONCE]
                found |= zip(some, cls.of_each(np.stack([vectors[place] for place in some])), strict=True)
        return [found[place] for place in range(len(vectors))]

    def squeezed(self) -> PackedCounts:
        """The same in less memory, where that is worth its time: for a vector that is to wait, since packing it takes 20 us and unpacking 10 us.

        It is where it takes half, and for counts of a byte where it takes two thirds; wider ones are of models with much traffic, of which a worker cannot have many.
        """
        cells = self.cells if self.is_squeezed else _compressed(self.cells)
        return PackedCounts(cells, self.sums, self.kind, is_squeezed=True) if len(cells) < len(self.cells) * (2 / 3 if self.kind == _KINDS[0] else 1 / 2) else self

    @classmethod
    def of_state(cls, state: Sequence[Any]) -> PackedCounts:
        """What `as_state` gave."""
        return cls(*state)

    def as_state(self) -> list[Any]:
        """Fields in their order, to be saved: packed a vector is compressed in an eighth of the time, too."""
        return [self.cells, self.sums, self.kind, self.is_squeezed]

    def dense(self) -> Float64:
        """(size,) again."""
        cells = zlib.decompress(self.cells, _RAW) if self.is_squeezed else self.cells
        vector: Float64 = np.frombuffer(cells, self.kind, offset=_SUM_BYTES * self.sums).astype(np.float64)
        if self.sums:
            vector[np.frombuffer(cells, np.int64, self.sums)] = np.frombuffer(cells, np.float64, self.sums, offset=8 * self.sums)
        return vector


def _compressed(cells: bytes) -> bytes:
    """Small counts in no order: runs of one value and a code for single values say all that there is to say; longer matches are chance, and take longer."""
    squeezing = zlib.compressobj(1, zlib.DEFLATED, _RAW, strategy=zlib.Z_RLE)
    return squeezing.compress(cells) + squeezing.flush()
