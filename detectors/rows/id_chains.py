"""Entries by their ids: a hash table of chains, as arrays.

A table names the latest entry of each bucket, and each entry the one before it in its bucket. A batch of entries is chained by a few array
operations, whatever is there already: nothing is sorted but those entries of a batch that share a bucket, nothing is moved, and an id that is new is
mostly told by an empty bucket. A table of open addressing would take as many rounds as its longest probe to add a batch, and cannot hold an id twice.

Of memory, an entry takes 4 bytes for its link and between 4 and 8 for its share of the table, which is doubled when there is an entry for
each bucket. All entries are then chained anew, which happens to an entry once on average.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Int32, Int64, UInt64

try:
    from detectors.rows.chain_loops import chain
except ImportError:  # nothing was compiled when Driftwarden was installed
    COMPILED = False
else:
    COMPILED = True
"""Whether many ids are chained and looked for by compiled loops."""

NONE = -1
"""Instead of an entry: there is none."""
MOST = 2**31 - 1
"""Entries that have a number of 32 bits."""
MANY = 256
"""So many entries at a time are chained and looked for by compiled loops, where there are any."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # spreads ids that are no hashes, such as row numbers
_SMALLEST = 6  # bits of a bucket's number
_ROOM = 1  # buckets for each entry, at least, when a table grows
_STEP = 2  # bits by which a table shrinks at most, since what was full once mostly fills again
_HALF = 32  # bits


class IdChains:
    """Entries 0, 1, ... n - 1, in chains from the latest entry of a bucket to the first.

    >>> chains = IdChains()
    >>> chains.extend(np.array([7, 8, 7], np.uint64))
    >>> chains.latest(np.array([7, 8, 9], np.uint64)).tolist(), chains.before(np.array([2, 1, 0])).tolist()
    ([2, 1, -1], [0, -1, -1])
    """

    def __init__(self) -> None:
        self._size = 0
        self._make(_SMALLEST)

    def _make(self, bits: int) -> None:
        self._bits = bits
        self._latest: Int32 = np.full(1 << bits, NONE, np.int32)
        self._before: Int32 = np.empty(1 << bits, np.int32)  # pages of it that no entry has reached take no memory

    def bucket(self, ids: UInt64) -> Int64:
        """(n,) numbers below 2**bits."""
        return ((ids * _GOLDEN) >> np.uint64(64 - self._bits)).view(np.int64)

    def latest(self, ids: UInt64) -> Int32:
        """(n,) the latest entry of each id's bucket, which may be of another id; or `NONE`."""
        return self._latest.take(self.bucket(ids))

    def before(self, entry: Int64 | Int32) -> Int32:
        """(n,) the entry before each one in its bucket; or `NONE`."""
        return self._before.take(entry)

    @property
    def heads(self) -> Int32:
        """(buckets,) the latest entry of each bucket; or `NONE`."""
        return self._latest

    @property
    def links(self) -> Int32:
        """(n,) or more: the entry before each one in its bucket; or `NONE`."""
        return self._before

    def before_since(self, first: int) -> Int32:
        """(n,) the same of all entries from one on."""
        return self._before[first : self._size]

    def of_same_buckets(self, ids: UInt64, wanted: UInt64) -> Int64:
        """Places in ``ids`` of those that share a bucket with a wanted one, itself among them."""
        is_wanted = np.zeros(len(self._latest), bool)
        is_wanted[self.bucket(wanted)] = True
        return np.flatnonzero(is_wanted.take(self.bucket(ids)))

    def anew(self, ids: UInt64) -> None:
        """Forget all entries, and chain others.

        Parameters
        ----------
        ids : (n,) of all entries.
        """
        self._size = 0
        self._make(max(_bits_for(len(ids)), self._bits - _STEP))
        self.extend(ids)

    def extend(self, ids: UInt64) -> None:
        """Chain the entries that are new.

        Parameters
        ----------
        ids : (n,) of all entries.
        """
        first = self.reach(ids)
        self._chain(ids[first:], first)

    def reach(self, ids: UInt64) -> int:
        """Make room for all entries; returns the first that is new, which has to be chained."""
        first, self._size = self._size, len(ids)
        if len(ids) > len(self._latest):
            if len(ids) > MOST:
                raise OverflowError(f"an index of ids holds at most {MOST:,} rows, got {len(ids):,}; lower labels.max_waiting, or spread the models over more partitions")
            self._make(_bits_for(len(ids)))
            self._chain(ids[:first], 0)
        return first

    def _chain(self, ids: UInt64, first: int) -> None:
        """Chain entries from ``first`` on."""
        bucket = self.bucket(ids)
        if COMPILED and len(bucket) >= MANY:
            chain(bucket, first, self._latest, self._before)
            return
        entry = np.arange(first, first + len(ids), dtype=np.int32)
        before = self._latest.take(bucket)
        self._latest[bucket] = entry  # of several in a bucket the last one stays
        followed = np.flatnonzero(self._latest.take(bucket) != entry)
        if len(followed):
            in_order = np.sort((bucket[followed] << _HALF) | followed)  # by bucket; a tenth of the time that sorting their places takes
            shared, followed = in_order >> _HALF, in_order & MOST
            follower = self._latest[shared] - first
            follows_next = shared[1:] == shared[:-1]
            follower[:-1][follows_next] = followed[1:][follows_next]
            before[follower] = followed + first
        self._before[first : first + len(ids)] = before


def _bits_for(entries: int) -> int:
    return max((_ROOM * entries - 1).bit_length(), _SMALLEST)
