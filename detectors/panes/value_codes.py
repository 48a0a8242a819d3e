"""Sums by which it shows whether the rows of a pane hold one value alone, and whether it is the one of the pane before.

Every value has a code of 16 bits. ``n`` values are one and the same where the sum of the squares of their codes is ``n`` times the square of their mean: the
variance is 0. All three are whole numbers, so they add up exactly over partitions, and in any order. Two values in 65,536 have the same code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash

from detectors.coded_text import CodedText
from detectors.event_batch import Bool, Float64, Int64
from detectors.rows.row_groups import RowGroups

CELLS = 3
"""Of each column: values, the sum of their codes, and of the squares of these."""

_CODES = 2**16
_EXACT = 2.0**53 / _CODES**2  # values of a pane, two million, up to which the sums are exact
_MIX = np.uint64(0x9E3779B97F4A7C15)
_VALUES_AT_ONCE = 20_000  # which the processor's caches hold


def codes_of_numbers(values: Float64) -> Int64:
    """Codes of numbers, of the same shape; that of a missing one means nothing.

    Examples
    --------
    >>> codes = codes_of_numbers(np.array([1.5, 2.0, 1.5, 0.0, -0.0]))
    >>> bool(codes[0] == codes[2] != codes[1]), bool(codes[3] == codes[4])
    (True, True)
    """
    bits = (values + 0.0).view(np.uint64)  # -0.0 and 0.0 are one value
    bits ^= bits >> np.uint64(32)
    bits *= _MIX
    bits >>= np.uint64(48)
    return bits.view(np.int64)


def codes_of_texts(column: CodedText) -> Int64:
    """(n,) codes of texts, -1 where one is missing.

    Examples
    --------
    >>> codes = codes_of_texts(CodedText.of(["a", "b", "a", None]))
    >>> bool(codes[0] == codes[2] != codes[1]), int(codes[3])
    (True, -1)
    """
    used = column.compact() if len(column.levels) > len(column) else column
    levels = np.fromiter((xxhash.xxh32_intdigest(level.encode(errors="surrogatepass")) % _CODES for level in used.levels), np.int64, len(used.levels))
    return np.append(levels, -1)[used.codes]  # the code of a missing text is the last place


def add_codes(block: Float64, groups: RowGroups, numbers: Float64, texts: Sequence[CodedText]) -> None:
    """Count rows.

    Parameters
    ----------
    block : (groups, `CELLS` m) of ``m`` columns, first the numbers and then the texts: the values of all of them, then the sums, then the squares.
    groups : of the n rows.
    numbers : (n, F), nan is missing.
    texts : (n,) each.
    """
    found = np.zeros((len(block), CELLS, numbers.shape[1] + len(texts)), np.int64)
    of = np.zeros(groups.n, np.int64) if groups.of is None else groups.of
    order = slice(None)
    if (of[1:] < of[:-1]).any():
        order = np.argsort(of, kind="stable")  # type: ignore[assignment]  # rows in any order, or as they are
        of, numbers = of[order], numbers[order]
    at_once = max(1, _VALUES_AT_ONCE // max(numbers.shape[1], 1))
    for first in range(0, groups.n if numbers.shape[1] else 0, at_once):
        some = numbers[first : first + at_once]
        missing = np.isnan(some) if np.isnan(some.sum()) else None  # infinities of both signs look so, too
        _add(found[..., : some.shape[1]], of[first : first + at_once], codes_of_numbers(some), missing)
    for place, column in enumerate(texts, start=numbers.shape[1]):
        codes = codes_of_texts(column)[order, None]
        _add(found[..., place : place + 1], of, codes, codes < 0)
    block += found.reshape(len(block), -1)


def _add(found: Int64, of: Int64, codes: Int64, missing: Bool | None) -> None:
    """Add rows (n, m) in the order of their groups (n,) to sums (groups, `CELLS`, m)."""
    begins = np.flatnonzero(np.diff(of, prepend=-1))
    mine = of[begins]
    if missing is None:
        found[mine, 0] += np.diff(begins, append=len(of))[:, None]
    else:
        codes = np.where(missing, 0, codes)
        found[mine, 0] += np.add.reduceat(~missing, begins, axis=0, dtype=np.int64)
    found[mine, 1] += np.add.reduceat(codes, begins, axis=0)
    found[mine, 2] += np.add.reduceat(codes * codes, begins, axis=0)


def one_value(counts: Float64) -> tuple[Float64, Float64]:
    """What the block says of each column.

    Parameters
    ----------
    counts : (k, `CELLS` m) of panes.

    Returns
    -------
    values : (k, m) how many there are.
    value : (k, m) code of the one value; nan where there are several, or none, or more than two million.

    Examples
    --------
    >>> block = np.zeros((2, CELLS))
    >>> add_codes(block, RowGroups([(0, "", ""), (10, "", "")], np.array([0, 0, 1, 1]), 4), np.array([[7.0], [7.0], [7.0], [9.0]]), [])
    >>> [bool(one) for one in one_value(block)[1].ravel() == codes_of_numbers(np.array([7.0]))]
    [True, False]
    """
    values, sums, squares = np.split(counts, CELLS, axis=1)
    mean = sums / np.maximum(values, 1)
    alone: Bool = (values > 0) & (values < _EXACT) & (mean == np.floor(mean)) & (squares == sums * mean)
    return values, np.where(alone, mean, np.nan)
