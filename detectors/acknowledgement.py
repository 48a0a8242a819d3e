"""Somebody's word that a change is meant to stay, and what it makes of the reference.

An acknowledgement names an alert and takes effect at the start of a pane, in event time, like a revision of a monitor: whoever reads the log again does the
same at the same place. What came since the change is then the declared reference of the alert's monitors: the newest window of `REFERENCE_EVENTS`, or all that
came since, and while that is too little to compare with, the monitors are learning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Float64
from detectors.profile import CategoricalProfile, NumericProfile, PerformanceProfile

ENOUGH = 500
"""Events of an acknowledged reference, as many as of one that is learnt; until there are so many the monitor is learning."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """One, as it is kept beside the monitors.

    Attributes
    ----------
    model, alert_id, sequence : the alert, and its last record that was known when it was acknowledged; one for each of them counts.
    by, note : whose word it is, and why.
    effective_from : start of a pane, epoch milliseconds of event time.
    """

    model: str
    alert_id: str
    sequence: int
    by: str
    note: str = ""
    effective_from: int

    @property
    def key(self) -> str:
        """What names it."""
        return f"{self.alert_id}/{self.sequence}"


@dataclass(frozen=True)
class Present:
    """What a monitor saw in a recent window.

    Attributes
    ----------
    events : of the window.
    sums : by name, ``events``, ``totals`` and ``squares`` of each of the monitor's channels; ``counts`` of a numeric column's bins, too.
    """

    events: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)

    def plain(self) -> list[Any]:
        """What to save."""
        return [self.events, self.sums]


References = Mapping[str, Present]
"""By monitor, instead of what its specification declares; of one that is still learning without any event."""


def numeric_reference(profile: NumericProfile, present: Present | None) -> NumericProfile:
    """A column's reference with the bins of an acknowledged window; edges, scores and the unit of a shift stay."""
    if present is None:
        return profile
    return profile.model_copy(update={"counts": _whole(present, "counts", len(profile.counts))})


def categorical_reference(profile: CategoricalProfile, present: Present | None) -> CategoricalProfile:
    """A column's reference with the levels of an acknowledged window."""
    if present is None:
        return profile
    *levels, unseen = _whole(present, "totals", len(profile.levels) + 1)
    return profile.model_copy(update={"counts": tuple(levels), "unseen": unseen})


def rate_reference(declared: tuple[float, float] | None, present: Present | None) -> tuple[float, float] | None:
    """Hits and events of an acknowledged window."""
    if present is None:
        return declared
    hits, events = (_sums(present, name, 1)[0] for name in ("totals", "events"))
    return float(hits), float(events)


def loss_reference(declared: PerformanceProfile | None, present: Present | None) -> PerformanceProfile | None:
    """Mean absolute error of an acknowledged window, and its deviation."""
    if present is None:
        return declared
    events, total, squares = (float(_sums(present, name, 1)[0]) for name in ("events", "totals", "squares"))
    if events < 1:
        return PerformanceProfile(rows=1, loss=0.0, deviation=0.0)  # too few to be compared with
    loss = total / events
    return PerformanceProfile(rows=int(events), loss=loss, deviation=float(np.sqrt(max(squares / events - loss**2, 0.0))))


def traffic_reference(present: Present | None) -> tuple[float, float, float] | None:
    """Panes of an acknowledged window, the mean of their predictions, and its variance."""
    if present is None:
        return None
    panes, total, squares = (float(_sums(present, name, 1)[0]) for name in ("events", "totals", "squares"))
    mean = total / panes if panes else 0.0
    return panes, mean, squares / panes - mean**2 if panes else 0.0


def _sums(present: Present, name: str, size: int) -> Float64:
    return np.asarray(present.sums[name], np.float64) if present.sums else np.zeros(size)


def _whole(present: Present, name: str, size: int) -> tuple[int, ...]:
    return tuple(np.rint(_sums(present, name, size)).astype(np.int64).tolist())
