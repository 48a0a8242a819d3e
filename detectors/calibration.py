"""Thresholds that keep a false-alarm budget: ``h(ARL)`` for a scan over all windows of the history.

The average run length (ARL) is the mean number of looks (closed panes with events) until a scan alarms although nothing changed. The shipped
table was simulated by `detectors.calibration_simulation` on the very histogram that the banks use, for standard normal looks against a
known reference; up to about 10^6 looks it is counted, beyond that it follows ``log ARL = a + h^2 / 2 - b log h``, fitted to the counted part.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files

import numpy as np

from detectors.event_batch import Float64


@cache
def table() -> dict[int, tuple[Float64, Float64]]:
    """By number of sides: natural logarithms of the run length, ascending, and the thresholds."""
    content = json.loads(files("detectors").joinpath("calibration_table.json").read_text())
    return {int(sides): (np.log(10) * np.array(content["log10_looks"]), np.array(heights)) for sides, heights in content["thresholds"].items()}


def threshold(looks: float, *, sides: int) -> float:
    """The height that a scan passes once in so many looks when nothing changed.

    Parameters
    ----------
    looks : mean number of looks between two false alarms of this monitor; fewer than the table begins with gives its first threshold,
        which is stricter than asked for; beyond the table's end the last step of ``log ARL`` against ``h^2 / 2`` continues.
    sides : 1 where only an increase counts, 2 for either direction.

    Examples
    --------
    >>> round(threshold(1e5, sides=2), 1), round(threshold(1e8, sides=1), 1)
    (4.8, 5.9)
    """
    if not looks > 0:
        raise ValueError(f"looks must be > 0, got {looks}; it is the mean number of closed panes between two false alarms")
    logs, heights = table()[sides]
    wanted = math.log(looks)
    if wanted <= logs[-1]:
        return float(np.interp(wanted, logs, heights))
    slope = (logs[-1] - logs[-2]) / (heights[-1] ** 2 / 2 - heights[-2] ** 2 / 2)
    return math.sqrt(heights[-1] ** 2 + 2 * (wanted - logs[-1]) / slope)


def chi_square_height(height: float, freedom: Float64) -> Float64:
    """Value of a chi-square with so many degrees of freedom whose tail is that of a standard normal at a height (Wilson & Hilferty 1931).

    Examples
    --------
    >>> chi_square_height(3.0, np.array([4.0])).round(1)
    array([18.])
    """
    spread = 2 / (9 * freedom)
    height_of: Float64 = freedom * (1 - spread + height * np.sqrt(spread)) ** 3
    return height_of


def threshold_of_many(looks: float, directions: int) -> float:
    """The height for a scan whose statistic looks into several directions at once (a chi-square brought to the normal scale).

    Between two nearby windows such a statistic moves faster than a normal one, about in the ratio of its value to the square of the height,
    so that it gets as many more chances.

    Examples
    --------
    >>> threshold_of_many(1e5, 1) < threshold_of_many(1e5, 10) < threshold_of_many(1e6, 10)
    True
    """
    height = threshold(looks, sides=1)
    chances = max(1.0, float(chi_square_height(height, np.array([float(max(directions, 1))]))[0]) / height**2)
    return threshold(looks * chances, sides=1)


def normal_of_student(statistic: Float64, freedom: Float64) -> Float64:
    """A standard normal value with about the tail of Student's t with so many degrees of freedom (Wallace 1959).

    Examples
    --------
    >>> normal_of_student(np.array([5.0, 5.0]), np.array([10.0, 1e6])).round(2)
    array([3.45, 5.  ])
    """
    value: Float64 = np.copysign((8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(statistic * statistic / freedom)), statistic)
    return value
