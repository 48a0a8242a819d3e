"""What a challenger must not do, however much better it is on average: each check with its figures, and a reason in words.

A check fails when it is *proven* that the challenger does it, passes when it is proven that it does not, and is ``insufficient`` where there are too few rows for either: it then
neither helps nor hinders. Proofs are bets as those of the gate (`betting`), so they hold on rows that came one by one as well as on a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from detectors.event_batch import Bool, Column, Float64
from detectors.settings.retraining import Gate
from retrainer.betting import log_payoffs, log_wealth

State = Literal["passed", "failed", "insufficient"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes
    ----------
    name : ``loss``, ``segment city=Ulm``, ``calibration``, ``size`` or ``latency``.
    state : "insufficient" blocks nothing.
    value, limit : what was found, and the most it may be; differences are challenger minus champion.
    n : rows that it rests on.
    reason : one sentence.
    """

    name: str
    state: State
    value: float
    limit: float
    n: int
    reason: str


def failed(checks: Sequence[Check]) -> str:
    """Why the checks forbid a promotion, "" if they do not."""
    return "; ".join(check.reason for check in checks if check.state == "failed")


def proven_worse(excess: Float64, margin: float, evidence: float) -> State:
    """Whether losses are larger by more than a margin ("failed"), by less ("passed"), or it cannot be told yet.

    Parameters
    ----------
    excess : (n,) loss of the challenger minus that of the champion, in [-1, 1].
    margin : in the same unit.
    evidence : wealth that proves either.

    Examples
    --------
    >>> worse = np.tile([1.0, 0.0, 0.0, 0.0], 50)
    >>> proven_worse(worse, 0.02, 20), proven_worse(-worse, 0.02, 20), proven_worse(worse[:8], 0.02, 20)
    ('failed', 'passed', 'insufficient')
    """
    beyond = (excess - margin) / (1 + margin)
    if float(log_wealth(log_payoffs(beyond).sum(axis=0))) >= math.log(evidence):
        return "failed"
    return "passed" if float(log_wealth(log_payoffs(-beyond).sum(axis=0))) >= math.log(evidence) else "insufficient"


def segment_checks(champion_loss: Float64, challenger_loss: Float64, segment: Column, gate: Gate) -> tuple[Check, ...]:
    """In no segment worse by more than ``gate.segment_margin``; the segments share alpha.

    Parameters
    ----------
    champion_loss, challenger_loss : (n,) in [0, 1].
    segment : (n,) texts; "" and None are rows of no segment.
    """
    values = sorted({str(value) for value in segment.tolist() if value})
    checks = []
    for value in values:
        mine = segment == value
        excess = challenger_loss[mine] - champion_loss[mine]
        state = proven_worse(excess, gate.segment_margin, len(values) / gate.alpha)
        n, found = int(mine.sum()), float(excess.mean())
        told = {"passed": "not worse by more than", "failed": "worse by more than", "insufficient": "too few rows to say whether it is worse by more than"}[state]
        reason = f"segment {value}: {told} {gate.segment_margin:g} (loss {found:+.3f} on {n} rows)"
        checks.append(Check(name=f"segment {value}", state=state, value=found, limit=gate.segment_margin, n=n, reason=reason))
    return tuple(checks)


def calibration_check(champion_score: Float64, challenger_score: Float64, positive: Bool, gate: Gate) -> Check | None:
    """Scores that are no worse as probabilities, by the squared error of each (Brier 1950); None where a model gives none.

    Parameters
    ----------
    champion_score, challenger_score : (n,) probability of the positive class, nan where there is none.
    positive : (n,) whether the label is that class.
    """
    both = np.isfinite(champion_score) & np.isfinite(challenger_score)
    if not both.any():
        return None
    old, new, truth = champion_score[both], challenger_score[both], positive[both].astype(np.float64)
    excess = np.clip((new - truth) ** 2 - (old - truth) ** 2, -1, 1)
    state, n = proven_worse(excess, 0.0, 1 / gate.alpha), int(both.sum())
    errors = calibration_error(old, truth), calibration_error(new, truth)
    told = {"passed": "better", "failed": "worse", "insufficient": "not told apart"}[state]
    reason = f"probabilities are {told}: Brier score {excess.mean():+.4f}, calibration error {errors[0]:.3f} to {errors[1]:.3f} on {n} rows"
    return Check(name="calibration", state=state, value=float(excess.mean()), limit=0.0, n=n, reason=reason)


def calibration_error(score: Float64, truth: Float64, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) in bins of equal width; nan without rows.

    Examples
    --------
    >>> calibration_error(np.array([0.25, 0.25, 0.25, 0.25]), np.array([1.0, 0.0, 0.0, 0.0]))
    0.0
    """
    if not len(score):
        return math.nan
    place = np.minimum((score * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=truth - score, minlength=bins)
    return float(np.abs(gaps).sum() / len(score))


def limit_check(name: str, value: float, limit: float | None, unit: str, n: int = 0) -> Check | None:
    """Something that is measured, and may not exceed a limit; None where none is set.

    Examples
    --------
    >>> limit_check("size", 12.5, 10.0, "MB").reason
    'size: 12.5 MB, at most 10 MB are allowed'
    """
    if limit is None:
        return None
    state: State = "insufficient" if math.isnan(value) else "failed" if value > limit else "passed"
    return Check(name=name, state=state, value=value, limit=limit, n=n, reason=f"{name}: {value:.3g} {unit}, at most {limit:g} {unit} are allowed")
