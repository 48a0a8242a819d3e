"""The gate: an anytime-valid paired test of "the challenger is better", fed with the losses of both on the same labelled events.

Losses lie in [0, 1]. Three things are asked for before a promotion, and all of them can be looked at after any block of labels:

- wealth of bets on the differences of losses (`betting`), which promises a level of alpha whatever the losses are, as long as "not better" holds at each event;
- evidence that the advantage is steady (`steadiness`), because "not better" may hold on the whole only, and an advantage wanders;
- no sign that the challenger has become worse lately, and labels from after ``min_validation_time`` (the caller says which these are).

All challengers of a cause share alpha: each has to reach K times what a single one must. The mirrored bets are against "better by ``min_gain``" and reject at 1 / alpha.

Do not use it for losses that are not paired, or whose scale was chosen after looking at the test's own events; nor for a table that is looked at once (`held_out`).
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from detectors.event_batch import Bool, Float64, Int64
from detectors.settings.retraining import Gate
from retrainer.betting import BETS, log_payoffs, log_wealth
from retrainer.steadiness import AFTER, BETWEEN, FIRST, LATE, begin, log_evidence, take

Outcome = Literal["undecided", "promoted", "rejected", "inconclusive"]

STEPS = 10
"""Blocks of `steadiness` in ``min_evidence``."""

LATE_LOOK = 5
"""Place of the late look, in units of the first one's: label 2,500 by default."""

LATELY = 0.5
"""The bet on "worse lately": seen after 8 labels that only the challenger has wrong, and never while it is wrong less often than the champion."""

