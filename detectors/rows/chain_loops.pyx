# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Chains of entries with one bucket: how entries are chained, and how chains are walked.

See `detectors.rows.id_chains` and `detectors.rows.id_index`, which do the same by array operations where nothing is compiled.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef enum:
    NONE = -1  # instead of an entry: there is none

ctypedef fused Distance:
    int32_t
    int64_t

ctypedef fused Distance2:
    int32_t
    int64_t


def chain(const int64_t[::1] bucket, int32_t first, int32_t[::1] latest, int32_t[::1] before):
    """Chain entries from ``first`` on.

    Parameters
    ----------
    bucket : (n,) of each new entry.
    latest, before : see `detectors.rows.id_chains.IdChains`; both are changed.
    """
    cdef int64_t place, n = bucket.shape[0]
    if before.shape[0] < first + n:
        raise ValueError(f"{n} entries from {first} on, and room for {before.shape[0]}; expected room for all")
    with nogil:
        for place in range(n):
            before[first + place] = latest[bucket[place]]
            latest[bucket[place]] = <int32_t>(first + place)


def walk(
    int32_t[::1] entry,
    const uint64_t[::1] wanted,
    const int64_t[::1] until,
    const int64_t[::1] since,
    const uint64_t[::1] ids,
    const Distance[::1] positions,
    int64_t position_base,
    int position_alike,
    const Distance2[::1] timestamps,
    int64_t timestamp_base,
    int timestamp_alike,
    const int32_t[::1] before,
    int steps,
    int32_t[::1] best,
):
    """Walk chains, each for so many steps at most.

    Parameters
    ----------
    entry : (n,) where each chain begins, or -1; afterwards where it would go on.
    wanted, until, since : (n,) ids; positions that a row has to be before; and times that it must not be older than.
    ids, before : of all entries.
    positions, timestamps : of all entries, as distances; see `detectors.rows.near_numbers` for their bases and low bits.
    best : (n,) the entry that counts and has the largest position is put here, or -1.
    """
    cdef int64_t place, n = entry.shape[0], latest, position, timestamp
    cdef int32_t one, found
    cdef int left
    if not n == wanted.shape[0] == until.shape[0] == since.shape[0] == best.shape[0]:
        raise ValueError(f"{n} chains for {wanted.shape[0]} ids, {until.shape[0]} and {since.shape[0]} limits and {best.shape[0]} answers; expected as many of each")
    with nogil:
        for place in range(n):
            one, found, latest, left = entry[place], NONE, -1, steps
            while one != NONE and left:
                if ids[one] == wanted[place]:
                    position = (<int64_t>positions[one] << position_alike) + position_base
                    timestamp = (<int64_t>timestamps[one] << timestamp_alike) + timestamp_base
                    if latest < position < until[place] and timestamp >= since[place]:
                        found, latest = one, position
                one = before[one]
                left -= 1
            entry[place], best[place] = one, found
