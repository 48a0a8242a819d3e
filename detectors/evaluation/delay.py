"""Detection delay: how many events after a change a detector alarms (its ARL1, or mean time to detection; here the median, which a missed change cannot spoil)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from detectors.evaluation.watched import Watched
from detectors.event_batch import Float64, Int64

Interval = tuple[float, float]


@dataclass(frozen=True)
class Delays:
    """Delays of one detector.

    Attributes
    ----------
    delays : (k,) ascending, in events; 1 is the first event after the change, inf where the change was not found.
    left_out : streams that had alarmed before their change, of a detector that is not restarted: their delay is not defined.

    Examples
    --------
    >>> delays = Delays(np.array([20.0, 30.0, 40.0, 50.0, 60.0, 70.0, np.inf]), left_out=1)
    >>> delays.median, delays.interval, delays.found(50)
    (50.0, (20.0, inf), 0.5714285714285714)
    """

    delays: Float64
    left_out: int

    @property
    def median(self) -> float:
        """Median delay, inf where most changes were not found; nan without a stream."""
        count = len(self.delays)
        if not count:
            return float("nan")
        low, high = self.delays[(count - 1) // 2], self.delays[count // 2]
        return float(low if low == high else (low + high) / 2)

    @property
    def interval(self) -> Interval:
        """95 % interval of the median by the binomial law of ranks; it supposes nothing of the delays, and is (nan, nan) with fewer than six."""
        count = len(self.delays)
        rank = int(stats.binom.ppf(0.025, count, 0.5))  # the delays of rank k and n + 1 - k hold the median with a chance of 1 - 2 P(Binomial(n, 1/2) < k)
        if rank < 1:
            return float("nan"), float("nan")
        return float(self.delays[rank - 1]), float(self.delays[count - rank])

    def found(self, limit: float) -> float:
        """Share of the changes that were found within so many events; nan without a stream."""
        return float(np.mean(self.delays <= limit)) if len(self.delays) else float("nan")

    def found_interval(self, limit: float) -> Interval:
        """95 % interval of that share (Clopper and Pearson 1934)."""
        return share_interval(int((self.delays <= limit).sum()), len(self.delays))


def delays_of(watched: Watched, change: Int64) -> Delays:
    """Delays behind changes.

    Parameters
    ----------
    watched : of streams with a change each.
    change : (m,) number of events before it.
    """
    first = watched.first_after(change) - change
    if watched.restarts:
        return Delays(np.sort(first), left_out=0)
    quiet = watched.first_after(np.zeros(watched.streams, np.int64)) > change
    return Delays(np.sort(first[quiet]), left_out=int((~quiet).sum()))


def share_interval(count: int, of: int) -> Interval:
    """95 % interval of a share.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(300, 300)]
    [0.988, 1.0]
    """
    if not of:
        return float("nan"), float("nan")
    low = 0.0 if count == 0 else float(stats.beta.ppf(0.025, count, of - count + 1))
    high = 1.0 if count == of else float(stats.beta.ppf(0.975, count + 1, of - count))
    return low, high
