# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Values of many columns counted in one pass: no array of places or cells is made on the way. `detectors.columns.grid_bins` says what a place is.

What takes time is to wait for memory, and for comparisons whose outcome cannot be guessed. So a row goes through short loops, none of which branches,
instead of one.
"""

from libc.stdint cimport int32_t, int64_t

import numpy as np

cdef struct Grids:
    # Of each column what `GridBins` says; and the place of each value of a row.
    const double* shift
    const double* low
    const double* high
    const int64_t* origins
    const double* upper
    int64_t width
    int64_t* place

cdef union Number:
    double value
    int64_t bits


cdef inline void approach(const double* row, Grids* grids) noexcept nogil:
    """The place of each value of a row, or the one before it."""
    cdef int64_t column
    cdef Number total
    for column in range(grids.width):
        total.value = row[column] + grids.shift[column]
        total.value = grids.low[column] if total.value < grids.low[column] else total.value
        total.value = total.value if total.value <= grids.high[column] else grids.high[column]  # what is missing, too
        grids.place[column] = total.bits - grids.origins[column]


cdef inline void find(const double* row, Grids* grids) noexcept nogil:
    """The place of each value of a row, at most the last one."""
    cdef int64_t column
    approach(row, grids)
    for column in range(grids.width):
        grids.place[column] += row[column] >= grids.upper[grids.place[column]]


cdef Grids grids_of(
    const double[:, ::1] matrix, const double[::1] shift, const double[::1] low, const double[::1] high, const int64_t[::1] origins, const double[::1] upper, int64_t[::1] place
):
    """What `find` needs; the matrix has rows and columns."""
    cdef int64_t width = matrix.shape[1]
    if not width == shift.shape[0] == low.shape[0] == high.shape[0] == origins.shape[0]:
        raise ValueError(f"a matrix of {width} columns, and grids of {shift.shape[0]}, {low.shape[0]}, {high.shape[0]} and {origins.shape[0]}; expected as many of each")
    return Grids(&shift[0], &low[0], &high[0], &origins[0], &upper[0], width, &place[0])


def count_places(
    const double[:, ::1] matrix, const double[::1] shift, const double[::1] low, const double[::1] high, const int64_t[::1] origins, const double[::1] upper, int32_t[::1] counts
):
    """Count values by their place in the table: the way that is faster where the rows are of one group.

    Parameters
    ----------
    matrix : (n, F).
    shift, low, high, origins : (F,) of each column, as `GridBins` has made them.
    upper : edge in each place of the table.
    counts : (places,) which are added to.
    """
    if counts.shape[0] != upper.shape[0]:
        raise ValueError(f"{counts.shape[0]} counts for {upper.shape[0]} places; expected as many")
    cdef int64_t n = matrix.shape[0], row, column, before
    if n == 0 or matrix.shape[1] == 0:
        return
    cdef int64_t[::1] place = np.empty(matrix.shape[1], np.int64)
    cdef Grids grids = grids_of(matrix, shift, low, high, origins, upper, place)
    with nogil:
        for row in range(n):
            approach(&matrix[row, 0], &grids)
            for column in range(grids.width):
                before = grids.place[column]
                counts[before + (matrix[row, column] >= grids.upper[before])] += 1  # a place that is written for a loop of its own takes half as long again


def count_rows(
    const double[:, ::1] matrix,
    const int64_t[::1] of,
    const double[::1] shift,
    const double[::1] low,
    const double[::1] high,
    const int64_t[::1] origins,
    const double[::1] upper,
    const int64_t[::1] table,
    double[:, ::1] sums,
    int64_t first,
):
    """Count values by group and cell.

    Parameters
    ----------
    matrix, shift, low, high, origins, upper : as for `count_places`.
    of : (n,) group of each row.
    table : cell of each place of the table.
    sums : (groups, width) which are added to, in the cells from ``first`` on.
    """
    cdef int64_t n = matrix.shape[0], row, column, group, groups = sums.shape[0]
    if of.shape[0] != n or table.shape[0] != upper.shape[0]:
        raise ValueError(f"{of.shape[0]} groups for {n} rows, {table.shape[0]} cells for {upper.shape[0]} places; expected as many")
    if n == 0 or matrix.shape[1] == 0:
        return
    cdef int64_t[::1] place = np.empty(matrix.shape[1], np.int64)
    cdef Grids grids = grids_of(matrix, shift, low, high, origins, upper, place)
    with nogil:
        for row in range(n):
            group = of[row]
            find(&matrix[row, 0], &grids)
            for column in range(grids.width):
                sums[group, first + table[grids.place[column]]] += 1
