"""Predictions in a pane that became more or fewer than is usual at their hour: two-sided, as a ratio.

What is counted here are panes: one with predictions stands for itself and for the few empty ones before it, and its value is its predictions over the factor of its hour
(`detectors.references.usual_hours`). A pause of more than `LONGEST_PAUSE` panes is left out, however busy the model is: it is told by `detectors.monitors.silence`, and one
cause is to be one alert. So is a pane of which it is known that events are missing.

Counts are burstier than chance would make them, and one pane is like the next. The variance of single panes is that of the reference, and how much they depend on each other is
measured as for every monitor, so a window of some size has a mean with a known relative variance r. More than is usual is judged by a gamma law of shape 1 / r, which
bursts follow (a negative binomial is a Poisson of it), with a tail twice as skewed as a Poisson's; fewer by the law of a Poisson with as large a variance, whose lower tail is the
heavier of the two. Both are brought to a standard normal value by the power that makes them nearly normal: 1/3 (Wilson & Hilferty 1931) and 2/3 (Anscombe 1953).

Not for a model with less than a prediction in three panes: what changes there are its pauses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import NO_TIME, Bool, Float64
from detectors.references.hours_of_week import HOUR
from detectors.references.learnt_reference import grown, grows
from detectors.references.usual_hours import HOURS_OF, WITHOUT_CYCLE, HoursSeen, Usual
from detectors.scans.calibration import normal_of_student, of_skewed, threshold
from detectors.scans.panel import MIN_EVENTS, Way
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.verdict import Effect

TRAFFIC_MONITOR = "traffic"
"""Name of the monitor."""

LEARN_PANES = 500  # of the mean, behind the cycle; it grows from there as every learnt reference
LONGEST_PAUSE = MIN_EVENTS * 3 // 10  # panes: so many empty ones leave the shortest window above two thirds
FEWEST = 20.0  # predictions to be expected in a window; one with fewer says nothing
RESOLUTION = 0.05  # of the log ratio, stands in for a floor of 0 where an alert is resolved
_MOST_LASTING = 0.9  # correlation of a level that is not seen but concluded
_STEADY = 1e-4  # least relative variance of a pane: where all panes had the same, the next ones may differ by a hundredth


class TrafficChange(WindowBank):
    """One monitor; `Verdicts.effect` is the logarithm of the ratio of what came to what is usual.

    Parameters
    ----------
    bank : name, budget and times.
    predictions : their cell in a summary vector.
    cycle : that is learnt first, one of `HOURS_OF`.
    ratio : smallest material ratio, up or down (1.5: half as many again, or a third fewer).
    reference : panes, mean and variance of their values, where somebody acknowledged what they are now; else they are learnt.
    """

    def __init__(self, bank: Bank, *, predictions: int, cycle: str, ratio: float, reference: tuple[float, float, float] | None = None) -> None:
        bank = replace(bank, smallest=float(MIN_EVENTS))  # events are panes here
        super().__init__(bank, width=4, channel_sums=np.array([[0], [1], [2]]), channel_monitor=np.array([0]))
        self._cell, self._cycle, self._hours, self._floor = predictions, cycle, HOURS_OF[cycle], math.log(ratio)
        self._declared = reference
        self._thresholds = tuple(np.array([threshold(looks, sides=2, smallest=bank.smallest)]) for looks in (bank.looks, bank.looks / WARNING_RATE))

    @property
    def floors(self) -> Float64:
        """(1,) smallest material logarithm of the ratio, .05 where it is 0."""
        return np.array([self._floor or RESOLUTION])

    def initial(self) -> State:
        """State before the first pane: nothing learnt."""
        usual = WITHOUT_CYCLE if self._hours == 0 else Usual(np.zeros(0), 0.0)
        learnt = {"learnt": np.zeros(3), "heard": NO_TIME} | HoursSeen(self._hours).as_state()
        return super().initial() | learnt | {"factors": usual.factors, "hourly_variance": usual.variance}

    @override
    def way(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> Way:
        """Panes before the cycle is known, those without predictions, and those that are nan are no look."""
        state, sums = self._values(state, counts[:, self._cell].tolist(), starts)
        return Way(state, counts, sums, starts, gone)

    def _values(self, state: State, predictions: Sequence[float], starts: Sequence[int]) -> tuple[State, Float64]:
        """The state with what panes say of the cycle, and (k, 4) panes, values, squares of these, and what makes panes of quiet hours less certain."""
        sums, pane = np.zeros((len(starts), self.width)), self.bank.pane
        heard, seen, usual = state["heard"], HoursSeen.of_state(self._hours, state), Usual(state["factors"], state["hourly_variance"])
        for place, (predicted, start) in enumerate(zip(predictions, starts, strict=True)):
            if math.isnan(predicted):
                heard = start + pane
            if not predicted > 0:
                continue
            pause = (start - heard) // pane if heard != NO_TIME else 0
            panes = 1 + (pause if 0 < pause <= LONGEST_PAUSE else 0)
            heard = start + pane
            if not len(usual.factors) and seen.is_enough(start):
                seen, usual = HoursSeen(self._hours), seen.usual(pane)
            if not len(usual.factors):
                seen = seen.with_pane(start, pane, panes=panes, predictions=predicted)
                continue
            factor = usual.at(start, pane)
            value = predicted / factor
            sums[place] = panes, value, value * value, panes / factor
        return state | seen.as_state() | {"heard": heard, "factors": usual.factors, "hourly_variance": usual.variance}, sums

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 4) of panes one by one, as if every hour were alike and there were no pauses."""
        return self._values(self.initial() | {"factors": WITHOUT_CYCLE.factors}, counts[:, self._cell].tolist(), starts)[1]

    def _reference(self, state: State) -> tuple[float, float, float]:
        """Panes, mean and variance of their values; nan for none."""
        if self._declared is not None:
            panes, mean, variance = self._declared
        else:
            panes, total, squares = (float(part) for part in state["learnt"])
            mean = total / panes if panes else math.nan
            variance = squares / panes - mean**2 if panes else math.nan
        if not mean > 0:
            return panes or math.nan, math.nan, math.nan
        return panes, mean, max(variance, _STEADY * mean**2)

    @override
    def ready(self, state: State) -> Bool:
        """(1,) whether the reference is there."""
        panes = state["learnt"][0] if self._declared is None else self._declared[0]
        return np.array([bool(panes >= LEARN_PANES)])

    @override
    def learning(self, state: State) -> bool:
        """Whether there is no acknowledged reference, and the learnt one still grows."""
        return self._declared is None and bool(grows(state["learnt"][:1], state).all())

    @override
    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take the first panes into the reference, then the older part of the history; windows begin behind them."""
        if state["learnt"][0] < LEARN_PANES:
            return state | {"learnt": state["learnt"] + sums[:3], "since": np.maximum(state["since"], start + self.bank.pane)}
        (larger,), older, behind = grown(state["sums"][:, :1], state["learnt"][:1], state["sums"][:, :3, None], state["starts"])
        return state | {"learnt": older[:, 0], "since": np.maximum(state["since"], behind)} if larger else state

    def _uncertainty(self, panes: Float64, quiet: Float64, inflation: Float64, state: State) -> tuple[Float64, Float64]:
        """Relative variances of the means of windows (..., w, 1), and of the reference's.

        Parameters
        ----------
        panes : in the windows.
        quiet : mean of what makes panes of quiet hours less certain.
        inflation : by the dependence of panes.
        state : after the panes.
        """
        size, mean, variance = self._reference(state)
        single, hourly, pane = variance / mean**2, state["hourly_variance"], self.bank.pane
        usual = _quiet_of_all(state)
        inflation = _of_what_varies(inflation, 1 - min(mean * usual / variance, 1.0))
        # By a Poisson the values of a quiet hour vary as much more as its factor is smaller; by bursts they do not, and then this is too careful.
        own = inflation * single * np.maximum(quiet / usual, 1) / panes + hourly / np.maximum(panes * pane / HOUR, 1)
        return own, inflation * single / size + hourly / max(size * pane / HOUR, 1)

    def _quiet(self, windows: Windows, state: State) -> Float64:
        stated = state.get("stated_quiet")
        return windows.sums[..., [3]] / windows.sums[..., [0]] if stated is None else np.full(windows.sums[..., [0]].shape, stated)

    def score(self, windows: Windows, state: State) -> Scored:
        """Mean of every window over the reference's."""
        _, mean, _ = self._reference(state)
        panes, total = (windows.sums[..., [place]] for place in (0, 1))
        quiet = self._quiet(windows, state)
        ratio = total / panes / mean
        own, of_reference = self._uncertainty(panes, quiet, windows.inflation, state)
        spread = own + of_reference
        root, few = 1 / np.sqrt(spread), math.exp(self._floor)
        rise = 3 * root * (np.cbrt(ratio / few) - 1 + spread / 9)
        fall = 1.5 * root * (1 - spread / 9 - np.cbrt(ratio * few) ** 2)
        statistic = normal_of_student(np.where(rise > fall, of_skewed(np.maximum(rise, 0), 2 / root) * (rise > 0), fall), windows.freedom)
        enough = panes / quiet * mean >= FEWEST
        return Scored(windows, panes, np.where(enough, statistic, np.nan), np.log(ratio), {"ratio": ratio, "quiet": quiet, "error": np.sqrt(spread)})

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Size of the logarithm of the ratio."""
        own, of_reference = self._uncertainty(scored.events, scored.detail["quiet"], inflation, state)
        return Remains(np.abs(scored.effect)[None], np.sqrt(own)[None], tolerance(self._floor, np.sqrt(of_reference))[None])

    @override
    def state_of(self, basis: Mapping[str, Any]) -> State:
        """What is known of the hours of the window, and of all."""
        hours: Any = basis["hours_known"]
        return {"stated_quiet": float(hours["quiet"]), "factors": np.array([1 / float(hours["usual"])]), "hourly_variance": float(hours["variance"])}

    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Panes and means of both, in predictions of an hour that is like the mean of all."""
        del monitor
        size, mean, variance = self._reference(state)
        value, panes = float(scored.effect[bucket, 0]), float(scored.events[bucket, 0])
        return Told(
            statistic="ratio beyond the floor by a gamma law (a rise) or a Poisson's (a fall) as a normal value, largest over windows",
            effect=Effect(name="log ratio of traffic", value=value, interval=interval_of(value, float(scored.detail["error"][bucket, 0])), floor=self._floor),
            n_reference=size,
            n_current=panes,
            reference={"panes": size, "predictions_a_pane": mean, "variance": variance},
            current={"panes": panes, "predictions_a_pane": float(scored.detail["ratio"][bucket, 0] * mean)},
            basis={
                "detector": TRAFFIC_MONITOR,
                "cycle": self._cycle,
                "hours_known": {"quiet": float(scored.detail["quiet"][bucket, 0]), "usual": _quiet_of_all(state), "variance": state["hourly_variance"]},
            },
        )


