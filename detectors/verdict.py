"""What a detector says of a pane, and the evidence from which a person can recompute it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Literal

import numpy as np

from detectors.event_batch import Bool, Float64, Int64
from detectors.event_batch import UInt8 as Codes

AlertKind = Literal["drift", "performance", "quality", "service", "label shift"]
Group = Literal["performance", "features", "quality", "service"]


class Status(IntEnum):
    """States of a monitor."""

    OK = 0
    LEARNING = 1  # too little reference
    INSUFFICIENT_DATA = 2
    WARNING = 3  # past ten times the budget's rate; never notified by default
    DRIFT = 4
    NOT_TRUSTWORTHY = 5  # an assumption of the method is broken


@dataclass(frozen=True)
class Verdicts:
    """Verdicts of one detector on one pane, a row for each of its ``m`` monitors; on ``k`` panes all are (k, m).

    Attributes
    ----------
    status : (m,) codes of `Status`.
    statistic : (m,) the calibrated statistic, in units of its standard error; compare with the threshold.
    effect : (m,) effect against the declared reference over the window that the statistic was largest in.
    recent_effect : (m,) effect over the last ``resolve_after`` of event time; nan with too little data, and an alert does not resolve then.
    change_at : (m,) estimated time of the change in epoch milliseconds, `NO_TIME` unless the status is DRIFT.
    gone : (m,) whether the change that the monitor alarmed for is surely gone, see `Detector.gone`; False where that was not asked.
    """

    status: Codes
    statistic: Float64
    effect: Float64
    recent_effect: Float64
    change_at: Int64
    gone: Bool

    def of_pane(self, place: int) -> Verdicts:
        """Verdicts on one of several panes."""
        return Verdicts(*(getattr(self, name)[place] for name in _NAMES))

    def of_monitors(self, monitors: slice) -> Verdicts:
        """Verdicts of some of the monitors."""
        return Verdicts(*(getattr(self, name)[..., monitors] for name in _NAMES))

    @staticmethod
    def concatenate(parts: Sequence[Verdicts]) -> Verdicts:
        """Verdicts on the panes of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        return Verdicts(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))


_NAMES = tuple(item.name for item in fields(Verdicts))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How large a change is, in words that mean something to its reader: ``shift in sigma``, ``total variation``, ``difference of rates``."""

    name: str
    value: float
    interval: tuple[float, float]  # 95 %
    floor: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One monitor's part of an alert; every figure can be recomputed from ``reference``, ``current`` and ``basis``, see `detectors.alerts.recomputation`."""

    name: str  # "feature:salary", "prediction", "error_rate", "missing:age", ...
    statistic: str
    value: float
    threshold: float
    effect: Effect
    n_reference: float
    n_current: float
    reference: dict[str, object] = field(default_factory=dict)  # bins or counts
    current: dict[str, object] = field(default_factory=dict)
    basis: dict[str, object] = field(default_factory=dict)  # budget share, sums of the window, what was known of the events' dependence

    @property
    def left_out(self) -> bool:
        """Whether ``reference``, ``current`` and ``basis`` were left out because the alert's record would have been too large."""
        return self.basis.get("left_out") == "size"
