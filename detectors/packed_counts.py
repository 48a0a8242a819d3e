"""Summary vectors as they wait for their pane to close: counts in a byte each where that is enough, and compressed where nothing is added to them any more."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64
from detectors.history import Cells, narrow

_RAW = -zlib.MAX_WBITS  # without a header and a checksum
_KINDS = (np.uint8, np.uint16, np.uint32)  # what does not fit becomes another number, whichever that is
_SUM_BYTES = 16  # a place, and what is there
_NUMBERS_AT_ONCE = 1 << 16  # more would not fit the processor's caches


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """A vector in an eighth of its memory; `squeezed`, in a fiftieth where most of its counts are 0.

    Attributes
    ----------
    cells : places and values of the cells that hold sums, or counts much larger than the others; then the counts of all cells, 0 for those.
    sums : how many cells those are.
    kind : type of the counts, as numpy writes it.
    is_squeezed : whether ``cells`` are compressed.

    Examples
    --------
    >>> packed = PackedCounts.of(np.array([0.0, 3.0, 0.25]))
    >>> packed.kind, packed.sums, packed.dense()
    ('B', 1, array([0.  , 3.  , 0.25]))
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

    def squeezed(self) -> PackedCounts:
        """The same in less memory: for a vector that is to wait, since packing it takes 10 us and unpacking 5 us."""
        return self if self.is_squeezed else PackedCounts(_compressed(self.cells), self.sums, self.kind, is_squeezed=True)

    def dense(self) -> Float64:
        """(size,) again."""
        cells = self._loose()
        vector: Float64 = np.frombuffer(cells, self.kind, offset=_SUM_BYTES * self.sums).astype(np.float64)
        if self.sums:
            vector[np.frombuffer(cells, np.int64, self.sums)] = np.frombuffer(cells, np.float64, self.sums, offset=8 * self.sums)
        return vector

    @staticmethod
    def total(vectors: Sequence[PackedCounts]) -> Float64:
        """(size,) sum of vectors of one size, one at least; added in their order, so that the same vectors give the same bits.

        Examples
        --------
        >>> print(PackedCounts.total([PackedCounts.of(np.array([0.25, 3.0])), PackedCounts.of(np.array([0.5, 400.0]))]))
        [  0.75 403.  ]
        """
        size = len(vectors[0]._counts(vectors[0]._loose()))
        at_once = min(len(vectors), max(1, _NUMBERS_AT_ONCE // max(1, size)))
        matrix = np.zeros((at_once + 1, size))  # in the first row, what was added before
        for first in range(0, len(vectors), at_once):
            some = vectors[first : first + at_once]
            _unpack(some, matrix[1 : len(some) + 1])
            matrix[0] = matrix[: len(some) + 1].sum(axis=0)
        added: Float64 = matrix[0].copy()
        return added

    def _loose(self) -> bytes:
        return zlib.decompress(self.cells, _RAW) if self.is_squeezed else self.cells

    def _counts(self, cells: bytes) -> Cells:
        return np.frombuffer(cells, self.kind, offset=_SUM_BYTES * self.sums)


def _unpack(vectors: Sequence[PackedCounts], rows: Float64) -> None:
    """Vectors into the rows of a table."""
    cells = [vector._loose() for vector in vectors]
    np.concatenate([vector._counts(own) for vector, own in zip(vectors, cells, strict=True)], out=rows.reshape(-1))
    held = [vector.sums for vector in vectors]
    places = b"".join([own[: 8 * sums] for own, sums in zip(cells, held, strict=True)])
    values = b"".join([own[8 * sums : _SUM_BYTES * sums] for own, sums in zip(cells, held, strict=True)])
    rows[np.repeat(np.arange(len(held)), held), np.frombuffer(places, np.int64)] = np.frombuffer(values, np.float64)


def _compressed(cells: bytes) -> bytes:
    """Small counts in no order: runs of one value and a code for single values say all that there is to say; longer matches are chance, and take longer."""
    squeezing = zlib.compressobj(1, zlib.DEFLATED, _RAW, strategy=zlib.Z_RLE)
    return squeezing.compress(cells) + squeezing.flush()
