# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Chains of entries with one bucket: how entries are chained, and how chains are walked.

See `detectors.rows.id_chains` and `detectors.rows.id_index`, which do the same by array operations where nothing is compiled.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

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


cdef inline int32_t follow(
    int32_t* entry,
    uint64_t wanted,
    int64_t until,
    int64_t since,
    const uint64_t* ids,
    const Distance* positions,
    int64_t position_base,
    int position_alike,
    const Distance2* timestamps,
    int64_t timestamp_base,
    int timestamp_alike,
    const int32_t* before,
    int steps,
) noexcept nogil:
    """The entry of a chain that counts and has the largest position; or `NONE`. ``entry`` goes from where the chain begins to where it would go on."""
    cdef int32_t one = entry[0], found = NONE
    cdef int64_t latest = -1, position, timestamp
    while one != NONE and steps:
        if ids[one] == wanted:
            position = (<int64_t>positions[one] << position_alike) + position_base
            timestamp = (<int64_t>timestamps[one] << timestamp_alike) + timestamp_base
            if latest < position < until and timestamp >= since:
                found, latest = one, position
        one = before[one]
        steps -= 1
    entry[0] = one
    return found


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
    """Walk chains, each for so many steps at most; returns how many end with an entry that counts, and how many would go on.

    Parameters
    ----------
    entry : (n,) where each chain begins, or -1; afterwards where it would go on.
    wanted, until, since : (n,) ids; positions that a row has to be before; and times that it must not be older than.
    ids, before : of all entries.
    positions, timestamps : of all entries, as distances; see `detectors.rows.near_numbers` for their bases and low bits.
    best : (n,) the entry that counts and has the largest position is put here, or -1.
    """
    cdef int64_t place, n = entry.shape[0], found = 0, going_on = 0
    if not n == wanted.shape[0] == until.shape[0] == since.shape[0] == best.shape[0]:
        raise ValueError(f"{n} chains for {wanted.shape[0]} ids, {until.shape[0]} and {since.shape[0]} limits and {best.shape[0]} answers; expected as many of each")
    if n == 0 or ids.shape[0] == 0:
        best[:] = NONE
        return 0, 0
    with nogil:
        for place in range(n):
            best[place] = follow(
                &entry[place], wanted[place], until[place], since[place], &ids[0], &positions[0], position_base, position_alike, &timestamps[0], timestamp_base, timestamp_alike,
                &before[0], steps,
            )
            found += best[place] != NONE
            going_on += entry[place] != NONE
    return found, going_on


def chain_and_walk(
    const int64_t[::1] bucket,
    int32_t first,
    int32_t[::1] latest,
    int32_t[::1] before,
    const int64_t[::1] until,
    const int64_t[::1] since,
    const uint64_t[::1] ids,
    const Distance[::1] positions,
    int64_t position_base,
    int position_alike,
    const Distance2[::1] timestamps,
    int64_t timestamp_base,
    int timestamp_alike,
    int steps,
    uint8_t[::1] repeats,
):
    """`chain` entries, and `walk` the chain that each is put in front of, for its own id; returns how many chains would go on.

    Parameters
    ----------
    ids : of all entries, the new ones among them, as positions and timestamps are.
    repeats : (n,) whether there is an entry that counts is put here.
    """
    cdef int64_t place, n = bucket.shape[0], going_on = 0
    cdef int32_t entry, one
    if not n == until.shape[0] == since.shape[0] == repeats.shape[0]:
        raise ValueError(f"{n} entries, {until.shape[0]} and {since.shape[0]} limits and {repeats.shape[0]} answers; expected as many of each")
    if before.shape[0] < first + n or not ids.shape[0] == positions.shape[0] == timestamps.shape[0] == first + n:
        raise ValueError(f"{n} entries from {first} on, {ids.shape[0]} ids, {positions.shape[0]} positions, {timestamps.shape[0]} times and room for {before.shape[0]}; expected all")
    with nogil:
        for place in range(n):
            entry = <int32_t>(first + place)
            one = before[entry] = latest[bucket[place]]
            latest[bucket[place]] = entry
            repeats[place] = one != NONE and NONE != follow(
                &one, ids[entry], until[place], since[place], &ids[0], &positions[0], position_base, position_alike, &timestamps[0], timestamp_base, timestamp_alike, &before[0],
                steps,
            )
            going_on += one != NONE
    return going_on
