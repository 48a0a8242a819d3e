"""In which slices a model is worse than elsewhere, or became worse by more than elsewhere.

Of a slice with one condition *elsewhere* are the other rows, of one with two conditions the other rows of either: so no condition is told that adds nothing. Differences of means
are measured in their own standard errors. Hundreds of slices are looked at and they overlap, so those told are by the procedure of Benjamini & Yekutieli (2001): a share of
`FALSE_SLICES` falsely at most, however they overlap. Rows are taken as independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.alerts.false_discoveries import e_bh, e_values_of
from detectors.alerts.slice_evidence import Sums
from detectors.alerts.slices import FALSE_SLICES, FEWEST, MOST
from detectors.columns.slice_cells import ALL_ROWS, SliceCells
from detectors.event_batch import Float64
from detectors.metric import mean, wilson


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A slice beside the other rows of what it lies in.

    Attributes
    ----------
    where : its conditions.
    now, elsewhere : sums of both.
    before, elsewhere_before : those of the time before; None where only one window is looked at.
    chance : that the slice loses so much more (or its losses rose by so much more) than elsewhere by chance.
    bar : the largest chance with which a slice is told, by the number of slices that were looked at and that are told.
    looked_at, told : how many were, and are; of those `MOST` are handed on.
    """

    where: tuple[str, ...]
    now: Sums
    elsewhere: Sums
    before: Sums | None = None
    elsewhere_before: Sums | None = None
    chance: float
    bar: float
    looked_at: int
    told: int


def worst(cells: SliceCells, block: Float64, *, binary: bool) -> list[Contrast]:
    """Slices in which the model is worse than elsewhere.

    Parameters
    ----------
    cells : what the slices are.
    block : (2 or 3 slices,) of a window, see `detectors.panes.slice_losses.add_losses`.
    binary : whether losses are 0 and 1.
    """
    return _told(cells, [_by_slice(block, binary=binary)], binary=binary)


def risen(cells: SliceCells, now: Float64, before: Float64, *, binary: bool) -> list[Contrast]:
    """Slices in which the model became worse by more than elsewhere; blocks as of `worst`."""
    return _told(cells, [_by_slice(now, binary=binary), _by_slice(before, binary=binary)], binary=binary)


def difference(sides: Sequence[Sums], *, binary: bool) -> tuple[float, float]:
    """Of means and its standard error: a slice less elsewhere, or that of now less that of before.

    Parameters
    ----------
    sides : sums of the slice and of elsewhere, and of both before.
    binary : whether losses are 0 and 1. Variances are then those of one more of each (Agresti & Caffo 2000), so that none is 0.

    Examples
    --------
    >>> value, error = difference([(100, 30, 30), (900, 90, 90), (1_000, 100, 100), (9_000, 900, 900)], binary=True)
    >>> round(value, 3), round(error, 3)
    (0.2, 0.048)
    """
    found, error = _difference([np.array(side, np.float64)[:, None] for side in sides], binary=binary)
    return float(found[0]), float(error[0])


def chance_of(value: float, error: float) -> float:
    """That a difference of nothing is seen as so large, or larger."""
    return float(special.ndtr(-value / error))


def bar_of(told: int, looked_at: int) -> float:
    """The largest chance with which ``told`` of so many slices are told: e-BH on p-values is the procedure of Benjamini & Yekutieli (2001)."""
    return FALSE_SLICES * told / (looked_at * float((1 / np.arange(1, looked_at + 1)).sum()))


def interval_of(sums: Sums, *, binary: bool) -> tuple[float, float]:
    """95 % of a mean loss: Wilson's for a share, the normal one otherwise."""
    n, loss, squares = sums
    return wilson(loss, n) if binary else mean("loss", loss, squares, n).interval


def _by_slice(block: Float64, *, binary: bool) -> Float64:
    """(3, slices) rows, losses and squares."""
    parts = block.reshape(2 if binary else 3, -1)
    return parts[[0, 1, 1]] if binary else parts


def _difference(sides: Sequence[Float64], *, binary: bool) -> tuple[Float64, Float64]:
    value, variance = np.zeros((2, sides[0].shape[1]))
    for sign, (n, loss, squares) in zip((1, -1, -1, 1), sides, strict=False):
        with np.errstate(all="ignore"):
            value = value + sign * loss / n
            if binary:
                share = (loss + 1) / (n + 2)
                variance = variance + share * (1 - share) / (n + 2)
            else:
                variance = variance + np.maximum(squares / n - (loss / n) ** 2, 0) / (n - 1)
    return value, np.sqrt(variance)


def _told(cells: SliceCells, windows: Sequence[Float64], *, binary: bool) -> list[Contrast]:
    sides = []
    for sums in windows:
        whole = sums[:, cells.first].sum(axis=1)
        around = np.where(cells.within == ALL_ROWS, whole[:, None], sums[:, cells.within])
        sides += [sums[:, cells.of], around - sums[:, cells.of]]
    value, error = _difference(sides, binary=binary)
    known = np.all([side[0] >= FEWEST for side in sides], axis=0) & (error > 0)
    chance = np.ones(len(value))
    chance[known] = special.ndtr(-value[known] / error[known])
    looked_at = np.ones(cells.size, np.bool_)
    np.logical_and.at(looked_at, cells.of, known)
    of_slice = np.zeros(cells.size)
    np.maximum.at(of_slice, cells.of, chance)  # of both that it lies in
    n = int(looked_at.sum())
    if not n:
        return []
    is_told = np.zeros(cells.size, np.bool_)
    is_told[looked_at] = e_bh(e_values_of(of_slice[looked_at], FALSE_SLICES), FALSE_SLICES)
    told = int(is_told.sum())
    if not told:
        return []
    bar = bar_of(told, n)
    closest = [place for place in range(len(chance)) if is_told[cells.of[place]] and chance[place] == of_slice[cells.of[place]]]
    found = {int(cells.of[place]): place for place in reversed(closest)}
    most = sorted(found, key=lambda one: (-float(value[found[one]] * sides[0][0][found[one]]), one))[:MOST]
    return [
        Contrast(
            where=cells.where(one),
            **dict(zip(("now", "elsewhere", "before", "elsewhere_before"), (_sums(side[:, found[one]]) for side in sides), strict=False)),
            chance=float(chance[found[one]]),
            bar=bar,
            looked_at=n,
            told=told,
        )
        for one in most
    ]


def _sums(side: Float64) -> Sums:
    n, loss, squares = side.tolist()
    return n, loss, squares
