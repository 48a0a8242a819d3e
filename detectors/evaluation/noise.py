"""What is random about a numeric stream while nothing changes: independent or dependent, light or heavy tails, with or without a cycle.

Every noise draws ``m`` streams side by side and knows its own likelihood, so that `detectors.evaluation.oracle` can be told both laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy import special

from detectors.event_batch import Float64


class Noise(Protocol):
    """A stationary law of numbers; its unit is the standard deviation, or what the class says."""

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values; ``first`` is the place of the first event in its stream."""

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """(n, m) log-likelihood of each event if the noise is moved and scaled, less that if it is not."""


@dataclass(frozen=True)
class Normal:
    """Independent standard normal values."""

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values."""
        del first  # every event is like every other
        return generator.standard_normal((events, streams))

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """Of a normal with another mean and deviation."""
        del first
        moved: Float64 = 0.5 * (values**2 - ((values - shift) / scale) ** 2) - math.log(scale)
        return moved


@dataclass(frozen=True)
class Student:
    """Independent values of Student's t, in its own unit: with 2.5 degrees of freedom the fourth moment is infinite.

    Examples
    --------
    >>> round(Student(2.5).interquartile_range, 2)
    1.57
    """

    freedom: float

    @property
    def interquartile_range(self) -> float:
        """From the lower to the upper quartile."""
        return float(2 * special.stdtrit(self.freedom, 0.75))

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values."""
        del first
        return generator.standard_t(self.freedom, (events, streams))

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """Of the two densities."""
        del first
        moved = (values - shift) / scale
        ratio: Float64 = (self.freedom + 1) / 2 * (np.log1p(values**2 / self.freedom) - np.log1p(moved**2 / self.freedom)) - math.log(scale)
        return ratio


@dataclass(frozen=True)
class Autoregressive:
    """A stationary normal process of deviation 1 in which each event remembers the one before: ``x[t] = coefficient x[t-1] + innovation``."""

    coefficient: float

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values, each stream from its stationary law on."""
        del first
        values = generator.standard_normal((events, streams))
        values[1:] *= math.sqrt(1 - self.coefficient**2)
        for place in range(1, events):
            values[place] += self.coefficient * values[place - 1]
        return values

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """Of the innovations; only for a change of the mean, and of the first event nothing is known."""
        del first
        if scale != 1:
            raise ValueError(f"the oracle of an autoregressive stream knows changes of the mean only, got a scale of {scale}")
        ratio = np.zeros(values.shape)
        innovation = values[1:] - self.coefficient * values[:-1]
        moved = shift * (1 - self.coefficient)
        ratio[1:] = (innovation * moved - moved**2 / 2) / (1 - self.coefficient**2)
        return ratio


@dataclass(frozen=True)
class Cycle:
    """Noise on a sine of so many events a period; the amplitude is in the noise's unit."""

    period: int
    amplitude: float = 1.0
    around: Noise = field(default_factory=Normal)

    def _swing(self, events: int, first: int) -> Float64:
        swing: Float64 = self.amplitude * np.sin(2 * np.pi * (np.arange(first, first + events) % self.period) / self.period)[:, None]
        return swing

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values; all streams are at the same phase."""
        return self.around.draw(generator, events, streams, first) + self._swing(events, first)

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """Of the noise about the true cycle."""
        return self.around.log_ratio(values - self._swing(len(values), first), shift, scale, first)


@dataclass(frozen=True)
class Common:
    """Normal streams in groups that share a part: features of one model with one correlation between any two.

    Attributes
    ----------
    group : streams in a group; their number must be a multiple of it.
    correlation : from 0 to 1.
    """

    group: int
    correlation: float

    def draw(self, generator: np.random.Generator, events: int, streams: int, first: int) -> Float64:
        """(events, streams) values, a group beside the other."""
        del first
        if streams % self.group:
            raise ValueError(f"streams must be a multiple of the group, got {streams} streams in groups of {self.group}")
        own = generator.standard_normal((events, streams))
        own *= math.sqrt(1 - self.correlation)
        shared = generator.standard_normal((events, streams // self.group, 1))
        own.reshape(events, -1, self.group)[...] += math.sqrt(self.correlation) * shared
        return own

    def log_ratio(self, values: Float64, shift: float, scale: float, first: int) -> Float64:
        """Of one stream by itself."""
        return Normal().log_ratio(values, shift, scale, first)
