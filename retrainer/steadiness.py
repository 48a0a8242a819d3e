"""Whether an advantage is steady, or one that comes and goes and is up at present.

Bets (`betting`) take a challenger for better as soon as it *is* better, for the next few hundred labels at least. What is promoted is meant to last. So a second piece of
evidence is asked for: the means of blocks of differences are compared under two models,

- null: block mean = what comes and goes + noise, where that is a stationary first-order autoregression around zero (Uhlenbeck & Ornstein 1930), or a cycle that begins with half
  a period of gain;
- alternative: noise around a gain > 0, most likely without any wandering.

The evidence is the likelihood of the alternative by the largest likelihood of the null, each times its weight. A steady gain is told from what comes and goes by both the mean and
how little block means vary around it.

Looks are planned, as in group sequential tests (Haybittle 1971, Peto et al. 1976): less evidence is asked for at a first look and at a late one, each for the gain that has to be
seen there, than at those between, and more after them. `bench.gate` holds the whole of it to what docs/gate.md promises.

Likelihoods come from Kalman filters, one for each null, in the form with an unknown constant (de Jong 1991), so that the state does not grow with the labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from detectors.event_batch import Float64

SPREADS: Float64 = np.array([0.0, 0.6, 1.0, 0.0])
"""Standard deviations of the wandering, in units of the one that is allowed for. The first has none, and the last has the cycle in its place."""

_CYCLE: Float64 = np.array([0.0, 0.0, 0.0, 2.0])
"""Amplitudes of the cycle, in the same unit: 10 points by default."""

_EXCUSED: Float64 = np.array([1.0, 2.0, 0.7])
"""Weights of the nulls, which are all but the first: under each of them about as many promotions as are allowed, and no more (bench.gate)."""

_MEMORY = 0.3
"""Time constant of the wandering, in periods of the cycle: 300 labels by default."""

PARTS = 6
"""Numbers that a filter holds: mean of the wandering, what the gain adds to the prediction, variance, precision and pull of the gain, logarithm of the null's likelihood."""


class Look(NamedTuple):
    """What is looked for.

    Attributes
    ----------
    asks : what share of K / alpha evidence has to reach.
    exactly : a gain that is looked for, in units of the wandering, and its weight.
    half_normal : scale of a gain that may be of any size, in the same unit, and its weight.
    steadily : weight of a gain without any wandering; the rest is for one with it.
    """

    asks: float
    exactly: tuple[tuple[float, float], ...]
    half_normal: tuple[tuple[float, float], ...]
    steadily: float


FIRST = Look(asks=0.12, exactly=((1.0, 0.9),), half_normal=((4.0, 0.1),), steadily=1.0)
"""For a gain of 5 points by default. What is far larger is not to fail for want of an exact likeness."""

BETWEEN = Look(asks=1.0, exactly=(), half_normal=((0.4, 1 / 3), (1.2, 1 / 3), (4.0, 1 / 3)), steadily=0.9)
"""For gains of 2, 6 and 20 points by default: they are steady until the data say otherwise, and may then wander, too."""

LATE = Look(asks=0.5, exactly=((0.4, 1.0),), half_normal=(), steadily=1.0)
"""For a gain of 2 points by default, which noise has hidden until then."""

AFTER = BETWEEN._replace(asks=2.0)
"""After the late look: what is as good, or wanders a little, is looked at for long."""


def begin(wander: float, *runs: int) -> Float64:
    """(PARTS, *runs, nulls) filters before the first block."""
    filters = np.zeros((PARTS, *runs, len(SPREADS)))
    filters[2] = (SPREADS * wander) ** 2
    return filters


def take(filters: Float64, mean: Float64, noise: Float64, *, place: int, wander: float, period: float) -> Float64:
    """The filters after one more block.

    Parameters
    ----------
    filters : (PARTS, *runs, nulls).
    mean : (*runs) mean difference of the block's losses.
    noise : (*runs) variance that the mean would have if nothing came and went.
    place : how many blocks were taken before.
    wander : standard deviation of the wandering that is allowed for.
    period : of the cycle, in blocks.
    """
    drift, carried, variance, precision, pull, likelihood = filters
    begins, ends = 2 * np.pi * np.array([place, place + 1]) / period
    cycle = _CYCLE * wander * (np.cos(begins) - np.cos(ends)) / (ends - begins)  # mean of the sine within the block
    error, gain, total = np.asarray(mean)[..., None] - drift - cycle, 1 - carried, variance + np.asarray(noise)[..., None]
    kept, decay = variance / total, np.exp(-1 / (_MEMORY * period))
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


def log_evidence(filters: Float64, wander: float, look: Look = BETWEEN) -> Float64:
    """(*runs) logarithm of the evidence for a steady gain, by the share that this look asks for.

    Examples
    --------
    >>> steady = swings = begin(0.05)
    >>> for block in range(20):
    ...     steady = take(steady, np.array(0.05), np.array(0.001), place=block, wander=0.05, period=10)
    ...     swings = take(swings, np.array(0.05 + 0.1 * np.sin(block)), np.array(0.001), place=block, wander=0.05, period=10)
    >>> f"{np.exp(log_evidence(steady, 0.05)):,.0f} {np.exp(log_evidence(swings, 0.05)):.1f}"
    '1,197 0.1'
    """
    worlds = []
    for place, likely in ((0, look.steadily), (2, 1 - look.steadily)):
        precision, pull, likelihood = filters[3:, ..., place]
        for size, weight in look.exactly if likely else ():
            gain = size * wander
            worlds.append(likelihood + gain * pull - 0.5 * gain**2 * precision + np.log(likely * weight))
        for scale, weight in look.half_normal if likely else ():
            variance = 1 / (precision + 1 / (scale * wander) ** 2)
            centre = variance * pull
            fits = 0.5 * np.log(variance) - np.log(scale * wander) + 0.5 * centre * pull + log_ndtr(centre / np.sqrt(variance))
            worlds.append(likelihood + fits + np.log(2 * likely * weight))
    null = (filters[5, ..., 1:] + np.log(_EXCUSED)).max(axis=-1)
    return np.asarray(np.logaddexp.reduce(worlds, axis=0) - null - np.log(look.asks))
