"""The gate: an anytime-valid paired test of "the challenger is better", fed with the losses of both on the same labelled events.

Losses lie in [0, 1]. Differences (champion - challenger) are averaged in blocks, and money is bet on the block means: under the null hypothesis "not better" no strategy is
expected to win, so wealth above 1 / alpha is evidence at level alpha whenever one looks (Ville's inequality; Waudby-Smith & Ramdas 2024). All challengers of a cause share alpha:
each has to reach K / alpha. The mirrored test bets against "better by ``min_gain``" and rejects at 1 / alpha.

The bettor is a mixture over a grid of constant bets. With blocks of 30 or more half of the money goes to a Student mixture (a t-test with a normal prior on the effect, Lai 1976;
Perez-Ortiz et al. 2024) on the block means, whose variance has an allowance for an advantage that wanders: bets on means of 100 labels cannot be large enough to see +20 points
in less than 3,000 labels, the Student mixture sees it in 700. It takes block means for normal, which the grid does not.

Do not use it for losses that are not paired, or whose scale was chosen after looking at the test's own events.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from detectors.event_batch import Column, Float64
from detectors.specification import Gate

Outcome = Literal["undecided", "promoted", "rejected", "inconclusive"]

BETS: Float64 = np.geomspace(0.01, 0.95, 16)
"""Fractions of the wealth that are bet at a time; 16 of them lose a factor of 16 at most against the best of them."""

STUDENT_BLOCK = 30
"""Smallest block whose mean is taken for normal."""

WANDERING = 0.03**2 * 2 * 300
"""Long-run variance per label that the Student mixture allows for: an advantage that wanders by 3 points around zero with a time constant of 300 labels."""


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """What the test remembers; can be saved between any two steps.

    Attributes
    ----------
    labels : labelled events taken so far, those of the open block included.
    pending : differences of the open block, fewer than ``block``.
    blocks, total, square, spread : closed blocks, sum of their means, of the squares of their means, and of their mean squared differences.
    better, not_better : logarithm of the wealth of each bet of the grid, on "better" and against "better by min_gain".
    outcome : "undecided" until a verdict was reached; nothing is taken after that.
    """

    labels: int = 0
    pending: tuple[float, ...] = ()
    blocks: int = 0
    total: float = 0.0
    square: float = 0.0
    spread: float = 0.0
    better: tuple[float, ...] = (0.0,) * len(BETS)
    not_better: tuple[float, ...] = (0.0,) * len(BETS)
    outcome: Outcome = "undecided"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says, and the evidence for it.

    Attributes
    ----------
    outcome : the verdict.
    labels, blocks : labelled events in closed blocks, and how many blocks.
    difference : mean loss of the champion minus that of the challenger; positive is better. nan before the first closed block.
    interval : 95 % interval of the difference (Student on block means; for the reader, the verdict does not come from it); nan with one block.
    wealth, threshold : evidence for "better", and what it has to reach.
    wealth_against, threshold_against : evidence against "better by ``min_gain``", and what it has to reach.
    used : how many of the step's losses were taken until the verdict.
    reason : one sentence.
    """

    outcome: Outcome
    labels: int
    blocks: int
    difference: float
    interval: tuple[float, float]
    wealth: float
    threshold: float
    wealth_against: float
    threshold_against: float
    used: int
    reason: str


def step(state: GateState, champion_loss: Float64, challenger_loss: Float64, *, gate: Gate, challengers: int = 1) -> tuple[GateState, Verdict]:
    """Take the losses of both models on the next labelled events.

    The verdict falls at the first closed block that allows one, however the events were batched; what comes after it is not taken.

    Parameters
    ----------
    state : `GateState()` or the state after the step before.
    champion_loss, challenger_loss : (n,) losses in [0, 1] on the same events, in their order.
    gate : settings; the same ones for the whole test.
    challengers : how many challengers the cause may have in all, those to come included.

    Raises
    ------
    ValueError
        If losses are not paired, or not in [0, 1].

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> old, new = (rng.random((2, 4_000)) < [[0.30], [0.10]]).astype(float)
    >>> step(GateState(), old, new, gate=Gate())[1].reason
    'better by 0.204 [0.157, 0.251] on 800 labels: wealth 45.5 of 20'
    """
    difference = _difference(champion_loss, challenger_loss)
    if state.outcome != "undecided":
        return state, _verdict(state, gate, challengers, used=0)
    used = min(len(difference), gate.max_wait - state.labels)
    values = np.concatenate([state.pending, difference[:used]])
    closed = len(values) // gate.block
    blocks = values[: closed * gate.block].reshape(closed, gate.block)
    paths = _Paths(state, blocks, gate)
    decided = paths.first_verdict(gate, challengers)
    if decided is not None:
        after, outcome = decided
        used = after * gate.block - len(state.pending)
        new = paths.state(after, state.labels + used, (), outcome)
    else:
        labels = state.labels + used
        new = paths.state(closed, labels, tuple(values[closed * gate.block :].tolist()), "inconclusive" if labels >= gate.max_wait else "undecided")
    return new, _verdict(new, gate, challengers, used)


