"""Whether an advantage is steady, or one that wanders around zero and is up at present.

Bets (`betting`) take a challenger for better as soon as it *is* better, for the next few hundred labels at least. What is promoted is meant to last. So a second piece of
evidence is asked for: the means of blocks of differences are compared under two models,

- null: block mean = wandering + noise, where the wandering is a stationary first-order autoregression around zero (Uhlenbeck & Ornstein 1930);
- alternative: the same with a gain > 0 added, and most likely no wandering.

The evidence is the likelihood of the alternative, mixed over gains and spreads, by the largest likelihood of the null over its spreads, times their weights. Under every null of
the grid whose weight is 1 it is bounded by a martingale that begins at 1 (universal inference, Wasserman, Ramdas & Balakrishnan 2020), so that it reaches 1 / alpha with a chance
of alpha at most, if block means are normal. It tells a steady gain from a wandering one by both the mean and how little block means vary around it.

Likelihoods come from Kalman filters, one for each spread, in the form with an unknown constant (de Jong 1991), so that the state does not grow with the labels.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from detectors.event_batch import Float64

SPREADS: Float64 = np.array([0.0, 0.6, 1.0, 2.0])
"""Standard deviations of the wandering that are told apart, in units of the one that is allowed for. The null has all but the first.

What wanders by more than twice of what is allowed for is not excused: with such worlds in the null a gain of 30 points that grows, as it does while the world drifts on, has to
wait for a thousand labels, and no promise of `bench.gate` needs them.
"""

_EXCUSED: Float64 = np.array([1.0, 1.0, 0.1])
"""Weights of the null's spreads. Twice of what is allowed for is excused at a tenth: a gain of 12 points that grows need not wait for 2,400 labels, and one of 5 that comes and
goes over thousands of them is still not promoted.
"""

_LIKELY: Float64 = np.array([0.9, 0.0, 0.05, 0.05])
"""Weights of the spreads in the alternative: a gain is steady until the data say otherwise, and may then wander, too."""

_GAINS = ((0.4, 0.6), (1.2, 0.2), (4.0, 0.2))
"""Scale of a half-normal gain in units of the wandering, and its weight: 2, 6 and 20 points by default."""

PARTS = 6
"""Numbers that a filter holds: mean of the wandering, what the gain adds to the prediction, variance, precision and pull of the gain, logarithm of the null's likelihood."""


def begin(wander: float, *runs: int) -> Float64:
    """(PARTS, *runs, spreads) filters before the first block."""
    filters = np.zeros((PARTS, *runs, len(SPREADS)))
    filters[2] = (SPREADS * wander) ** 2
    return filters


def take(filters: Float64, mean: Float64, noise: Float64, *, wander: float, memory: float) -> Float64:
    """The filters after one more block.

    Parameters
    ----------
    filters : (PARTS, *runs, spreads).
    mean : (*runs) mean difference of the block's losses.
    noise : (*runs) variance that the mean would have without any wandering.
    wander : standard deviation of the wandering that is allowed for.
    memory : time constant of the wandering, in blocks.
    """
    drift, carried, variance, precision, pull, likelihood = filters
    error, gain, total = np.asarray(mean)[..., None] - drift, 1 - carried, variance + np.asarray(noise)[..., None]
    kept, decay = variance / total, np.exp(-1 / memory)
    return np.stack(
        [
            decay * (drift + kept * error),
            decay * (carried + kept * gain),
            decay**2 * variance * (1 - kept) + (1 - decay**2) * (SPREADS * wander) ** 2,
            precision + gain**2 / total,
            pull + gain * error / total,
            likelihood - 0.5 * (error**2 / total + np.log(total)),
        ]
    )


def log_evidence(filters: Float64, wander: float) -> Float64:
    """(*runs) logarithm of the evidence for a steady gain.

    Examples
    --------
    >>> steady = swings = begin(0.05)
    >>> for block in range(20):
    ...     steady = take(steady, np.array(0.05), np.array(0.001), wander=0.05, memory=3)
    ...     swings = take(swings, np.array(0.05 + 0.1 * np.sin(block)), np.array(0.001), wander=0.05, memory=3)
    >>> f"{np.exp(log_evidence(steady, 0.05)):,.0f} {np.exp(log_evidence(swings, 0.05)):.1f}"
    '934 0.6'
    """
    _, _, _, precision, pull, likelihood = filters
    worlds = []
    for scale, weight in _GAINS:
        variance = 1 / (precision + 1 / (scale * wander) ** 2)
        centre = variance * pull
        gain = 0.5 * np.log(variance) - np.log(scale * wander) + 0.5 * centre * pull + log_ndtr(centre / np.sqrt(variance)) + np.log(2 * weight)
        worlds.append((likelihood + gain)[..., _LIKELY > 0] + np.log(_LIKELY[_LIKELY > 0]))
    return np.asarray(np.logaddexp.reduce(np.concatenate(worlds, axis=-1), axis=-1) - (likelihood[..., 1:] + np.log(_EXCUSED)).max(axis=-1))