def _quiet_of_all(state: State) -> float:
    """Mean over all hours of what makes panes of quiet hours less certain."""
    return float((1 / state["factors"]).mean()) if len(state["factors"]) else 1.0


def _of_what_varies(inflation: Float64, beyond_chance: float) -> Float64:
    """The inflation, where a part only of a pane's variance lasts into the next ones.

    A count is a level that wanders and the chance of a Poisson about it, which hides some of the correlation of neighbours; farther ones are correlated more than
    powers of that would be, as the inflation takes them to be. The level's own correlation is larger by the level's share of the variance.

    Parameters
    ----------
    inflation : by powers of the correlation of neighbours.
    beyond_chance : share of a pane's variance that is not a Poisson's.

    Examples
    --------
    A level with an autocorrelation of .7 that is .64 of the variance: 1 + 2 x .45 / (1 - .7).

    >>> _of_what_varies(np.array([1.0, (1 + 0.45) / (1 - 0.45)]), 0.64).round(1).tolist()
    [1.0, 4.0]
    """
    neighbours = (inflation - 1) / (inflation + 1)
    level = np.minimum(neighbours / max(beyond_chance, 1e-9), _MOST_LASTING)
    lasting: Float64 = np.maximum(inflation, 1 + 2 * neighbours / (1 - level))
    return lasting
