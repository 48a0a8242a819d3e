"""Values of one series that are unlike all that came before: spikes, drops and new levels of a latency, a load, a count.

How strange a value is, is its distance to the nearest earlier one; a value that the series has had before is never strange, at whatever phase of a day it
comes, so spikes that recur cease to be told. How rare such a distance is, is its conformal p-value: the share of earlier distances, its own among them, that are
as large. While values are exchangeable a p-value is at most a with chance a, whatever their law (Vovk, Gammerman & Shafer 2005; Laxhammar & Falkman 2010);
and as the nearest of many earlier values is nearer than that of few, alarms become rarer than that. This is the conformal detector by neighbours of Burnaev & Ishimtsev (2016)
for single values in place of stretches of a series.

For spikes and jumps of single series. Not for what stays within the range of the past: a slow drift, a flat line where there was a cycle, a mean
that moves by half a sigma. Those are for the scans (`detectors.monitors.numeric_drift`), which need a reference and tell how sure they are.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import Bool, Float64

REST = 5  # an alarm is followed by silence for a fifth of the values that are learnt from, as in Burnaev & Ishimtsev


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Settings of a detector, which is never changed; its state is a value.

    Parameters
    ----------
    chance : of an alarm on a value while nothing changes; between 0 and 1.
    learn : values before it speaks, two at least; a p-value of ``chance`` needs ``1 / chance`` of them.
    memory : values that are remembered, at least `learn`; of older ones the series may be surprised again.

    Examples
    --------
    >>> series = np.random.default_rng(1).normal(20, 1, 1_000)
    >>> series[600] = 35
    >>> _, surprise = Novelty(chance=0.005, learn=200).walk({}, series)
    >>> np.flatnonzero(surprise.alarm).tolist(), round(float(surprise.distance[600]), 1)
    ([600], 11.9)
    """

    chance: float = 0.01
    learn: int = 500
    memory: int = 10_000

    def __post_init__(self) -> None:
        if not 0 < self.chance < 1:
            raise ValueError(f"chance must be between 0 and 1, got {self.chance}; it is that of an alarm on a value while nothing changes")
        if not 2 <= self.learn <= self.memory:
            raise ValueError(f"learn must be 2 or more and at most memory, got learn {self.learn} and memory {self.memory}")

    def walk(self, state: dict[str, Any], values: Sequence[float] | Float64) -> tuple[dict[str, Any], Surprise]:
        """Take values in their order.

        Parameters
        ----------
        state : from the walk before; empty at first.
        values : (n,) nan where there is none, which is no surprise and is not learnt from; nor is what is infinite.

        Returns
        -------
        The state after them, and what each was when it came: nothing later is looked at.
        """
        past, distances = list(state.get("values", ())), list(state.get("distances", ()))
        rest = int(state.get("rest", 0))
        by_size, by_distance = sorted(past), sorted(distances)
        distances_found, p_values = np.full((2, len(values)), np.nan)
        alarm = np.zeros(len(values), np.bool_)
        for place, value in enumerate(np.asarray(values, np.float64).tolist()):
            if not math.isfinite(value):
                continue
            if past:
                distance = _nearest(by_size, value)
                as_large = len(by_distance) - bisect_left(by_distance, distance)
                distances_found[place], p_values[place] = distance, (1 + as_large) / (1 + len(by_distance))
                rest = max(0, rest - 1)
                if len(past) >= self.learn and not rest and p_values[place] <= self.chance:
                    alarm[place], rest = True, self.learn // REST + 1
                _remember(distances, by_distance, distance, self.memory)
            _remember(past, by_size, value, self.memory)
        return {"values": past, "distances": distances, "rest": rest}, Surprise(distances_found, p_values, alarm)


@dataclass(frozen=True)
class Surprise:
    """What values were when they came.

    Attributes
    ----------
    distance : (n,) to the nearest earlier value, in the series' own unit; nan for the first value and for missing ones.
    p_value : (n,) conformal, from above 0 to 1; nan where the distance is.
    alarm : (n,) whether it is at most the chance, enough was learnt, and no alarm was a short while ago.
    """

    distance: Float64
    p_value: Float64
    alarm: Bool


def _nearest(by_size: Sequence[float], value: float) -> float:
    place = bisect_left(by_size, value)
    return min(abs(value - near) for near in by_size[max(place - 1, 0) : place + 1])


def _remember(kept: list[float], in_order: list[float], value: float, most: int) -> None:
    """Add a value to what is kept, in the order in which it came and by size, and let the oldest go where there are too many."""
    kept.append(value)
    insort(in_order, value)
    if len(kept) > most:
        in_order.pop(bisect_left(in_order, kept.pop(0)))
