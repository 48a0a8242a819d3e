"""Columns that are watched instead of an embedding: its norm, and its coordinates in a few random directions.

The distribution of a vector is known by those of all its projections (Cramer & Wold 1936), and what changes it changes nearly every random one: a few directions
tell most changes at a fraction of the cost of all dimensions (Johnson & Lindenstrauss 1984). A change within a subspace of few dimensions, of many, shows less.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from detectors.columns.shared_arrays import shared
from detectors.event_batch import Float64

_ROWS_AT_ONCE = 256  # of which one product with a direction stays in the cache


@lru_cache(maxsize=256)
def directions(dimension: int, projections: int, seed: int) -> Float64:
    """(projections, dimension) Gaussian directions of length 1, the same for ever and in every process.

    Examples
    --------
    >>> directions(3, 2, seed=0).round(3).tolist()
    [[0.858, 0.195, 0.476], [0.728, 0.607, -0.318]]
    """
    drawn = np.random.RandomState(seed).standard_normal((projections, dimension))  # whose numbers are promised never to change; those of a Generator are not
    return shared(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def embedding_columns(vectors: Float64, projections: int, seed: int) -> Float64:
    """(n, 1 + projections): norm and projections of n vectors, nan where one is missing.

    Sums are taken vector by vector, never by a matrix product, whose last digit depends on how many vectors there are: a value at the edge of a bin would
    be counted by how the log was cut.

    Parameters
    ----------
    vectors : (n, dimension); a missing one is nan.
    projections, seed : see `directions`.

    Examples
    --------
    >>> embedding_columns(np.array([[3.0, 0.0, 4.0], [np.nan] * 3]), projections=2, seed=0).round(3).tolist()
    [[5.0, 4.477, 0.915], [nan, nan, nan]]
    """
    out = np.empty((len(vectors), 1 + projections))
    of = directions(vectors.shape[1], projections, seed)
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        some = np.ascontiguousarray(vectors[first : first + _ROWS_AT_ONCE])
        cells = out[first : first + _ROWS_AT_ONCE]
        cells[:, 0] = np.sqrt((some * some).sum(axis=1))
        for place, direction in enumerate(of, start=1):
            cells[:, place] = (some * direction).sum(axis=1)
    return out
