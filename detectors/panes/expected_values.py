"""What values that are not as they were declared add to a summary vector, of columns whose law nobody has declared.

Bins come with a profile; a range, the categories, and how often a value may be missing are said by a person. So such a column has three cells: its values, those that are
missing, and of the values those outside of the range or the categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.declared_ranges import DeclaredRanges
from detectors.event_batch import EventBatch, Float64, Int64
from detectors.rows.row_groups import RowGroups
from detectors.settings.feature import Feature

CELLS = 3
"""Of a column."""

VALUES, MISSING, BROKEN = range(CELLS)
"""Places of its cells: values, missing ones, and values that break what is expected, which are counted among the first, too."""


class ExpectedValues:
    """The block ``expected`` of a model.

    Parameters
    ----------
    columns : what is declared of each, in the order of the block.
    """

    def __init__(self, columns: Mapping[str, Feature]) -> None:
        places = {name: place for place, name in enumerate(columns)}
        self._size = CELLS * len(columns)
        self._numeric = tuple(name for name, feature in columns.items() if feature.type == "numeric")
        self._starts = CELLS * np.array([places[name] for name in self._numeric], np.int64)
        self._ranges = DeclaredRanges(columns[name] for name in self._numeric)
        self._categorical = [(name, CELLS * places[name], feature.categories) for name, feature in columns.items() if feature.type == "categorical"]

    def add(self, block: Float64, groups: RowGroups, batch: EventBatch, of: tuple[Sequence[ExpectedValues], Int64] | None = None) -> None:
        """Count rows.

        Parameters
        ----------
        block : (groups, size).
        groups : of the n rows.
        batch : with the columns.
        of : where rows are of several models that differ in their ranges alone: theirs, and (n,) the place of each row's model.
        """
        if self._numeric:
            self._add_numbers(block, groups, batch.numeric[:, [batch.numeric_names.index(name) for name in self._numeric]], of)
        for name, start, categories in self._categorical:
            block[:, start : start + CELLS] += _counts(groups, batch.categorical[name], categories)

    def _add_numbers(self, block: Float64, groups: RowGroups, numbers: Float64, of: tuple[Sequence[ExpectedValues], Int64] | None) -> None:
        block += groups.counts(self._starts + MISSING * np.isnan(numbers), self._size)
        rows, columns = self._ranges.broken(numbers, None if of is None else ([one._ranges for one in of[0]], of[1]))
        if len(rows):
            block += groups.counts(self._starts[columns] + BROKEN, self._size, rows)


def _counts(groups: RowGroups, column: CodedText, categories: tuple[str, ...] | None) -> Float64:
    """(groups, `CELLS`) of a categorical column."""
    known = dict.fromkeys(categories or (), VALUES)
    column = column.compact() if len(column.levels) > groups.n else column
    counted = groups.counts(column.cells(known, VALUES if categories is None else BROKEN, MISSING), CELLS)
    counted[:, VALUES] += counted[:, BROKEN]
    return counted
