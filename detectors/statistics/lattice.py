"""How much likelier a sum of values reaches a height because it is discrete.

A sum of integers goes on in whole steps, and to reach a height it has to reach the step before it. So it does so more often than a smooth sum with the same
tail, by ``t h / (1 - exp(-t h))`` where its chances fall as ``exp(-t x)`` and a step is ``h`` (Daniels 1987). A law of a few dozen bins is discrete, too, but sums of
twenty of its values hardly are: its steps are of many lengths, and what they add up to lies everywhere. How much of a lattice of span ``h`` is left in a sum
says the characteristic function at ``2 pi / h``: it is 1 for values on that lattice, and its power for as many values as the sum has vanishes for others
(Feller 1971, ch. XVI.4).
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Float64

FEWEST = 20
"""Events of the smallest window that says something; sums of more are smoother yet."""

_SURELY_HELD = 1000  # a value with a chance of less than one in so many makes the steps beside it count for less
_PART = 16
_PARTS = np.arange(_PART // 2, 4 * _PART + 1)  # spans that are looked for are the largest step over sixteenths of these: it is whole steps of any lattice that values lie on
_EVERY = 12  # one of so many tilts, which are within a factor of 1.9, is looked at; factors are interpolated by their logarithm, which is convex, so to a little more


def allowance(tilts: Float64, tilted: Float64, values: Float64) -> Float64:
    """(p,) factors, at least 1, by which a sum of `FEWEST` values or more may be likelier to reach a height than a smooth one.

    Parameters
    ----------
    tilts : (p,) by which the chance falls, for each unit of the sum.
    tilted : (p, B) chances of the values under each tilt.
    values : (B,) or (p, B), ascending.

    Examples
    --------
    Steps of 1 at a tilt of .9; the same with as many values between, 6 hundredths apart or more.

    >>> whole, between = np.arange(5.0), np.sort(np.append(np.arange(5.0), np.arange(59) * 0.0637 + 0.02))
    >>> [allowance(np.array([0.9]), np.full((1, len(one)), 1 / len(one)), one).round(2).tolist() for one in (whole, between)]
    [[1.52], [1.0]]
    """
    if tilted.shape[1] < 2:
        return np.ones(len(tilts))
    looked = np.unique(np.append(np.arange(0, len(tilts), _EVERY), len(tilts) - 1))
    values, chances = np.broadcast_to(values, tilted.shape)[looked], tilted[looked]
    steps = np.diff(values, axis=1)
    held = np.minimum(1, _SURELY_HELD * np.minimum(chances[:, 1:], chances[:, :-1]))
    largest = (np.arange(len(looked)), (steps * held).argmax(axis=1))
    spans = steps[largest][:, None] * _PART / _PARTS
    slowest = np.exp(2j * np.pi / (_PART * np.maximum(steps[largest], 1e-300))[:, None] * values)
    waves = np.multiply.accumulate(np.broadcast_to(slowest, (_PARTS[-1], *slowest.shape)), axis=0)[_PARTS - 1]  # its powers, which cost a tenth of as many exponentials
    left = np.abs(np.einsum("srb,rb->rs", waves, chances)) ** FEWEST
    falls = np.maximum((tilts[looked] * held[largest])[:, None] * spans, 1e-9)
    factors = 1 + (left * (falls / -np.expm1(-falls) - 1)).max(axis=1)
    found: Float64 = np.exp(np.interp(np.arange(len(tilts)), looked, np.log(factors)))
    return found