_Table = tuple[tuple[float, ...], ...]


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """What the test remembers; can be saved between any two steps. Its size does not depend on the labels.

    Attributes
    ----------
    labels, total, square : labelled events taken so far, sum of their differences of losses, and of the squares of these.
    silent_champion, silent_challenger : labelled events that the champion gave no answer to, which are not among these; those of these that the challenger gave none to.
    better, not_better : logarithm of the wealth of each bet, on "better" and against "better by min_gain".
    filters : of `steadiness`; empty before the first step.
    steady : logarithm of the evidence for a steady gain, after its last block; 0 before the first.
    before : ``total`` at the beginning of the open block of ``steadiness``.
    lately, lowest : logarithm of the wealth of a bet on "worse", and the lowest that it has been: their distance is the evidence of the labels since then.
    outcome : "undecided" until a verdict was reached; nothing is taken after that.
    """

    labels: int = 0
    total: float = 0.0
    square: float = 0.0
    better: tuple[float, ...] = (0.0,) * len(BETS)
    not_better: tuple[float, ...] = (0.0,) * len(BETS)
    filters: _Table = ()
    steady: float = 0.0
    before: float = 0.0
    lately: float = 0.0
    lowest: float = 0.0
    outcome: Outcome = "undecided"
    silent_champion: int = 0
    silent_challenger: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says, and the evidence for it.

    Attributes
    ----------
    outcome : the verdict.
    labels : labelled events that were taken.
    silent_champion, silent_challenger : labelled events that the champion gave no answer to, which are left out; those of ``labels`` that the challenger gave none to, a loss of 1
        each.
    difference : mean loss of the champion minus that of the challenger; positive is better. nan without labels.
    interval : 95 % interval of the difference (Bonett & Price 2012; for the reader, the verdict does not come from it); nan without labels.
    wealth, threshold : evidence for "better", and what it has to reach.
    steadiness, threshold_steadiness : evidence that the gain is steady, and what it has to reach; nan where none is asked for.
    wealth_against, threshold_against : evidence against "better by ``min_gain``", and what it has to reach.
    worse_lately : evidence of the last labels that the challenger is worse; from ``threshold_against`` on nothing is promoted.
    used : how many of the step's losses were taken until the verdict.
    reason : one sentence.
    """

    outcome: Outcome
    labels: int
    difference: float
    interval: tuple[float, float]
    wealth: float
    threshold: float
    steadiness: float
    threshold_steadiness: float
    wealth_against: float
    threshold_against: float
    worse_lately: float
    used: int
    reason: str
    silent_champion: int
    silent_challenger: int


def step(
    state: GateState,
    champion_loss: Float64,
    challenger_loss: Float64,
    *,
    gate: Gate,
    challengers: int = 1,
    settled: Bool | None = None,
    silent: Bool | None = None,
    left_out: int = 0,
) -> tuple[GateState, Verdict]:
    """Take the losses of both models on the next labelled events.

    The verdict falls at the first end of a block that allows one, however the events were batched; what comes after it is not taken.

    Parameters
    ----------
    state : `GateState()` or the state after the step before.
    champion_loss, challenger_loss : (n,) losses in [0, 1] on the same events, in their order.
    gate : settings; the same ones for the whole test.
    challengers : how many challengers the cause may have in all, those to come included.
    settled : (n,) True for events that a promotion may rest on; those before ``min_validation_time`` are evidence, but not enough. None: all of them.
    silent : (n,) True for events that the challenger gave no answer to, whose loss stands for that; they are counted. None: it answered all.
    left_out : labelled events beside these that the champion gave no answer to; they are counted, whatever ends the step.

    Raises
    ------
    ValueError
        If losses are not paired, or not in [0, 1].

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> old, new = (rng.random((2, 4_000)) < [[0.30], [0.10]]).astype(float)
    >>> step(GateState(), old, new, gate=Gate())[1].reason
    'better by 0.208 [0.157, 0.257] on 500 labels: wealth 5.66e+12 of 20, steadiness 1.81e+03 of 20'
    """
    difference = _difference(champion_loss, challenger_loss)
    if state.labels and not state.filters and state.outcome == "undecided":  # saved by a release with other filters: what they saw cannot be told to these
        state = GateState()
    if state.outcome != "undecided":
        return state, _verdict(state, gate, challengers, used=0)
    used = min(len(difference), gate.max_wait - state.labels)
    paths = _Paths(state, difference[:used], gate, np.zeros(used) if silent is None else silent[:used])
    found = paths.first_verdict(gate, challengers, np.ones(used, np.bool_) if settled is None else settled[:used])
    if found is not None:
        used, outcome = found
    else:
        outcome = "inconclusive" if state.labels + used >= gate.max_wait else "undecided"
    new = paths.state(used, outcome, silent_champion=state.silent_champion + left_out)
    return new, _verdict(new, gate, challengers, used)


def steadiness_block(gate: Gate) -> int:
    """Labels in a block of `steadiness`: whole blocks of the gate; 0 where steadiness is not asked for."""
    return gate.block * -(-gate.min_evidence // (STEPS * gate.block)) if gate.wander > 0 else 0


def take_block(filters: Float64, mean: Float64, noise: Float64, place: int, gate: Gate) -> tuple[Float64, Float64]:
    """The filters after one more block of `steadiness`, and the logarithm of their evidence at the look that comes then: (*runs).

    Parameters
    ----------
    filters, mean, noise : as of `steadiness.take`.
    place : how many blocks were taken before.
    """
    length = steadiness_block(gate)
    first = gate.block * -(-gate.min_evidence // gate.block) // length
    filters = take(filters, mean, noise, place=place, wander=gate.wander, period=2 * gate.min_evidence / length)
    look = {first: FIRST, LATE_LOOK * first: LATE}.get(place + 1, BETWEEN if place < LATE_LOOK * first else AFTER)
    return filters, log_evidence(filters, gate.wander, look)


def promotes(better: Float64, steady: Float64, gate: Gate, challengers: int) -> Bool:
    """(...) whether logarithms of wealth and of the evidence for steadiness are enough for a promotion."""
    needed = math.log(challengers / gate.alpha)
    return np.asarray((better >= needed) & ((steady >= needed) if steadiness_block(gate) else True))


class _Paths:
    """Statistics after each label of a step; row 0 is before the first."""

    def __init__(self, state: GateState, difference: Float64, gate: Gate, silent: Bool | Float64) -> None:
        self.labels = state.labels + np.arange(len(difference) + 1)
        self.total = _running(state.total, difference)
        self.square = _running(state.square, difference**2)
        self.silent = _running(state.silent_challenger, np.asarray(silent, np.float64))
        self.better = _running(state.better, log_payoffs(difference))
        self.not_better = _running(state.not_better, log_payoffs(gate.min_gain - difference))
        self.lately = _running(state.lately, np.log1p(-LATELY * difference))
        self.lowest = np.minimum(np.minimum.accumulate(self.lately), state.lowest)
        self._steadiness(state, gate)

    def _steadiness(self, state: GateState, gate: Gate) -> None:
        """Filters and their evidence at each end of a block of `steadiness`."""
        length = steadiness_block(gate)
        filters = np.array(state.filters) if state.filters else begin(gate.wander)
        self._ends, self._filters, self._before = [0], [filters], [state.before]
        evidence = [state.steady]
        for end in np.flatnonzero(self.labels[1:] % length == 0) + 1 if length else ():
            labels, total = self.labels[end], self.total[end]
            noise = max(self.square[end] / labels, 1 / labels) / length  # a few events without any disagreement are no proof that there is none
            mean = (total - self._before[-1]) / length
            filters, steady = take_block(filters, mean, noise, int(labels) // length - 1, gate)
            self._filters.append(filters)
            evidence.append(float(steady))
            self._ends.append(int(end))
            self._before.append(float(total))
        self.steady = np.repeat(evidence, np.diff([*self._ends, len(self.labels)]))

    def first_verdict(self, gate: Gate, challengers: int, settled: Bool) -> tuple[int, Outcome] | None:
        """Labels taken until the first verdict, and the verdict."""
        enough = (self.labels % gate.block == 0) & (self.labels >= max(gate.min_evidence, 1))
        enough[0] = False  # judged in the step before
        rows: Int64 = np.flatnonzero(enough)
        against = math.log(1 / gate.alpha)
        better = promotes(log_wealth(self.better[rows]), self.steady[rows], gate, challengers)
        promoted = better & settled[rows - 1] & ((self.lately - self.lowest)[rows] < against)
        rejected = log_wealth(self.not_better[rows]) >= against
        found = np.flatnonzero(promoted | rejected)
        return (int(rows[found[0]]), "promoted" if promoted[found[0]] else "rejected") if len(found) else None

    def state(self, row: int, outcome: Outcome, *, silent_champion: int) -> GateState:
        """State after so many labels."""
        block = int(np.searchsorted(self._ends, row, side="right")) - 1
        return GateState(
            labels=int(self.labels[row]),
            total=float(self.total[row]),
            square=float(self.square[row]),
            better=tuple(self.better[row].tolist()),
            not_better=tuple(self.not_better[row].tolist()),
            filters=tuple(tuple(part) for part in self._filters[block].tolist()),
            steady=float(self.steady[row]),
            before=self._before[block],
            lately=float(self.lately[row]),
            lowest=float(self.lowest[row]),
            outcome=outcome,
            silent_champion=silent_champion,
            silent_challenger=int(self.silent[row]),
        )


def _running(start: float | tuple[float, ...], steps: Float64) -> Float64:
    """(n + 1, ...) running sums; each is the sum before plus one step, so that they do not depend on where a batch ended."""
    return np.cumsum(np.concatenate([np.asarray(start, np.float64)[None], steps]), axis=0)


def _difference(champion_loss: Float64, challenger_loss: Float64) -> Float64:
    if champion_loss.shape != challenger_loss.shape:
        raise ValueError(f"losses must be paired, got {len(champion_loss)} of the champion and {len(challenger_loss)} of the challenger; score both on the same events")
    for losses in (champion_loss, challenger_loss):
        if len(losses) and not (losses.min() >= 0 and losses.max() <= 1):  # nan fails this, too
            raise ValueError(f"losses must lie in [0, 1], got {losses.min()} to {losses.max()}; clip them at a scale that is fixed before the test")
    return np.asarray(champion_loss, np.float64) - challenger_loss


def interval(labels: float, total: float, square: float) -> tuple[float, float]:
    """95 % interval of a mean difference of paired losses, as if there were one more event on which either model alone is wrong.

    Examples
    --------
    >>> "{:.3f} {:.3f}".format(*interval(1_000, 20.0, 100.0))
    '0.000 0.040'
    """
    if not labels:
        return math.nan, math.nan
    centre, spread = total / (labels + 2), (square + 2) / (labels + 2)
    half = 1.959964 * math.sqrt(max(spread - centre**2, 0.0) / (labels + 2))
    return max(centre - half, -1.0), min(centre + half, 1.0)


def _verdict(state: GateState, gate: Gate, challengers: int, used: int) -> Verdict:
    asked = steadiness_block(gate) > 0
    wealth, needed = _exponential(float(log_wealth(np.array(state.better)))), challengers / gate.alpha
    against = _exponential(float(log_wealth(np.array(state.not_better))))
    steadiness = _exponential(state.steady) if asked else math.nan
    difference = state.total / state.labels if state.labels else math.nan
    between = interval(state.labels, state.total, state.square)
    told = f"{difference:.3f} [{between[0]:.3f}, {between[1]:.3f}] on {state.labels} labels"
    evidence = f"wealth {wealth:.3g} of {needed:g}" + (f", steadiness {steadiness:.3g} of {needed:g}" if asked else "")
    reason = {
        "promoted": f"better by {told}: {evidence}",
        "rejected": f"not better by {gate.min_gain:g}: difference {told}, wealth against it {against:.3g} of {1 / gate.alpha:g}",
        "inconclusive": f"inconclusive after {state.labels} labels (max_wait): difference {told}, {evidence}",
        "undecided": f"undecided: difference {told}, {evidence}",
    }[state.outcome]
    return Verdict(
        outcome=state.outcome,
        labels=state.labels,
        difference=difference,
        interval=between,
        wealth=wealth,
        threshold=needed,
        steadiness=steadiness,
        threshold_steadiness=needed if asked else math.nan,
        wealth_against=against,
        threshold_against=1 / gate.alpha,
        worse_lately=_exponential(state.lately - state.lowest),
        used=used,
        reason=reason + of_the_silent(state.silent_champion, state.silent_challenger),
        silent_champion=state.silent_champion,
        silent_challenger=state.silent_challenger,
    )


def of_the_silent(champion: int, challenger: int) -> str:
    """What is said of labelled rows without an answer.

    Examples
    --------
    >>> of_the_silent(0, 0), of_the_silent(0, 12), of_the_silent(3, 0)
    ('', '; the challenger gave no answer to 12 of these rows, which count as a loss of 1', '; 3 more rows that the champion gave no answer to are left out')
    """
    said = f"; the challenger gave no answer to {challenger} of these rows, which count as a loss of 1" if challenger else ""
    return said + (f"; {champion} more rows that the champion gave no answer to are left out" if champion else "")


def _exponential(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))
