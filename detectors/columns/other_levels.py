"""Levels of a categorical column that are too many to be counted one by one.

The most frequent levels of a reference have a cell each, and all others one together, `OTHER`. A level that the reference has never seen is told from
these by their hashes, 32 bits each: one of the 20,000 others is taken for known once in 200,000 times. What will be unseen is known, too, though nothing in
the reference is: by Good's estimate, the share of rows whose level no other row has (I. J. Good 1953, The population frequencies of species, eq. 9).
Only the sum of the others is counted: one that gives way to another is not seen.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xxhash

from detectors.columns.shared_arrays import shared
from detectors.event_batch import Bool
from detectors.profile import CategoricalProfile, OtherLevels

OTHER = "(other)"
"""Name of the level that stands for all that have no cell of their own; the last one of its profile."""

_HASH = np.dtype("<u4")


def other_levels(rows_of: Mapping[str, int], max_known: int) -> tuple[OtherLevels, int, int]:
    """What is kept of levels without a cell of their own.

    Parameters
    ----------
    rows_of : rows of the reference that have each of them.
    max_known : with more levels than this none is remembered; then every level without a cell of its own counts as one of these, and none as unseen.

    Returns
    -------
    The levels; their rows in the reference; and those rows of them that stand for what is unseen, which are not among the rows before.

    Examples
    --------
    >>> other, rows, unseen = other_levels({"Ulm": 4, "Bonn": 1, "Jena": 1}, max_known=10)
    >>> other.levels, rows, unseen, KnownLevels(other).contains(["Jena", "Rome"]).tolist()
    (3, 4, 2, [True, False])
    """
    total, counts = sum(rows_of.values()), list(rows_of.values())
    if len(rows_of) > max_known:
        return OtherLevels(levels=len(rows_of)), total, 0
    once = counts.count(1)
    hashes = np.unique(_hashes(list(rows_of)))
    return OtherLevels(levels=len(rows_of), seen_twice=counts.count(2), hashes=base64.b64encode(hashes.tobytes()).decode()), total - once, once


class KnownLevels:
    """The other levels of a reference, made ready once to be looked up.

    Parameters
    ----------
    other : of the column's profile.
    """

    def __init__(self, other: OtherLevels) -> None:
        self._all = not other.hashes
        self._hashes: npt.NDArray[np.uint32] = shared(np.frombuffer(base64.b64decode(other.hashes), _HASH))

    def contains(self, levels: Sequence[str]) -> Bool:
        """(n,) which of some levels are among them."""
        if self._all:
            return np.ones(len(levels), bool)
        hashes = _hashes(levels)
        place = np.searchsorted(self._hashes, hashes)
        return np.asarray(self._hashes.take(place, mode="clip") == hashes)


def unseen_reference(profile: CategoricalProfile) -> tuple[float, float] | None:
    """Hits and events of the rate of unseen levels; None where none can be told.

    Good's estimate of that rate varies more than a share of so many rows does: by ``(n1 + 2 n2) / n**2``, with ``n1`` and ``n2`` levels seen once and
    twice. So it stands for fewer rows.

    Examples
    --------
    >>> unseen_reference(CategoricalProfile(levels=("a", "b"), counts=(6, 4)))
    (0.0, 10.0)
    >>> unseen_reference(CategoricalProfile(levels=("a", OTHER), counts=(880, 100), unseen=20, other=OtherLevels(levels=30, seen_twice=5, hashes="AAAA")))
    (13.333333333333332, 666.6666666666666)
    """
    rows = float(sum(profile.counts) + profile.unseen)
    other = profile.other
    if other is None:
        return float(profile.unseen), rows
    if not other.hashes:
        return None
    once = max(profile.unseen, 1)
    worth = once / (once + 2 * other.seen_twice)
    return profile.unseen * worth, rows * worth


def _hashes(levels: Sequence[str]) -> npt.NDArray[np.uint32]:
    return np.fromiter(map(xxhash.xxh32_intdigest, map(str.encode, levels)), _HASH, len(levels))
