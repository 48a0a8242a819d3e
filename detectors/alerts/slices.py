"""Where a model is wrong more often than elsewhere: slices of the rows that are found, not declared (Chung et al. 2019, "Slice Finder").

A slice is one part of a column (a level, or a fifth of the reference) or two parts of two columns at once. One part is told where more rows are wrong than among all; two parts
where more are than in either of them alone, so that no condition is told that adds nothing. Hundreds are looked at and they overlap, so those told are by e-BH: a share of
`FALSE_SLICES` is told falsely at most, however they overlap (`detectors.alerts.false_discoveries`). Rows are taken as independent of each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.alerts.false_discoveries import e_bh, e_values_of
from detectors.columns.binning import encode
from detectors.columns.slice_cells import parts_of
from detectors.event_batch import Bool, Coded, Float64, Int64
from detectors.metric import wilson
from detectors.profile import ColumnProfile

FALSE_SLICES = 0.05
FEWEST = 30
"""Rows of every side of a comparison."""

PAIRED = 12
"""Columns of which pairs are looked at, the first ones that are given: 66 pairs of columns, some 1,700 slices."""

MOST = 5
"""Slices that are told of one table, or one window."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Rows that are wrong more often than others.

    Attributes
    ----------
    where : one or two conditions, ``city = Oslo``, ``1.5 <= age < 3``.
    n, wrong : rows, and how many of them are wrong.
    interval : 95 %, of the share that is wrong (Wilson).
    elsewhere : share of the other rows that is wrong.
    """

    where: tuple[str, ...]
    n: int
    wrong: int
    interval: tuple[float, float]
    elsewhere: float

    @property
    def share(self) -> float:
        """Of its rows that is wrong."""
        return self.wrong / self.n


def worst_slices(columns: Mapping[str, tuple[Coded, ColumnProfile]], wrong: Bool) -> tuple[Slice, ...]:
    """Slices with the most wrong rows beyond what the other rows' share would give, at most `MOST` of them.

    Parameters
    ----------
    columns : by name (n,) values and their profile; those that matter most first.
    wrong : (n,) which rows are.

    Examples
    --------
    >>> from detectors.coded_text import CodedText
    >>> from detectors.profile import CategoricalProfile
    >>> city = CodedText.of(["Oslo", "Rome", "Ulm", "Rome"] * 100)
    >>> (found,) = worst_slices({"city": (city, CategoricalProfile(levels=("Oslo", "Rome", "Ulm"), counts=(1, 2, 1)))}, np.arange(400) % 8 == 0)
    >>> found.where, found.n, found.share, found.elsewhere
    (('city = Oslo',), 100, 0.5, 0.0)
    """
    parts = [(texts, part[encode(column, profile)]) for (name, (column, profile)) in columns.items() for texts, part in [parts_of(name, profile)]]
    found = [one for texts, codes in parts for one in _of_one(texts, codes, wrong)]
    for (texts, codes), (others, other_codes) in itertools.combinations(parts[:PAIRED], 2):
        found += _of_two(texts, codes, others, other_codes, wrong)
    if not found:
        return ()
    named = e_bh(e_values_of(np.array([chance for _, chance in found]), FALSE_SLICES), FALSE_SLICES)
    told = [one for (one, _), is_named in zip(found, named.tolist(), strict=True) if is_named]
    return tuple(sorted(told, key=lambda one: (-(one.share - one.elsewhere) * one.n, one.where))[:MOST])


def _of_one(texts: Sequence[str], codes: Int64, wrong: Bool) -> list[tuple[Slice, float]]:
    n, hits = (np.bincount(codes, weights, len(texts)) for weights in (None, wrong))
    all_rows, all_wrong = float(len(wrong)), float(wrong.sum())
    return [
        (_slice((texts[place],), n[place], hits[place], all_rows, all_wrong), _chance(hits[place], n[place], all_wrong / all_rows))
        for place in range(len(texts))
        if n[place] >= FEWEST and all_rows - n[place] >= FEWEST
    ]


def _of_two(texts: Sequence[str], codes: Int64, others: Sequence[str], other_codes: Int64, wrong: Bool) -> list[tuple[Slice, float]]:
    together, shape = codes * len(others) + other_codes, (len(texts), len(others))
    n, hits = (np.bincount(together, weights, len(texts) * len(others)).reshape(shape) for weights in (None, wrong))
    all_rows, all_wrong = float(len(wrong)), float(wrong.sum())
    found = []
    for row, column in np.argwhere(n >= FEWEST).tolist():
        parents = [(hits[row].sum(), n[row].sum()), (hits[:, column].sum(), n[:, column].sum())]
        if all(of_parent - n[row, column] >= FEWEST for _, of_parent in parents):
            chance = max(_chance(hits[row, column], n[row, column], of_wrong / of_parent) for of_wrong, of_parent in parents)
            found.append((_slice((texts[row], others[column]), n[row, column], hits[row, column], all_rows, all_wrong), chance))
    return found


def _chance(hits: float, n: float, share: float) -> float:
    """That so many or more of n rows are wrong where such a share is; a little too large, as the rows are among those that the share is of."""
    return 1.0 if hits <= 0 else float(special.betainc(hits, n - hits + 1, share))


def _slice(where: tuple[str, ...], n: Float64, hits: Float64, rows: float, wrong: float) -> Slice:
    return Slice(where=where, n=int(n), wrong=int(hits), interval=wilson(float(hits), float(n)), elsewhere=(wrong - float(hits)) / (rows - float(n)))
