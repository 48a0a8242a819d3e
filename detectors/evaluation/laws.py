"""Laws of a stream before and after a change, as tables of detectors speak of them: rates, numbers, categories.

``weight`` says how far the change has come at each event: 0 before it, 1 after it, between the two in a ramp. A null stream has the weight 0 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from detectors.evaluation.noise import Noise, Normal
from detectors.event_batch import Float64


class Law(Protocol):
    """What a stream is made of."""

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) values of ``m`` streams for a weight (n, m); ``first`` is the place of the first event in its stream."""

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """(n, m) log-likelihood of each event after the change, less that before: what an oracle knows."""


@dataclass(frozen=True)
class Rate:
    """Events that are right or wrong (0 or 1): an error rate, a share of missing values.

    Examples
    --------
    >>> wrong = Rate(0.1, 0.2).draw(np.random.default_rng(1), np.repeat([[0.0], [1.0]], 10_000, axis=0))
    >>> round(float(wrong[:10_000].mean()), 1), round(float(wrong[10_000:].mean()), 1)
    (0.1, 0.2)
    """

    before: float
    after: float

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) of 0 and 1."""
        del first
        return (generator.random(weight.shape) < self.before + (self.after - self.before) * weight).astype(np.float64)

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """Of two Bernoulli laws."""
        del first
        wrong, right = math.log(self.after / self.before), math.log((1 - self.after) / (1 - self.before))
        return np.where(values > 0, wrong, right)


@dataclass(frozen=True)
class Moved:
    """Numbers whose mean moves, or whose spread grows.

    Attributes
    ----------
    shift : of the mean, in the unit of the noise.
    scale : of the noise about its mean.
    noise : see `detectors.evaluation.noise`.
    """

    shift: float = 0.0
    scale: float = 1.0
    noise: Noise = field(default_factory=Normal)

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) numbers."""
        events, streams = weight.shape
        values = self.noise.draw(generator, events, streams, first)
        if not weight.any():
            return values
        return values * (1 + (self.scale - 1) * weight) + self.shift * weight

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """Of the noise."""
        return self.noise.log_ratio(values, self.shift, self.scale, first)


@dataclass(frozen=True)
class Levels:
    """A few values, each with a probability: categories (by their number), integers, a column that is mostly zero.

    Attributes
    ----------
    before, after : (k,) probabilities.
    values : (k,) ascending; by default 0 to k - 1.
    """

    before: Sequence[float]
    after: Sequence[float]
    values: Sequence[float] = ()

    def __post_init__(self) -> None:
        if len(self.before) != len(self.after) or not math.isclose(sum(self.before), 1) or not math.isclose(sum(self.after), 1):
            raise ValueError(f"probabilities before and after must be of the same levels and add up to 1, got {list(self.before)} and {list(self.after)}")
        if self.values and len(self.values) != len(self.before):
            raise ValueError(f"there must be a probability for each of the {len(self.values)} values, got {len(self.before)}")

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) of the values."""
        del first
        chance = generator.random(weight.shape)
        level = np.zeros(weight.shape, np.int64)
        for before, after in zip(np.cumsum(self.before)[:-1], np.cumsum(self.after)[:-1], strict=True):
            level += chance >= before + (after - before) * weight
        return self._values[level]

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """Of two multinomial laws."""
        del first
        ratio: Float64 = np.log(np.array(self.after) / np.array(self.before))[np.searchsorted(self._values, values)]
        return ratio

    @property
    def _values(self) -> Float64:
        return np.array(self.values or range(len(self.before)), np.float64)


@dataclass(frozen=True)
class ManyZeros:
    """Numbers of which a share is exactly 0 and the rest exponential of mean 1: amounts that are mostly not paid."""

    before: float
    after: float

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m) numbers >= 0."""
        del first
        zero = generator.random(weight.shape) < self.before + (self.after - self.before) * weight
        return np.where(zero, 0.0, generator.standard_exponential(weight.shape))

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """Only whether a value is 0 tells the two laws apart."""
        del first
        return np.where(values == 0, math.log(self.after / self.before), math.log((1 - self.after) / (1 - self.before)))
