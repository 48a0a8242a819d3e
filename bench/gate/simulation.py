"""Many gates at once: the gate's own bets, filters and thresholds on arrays of runs. `agrees` holds it to `retrainer.gate.step`, label by label."""

from __future__ import annotations

import math

import numpy as np

from detectors.event_batch import Bool, Float64, Int8, Int64
from detectors.settings.retraining import Gate
from retrainer.betting import BETS, log_payoffs, log_wealth
from retrainer.gate import LATELY, GateState, Outcome, promotes, steadiness_block, step, take_block
from retrainer.steadiness import begin

OUTCOMES: tuple[Outcome, ...] = ("inconclusive", "promoted", "rejected")
_AT_ONCE = 20_000_000
"""Numbers that are held at a time."""


def judged(difference: Int8, gate: Gate, challengers: int = 1) -> tuple[Int64, Int64]:
    """Outcome (place in `OUTCOMES`) and labels of every run: (runs,) each.

    Parameters
    ----------
    difference : (runs, labels) of -1, 0 and 1; labels are whole blocks, ``max_wait`` of them or fewer.
    """
    size = max(1, _AT_ONCE // (len(BETS) * difference.shape[1] // gate.block))
    parts = [_judged(difference[start : start + size], gate, challengers) for start in range(0, len(difference), size)]
    outcome, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return outcome, labels


def _judged(difference: Int8, gate: Gate, challengers: int) -> tuple[Int64, Int64]:
    runs, block = len(difference), gate.block
    blocks = difference.reshape(runs, -1, block)
    labels = np.arange(1, blocks.shape[1] + 1) * block
    better, worse = (np.cumsum((blocks == sign).sum(axis=2), axis=1)[..., None] for sign in (1, -1))
    payoffs, against = log_payoffs(np.array([1.0, 0.0, -1.0])), log_payoffs(gate.min_gain - np.array([1.0, 0.0, -1.0]))
    wealth = log_wealth(better * payoffs[0] + worse * payoffs[2])
    wealth_against = log_wealth(better * against[0] + worse * against[2] + (labels[:, None] - better - worse) * against[1])
    enough = labels >= max(gate.min_evidence, 1)
    promoted = (wealth >= math.log(challengers / gate.alpha)) & enough
    near = np.flatnonzero(promoted.any(axis=1))  # of the others no more needs to be known
    promoted[near] &= promotes(wealth[near], _steady(difference[near], gate), gate, challengers) & _not_worse(difference[near], gate)
    rejected = (wealth_against >= math.log(1 / gate.alpha)) & enough
    decided = promoted | rejected
    first = np.where(decided.any(axis=1), decided.argmax(axis=1), len(labels) - 1)
    of_run = np.arange(runs), first
    return np.where(promoted[of_run], 1, np.where(rejected[of_run], 2, 0)), labels[first]


def _steady(difference: Int8, gate: Gate) -> Float64:
    """(runs, blocks of the gate) logarithm of the evidence for a steady gain."""
    runs, labels = difference.shape
    result = np.zeros((runs, labels // gate.block))
    length = steadiness_block(gate)
    if not length:
        return result
    blocks = difference[:, : labels - labels % length].reshape(runs, labels // length, length)
    means = blocks.mean(axis=2)
    ends = np.arange(1, blocks.shape[1] + 1) * length
    noise = np.maximum(np.cumsum((blocks != 0).sum(axis=2), axis=1) / ends, 1 / ends) / length
    filters = begin(gate.wander, runs)
    for block, end in enumerate(ends.tolist()):
        filters, steady = take_block(filters, means[:, block], noise[:, block], block, gate)
        result[:, end // gate.block - 1 : (end + length) // gate.block - 1] = steady[:, None]
    return result


def _not_worse(difference: Int8, gate: Gate) -> Bool:
    """(runs, blocks) whether there is no sign that the challenger has become worse lately."""
    wealth = np.cumsum(np.where(difference > 0, (math.log1p(-LATELY)), np.where(difference < 0, math.log1p(LATELY), 0.0)), axis=1, dtype=np.float64)
    lowest = np.minimum(np.minimum.accumulate(wealth, axis=1), 0)
    return np.asarray((wealth - lowest)[:, gate.block - 1 :: gate.block] < math.log(1 / gate.alpha))


def agrees(difference: Int8, gate: Gate, challengers: int = 1) -> float:
    """Share of runs on which the simulation and the gate itself give the same verdict at the same label."""
    outcome, labels = judged(difference, gate, challengers)
    same = 0
    for run, found in enumerate(difference.astype(np.float64)):
        _, verdict = step(GateState(), np.maximum(found, 0), np.maximum(-found, 0), gate=gate, challengers=challengers)
        told = OUTCOMES[0] if verdict.outcome == "undecided" else verdict.outcome
        same += told == OUTCOMES[outcome[run]] and (verdict.labels == labels[run])
    return same / len(difference)
