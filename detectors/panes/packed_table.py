"""Summary vectors under keys, together in one packed vector while they wait: what each would take by itself is as much as its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np

from detectors.event_batch import Float64
from detectors.panes.packed_counts import PackedCounts

Key = TypeVar("Key")


class PackedTable(msgspec.Struct, Generic[Key], frozen=True, gc=False):
    """One or more vectors of one size.

    Attributes
    ----------
    keys : of the vectors.
    counts : of all of them, one after another.

    Examples
    --------
    >>> table = PackedTable.of({"a": np.array([1.0, 0.5]), "b": np.array([0.0, 2.0])})
    >>> {key: vector.tolist() for key, vector in table.dense().items()}
    {'a': [1.0, 0.5], 'b': [0.0, 2.0]}
    """

    keys: tuple[Key, ...]
    counts: PackedCounts

    @classmethod
    def of(cls, vectors: Mapping[Key, Float64], *, like: PackedTable[Key] | None = None) -> PackedTable[Key]:
        """Pack vectors; with the keys of another table where they are the same."""
        return cls(_keys(vectors, like), PackedCounts.of(np.concatenate([*vectors.values()])))

    @classmethod
    def of_each(cls, tables: Sequence[Mapping[Key, Float64]], *, like: PackedTable[Key] | None = None) -> list[PackedTable[Key]]:
        """Pack tables whose vectors are all of one size; those of one vector, as most are, together."""
        single = iter(PackedCounts.of_each(np.array([vector for vectors in tables if len(vectors) == 1 for vector in vectors.values()], ndmin=2)))
        packed = []
        for vectors in tables:
            like = cls(_keys(vectors, like), next(single)) if len(vectors) == 1 else cls.of(vectors, like=like)
            packed.append(like)
        return packed

    def squeezed(self) -> PackedTable[Key]:
        """The same in less memory, see `PackedCounts.squeezed`."""
        return PackedTable(self.keys, self.counts.squeezed())

    def dense(self) -> dict[Key, Float64]:
        """The vectors again."""
        if len(self.keys) == 1:
            return {self.keys[0]: self.counts.dense()}
        return dict(zip(self.keys, self.counts.dense().reshape(len(self.keys), -1), strict=True))


def _keys(vectors: Mapping[Key, Float64], like: PackedTable[Key] | None) -> tuple[Key, ...]:
    keys = tuple(vectors)
    return like.keys if like is not None and like.keys == keys else keys
