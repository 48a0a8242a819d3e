"""Probabilities of batch models, drawn towards indifference by the labels since: how far a model may be believed is learnt from what it said, and what was found.

A model of classes that has learnt few rows, or whose world has gone, is as sure as ever. It stays in the pool, since its world may come back, and what it says
is weighed by its past losses; meanwhile it would outvote members that are unsure for good reason. So a share of its distance from equal probabilities is kept,
between none and all of it: the share with the least Brier score on fading rows, drawn towards all by a few rows of a prior. The order of the classes stays what
the model says. Do not use it for numbers: these have a line, see `retrainer.trainers.recalibration`.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64
from retrainer.trainers.recalibration import HALF_LIFE, PRIOR

_FADES = 0.5 ** (1 / HALF_LIFE)
_SUMS = 2  # of distances times what would have been right, and of squared distances; both from equal probabilities


def nothing(members: int) -> Float64:
    """(m, 2) sums before the first label."""
    return np.zeros((members, _SUMS))


def learnt(sums: Float64, probabilities: Float64, truth: Bool, awake: Bool) -> Float64:
    """(m, 2) sums after labels, in their order: the same rows give the same sums however they are batched.

    Parameters
    ----------
    sums : (m, 2) before them.
    probabilities : (m, n, k) that each model said by itself; all 0 where it said nothing.
    truth : (n, k) which class it was.
    awake : (m, n) False where a row says nothing of a model, as it was trained on it.
    """
    known = awake & probabilities.any(axis=2)
    distance = probabilities - 1 / truth.shape[1]
    rows = np.stack([(distance * (truth - 1 / truth.shape[1])).sum(axis=2), (distance**2).sum(axis=2)], axis=2)
    for place, mine in enumerate(known.T):
        sums = np.where(mine[:, None], _FADES * sums + rows[:, place], sums)
    return sums


def shares(sums: Float64) -> Float64:
    """(m,) how much of its distance from equal probabilities each model keeps, from 0 to 1.

    Examples
    --------
    >>> said = np.tile([0.9, 0.1], (1, 1000, 1))
    >>> truth = np.tile([[True, False], [True, False], [True, False], [False, True]], (250, 1))
    >>> shares(learnt(nothing(1), said, truth, np.ones((1, 1000), bool))).round(2).tolist(), shares(nothing(1)).tolist()
    ([0.65], [1.0])
    """
    agreement, spread = sums.T
    return np.asarray(np.clip((agreement + PRIOR) / (spread + PRIOR), 0.0, 1.0))


def drawn(probabilities: Float64, sums: Float64) -> Float64:
    """(m, n, k) probabilities as far as each model may be believed; where it said nothing, nothing."""
    share, equal = shares(sums)[:, None, None], 1 / max(1, probabilities.shape[2])
    return np.where(probabilities.any(axis=2, keepdims=True), share * probabilities + (1 - share) * equal, probabilities)
