"""Where a probability is counted: bins that are mergeable, the same for every model, and narrow where probabilities crowd together.

From 1/16 to 15/16 a bin is 1/32 wide; towards 0 and 1 each is narrower than the one before by the root of two, down to 1/4096, as a rare class has small probabilities
only. Each sixteenth also has the sum of what its scores exceed its lower end by, in steps of 1/128: their mean is then known to 1/256, and a sum seldom needs more than
the byte that a count needs.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64, Int64
from detectors.rows.row_groups import RowGroups

_GRID = 4_096
_SIXTEENTH = _GRID // 16
_TAIL = [round(_SIXTEENTH / 2 ** (step / 2)) for step in range(17)]
_STARTS = sorted({0, *_TAIL, *range(_SIXTEENTH, _GRID - _SIXTEENTH, _GRID // 32), *(_GRID - start for start in _TAIL)})

BINS = len(_STARTS)
"""Of each class."""

SIXTEENTHS = 16

STEP = 1 / 128
"""Of what a score exceeds the lower end of its sixteenth by."""

SIZE = 2 * BINS + SIXTEENTHS
"""Cells of the block ``score``: negatives by bin, positives by bin, and a sum of steps for each sixteenth."""

EDGES: Float64 = np.array([*_STARTS, _GRID]) / _GRID
"""(BINS + 1,) ends of the bins, ascending; all ends of sixteenths are among them."""

_OF_CLASS = _GRID + 1
"""Places of one class; the last is that of a score of 1, which is counted with what is just below."""

_FIRST: Int64 = np.concatenate([_STARTS, np.add(_STARTS, _OF_CLASS)])
_STEPS = round(1 / STEP / SIXTEENTHS)
"""Of a sixteenth."""

_FIRST_OF_STEP: Int64 = np.add.outer([0, _OF_CLASS], np.arange(SIXTEENTHS * _STEPS) * (_SIXTEENTH // _STEPS)).ravel()
_BIN_OF: Int64 = np.repeat(np.arange(2 * BINS), np.diff([*_FIRST, 2 * _OF_CLASS]))
_WITHIN: Int64 = np.minimum(np.tile(np.arange(_OF_CLASS), 2), _GRID - 1)
_SIXTEENTH_OF: Int64 = _WITHIN // _SIXTEENTH
_STEPS_OF: Float64 = (_WITHIN % _SIXTEENTH // (_SIXTEENTH // _STEPS)).astype(np.float64)


def bins_of(score: Float64) -> Int64:
    """(n,) bin of each score from 0 to 1; `BINS` for nan, and for what is no probability.

    Examples
    --------
    >>> bins_of(np.array([0.0, 0.5, 1.0, np.nan, 7.0])).tolist()
    [0, 30, 59, 60, 60]
    """
    known = (score >= 0) & (score <= 1)
    return np.where(known, _BIN_OF[(np.where(known, score, 0.0) * _GRID).astype(np.int64)], BINS)


def add_scores(block: Float64, groups: RowGroups, positive: Bool, score: Float64, rows: Int64 | None) -> None:
    """Add scores to (groups, SIZE).

    Parameters
    ----------
    positive : (n,) whether the label is the class that the score is the probability of.
    score : (n,) from 0 to 1.
    rows : (n,) which rows of the groups they are; None: all.

    Examples
    --------
    >>> from detectors.coded_text import CodedText
    >>> block = np.zeros((1, SIZE))
    >>> add_scores(block, RowGroups.by(np.zeros(2, int), 1, CodedText.of(["1", "1"]), None), np.array([False, True]), np.array([0.0, 0.5]), None)
    >>> np.flatnonzero(block).tolist(), EDGES[30].item()
    ([0, 90], 0.5)
    """
    place = (score * _GRID).astype(np.int64)
    place += positive * np.int64(_OF_CLASS)
    if len(score) < _OF_CLASS * len(groups.keys):
        block[:, : 2 * BINS] += groups.counts(_BIN_OF[place], 2 * BINS, rows)
        block[:, 2 * BINS :] += groups.counts(_SIXTEENTH_OF[place], SIXTEENTHS, rows, weights=_STEPS_OF[place])
    else:  # many rows are counted sooner by place first
        counts = groups.counts(place, 2 * _OF_CLASS, rows)
        block[:, : 2 * BINS] += np.add.reduceat(counts, _FIRST, axis=1)
        by_step = np.add.reduceat(counts, _FIRST_OF_STEP, axis=1).reshape(-1, 2, SIXTEENTHS, _STEPS)
        block[:, 2 * BINS :] += by_step.sum(axis=1) @ np.arange(_STEPS)
