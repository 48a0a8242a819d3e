"""Alerts and versions as points: dashboards mark them on the charts of their model."""

from __future__ import annotations

from detectors.alerts.alert import Alert
from detectors.point import Point
from retrainer.versions import Version


def alert_point(alert: Alert) -> Point:
    """A record in the life of an alert, at the time of that record; ``change_at`` is when the change began, epoch milliseconds.

    The alert's name is a field, not a tag: series do not grow with alerts.
    """
    fields: dict[str, float | int | bool | str] = {
        "alert_id": alert.alert_id,
        "summary": alert.summary,
        "opened_at": alert.opened_at,
        "change_at": alert.change_at,
        "open": alert.status != "resolved",
        "causes": ", ".join(alert.causes),
        "model_version": alert.model_version,
    }
    return Point(measurement="alert", tags={"model": alert.model, "kind": alert.kind, "severity": alert.severity, "status": alert.status}, fields=fields, time=alert.updated_at)


def version_point(version: Version) -> Point:
    """What happened to a model version."""
    fields: dict[str, float | int | bool | str] = {
        "version": version.version,
        "revision": version.revision,
        "by": version.by,
        "cause": version.cause,
        "parent": version.parent,
        "rows": float(version.trained_on.get("rows", 0) or 0),
    }
    return Point(measurement="version", tags={"model": version.model, "status": version.status}, fields=fields, time=version.at)
