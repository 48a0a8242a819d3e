"""False alarms: how many there are while nothing changes, for each 100,000 events that a monitor was watched (the ARL0 is 100,000 over that)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from detectors.evaluation.watched import Watched
from detectors.event_batch import Int64

PER = 100_000


@dataclass(frozen=True)
class FalseAlarms:
    """Counted false alarms; counts of several runs add up.

    Attributes
    ----------
    alarms : false alarms.
    events : that were observed by a detector that could have alarmed.

    Examples
    --------
    >>> found = FalseAlarms(30, 4_000_000)
    >>> found.rate, [round(end, 2) for end in found.interval], round(found.run_length)
    (0.75, [0.51, 1.07], 133333)
    """

    alarms: int
    events: int

    def __add__(self, other: FalseAlarms) -> FalseAlarms:
        return FalseAlarms(self.alarms + other.alarms, self.events + other.events)

    @property
    def rate(self) -> float:
        """False alarms per 100,000 events; nan where none were observed."""
        return self.alarms / self.events * PER if self.events else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the rate (Garwood 1936)."""
        if not self.events:
            return float("nan"), float("nan")
        low = float(stats.chi2.ppf(0.025, 2 * self.alarms)) / 2 if self.alarms else 0.0
        return low / self.events * PER, float(stats.chi2.ppf(0.975, 2 * self.alarms + 2)) / 2 / self.events * PER

    @property
    def run_length(self) -> float:
        """Mean number of events to a false alarm, ARL0; inf where there was none."""
        return self.events / self.alarms if self.alarms else float("inf")


def false_alarms_of(watched: Watched, change: Int64 | None = None) -> FalseAlarms:
    """False alarms, and the events in which there could have been some.

    Parameters
    ----------
    watched : a detector that is not restarted counts until its first alarm.
    change : (m,) number of events before each stream's change; none where nothing changes.
    """
    end = np.full(watched.streams, watched.events, np.int64) if change is None else change
    false = watched.seen <= end[watched.stream]
    if not watched.restarts:
        end = np.minimum(end, watched.first_after(np.zeros(watched.streams, np.int64)))
        false &= watched.seen == watched.first_after(np.zeros(watched.streams, np.int64))[watched.stream]
    return FalseAlarms(int(false.sum()), int(np.maximum(end - watched.learning, 0).sum()))
