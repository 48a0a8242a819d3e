"""Quantiles of numbers whose law nobody has declared: counts in bins that are the same for every column, and narrow wherever its values lie.

Bins are exponential, eight in an octave on either side of 0, as those of Prometheus' native histograms (schema 3) and of DDSketch (Masson, Rim & Lee 2019). A quantile is
then known to 9 %, and to 1 % where the values in its bin are spread evenly, without a first look at the data; and counts add up over panes,
partitions and workers, bit by bit, which t-digests and KLL sketches do but nearly: the order in which they are put together shows. The sums
beside them, of the mean, are rounded.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64, Int64
from detectors.metric import Metric, Z
from detectors.rows.row_groups import RowGroups
from detectors.statistics.intervals import known, metrics_of, rates

SMALLEST, LARGEST = 2.0**-24, 2.0**40
"""Closer to 0 than the first a number counts as 0; beyond the second it counts as that, also in the mean."""

_PER_OCTAVE = 8
_PARTS: Float64 = 0.5 * 2 ** (np.arange(1, _PER_OCTAVE) / _PER_OCTAVE)  # where the mantissas of an octave are parted
_LOWEST, _HIGHEST = -24, 40
_SIDE = (_HIGHEST - _LOWEST) * _PER_OCTAVE

BINS = 2 * _SIDE + 1
"""Of negative numbers, of 0, and of positive ones; ascending."""

SIZE = BINS + 3
"""Cells of a column: the bins, then missing values, the sum of the others, and the sum of their squares."""

_ENDS: Float64 = 2.0 ** (_LOWEST + np.arange(_SIDE + 1) / _PER_OCTAVE)
_LEFT: Float64 = np.concatenate([-_ENDS[:0:-1], [0.0], _ENDS[:-1]])
_RIGHT: Float64 = np.concatenate([-_ENDS[-2::-1], [0.0], _ENDS[1:]])
_PERCENTS = (5, 50, 95)
_LOST = 1e-10  # of the squared mean: a variance so small, as of times in seconds, is what rounding left of two sums that are known to some 1e-12
_NAMES = ("missing", "mean", *(f"p{percent}" for percent in _PERCENTS))


def sketch_cells(values: Float64) -> Int64:
    """Cell of each value, of any shape; that of a missing one (nan) is `BINS`.

    Examples
    --------
    >>> (sketch_cells(np.array([-1.0, 0.0, 1.0, 1.2, 2.0, 1e99, np.nan])) - BINS // 2).tolist()
    [-193, 0, 193, 195, 201, 512, 513]
    """
    size = np.minimum(np.abs(np.nan_to_num(values, posinf=LARGEST, neginf=-LARGEST)), LARGEST)
    mantissa, exponent = np.frexp(size)  # exact, while the last digit of a logarithm depends on the processor
    place = (exponent.astype(np.int64) - 1 - _LOWEST) * _PER_OCTAVE + np.searchsorted(_PARTS, mantissa, side="right")
    cells = _SIDE + np.where(values < 0, -1, 1) * np.where(size < SMALLEST, 0, np.minimum(place, _SIDE - 1) + 1)
    return np.asarray(np.where(np.isnan(values), BINS, cells), np.int64)


def add_sketches(block: Float64, groups: RowGroups, values: Float64) -> None:
    """Add (n, S) numbers to the (groups, S x SIZE) cells of S columns."""
    columns = values.shape[1]
    starts = SIZE * np.arange(columns)
    block += groups.counts(sketch_cells(values) + starts, SIZE * columns)
    told = np.clip(np.nan_to_num(values, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
    column_of = np.broadcast_to(np.arange(columns), values.shape)
    block[:, starts + BINS + 1] += groups.counts(column_of, columns, weights=told)
    block[:, starts + BINS + 2] += groups.counts(column_of, columns, weights=told * told)


def sketched(cells: Float64) -> list[tuple[Metric, ...]]:
    """Of each column, from (S, SIZE) cells: the share of missing values, the mean of the others, and their 5, 50 and 95 % quantiles, each with n and a 95 % interval.

    Examples
    --------
    >>> cells = np.zeros((1, SIZE))
    >>> add_sketches(cells, RowGroups([(0, "", "")], None, 1_001), np.append(np.arange(1_000.0), np.nan)[:, None])
    >>> [(metric.name, round(metric.value, 3), metric.n) for metric in sketched(cells)[0]]
    [('missing', 0.001, 1001.0), ('mean', 499.5, 1000.0), ('p5', 49.351, 1000.0), ('p50', 499.481, 1000.0), ('p95', 952.67, 1000.0)]
    """
    counts, missing, total, squares = cells[:, :BINS], cells[:, BINS], cells[:, BINS + 1], cells[:, BINS + 2]
    n = counts.sum(axis=1)
    with np.errstate(all="ignore"):
        mean = total / np.where(n > 0, n, np.nan)
        variance = squares / n - mean**2
        variance = np.where((variance > _LOST * mean**2) | (squares == 0), variance, np.nan)
        half = Z * np.sqrt(variance / np.where(n > 1, n - 1, np.nan))
    parts = [rates(missing, n + missing), known(mean, mean - half, mean + half, n)]
    for percent in _PERCENTS:
        with np.errstate(all="ignore"):
            error = Z * np.sqrt(percent / 100 * (1 - percent / 100) / n)  # of the share of values below, as order statistics have it
            shares = [np.clip(percent / 100 + side * error, 0, 1) if side else np.full(len(n), percent / 100) for side in (0, -1, 1)]
        value, low, high = (_quantile(counts, share) for share in shares)
        parts.append(known(value, low, high, n))
    return [metrics_of(_NAMES, column) for column in np.stack(parts, axis=1)]


def _quantile(counts: Float64, share: Float64) -> Float64:
    """(S,) number that a share (S,) of the counts (S, BINS) lies below, interpolated on the logarithm inside a bin; nan of none."""
    ends = np.cumsum(counts, axis=1)
    asked = share * ends[:, -1]
    place = np.minimum((ends < asked[:, None]).sum(axis=1), BINS - 1)
    some, end = (np.take_along_axis(of, place[:, None], axis=1)[:, 0] for of in (counts, ends))
    with np.errstate(all="ignore"):
        inside = np.clip(1 - (end - asked) / some, 0, 1)
        size = np.abs(_LEFT[place]) ** (1 - inside) * np.abs(_RIGHT[place]) ** inside
        return np.asarray(np.where(ends[:, -1] > 0, np.sign(_RIGHT[place] + _LEFT[place]) * size, np.nan), np.float64)
