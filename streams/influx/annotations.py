"""Alerts and versions as points: dashboards mark them on the charts of their model, and show what the gate's verdicts rest on."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.alerts.alert import Alert
from detectors.point import Point
from retrainer.versions import Version

EVIDENCE = ("labels", "difference", "wealth", "threshold", "wealth_against", "threshold_against", "steadiness", "threshold_steadiness")
"""Numbers of a gate's verdict (`retrainer.gate.Verdict`) that a version's point tells."""


def alert_point(alert: Alert) -> Point:
    """A record in the life of an alert, at the time of that record; ``change_at`` is when the change began, epoch milliseconds.

    The alert's name is a field, not a tag: series do not grow with alerts.
    """
    fields: dict[str, float | int | bool | str] = {
        "alert_id": alert.alert_id,
        "sequence": alert.sequence,
        "summary": alert.summary,
        "opened_at": alert.opened_at,
        "change_at": alert.change_at,
        "open": alert.status != "resolved",
        "causes": ", ".join(alert.happened),
        "model_version": alert.model_version,
    }
    return Point(measurement="alert", tags={"model": alert.model, "kind": alert.kind, "severity": alert.severity, "status": alert.status}, fields=fields, time=alert.updated_at)


def version_point(version: Version) -> Point:
    """What happened to a model version, with the numbers of the gate's verdict where there was one.

    The version is a tag: several challengers of one cause are often refused at the same time, and each has its evidence.
    There are as many as there were trainings, which quotas bound.
    """
    fields: dict[str, float | int | bool | str] = {
        "revision": version.revision,
        "by": version.by,
        "cause": version.cause,
        "parent": version.parent,
        "rows": float(version.trained_on.get("rows", 0) or 0),
        "cpu_seconds": _number(version.metrics.get("cpu_seconds")),
        "reason": str(version.gate.get("reason", "")),
    }
    low, high = _pair(version.gate.get("interval"))
    evidence = {name: _number(version.gate.get(name)) for name in EVIDENCE} | {"difference_low": low, "difference_high": high}
    fields |= evidence
    told = {name: value for name, value in fields.items() if not (isinstance(value, float) and np.isnan(value))}
    return Point(measurement="version", tags={"model": version.model, "status": version.status, "version": version.version}, fields=told, time=version.at)


def _number(value: Any) -> float:
    """A number of a JSON object; nan for what is null or not there."""
    return float(value) if isinstance(value, (int, float)) else np.nan


def _pair(value: Any) -> tuple[float, float]:
    return (_number(value[0]), _number(value[1])) if isinstance(value, (list, tuple)) and len(value) == 2 else (np.nan, np.nan)
