"""What irregular features add to a summary vector: values of another type by feature, and columns that nobody declared, with their names.

A name that nobody knew cannot have a cell of its own. It falls into one of a few buckets by its hash, and a bucket adds up the name's bytes, read as numbers: where
all events of a bucket say the same name, each sum is the number of events times a number of the name, and the name can be read off. Whether they do is told
as for values (`detectors.panes.value_codes`). New columns that share a bucket are counted, and not named.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xxhash

from detectors.coded_text import CodedText
from detectors.columns.irregular_features import irregular_of
from detectors.event_batch import Float64
from detectors.rows.row_groups import RowGroups

_BUCKETS = 8
_NUMBER = 4  # bytes of a name in one number: two million events of them add up exactly
_NUMBERS = 10
LONGEST_NAME = _NUMBER * _NUMBERS
"""Bytes of a name that are kept."""

_CODES = 2**16
_BUCKET = 3 + _NUMBERS  # events, sum of codes, of their squares; numbers of the name
NAME_CELLS = _BUCKETS * _BUCKET
"""For the names of columns that nobody declared."""


class IrregularCounts:
    """The block ``irregular``: events; of each feature those with a value of another type; events with a column that nobody declared, and the names of these.

    Parameters
    ----------
    features : places of the declared features.
    names : whether columns that nobody declared are counted.
    """

    def __init__(self, features: Mapping[str, int], *, names: bool) -> None:
        self._features = features
        self._names = names
        self._size = block_size(len(features), names=names)
        self._rows_of: dict[str, Float64] = {}

    def add(self, block: Float64, groups: RowGroups, irregular: CodedText | None) -> None:
        """Count rows.

        Parameters
        ----------
        block : (groups, size).
        groups : of the n rows.
        irregular : (n,) see `detectors.columns.irregular_features`; None where all are regular.
        """
        block[:, 0] += groups.sizes()
        if irregular is None:
            return
        told = irregular.compact()
        if told.levels:
            by_text = groups.counts(told.codes + np.int64(1), len(told.levels) + 1)[:, 1:]
            block += by_text @ np.stack([self._row_of(text) for text in told.levels])

    def _row_of(self, text: str) -> Float64:
        """(size,) what one event adds that has this text."""
        row, found = np.zeros(self._size), irregular_of(text)
        row[[1 + self._features[name] for name in found.of_type if name in self._features]] = 1
        if self._names and found.undeclared:
            row[-NAME_CELLS - 1] = 1
            row[-NAME_CELLS:] = sum(_cells_of(name) for name in found.undeclared)
        return row


def block_size(features: int, *, names: bool) -> int:
    """Cells of the block."""
    return 1 + features + (1 + NAME_CELLS) * names


def names_of(cells: Float64) -> tuple[tuple[str, ...], int]:
    """Names of columns that nobody declared, and how many buckets hold several that cannot be told apart.

    Parameters
    ----------
    cells : (`NAME_CELLS`,) the end of the block, of any number of panes.

    Examples
    --------
    >>> names_of(100 * _cells_of("fax") + 60 * _cells_of("Straße"))
    (('fax', 'Straße'), 0)
    """
    found: list[tuple[float, str]] = []
    mixed = 0
    for events, codes, squares, *numbers in cells.reshape(_BUCKETS, _BUCKET).tolist():
        if events <= 0:
            continue
        values = [number / events for number in (codes, *numbers)]
        if all(value.is_integer() for value in values) and squares == codes * values[0]:
            name = b"".join(int(value).to_bytes(_NUMBER, "big") for value in values[1:]).rstrip(b"\0").decode(errors="replace")
            found.append((-events, name))
        else:
            mixed += 1
    return tuple(name for _, name in sorted(found)), mixed


def _cells_of(name: str) -> Float64:
    """(`NAME_CELLS`,) what one event with the name adds."""
    cells, written = np.zeros((_BUCKETS, _BUCKET)), name.encode(errors="replace")
    digest = xxhash.xxh64_intdigest(written)
    code = float(digest % _CODES)
    kept = written[:LONGEST_NAME].ljust(LONGEST_NAME, b"\0")
    cells[digest // _CODES % _BUCKETS] = [1, code, code * code, *(int.from_bytes(kept[first : first + _NUMBER], "big") for first in range(0, LONGEST_NAME, _NUMBER))]
    return cells.ravel()
