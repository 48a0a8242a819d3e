"""Summary vectors under keys, together in one packed vector while they wait: what each would take by itself is as much as its counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from detectors.event_batch import Float64
from detectors.packed_counts import PackedCounts

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class PackedTable(Generic[Key]):
    """One or more vectors of one size.

    Attributes
    ----------
    keys : of the vectors.
    counts : of all of them, one after another.

    Examples
    --------
    >>> table = PackedTable.of({"a": PackedCounts.of(np.array([1.0, 0.5])), "b": PackedCounts.of(np.array([0.0, 2.0]))})
    >>> {key: vector.tolist() for key, vector in table.dense().items()}
    {'a': [1.0, 0.5], 'b': [0.0, 2.0]}
    """

    keys: tuple[Key, ...]
    counts: PackedCounts

    @classmethod
    def of(cls, vectors: Mapping[Key, PackedCounts], *, like: PackedTable[Key] | None = None) -> PackedTable[Key]:
        """Pack vectors; with the keys of another table where they are the same."""
        keys = tuple(vectors)
        if like is not None and like.keys == keys:
            keys = like.keys
        return cls(keys, PackedCounts.of(np.concatenate([packed.dense() for packed in vectors.values()])).squeezed())

    def dense(self) -> dict[Key, Float64]:
        """The vectors again."""
        return dict(zip(self.keys, self.counts.dense().reshape(len(self.keys), -1), strict=True))