class _Paths:
    """Statistics after each closed block of a step; row 0 is before the first."""

    def __init__(self, state: GateState, blocks: Float64, gate: Gate) -> None:
        means = blocks.mean(axis=1)
        self.count = state.blocks + np.arange(len(means) + 1)
        self.total = np.cumsum(np.concatenate([[state.total], means]))
        self.square = np.cumsum(np.concatenate([[state.square], means**2]))
        self.spread = np.cumsum(np.concatenate([[state.spread], (blocks**2).mean(axis=1)]))
        self.better = np.cumsum(np.vstack([state.better, np.log1p(np.outer(means, BETS))]), axis=0)
        self.not_better = np.cumsum(np.vstack([state.not_better, np.log1p(np.outer(gate.min_gain - means, BETS))]), axis=0)

    def first_verdict(self, gate: Gate, challengers: int) -> tuple[int, Outcome] | None:
        """Blocks taken until the first verdict, and the verdict."""
        count, mean, variance = _moments(self.count, self.total, self.square, self.spread, gate.block)
        enough = (count * gate.block >= gate.min_evidence) & (count > 0)
        enough[0] = False  # judged in the step that closed it
        promoted = enough & (_log_wealth(self.better, count, mean, variance, gate.block) >= math.log(challengers / gate.alpha))
        rejected = enough & (_log_wealth(self.not_better, count, gate.min_gain - mean, variance, gate.block) >= math.log(1 / gate.alpha))
        rows = np.flatnonzero(promoted | rejected)
        return (int(rows[0]), "promoted" if promoted[rows[0]] else "rejected") if len(rows) else None

    def state(self, row: int, labels: int, pending: tuple[float, ...], outcome: Outcome) -> GateState:
        """State after so many blocks."""
        return GateState(
            labels=labels,
            pending=pending,
            blocks=int(self.count[row]),
            total=float(self.total[row]),
            square=float(self.square[row]),
            spread=float(self.spread[row]),
            better=tuple(self.better[row].tolist()),
            not_better=tuple(self.not_better[row].tolist()),
            outcome=outcome,
        )


def _difference(champion_loss: Float64, challenger_loss: Float64) -> Float64:
    if champion_loss.shape != challenger_loss.shape:
        raise ValueError(f"losses must be paired, got {len(champion_loss)} of the champion and {len(challenger_loss)} of the challenger; score both on the same events")
    for losses in (champion_loss, challenger_loss):
        if len(losses) and not (losses.min() >= 0 and losses.max() <= 1):  # nan fails this, too
            raise ValueError(f"losses must lie in [0, 1], got {losses.min()} to {losses.max()}; clip them at a scale that is fixed before the test")
    return np.asarray(champion_loss, np.float64) - challenger_loss


def _moments(count: Column, total: Float64, square: Float64, spread: Float64, block: int) -> tuple[Float64, Float64, Float64]:
    """Blocks, mean of the block means and their variance: (m,) each.

    Half of what independent labels would give is a lower bound of the variance, as a few equal blocks are no proof that there is none.
    """
    k = np.asarray(count, np.float64)
    mean = total / np.maximum(k, 1)
    variance = np.maximum((square - k * mean**2) / np.maximum(k - 1, 1), spread / np.maximum(k, 1) / block / 2)
    return k, mean, variance


def _log_wealth(bets: Float64, count: Float64, mean: Float64, variance: Float64, block: int) -> Float64:
    """(m,) logarithm of the mixture's wealth after each block; ``bets`` is (m, number of bets)."""
    top = bets.max(axis=1)
    grid = top + np.log(np.exp(bets - top[:, None]).mean(axis=1))
    if block < STUDENT_BLOCK:
        return np.asarray(grid)
    freedom = np.maximum(count - 1, 1)
    ratio = count * mean**2 / (variance + WANDERING / block) / freedom
    student = -0.5 * np.log1p(count) + (freedom + 1) / 2 * (np.log1p(ratio) - np.log1p(ratio / (1 + count)))
    student = np.where((mean > 0) & (count > 1), student, -np.inf)
    return np.asarray(np.logaddexp(grid, student) - math.log(2))


def _verdict(state: GateState, gate: Gate, challengers: int, used: int) -> Verdict:
    row = [np.array([value]) for value in (state.blocks, state.total, state.square, state.spread)]
    count, mean, variance = _moments(row[0], row[1], row[2], row[3], gate.block)
    wealth = _exponential(_log_wealth(np.array([state.better]), count, mean, variance, gate.block))
    against = _exponential(_log_wealth(np.array([state.not_better]), count, gate.min_gain - mean, variance, gate.block))
    difference = float(mean[0]) if state.blocks else math.nan
    half = _student_95(state.blocks - 1) * math.sqrt(float(variance[0]) / state.blocks) if state.blocks > 1 else math.nan
    interval = (difference - half, difference + half)
    told = f"{difference:.3f} [{interval[0]:.3f}, {interval[1]:.3f}] on {state.blocks * gate.block} labels"
    reason = {
        "promoted": f"better by {told}: wealth {wealth:.1f} of {challengers / gate.alpha:g}",
        "rejected": f"not better by {gate.min_gain:g}: difference {told}, wealth against it {against:.1f} of {1 / gate.alpha:g}",
        "inconclusive": f"inconclusive after {state.labels} labels (max_wait): difference {told}, wealth {wealth:.1f} of {challengers / gate.alpha:g}",
        "undecided": f"undecided: difference {told}, wealth {wealth:.1f} of {challengers / gate.alpha:g}",
    }[state.outcome]
    return Verdict(
        outcome=state.outcome,
        labels=state.blocks * gate.block,
        blocks=state.blocks,
        difference=difference,
        interval=interval,
        wealth=wealth,
        threshold=challengers / gate.alpha,
        wealth_against=against,
        threshold_against=1 / gate.alpha,
        used=used,
        reason=reason,
    )


def _exponential(logarithm: Float64) -> float:
    return math.exp(min(float(logarithm[0]), 700.0))


def _student_95(freedom: int) -> float:
    """Upper 97.5 % point of Student's t (Hill's expansion from the normal's, good to 1 % from 3 degrees of freedom)."""
    if freedom < 3:
        return {1: 12.706, 2: 4.303}[freedom]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2) + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
