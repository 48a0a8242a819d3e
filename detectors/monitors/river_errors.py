"""A drift detector of river on the stream of errors, by its name and at river's defaults.

For those who know such a detector and want to see what it says beside the monitor `error_rate`. How often it alarms while nothing changes depends on the stream and on
nothing that an operator sets: see `docs/detection.md` for what was measured. So it has no share of the false-alarm budget, and its alerts are warnings of kind ``drift``.

A pane holds how many of its events were errors, not their order, so it is fed as if they had come evenly spread, in the same order on every reading. Where a detector
looks at distances between errors (EDDM) they are steadier than they were. A pane of more than `FED` events is thinned to so many. Nothing here is per event but for those
who ask for it: ADWIN takes a microsecond an event, KSWIN half a millisecond.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Bool, Float64
from detectors.monitors.rate_change import Rate, RateChange
from detectors.monitors.river_state import plain_of, restored
from detectors.scans.history import Histogram
from detectors.scans.scored_windows import Bank, Scored
from detectors.verdict import Evidence

Method = Literal["adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w", "kswin"]

FED = 1_000
"""Events of a pane that a detector is fed at most; of a pane of more, as large a share are errors."""

OUTSIDE_OF_BUDGET = 1e30
"""Stands for the panes between two false alarms: the budget has none for them."""

_SAID = {"nothing": 0.0, "warning": 0.5, "drift": 1.0}
_SEED = 1  # KSWIN samples its window


def made(method: Method) -> Any:
    """A new detector of river, at its defaults.

    Examples
    --------
    >>> type(made("hddm_a")).__name__
    'HDDMA'
    """
    from river.drift import ADWIN, KSWIN, PageHinkley  # noqa: PLC0415  river takes a second to import, which nobody waits for who does not ask for it
    from river.drift.binary import DDM, EDDM, HDDMA, HDDMW  # noqa: PLC0415

    makers: dict[Method, Any] = {
        **{"adwin": ADWIN, "page_hinkley": PageHinkley, "ddm": DDM, "eddm": EDDM, "hddm_a": HDDMA, "hddm_w": HDDMW},
        "kswin": partial(KSWIN, seed=_SEED),
    }
    return makers[method]()


def spread(events: float, hits: float) -> Float64:
    """(n,) of 0 and 1: so many hits among so many events, evenly spread; `FED` at most.

    Examples
    --------
    >>> spread(6, 2).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    """
    count = int(min(events, FED))
    ones = round(hits * count / events) if events else 0
    behind = np.arange(count + 1) * ones // max(count, 1)
    return np.diff(behind).astype(np.float64)


class RiverErrors(RateChange):
    """One monitor of one rate, as `RateChange`, but an alarm is river's. What the scan finds tells how large the change is, and when it is over.

    Parameters
    ----------
    bank : name and times; the budget says nothing here.
    rate : the errors.
    floor : below which a change is over.
    method : river's name.

    Examples
    --------
    >>> bank = Bank(names=("error_rate:adwin",), group="performance", kind="drift", looks=OUTSIDE_OF_BUDGET, pane=1_000, resolve_after=60_000)
    >>> detector = RiverErrors(bank, rate=Rate(hits=[0], events=[0, 1], reference=(1_000, 10_000)), floor=0.0, method="adwin")
    >>> errors = np.where(np.arange(200) < 150, 10, 30)
    >>> state, verdicts = detector.walk(detector.initial(), np.stack((errors, 100 - errors), axis=1).astype(float), range(0, 200_000, 1_000))
    >>> print(f"drift at pane {int((verdicts.status[:, 0] == 4).argmax())}")
    drift at pane 151
    """

    has_own_statistic = True

    def __init__(self, bank: Bank, *, rate: Rate, floor: float, method: Method) -> None:
        super().__init__(bank, rates=[rate], floor=floor)
        self._method = method
        self._thresholds = (np.array([0.75]), np.array([0.25]))

    @override
    def initial(self) -> State:
        """State before the first pane: a new detector."""
        return super().initial() | {"river": _written(made(self._method)), "river_before": np.empty(0, np.uint8), "pane": np.zeros(2)}

    @override
    def own_statistic(self, state: State, sums: Float64, inflation: Float64) -> tuple[State, Float64]:
        """Feed the panes that had events; (k, 1) what the detector said: 1 drift, .5 a warning, 0 nothing."""
        del inflation
        said = np.zeros((len(sums), 1))
        seen = np.flatnonzero(sums[:, 0])
        if not len(seen):
            return state, said
        try:
            detector = self._read(state["river"])
        except ValueError:  # begins anew
            detector = made(self._method)
        before = state["river_before"]
        for place in seen.tolist():
            if place == seen[-1]:
                before = _written(detector)
            said[place] = _fed(detector, sums[place])
        return state | {"river": _written(detector), "river_before": before, "pane": sums[seen[-1]].copy()}, said

    def _read(self, written: Any) -> Any:
        """A detector by its state; ValueError where another release of river wrote it, which may have meant something else by the same names."""
        found = json.loads(np.asarray(written, np.uint8).tobytes())
        release = found.get("river") if isinstance(found, dict) else None
        if release != _release():
            raise ValueError(f"the state of {self._method} is of river {release or 'unknown'}, expected {_release()}; install that release to compute it again")
        return restored(made(self._method), found["held"])

    @override
    def _evidence(self, state: State, monitor: int, histogram: Histogram, scored: Scored, usable: Bool, since: int | None) -> Evidence:
        found = super()._evidence(state, monitor, histogram, scored, usable, since)
        if not found.basis:
            return found
        before = state["river_before"]
        told = {"detector": "river", "method": self._method, "before": before.tobytes().decode(), "last_pane": dict(zip(("events", "hits"), state["pane"].tolist(), strict=True))}
        value = _fed(self._read(before), state["pane"])
        statistic = f"what river's {self._method} says: 1 drift, .5 a warning; at its defaults, so that nobody knows how often it does without a change"
        return replace(found, statistic=statistic, value=value, basis=found.basis | told)

    @override
    def state_of(self, basis: Mapping[str, Any]) -> State:
        """The last pane, and the detector before it."""
        return {"river_before": np.frombuffer(str(basis["before"]).encode(), np.uint8), "pane": np.array([basis["last_pane"][name] for name in ("events", "hits")], np.float64)}


def _fed(detector: Any, pane: Float64) -> float:
    """What a detector says at most while it takes the events of a pane."""
    said = "nothing"
    for value in spread(*pane).tolist():
        detector.update(value)
        if detector.drift_detected:
            said = "drift"
        elif said == "nothing" and getattr(detector, "warning_detected", False):
            said = "warning"
    return _SAID[said]


def _release() -> str:
    from river.__version__ import __version__  # noqa: PLC0415  as above

    return __version__


def _written(detector: Any) -> Any:
    return np.frombuffer(json.dumps({"river": _release(), "held": plain_of(detector)}).encode(), np.uint8)
