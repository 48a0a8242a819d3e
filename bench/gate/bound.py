"""What no gate can do better: how often advantages that come and go are promoted at least, where steady gains are seen in time.

A gate is to promote half of the challengers that are better by `GAINS` within the labels that are stated there. Rewarded for those, and fined for what it promotes of `PASSING`,
the best one is found by backward induction: what comes before a date can wait for it, so that it looks on the dates alone, and promotes where that earns more than waiting does.
By weak duality no gate pays less in fines than half of the rewards without what the best one earns, whatever it looks at and whenever. As the fines are 1 together, one of
`PASSING` is promoted as often as that at least. All of it supposes that block means are normal, and that sizes, time constant and disagreement are known, which a gate has to
find out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.gate.rows import DISAGREEMENT
from detectors.event_batch import Float64

BLOCK = 50
"""Labels whose mean is taken for normal, and within which the advantage hardly moves."""

NOISE = DISAGREEMENT / BLOCK
"""Variance of the mean of a block."""


@dataclass(frozen=True)
class Steady:
    """A gain, half of which is to be promoted within so many labels; the reward is for one that is."""

    gain: float
    labels: int
    reward: float

    def log_ratio(self, means: Float64) -> Float64:
        """(n,) logarithm of the likelihood ratio to "as good"."""
        return np.asarray((self.gain * means - self.gain**2 / 2).sum(axis=1) / NOISE)

    def draw(self, random: np.random.Generator, runs: int, blocks: int) -> Float64:
        """(runs, blocks) means."""
        return np.asarray(self.gain + np.sqrt(NOISE) * random.normal(size=(runs, blocks)))


@dataclass(frozen=True)
class Passing:
    """An advantage that wanders with this standard deviation, or begins a cycle of this amplitude, and the fine for its promotion."""

    fine: float
    spread: float = 0.0
    amplitude: float = 0.0
    memory: float = 300.0
    period: float = 1_000.0

    def _moments(self, blocks: int) -> tuple[Float64, Float64]:
        at = BLOCK * (np.arange(blocks) + 0.5)
        return self.amplitude * np.sin(2 * np.pi * at / self.period), self.spread**2 * np.exp(-np.abs(np.subtract.outer(at, at)) / self.memory) + NOISE * np.eye(blocks)

    def log_ratio(self, means: Float64) -> Float64:
        """(n,) as of `Steady`."""
        centre, covariance = self._moments(means.shape[1])
        off = means - centre
        return np.asarray((means**2).sum(axis=1) / (2 * NOISE) - (off @ np.linalg.inv(covariance) * off).sum(axis=1) / 2 - np.linalg.slogdet(covariance / NOISE)[1] / 2)

    def draw(self, random: np.random.Generator, runs: int, blocks: int) -> Float64:
        """(runs, blocks) means."""
        centre, covariance = self._moments(blocks)
        return np.asarray(centre + random.normal(size=(runs, blocks)) @ np.linalg.cholesky(covariance).T)

    def expected(self, means: Float64) -> Float64:
        """(n,) advantage in the block after these, as far as they tell."""
        blocks = means.shape[1]
        _, covariance = self._moments(blocks + 1)
        return np.asarray(means @ np.linalg.solve(covariance[:blocks, :blocks], covariance[:blocks, blocks]))


GAINS = (Steady(0.05, 500, 0.141), Steady(0.02, 2_550, 0.017))
"""What `rows` allows with the defaults. A gain of 1 point has time enough: 12,750 labels cost the best gate nothing more."""

PASSING = (Passing(0.36, spread=0.03), Passing(0.47, spread=0.05), Passing(0.17, amplitude=0.1))
"""Rewards and fines are those, found by subgradient steps, under which the bound is highest; under any others it holds, too."""


def least_promoted(gains: tuple[Steady, ...] = GAINS, passing: tuple[Passing, ...] = PASSING, runs: int = 20_000) -> float:
    """Share of promotions that one of the passing advantages reaches at least, under any gate that promotes half of the gains in time.

    Parameters
    ----------
    gains : by their labels.
    passing : their fines are 1 together.
    runs : that are drawn of each, to learn what waiting is worth and once more to tell what is earned.

    Examples
    --------
    >>> round(least_promoted(runs=4_000), 2)
    0.05
    """
    laws: tuple[Steady | Passing, ...] = (*gains, *passing)
    learnt, told = ([law.draw(np.random.default_rng([seed, place]), runs, gains[-1].labels // BLOCK) for place, law in enumerate(laws)] for seed in (1, 2))
    worth = earned = np.zeros(runs * len(laws))
    for place, now in reversed(list(enumerate(gains))):
        looked = [np.concatenate(drawn)[:, : now.labels // BLOCK] for drawn in (learnt, told)]
        ratios = [_densities(laws, means) for means in looked]
        price = np.array([*(0.0 for _ in gains[:place]), *(gain.reward for gain in gains[place:]), *(-one.fine for one in passing)])
        seen = [_terms(np.column_stack([ratio, *(one.expected(means) for one in passing)])) for ratio, means in zip(ratios, looked, strict=True)]
        waiting = np.linalg.lstsq(seen[0], worth, rcond=None)[0]
        worth, earned = (np.where(ratio @ price > np.maximum(one @ waiting, 0), ratio @ price, later) for ratio, one, later in zip(ratios, seen, (worth, earned), strict=True))
    return float(sum(gain.reward for gain in gains) / 2 - earned.mean())


def _terms(seen: Float64) -> Float64:
    """(n, terms) what is seen, and the products of it."""
    left, right = np.triu_indices(seen.shape[1])
    return np.column_stack([np.ones(len(seen)), seen, seen[:, left] * seen[:, right]])


def _densities(laws: tuple[Steady | Passing, ...], means: Float64) -> Float64:
    """(n, laws) density under each law by their average."""
    ratios = np.stack([law.log_ratio(means) for law in laws], axis=1)
    return np.exp(ratios - np.logaddexp.reduce(ratios, axis=1, keepdims=True)) * len(laws)
