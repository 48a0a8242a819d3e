"""Bets on paired losses: evidence that stays valid whenever one looks.

A gambler bets a fraction of the wealth on each labelled event's difference of losses. Under the null hypothesis no strategy is expected to win, so the chance that wealth ever
reaches 1 / alpha is alpha at most (Ville's inequality; Waudby-Smith & Ramdas 2024, section 4). The strategy is a mixture of constant bets; only events on which the models
differ move it, so for a classifier it is a bet on which of the two is right where they disagree.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64

BETS: Float64 = np.geomspace(0.02, 0.9, 10)
"""Fractions of the wealth that are bet at a time. The best one is gain / share of disagreement: 0.1 for one point of ten, 0.9 where the challenger is right on 19 of 20."""

_USUAL = 0.22
"""The bet that gets most of the money: two points where the models disagree on a tenth of the events."""

SHARES: Float64 = np.exp(-0.5 * np.log(BETS / _USUAL) ** 2)
SHARES = SHARES / SHARES.sum()
"""Shares of the money: log-normal, so that a gain of a third or of three times the usual costs a factor of 2 only."""


def log_payoffs(difference: Float64) -> Float64:
    """(n, number of bets) logarithm of what each bet makes of one unit of wealth.

    Parameters
    ----------
    difference : (n,) in [-1, 1] for a bet on "positive on average".
    """
    return np.log1p(np.multiply.outer(difference, BETS))


def log_wealth(logarithms: Float64) -> Float64:
    """Logarithm of the whole wealth.

    Parameters
    ----------
    logarithms : (..., number of bets) of what each bet's unit has become.

    Examples
    --------
    >>> ten_to_two = np.array([1.0] * 10 + [-1.0] * 2)
    >>> f"{np.exp(log_wealth(log_payoffs(ten_to_two).sum(axis=0))):.1f}"
    '5.9'
    """
    top = logarithms.max(axis=-1)
    return np.asarray(top + np.log((np.exp(logarithms - top[..., None]) * SHARES).sum(axis=-1)))
