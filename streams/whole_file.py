"""How far each monitor is from its reference over a whole file, with the noise that its detector allows for.

An alert shows the window in which the evidence is strongest. Where there is no alert the question is another: what about all of the rows? It is answered by
the same bank with the same formulas, and with the dependence of the rows as the bank measured it last, so that effect and state cannot tell different stories.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.bank import detectors_of
from detectors.monitors.numeric_drift import NumericDrift
from detectors.scans.history import Histogram
from detectors.scans.scored_windows import Windows
from detectors.scans.window_bank import WindowBank, interval_of
from detectors.settings.watching import Floors
from detectors.specification import MonitorSpecification
from detectors.verdict import Effect

WITHIN_NOISE = "moved, within its noise"
UNPROVEN = "moved, unproven"

MEANINGS = {
    WITHIN_NOISE: "further from the reference than the floor, but the 95 % interval, which allows for rows that resemble their neighbours, reaches the floor",
    UNPROVEN: "the 95 % interval is beyond the floor, but not so far that an alarm would be false once in a hundred files only",
}
"""What the states mean that are neither ``ok`` nor an alarm."""

_A_FALL_IS_NO_HARM = {"difference of rates", "relative change of mean absolute error"}


def effects_of(specification: MonitorSpecification, states: Mapping[str, State]) -> dict[str, Effect]:
    """Effect of each monitor over all that it has seen.

    Parameters
    ----------
    specification : that the states were made by.
    states : of each bank at the end, see `streams.replay.Replayed.states`.

    Returns
    -------
    By the monitor's name; monitors that saw nothing are left out. The interval is nan where the dependence was not measured: a file of few rows, or one whose
    rows all resemble each other, says nothing about its noise.
    """
    effects: dict[str, Effect] = {}
    for bank in detectors_of(specification):
        state = states.get(",".join(bank.names))
        if isinstance(bank, WindowBank) and state is not None and state["sizes"]:
            effects |= _of_bank(bank, state, specification.alerts.floors)
    return effects


def _of_bank(bank: WindowBank, state: State, floors: Floors) -> dict[str, Effect]:
    sums = Histogram.of_state(state).suffixes()
    latest = Windows(sums, np.zeros(len(sums), np.int64), state["inflation"][None], state["freedom"][None])
    effects = {}
    with np.errstate(all="ignore"):
        scored = bank.score(latest, state)
        own = bank.remains(scored, latest.inflation, state).error
        for monitor, name in enumerate(bank.names):
            first = int(np.searchsorted(state["starts"], state["since"][monitor]))  # a learnt reference is not compared with itself
            if first < len(sums):
                effect = bank.tell(state, monitor, first, scored).effect
                if isinstance(bank, NumericDrift):
                    with_reference = np.sqrt(1 + scored.events[first, monitor] / sum(bank.profiles[monitor].counts))
                    shift, log_ratio = (float(scored.detail[kind][first, monitor]) for kind in ("shift", "log_ratio"))
                    effect = _numeric(floors, shift, log_ratio, own[:, first, monitor] * with_reference)
                effects[name] = replace(effect, interval=(math.nan, math.nan)) if math.isnan(scored.statistic[first, monitor]) else effect
    return effects


def _numeric(floors: Floors, shift: float, log_ratio: float, errors: Float64) -> Effect:
    """The shift, unless it is the spread alone that is beyond its floor."""
    if abs(shift) <= floors.shift and abs(log_ratio) > math.log(floors.deviation_ratio):
        return Effect(name="log ratio of deviations", value=log_ratio, interval=interval_of(log_ratio, float(errors[1])), floor=math.log(floors.deviation_ratio))
    return Effect(name="shift in sigma", value=shift, interval=interval_of(shift, float(errors[0])), floor=floors.shift)


def state_beside(effect: Effect | None, state: str) -> str:
    """The state to show beside a whole file's effect: ``ok`` only where the effect is within its floor.

    Parameters
    ----------
    effect : of the whole file.
    state : of the monitor in words; all but ``ok`` speak for themselves.

    Examples
    --------
    >>> for low, value, high in ((-0.3, -0.05, 0.2), (-0.7, -0.4, -0.1), (-0.6, -0.4, -0.2)):
    ...     print(value, state_beside(Effect(name="shift in sigma", value=value, interval=(low, high), floor=0.1), "ok"))
    -0.05 ok
    -0.4 moved, within its noise
    -0.4 moved, unproven
    """
    if effect is None or state != "ok":
        return state
    risen = effect.value >= 0
    nearest = effect.interval[0] if risen else -effect.interval[1]
    if abs(effect.value) <= effect.floor or math.isnan(effect.value) or (not risen and effect.name in _A_FALL_IS_NO_HARM):
        return state
    return UNPROVEN if nearest > effect.floor else WITHIN_NOISE
