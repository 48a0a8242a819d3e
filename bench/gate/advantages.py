"""Simulated challengers: differences of losses of two classifiers that disagree on a share of the events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from detectors.event_batch import Float64, Int8

Advantage = Callable[[np.random.Generator, int, int], Float64]
"""Generator, runs, labels -> (runs, labels) or a broadcast of it: by how much the challenger is better at each label."""


def steady(gain: float) -> Advantage:
    """Always better by ``gain``; 0 is the null."""
    return lambda _rng, _runs, _labels: np.array([[gain]])


Later = Callable[[np.random.Generator, Float64, int], Float64]
"""Generator, advantages (runs,) when a canary begins, labels -> as of `Advantage`, at each label that the canary gets."""


def wandering(spread: float, memory: float = 300) -> Advantage:
    """A stationary first-order autoregression around zero, with standard deviation ``spread`` and a time constant of ``memory`` labels."""

    def draw(rng: np.random.Generator, runs: int, labels: int) -> Float64:
        shocks = rng.normal(size=(runs, labels))
        return _wandered(shocks, spread * rng.normal(size=runs), spread, memory)

    return draw


def wandering_on(spread: float, share: float, memory: float = 300) -> Later:
    """The same from where it was, seen at a ``share`` of the labels."""
    return lambda rng, begins, labels: _wandered(rng.normal(size=(len(begins), labels)), begins, spread, memory * share)


def _wandered(shocks: Float64, begins: Float64, spread: float, memory: float) -> Float64:
    kept = np.exp(-1 / memory)
    shocks = spread * np.sqrt(1 - kept**2) * shocks
    shocks[:, 0] = begins
    return np.asarray(lfilter([1], [1, -kept], shocks, axis=1))


def steady_on() -> Later:
    """As it was."""
    return lambda _rng, begins, _labels: begins[:, None]


def cyclic(amplitude: float, period: int, phase: float | None = None) -> Advantage:
    """A sine around zero; at a random place of its period where no ``phase`` (radians) is given."""

    def draw(rng: np.random.Generator, runs: int, labels: int) -> Float64:
        begins = rng.uniform(0, 2 * np.pi, runs) if phase is None else np.full(runs, phase)
        return np.asarray(amplitude * np.sin(2 * np.pi / period * np.arange(labels) + begins[:, None]))

    return draw


def switching(size: float, hold: float) -> Advantage:
    """Up or down by ``size``, changing sign after ``hold`` labels on average."""

    def draw(rng: np.random.Generator, runs: int, labels: int) -> Float64:
        signs = np.where(rng.random((runs, labels)) < 1 / hold, -1.0, 1.0)
        signs[:, 0] = rng.choice([-1.0, 1.0], runs)
        return np.asarray(size * np.cumprod(signs, axis=1))

    return draw


def differences(advantage: Float64, disagreement: float, rng: np.random.Generator, runs: int, labels: int) -> Int8:
    """(runs, labels) champion's loss minus challenger's: 1, 0 or -1.

    Parameters
    ----------
    advantage : expected difference at each label, cut to what the disagreement allows.
    disagreement : share of events on which exactly one of the two is wrong.
    """
    place = rng.random((runs, labels))
    better = place < (disagreement + np.clip(advantage, -disagreement, disagreement)) / 2
    return better.astype(np.int8) - (~better & (place < disagreement)).astype(np.int8)
