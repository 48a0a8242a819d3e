"""Tails of a mean of skewed scores, beyond what a normal approximation gives.

A window of 30 squared scores of a log-normal column is far from normal five standard deviations out. The reference's bins give its whole
law, and so the rate ``I(x)`` at which the chance of a mean ``x`` away from the expected one vanishes (Cramér); ``sqrt(2 n I(x))`` takes the place
of ``x sqrt(n) / sigma``. The table holds ``sqrt(2 I(x)) / |x|``, which is ``1 / sigma`` at 0 and smaller on the side of the heavy tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64, Int64

POINTS = 512
_TILTS = np.concatenate((-np.geomspace(200, 1e-3, 300), np.geomspace(1e-3, 200, 300)))


@dataclass(frozen=True)
class DeviationTable:
    """Slopes ``sqrt(2 I(x)) / |x|`` for ``c`` laws.

    Attributes
    ----------
    low, step : (c,) first deviation of each table and the distance of its points.
    slopes : (c * POINTS,) the tables one after another.
    """

    low: Float64
    step: Float64
    slopes: Float64

    @staticmethod
    def of_laws(laws: list[tuple[Float64, Float64]]) -> DeviationTable:
        """A table for each law: values and their weights."""
        tables = [_slopes(values, weights) for values, weights in laws]
        return DeviationTable(np.array([low for low, _, _ in tables]), np.array([step for _, step, _ in tables]), np.concatenate([slopes for _, _, slopes in tables]))

    def slope(self, deviation: Float64) -> Float64:
        """(..., c) the smaller slope of the two nearest points; deviations beyond the table take its end."""
        laws = np.arange(len(self.low))
        point: Int64 = np.fmax(np.fmin((deviation - self.low) / self.step, POINTS - 1), 0).astype(np.int64)
        slopes: Float64 = self.slopes[point + laws * POINTS]
        return slopes


def _slopes(values: Float64, weights: Float64) -> tuple[float, float, Float64]:
    """First deviation, step and (POINTS,) slopes of one law.

    Examples
    --------
    A rare large value makes large means likelier than the normal law says, and small ones less likely.

    >>> low, step, slopes = _slopes(np.array([0.0, 10.0]), np.array([99.0, 1.0]))
    >>> x = low + step * np.arange(POINTS)
    >>> bool(slopes[x > 1].max() < 1.0 < slopes[x < 0].max()), round(float(np.interp(0.0, x, slopes)), 1)
    (True, 1.0)
    """
    held = weights > 0
    values, weights = values[held], weights[held] / max(weights.sum(), 1)
    mean = float(weights @ values) if len(values) else 0.0
    centred = values - mean
    sigma = float(np.sqrt(weights @ centred**2)) if len(values) else 0.0
    if not sigma > 1e-12:
        return 0.0, 1.0, np.full(POINTS, np.nan)
    tilts = _TILTS / sigma
    exponents = tilts[:, None] * centred
    peak = exponents.max(axis=1, keepdims=True)
    tilted = weights * np.exp(exponents - peak)
    normaliser = tilted.sum(axis=1)
    deviations = tilted @ centred / normaliser
    rates = tilts * deviations - (np.log(normaliser) + peak[:, 0])
    with np.errstate(all="ignore"):
        slopes = np.sqrt(2 * np.maximum(rates, 0)) / np.abs(deviations)
    exact = np.abs(deviations) > 1e-2 * sigma  # nearer to 0 the rate is lost in rounding
    deviations, slopes = np.append(deviations[exact], 0.0), np.append(slopes[exact], 1 / sigma)
    order = np.argsort(deviations)
    low, high = centred.min(), centred.max()
    step = (high - low) / (POINTS - 1)
    at_points = np.interp(low + step * np.arange(POINTS), deviations[order], slopes[order])
    return float(low), float(step), np.minimum(at_points, np.append(at_points[1:], at_points[-1]))
