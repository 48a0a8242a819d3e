"""The oracle: a CUSUM that knows the law before the change and the law after it, which no detector that is used in earnest can know.

Page's CUSUM of log-likelihood ratios has the shortest delay of all rules with its false-alarm rate (Lorden 1971, Moustakides 1986), in the worst case over
what came before; in a table of delays it is the limit. Not for ramps: it knows the law at their end, not the way there, and is no limit then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.evaluation.false_alarms import FalseAlarms
from detectors.evaluation.labelled_streams import LabelledStreams, null_batches
from detectors.evaluation.laws import Law
from detectors.evaluation.watched import Watched
from detectors.event_batch import Float64


@dataclass(frozen=True)
class Oracle:
    """CUSUM of a law's log-likelihood ratios, begun anew after each alarm.

    Attributes
    ----------
    law : whose two sides it knows.
    height : at which it alarms.
    """

    law: Law
    height: float

    def watch(self, streams: LabelledStreams) -> Watched:
        """All streams at once, event after event."""
        ratios = self.law.log_ratio(streams.values)
        total = np.zeros(ratios.shape[1])
        alarms = []
        for place, ratio in enumerate(ratios):
            total = np.maximum(total, 0) + ratio
            if total.max() >= self.height:
                alarmed = np.flatnonzero(total >= self.height)
                alarms.append(np.stack((alarmed, np.full(len(alarmed), place + 1))))
                total[alarmed] = 0
        found = np.concatenate(alarms, axis=1) if alarms else np.empty((2, 0), np.int64)
        stream, seen = found[:, np.lexsort(found[::-1])]
        events, count = ratios.shape
        return Watched(stream, seen, events, count, np.zeros(count, np.int64), restarts=True)


def oracle_at(law: Law, *, budget: float, events: int, seed: int) -> Oracle:
    """The oracle that raises a false alarm once in a budget of events, by its run lengths on null streams.

    Parameters
    ----------
    law : with both sides.
    budget : ARL0 in events; where it is more than a fiftieth of the events it is continued by ``log ARL0 = height + constant``, which Siegmund (1985)
        shows for CUSUMs of log-likelihood ratios.
    events : null events that are simulated.
    seed : of these.

    Examples
    --------
    >>> from detectors.evaluation.laws import Moved
    >>> 7 < oracle_at(Moved(shift=1.0), budget=10_000, events=500_000, seed=1).height < 8.5
    True
    """
    counted = min(budget, events / 50)
    length = max(100, min(20_000, events // 100))
    batches = [law.log_ratio(batch.values) for batch in null_batches(law, events=events, length=length, seed=seed, reference=0)]
    low, high = 0.0, math.log(counted) + 3
    while high - low > 0.01:
        height = (low + high) / 2
        low, high = (height, high) if run_length(batches, height) < counted else (low, height)
    return Oracle(law, high + math.log(budget / counted))


def run_length(batches: Sequence[Float64], height: float) -> float:
    """ARL0 of a CUSUM of ratios (n, m), several times."""
    alarms = sum(_alarms(ratios, height) for ratios in batches)
    return FalseAlarms(alarms, sum(ratios.size for ratios in batches)).run_length


def _alarms(ratios: Float64, height: float) -> int:
    total, alarms = np.zeros(ratios.shape[1]), 0
    for ratio in ratios:
        np.maximum(total, 0, out=total)
        total += ratio
        if total.max() >= height:
            over = total >= height
            alarms += int(over.sum())
            total[over] = 0
    return alarms
