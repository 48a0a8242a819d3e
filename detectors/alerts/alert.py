"""An alert: one change, told once, with the evidence from which it can be recomputed (`detectors.alerts.recomputation`).

The records of one alert share an ``alert_id`` and count up in ``sequence``; a reader skips what it has seen. Times are event times in
epoch milliseconds here, RFC 3339 on the wire.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from detectors.alerts.slice_evidence import SliceEvidence, said
from detectors.verdict import AlertKind, Evidence

AlertStatus = Literal["opened", "updated", "resolved"]
Severity = Literal["warning", "critical"]


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """Whose word it is that a change is meant to stay, and why."""

    by: str
    note: str = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One record in the life of an alert."""

    alert_id: str
    sequence: int
    status: AlertStatus
    kind: AlertKind
    severity: Severity
    model: str
    model_version: str
    segment: str
    opened_at: int
    updated_at: int
    change_at: int
    summary: str
    monitors: tuple[Evidence, ...]
    budget: str
    more_monitors: int = 0  # weaker ones that the record does not name, as it would be too large
    events_per_pane: float | None = None  # by which a budget in events becomes one in panes
    causes: tuple[str, ...] = ()
    incident: str = ""  # alert_id of the first alert, of whatever kind, that may be of the same change
    acknowledged: Acknowledged | None = None
    slices: tuple[SliceEvidence, ...] = ()  # of kind performance: where errors rose by more than elsewhere

    @property
    def happened(self) -> tuple[str, ...]:
        """What else is told of the change, a sentence each: where it is worst, then the causes."""
        return (*(said(one) for one in self.slices), *self.causes)
