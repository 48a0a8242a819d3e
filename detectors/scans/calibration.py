"""Thresholds that keep a false-alarm budget: ``h(ARL)`` for a scan over all windows of the history.

The average run length (ARL) is the mean number of looks (closed panes with events) until a scan alarms although nothing changed. The shipped
table was simulated by `detectors.scans.calibration_simulation` on the very histogram that the banks use, for standard normal looks against a
known reference; up to about 10^6 looks it is counted, beyond that it follows ``log ARL = a + h^2 / 2 - b log h``, fitted to the counted part.
A second axis is the smallest window: one that holds too few events says nothing, and what is not looked at needs no budget.

Of windows of w panes there are about 1 / w independent ones in a look, so at one height for all nearly the whole budget would go to the shortest. Each
window therefore has a price, in squares of height, that falls with its length: a statistic of z counts as ``sqrt(z^2 - price)``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from detectors.event_batch import Float64, Int64

LONGEST = 30  # panes; longer windows cost nothing more, as there are few
MOST_SKEWED = 1 / math.sqrt(5)
EXPONENT = 0.7  # up to there the chances of windows of w panes fall as w^(.7 - 1), where they would as 1 / w


def price(panes: Int64) -> Float64:
    """What a window of so many panes must be surer by, in squares of height; 0 for long ones.

    Examples
    --------
    >>> price(np.array([2, 30, 5_000])).round(2).tolist()
    [3.79, 0.0, 0.0]
    """
    cost: Float64 = 2 * EXPONENT * np.log(LONGEST / np.clip(panes, 1, LONGEST))
    return cost


def paid(statistic: Float64, prices: Float64) -> Float64:
    """Squares of heights that statistics >= 0 reach when the price of their windows is paid, at least 0; nan where there is none."""
    return np.maximum(statistic * statistic - prices, 0)


@cache
def table() -> tuple[Float64, Float64, Float64]:
    """Natural logarithms of the smallest window (in panes) and of the run length, both ascending; and the thresholds (smallest, length) of an increase."""
    content = json.loads(files("detectors.scans").joinpath("calibration_table.json").read_text())
    return np.log(content["smallest"]), np.log(10) * np.array(content["log10_looks"]), np.array(content["thresholds"])


def threshold(looks: float, *, sides: int = 1, handicaps: Sequence[float] = (), smallest: float = 1.0) -> float:
    """The height that a scan passes once in so many looks when nothing changed.

    Parameters
    ----------
    looks : mean number of looks between two false alarms of this monitor; fewer than the table begins with gives its first threshold,
        which is stricter than asked for; beyond the table's end the last step of ``log ARL`` against ``h^2 / 2`` continues.
    sides : 1 where only an increase counts, 2 for either direction.
    handicaps : of further sides, which are independent of the others: what each must be surer by, in halves of squares of height.
    smallest : panes of the smallest window that is looked at; fewer, down to 1, are stricter than need be.

    Examples
    --------
    >>> round(threshold(1e5, sides=2), 1), round(threshold(1e8), 1)
    (4.6, 5.8)
    >>> threshold(1e5, smallest=3) < threshold(1e5, smallest=2.9) < threshold(1e5) < threshold(1e5, handicaps=(1.0,)) < threshold(1e5, sides=2)
    True
    """
    if not looks > 0:
        raise ValueError(f"looks must be > 0, got {looks}; it is the mean number of closed panes between two false alarms")
    sizes, logs, of_sizes = table()
    size = float(np.clip(np.interp(math.log(max(smallest, 1.0)), sizes, np.arange(len(sizes))), 0, len(sizes) - 1))
    below = min(int(size), len(sizes) - 2)
    heights = (1 - size + below) * of_sizes[below] + (size - below) * of_sizes[below + 1]
    slope = (logs[-1] - logs[-2]) / (heights[-1] ** 2 / 2 - heights[-2] ** 2 / 2)
    costs = np.array([*[0.0] * sides, *handicaps])

    def at(wanted: float) -> float:
        if wanted <= logs[-1]:
            return float(np.interp(wanted, logs, heights))
        return math.sqrt(heights[-1] ** 2 + 2 * (wanted - logs[-1]) / slope)

    def rate(height: float) -> float:
        """Alarms of all sides in a look, logarithm."""
        ends = np.sqrt(height**2 + 2 * costs)
        lengths = np.where(ends <= heights[-1], np.interp(ends, heights, logs), logs[-1] + slope * (ends**2 - heights[-1] ** 2) / 2)
        return float(np.log(np.exp(-lengths).sum()))

    low, high = at(math.log(looks)), at(math.log(looks * len(costs)))
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) > -math.log(looks) else (low, middle)
    return high


def of_skewed(statistic: Float64, skewness: Float64) -> Float64:
    """What statistics count for in a scan whose sums are skewed towards them: a third of the skewness more.

    One chance in a thousand at every look is not an alarm in a thousand looks, as neighbouring windows pass a height together. The more the steps of a sum are
    skewed upwards, the farther it passes a height that it passes at all, and the more windows pass with it: by a skewness of k the mean overshoot
    of a step grows from .583 by k / 6 (Siegmund 1985, ch. 10), at both ends of a window. Windows of n events with a skewness of k each that pass a height z as often as
    normal ones therefore do so in ``exp(z k / (3 sqrt(n)))`` times fewer groups. (Simulated at an alarm in 1,000 looks, a rate of .1 in panes of 10 alarmed .64 times as often as
    allowed without this, .93 times with it. The other way, rates of .9 alarmed .72 times as often; they are left as they are.)

    Parameters
    ----------
    statistic : (...) on the scale of a standard normal, > 0.
    skewness : (...) of the sums; 0 or more counts, at most that of 5 rare events, beyond which the law of the overshoot is another.

    Examples
    --------
    A rate of .1 in 100 events.

    >>> of_skewed(np.array([4.0]), np.array([0.8 / np.sqrt(100 * 0.09)])).round(2)
    array([4.09])
    """
    counted: Float64 = statistic + np.clip(skewness, 0, MOST_SKEWED) / 3
    return counted


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


def threshold_of_many(looks: float, directions: int, *, alone: int = 0, smallest: float = 1.0) -> float:
    """The height for a scan whose statistic looks into several directions at once (a chi-square brought to the normal scale).

    Between two nearby windows such a statistic moves a little faster than a normal one: of scans in 4, 20 and 59 directions, simulated for 10^3 to 10^4
    looks, the run lengths were 0.7 to 1.1 of those in one direction. A direction that is also looked at alone has half of the budget with the others that are;
    but it seldom alarms alone: the run lengths of both scans together were 1.85, 1.3 and 1.06 of those asked for in 2, 4 and 20 directions.

    Parameters
    ----------
    looks, smallest : see `threshold`.
    directions : degrees of freedom.
    alone : sides that are also looked at one by one, each surer by the logarithm of their number (in halves of squares of height); 0 where none is.

    Examples
    --------
    >>> threshold_of_many(1e5, 1) < threshold_of_many(1e5, 10) < threshold_of_many(1e6, 10)
    True
    """
    chances = 1.05 - 1.1 / max(directions, 2) if alone else 1.4 - 0.4 / max(directions, 1)
    return threshold(looks * chances, handicaps=[math.log(max(alone, 1))] * alone, smallest=smallest)


def normal_of_student(statistic: Float64, freedom: Float64) -> Float64:
    """A standard normal value with about the tail of Student's t with so many degrees of freedom (Wallace 1959).

    Examples
    --------
    >>> normal_of_student(np.array([5.0, 5.0]), np.array([10.0, 1e6])).round(2)
    array([3.45, 5.  ])
    """
    value: Float64 = np.copysign((8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(statistic * statistic / freedom)), statistic)
    return value
