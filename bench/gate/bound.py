"""What no test of a steady gain can be better than: the likelihood ratio of it and of an advantage that wanders (Neyman & Pearson 1933), looked at once."""

from __future__ import annotations

import numpy as np

from bench.gate.rows import DISAGREEMENT

BLOCK = 25
"""Labels whose mean is taken for normal, and within which the advantage hardly moves."""

_DRAWN = 50_000


def falsely_promoted(labels: int, gain: float, spread: float, *, memory: float = 300, disagreement: float = DISAGREEMENT) -> float:
    """Share of wandering advantages that are promoted by the best test, after so many labels, that promotes half of the steady gains.

    Parameters
    ----------
    gain, spread : of the steady advantage, and standard deviation of the wandering one; both are known to the test.
    memory : time constant of the wandering, in labels.

    Examples
    --------
    >>> round(falsely_promoted(500, 0.05, 0.05), 2), round(falsely_promoted(500, 0.05, 0.03), 2)
    (0.04, 0.03)
    """
    random, at = np.random.default_rng(0), np.arange(0, labels, BLOCK)
    noise = disagreement / BLOCK
    covariance = noise * np.eye(len(at)) + spread**2 * np.exp(-np.abs(np.subtract.outer(at, at)) / memory)
    steady = gain + np.sqrt(noise) * random.normal(size=(_DRAWN, len(at)))
    wandering = random.normal(size=(_DRAWN, len(at))) @ np.linalg.cholesky(covariance).T
    precision = np.linalg.inv(covariance)
    ratios = [(means @ precision * means).sum(axis=1) / 2 - ((means - gain) ** 2).sum(axis=1) / (2 * noise) for means in (steady, wandering)]
    return float((ratios[1] > np.median(ratios[0])).mean())
