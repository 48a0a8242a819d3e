"""A challenger against the champion on a table that is looked at once: the paired test with the most power there.

Use `gate` where rows come one by one, or are looked at again: a p-value that is looked at ten times is small by chance in a quarter of the nulls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import stats

from detectors.event_batch import Float64
from detectors.settings.retraining import Gate
from retrainer.checks import Check, failed
from retrainer.gate import Outcome, interval, of_the_silent


class HeldOutVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says.

    Attributes
    ----------
    outcome : "promoted": better, and no check forbids it; "rejected": not better by ``min_gain``, or a check failed; "inconclusive": neither is proven.
    n : rows with a label and a prediction of the champion.
    silent_champion, silent_challenger : rows with a label that the champion gave no prediction for, which are left out; those of ``n`` that the challenger gave none for,
        which count as a loss of 1.
    champion_loss, challenger_loss : means.
    scale : absolute error of a regression that counts as a loss of 1, nan of classes.
    difference : champion minus challenger; positive is better. nan without rows.
    interval : 95 %.
    better, not_better : one-sided p-values of "as good or worse", and of "better by ``min_gain``".
    alpha : that either is held to.
    checks : what the challenger must not do.
    reason : one sentence.
    """

    outcome: Outcome
    n: int
    champion_loss: float
    challenger_loss: float
    difference: float
    interval: tuple[float, float]
    better: float
    not_better: float
    alpha: float
    checks: tuple[Check, ...]
    reason: str
    silent_champion: int = 0
    silent_challenger: int = 0
    scale: float = math.nan


def compare(
    champion_loss: Float64, challenger_loss: Float64, *, gate: Gate, challengers: int = 1, checks: Sequence[Check] = (), silent: tuple[int, int] = (0, 0)
) -> HeldOutVerdict:
    """Judge a challenger by rows that neither model was trained on.

    For losses of 0 and 1 "better" is McNemar's exact test, else Student's on the paired differences. Rows are taken for independent.

    Parameters
    ----------
    champion_loss, challenger_loss : (n,) losses in [0, 1] on the same rows.
    gate : ``alpha`` and ``min_gain`` count.
    challengers : how many are compared with the champion on this table; they share alpha.
    checks : made on the same rows.
    silent : rows that the champion did not answer, which are not among these, and rows of these that the challenger did not.

    Examples
    --------
    >>> old, new = np.tile([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 30), np.tile([1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 30)
    >>> compare(old, new, gate=Gate()).reason
    'better by 0.100 [0.064, 0.134] on 300 rows (p = 9.3e-10)'
    """
    n, alpha = len(champion_loss), gate.alpha / challengers
    difference = champion_loss - challenger_loss
    better, not_better = _p_values(difference, gate.min_gain)
    mean = float(difference.mean()) if n else math.nan
    between = interval(n, float(difference.sum()), float((difference**2).sum()))
    told = f"{mean:.3f} [{between[0]:.3f}, {between[1]:.3f}] on {n} rows"
    forbidden = failed(checks)
    outcome: Outcome = "rejected" if forbidden or not_better <= alpha else "promoted" if better <= alpha else "inconclusive"
    reason = {
        "promoted": f"better by {told} (p = {better:.2g})",
        "rejected": f"not better by {gate.min_gain:g}: difference {told} (p = {not_better:.2g})",
        "inconclusive": f"difference {told} (p = {better:.2g} of {alpha:g}): more rows are needed",
    }[outcome]
    return HeldOutVerdict(
        outcome=outcome,
        n=n,
        champion_loss=float(champion_loss.mean()) if n else math.nan,
        challenger_loss=float(challenger_loss.mean()) if n else math.nan,
        difference=mean,
        interval=between,
        better=better,
        not_better=not_better,
        alpha=alpha,
        checks=tuple(checks),
        reason=(f"{forbidden} (difference {told})" if forbidden else reason) + of_the_silent(*silent),
        silent_champion=silent[0],
        silent_challenger=silent[1],
    )


def _p_values(difference: Float64, min_gain: float) -> tuple[float, float]:
    n = len(difference)
    if n < 2:
        return 1.0, 1.0
    spread = math.sqrt((float((difference**2).sum()) + 2) / (n + 2) / n)  # as if there were one more row on which either alone is wrong
    not_better = float(stats.t.cdf((difference.mean() - min_gain) / spread, n - 1))
    if np.isin(difference, (-1, 0, 1)).all():
        wins, discordant = int((difference > 0).sum()), int((difference != 0).sum())
        return float(stats.binom.sf(wins - 1, discordant, 0.5)) if discordant else 1.0, not_better
    deviation = float(difference.std(ddof=1))
    return (float(stats.t.sf(difference.mean() * math.sqrt(n) / deviation, n - 1)) if deviation else float(difference.mean() <= 0)), not_better
