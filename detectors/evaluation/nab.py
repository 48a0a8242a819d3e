"""Scores of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015): an alarm inside a labelled window counts the more the earlier it comes, one outside costs.

For comparing with what is published of other detectors. Not a measure of delay or of false alarms: windows are wide, and a hundred alarms inside one are as
good as the first; `delays_of` and `false_alarms_of` are stricter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Bool

_PROBATION = 0.15  # of a series, but of no more than _LONG rows: a detector learns there, and nothing counts
_LONG = 5_000
_FAR = 3.0  # widths of a window behind it


@dataclass(frozen=True)
class Weights:
    """What a window that was hit at its first row gives, and what a false alarm far from any window and a missed window cost; by default the standard profile."""

    hit: float = 1.0
    false_alarm: float = 0.11
    missed: float = 1.0


STANDARD = Weights()


def weight_at(position: float) -> float:
    """Value of an alarm by its place, from nearly 1 at the first row of a window (-1) over 0 behind its last to -1 far behind.

    Parameters
    ----------
    position : in widths of the window, from its end on.

    Examples
    --------
    >>> [round(weight_at(position), 4) for position in (-1.0, 0.0, 0.45, 4.0)]
    [0.9866, 0.0, -0.8093, -1.0]
    """
    return -1.0 if position > _FAR else 2 / (1 + math.exp(5 * position)) - 1


def probation(rows: int) -> int:
    """Rows at the beginning of a series in which nothing counts.

    Examples
    --------
    >>> probation(4_032), probation(22_695)
    (604, 750)
    """
    return math.floor(_PROBATION * min(rows, _LONG))


def raw_score(alarms: Bool, windows: Sequence[tuple[int, int]], weights: Weights = STANDARD) -> float:
    """Score of one series.

    Parameters
    ----------
    alarms : (n,) whether the detector alarmed at each row.
    windows : first and last row of each labelled window, in their order; one that ends in the probation does not count.
    weights : of the profile.

    Examples
    --------
    >>> alarms = np.zeros(1_000, bool)
    >>> raw_score(alarms, [(400, 499)])
    -1.0
    >>> alarms[[400, 450, 900]] = True  # one false alarm, far behind
    >>> round(raw_score(alarms, [(400, 499)]), 2)
    0.89
    """
    if any(last < first for first, last in windows) or any(behind[0] <= before[1] for before, behind in itertools.pairwise(windows)):
        raise ValueError(f"windows must follow one another, first row <= last row, got {list(windows)}")
    rows = np.flatnonzero(alarms)
    rows = rows[rows >= probation(len(alarms))]
    total = 0.0
    outside = np.ones(len(rows), bool)
    for first, last in windows:
        inside = (rows >= first) & (rows <= last)
        outside &= ~inside
        if inside.any():
            total += weights.hit * weight_at(-(last - rows[inside][0] + 1) / (last - first + 1)) / weight_at(-1.0)
        elif last >= probation(len(alarms)):
            total -= weights.missed
    for row in rows[outside].tolist():
        before = [(first, last) for first, last in windows if last < row]
        first, last = before[-1] if before else (0, 0)
        total += weights.false_alarm * (weight_at((row - last) / (last - first)) if last > first else -1.0)
    return total


def normalised(raw: float, windows: int, weights: Weights = STANDARD) -> float:
    """Score of all series on the scale of the scoreboard: 0 for a detector that says nothing, 100 for one that hits each window at once and is never wrong.

    Parameters
    ----------
    raw : sum over the series.
    windows : in all of them that count.
    weights : of the profile.

    Examples
    --------
    >>> normalised(-116.0, 116), normalised(116.0, 116)
    (0.0, 100.0)
    """
    nothing, perfect = -weights.missed * windows, weights.hit * windows
    return 100 * (raw - nothing) / (perfect - nothing)
