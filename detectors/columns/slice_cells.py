"""Slices of labelled rows in which errors are counted: parts of columns, one or two at a time.

A part is a level, a fifth of a numeric column's reference, or what is missing. There are as many slices as the parts of the columns and of the pairs of columns come to, whatever
number of rows there is, and counts of them add up like all others.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from detectors.columns.binning import ColumnBins
from detectors.event_batch import Coded, Float64, Int64
from detectors.profile import ColumnProfile, NumericProfile

PARTS = 5
"""Of a numeric column, beside what is missing."""

ALL_ROWS = -1
"""Stands for all rows, of which each part of a column is a slice."""


def parts_of(name: str, profile: ColumnProfile) -> tuple[list[str], Int64]:
    """Conditions that tell the parts of a column apart, and the part of each of its cells.

    Examples
    --------
    >>> profile = NumericProfile(edges=(0.0, 1.0), counts=(40, 40, 20), scores=(-1.0, 0.0, 1.0), mean=0.5, deviation=1.0, minimum=-1.0, maximum=2.0)
    >>> texts, part = parts_of("age", profile)
    >>> texts, part.tolist()
    (['age < 0', '0 <= age < 1', 'age >= 1', 'age missing'], [0, 1, 2, 3])
    """
    if not isinstance(profile, NumericProfile):
        texts = [*(f"{name} = {level}" for level in profile.levels), f"{name} unseen", f"{name} missing"]
        return texts, np.arange(len(texts))
    ends = np.searchsorted(np.cumsum(profile.counts) / sum(profile.counts), np.arange(1, PARTS) / PARTS) + 1
    first = np.unique(np.concatenate(([0], ends[ends < len(profile.scores)])))  # bin with which each part begins
    bounds = [profile.edges[place - 1] for place in first[1:].tolist()]
    texts = [_between(name, low, high) for low, high in itertools.pairwise([None, *bounds, None])]
    return [*texts, f"{name} missing"], np.append(np.searchsorted(first, np.arange(len(profile.scores)), side="right") - 1, len(texts))


def _between(name: str, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return f"{name} not missing"
    if low is None:
        return f"{name} < {high:.4g}"
    return f"{name} >= {low:.4g}" if high is None else f"{low:.4g} <= {name} < {high:.4g}"


class SliceCells:
    """Slices of some columns, and of the first of them two at a time.

    Parameters
    ----------
    columns : by name, those that matter most first.
    paired : how many of the first are looked at two at a time, too.

    Attributes
    ----------
    size : number of slices.
    of, within : (C,) comparisons: a slice, and the one that it lies in, `ALL_ROWS` of a part of a column. One of two conditions lies in both of its own.
    first : (slices of the first column,) which hold each row once.

    Examples
    --------
    >>> from detectors.profile import CategoricalProfile
    >>> two = CategoricalProfile(levels=("a", "b"), counts=(5, 5))
    >>> cells = SliceCells({"x": two, "y": two}, paired=2)
    >>> cells.size, cells.where(0), cells.where(9)
    (24, ('x = a',), ('x = a', 'y = b'))
    """

    def __init__(self, columns: Mapping[str, ColumnProfile], paired: int) -> None:
        self._names = tuple(columns)
        self._bins = [ColumnBins(profile) for profile in columns.values()]
        parts = [parts_of(name, profile) for name, profile in columns.items()]
        self._texts = [texts for texts, _ in parts]
        self._part = [part for _, part in parts]
        sizes = [len(texts) for texts in self._texts]
        self._starts = (np.cumsum(sizes) - sizes).tolist()
        single = sum(sizes)
        of, within = [np.arange(single)], [np.full(single, ALL_ROWS)]
        self._pairs: list[tuple[int, int, int]] = []  # two columns, and where their slices begin
        self.size = single
        for one, other in itertools.combinations(range(min(paired, len(parts))), 2):
            self._pairs.append((one, other, self.size))
            both = self.size + np.arange(sizes[one] * sizes[other])
            of += [both, both]
            within += [self._starts[one] + np.repeat(np.arange(sizes[one]), sizes[other]), self._starts[other] + np.tile(np.arange(sizes[other]), sizes[one])]
            self.size += len(both)
        self.of, self.within = np.concatenate(of), np.concatenate(within)
        self.first = slice(0, sizes[0] if sizes else 0)

    def where(self, place: int) -> tuple[str, ...]:
        """The conditions of a slice."""
        for one, other, start in reversed(self._pairs):
            if place >= start:
                part, of_other = divmod(place - start, len(self._texts[other]))
                return self._texts[one][part], self._texts[other][of_other]
        column = max(number for number, start in enumerate(self._starts) if place >= start)
        return (self._texts[column][place - self._starts[column]],)

    def cells(self, numeric: Float64, numeric_names: Sequence[str], categorical: Mapping[str, Coded]) -> Int64:
        """(n, S) the slices that each row is in, by columns as `EventBatch` has them."""
        given = [numeric[:, numeric_names.index(name)] if name in numeric_names else categorical[name] for name in self._names]
        parts = [part[bins.cells(column)] for part, bins, column in zip(self._part, self._bins, given, strict=True)]
        singles = [part + start for part, start in zip(parts, self._starts, strict=True)]
        return np.stack([*singles, *(start + parts[one] * len(self._texts[other]) + parts[other] for one, other, start in self._pairs)], axis=1)
