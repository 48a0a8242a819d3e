"""What is shown of a model as plain data: the scripts of the live page and those inside a report draw the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.alerts.explanation import Explanation
from streams.view.curves import Curve, Heat
from streams.view.evidence import AlertView
from streams.view.lineage import VersionView
from streams.view.wording import Clock, number, share

Sections = dict[str, Any]
"""By name; what JSON knows, and rows of numbers."""


def encoded(section: object) -> bytes:
    """A section as JSON; numbers that are not defined are null."""
    return msgspec.json.encode(section, enc_hook=_plain)


def as_text(value: float, unit: str) -> str:
    """A value of a curve as people read it.

    Examples
    --------
    >>> as_text(0.912, "share"), as_text(2.5, "ms")
    ('91.2 %', '2.5')
    """
    return share(value) if unit == "share" else number(value)


def curve_data(curve: Curve) -> Sections:
    """A curve; times in seconds, as charts count."""
    known = np.flatnonzero(np.isfinite(curve.values))
    last = int(known[-1]) if len(known) else -1
    bounded = last >= 0 and np.isfinite(curve.low[last]) and curve.low[last] != curve.high[last]
    return {
        "name": curve.name,
        "unit": curve.unit,
        "window": curve.window,
        "times": (curve.times / 1_000).tolist(),
        "values": numbers(curve.values),
        "low": numbers(curve.low) if bounded else None,
        "high": numbers(curve.high) if bounded else None,
        "now": as_text(float(curve.values[last]), curve.unit) if last >= 0 else "",
        "interval": f"{as_text(float(curve.low[last]), curve.unit)} to {as_text(float(curve.high[last]), curve.unit)}" if bounded else "",
    }


def heat_data(heat: Heat) -> Sections:
    """A heat map, its times in seconds."""
    return {
        "unit": heat.unit,
        "names": heat.names,
        "times": (heat.times / 1_000).tolist(),
        "values": [numbers(row) for row in heat.values],
        "alarmed": heat.alarmed.astype(int).tolist(),
        "left_out": heat.left_out,
    }


def numbers(values: Any) -> list[float]:
    """Five significant digits: more than a screen shows, in half of the bytes."""
    magnitude = 10.0 ** (4 - np.floor(np.log10(np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0))))
    rounded: list[float] = (np.round(values * magnitude) / magnitude).tolist()
    return rounded


def marks_data(alerts: Sequence[AlertView], versions: Sequence[VersionView]) -> Sections:
    """What is drawn over all charts: alerts, and whenever a version came into service, for all or for a share of the events, or left it; the first first."""
    announced: list[Sections] = [{"version": version.version, "status": status, "at": at / 1_000} for version in versions for status, at in version.announced]
    return {"alerts": [_mark(alert) for alert in alerts], "versions": sorted(announced, key=lambda mark: float(mark["at"]))}


def _mark(alert: AlertView) -> Sections:
    return {
        "id": alert.alert_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "change": alert.change / 1_000,
        "opened": alert.opened / 1_000,
        "until": None if alert.until is None else alert.until / 1_000,
    }


def alert_line(alert: AlertView) -> Sections:
    """An alert in a list."""
    return {
        "id": alert.alert_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "state": alert.state,
        "summary": alert.summary,
        "changed": alert.change_told,
        "opened": alert.opened_told,
        "delay": alert.delay,
        "until": alert.until_told,
        "ending": alert.ending,
        "action": alert.action,
        "causes": alert.causes,
        "told": f"Changed about {alert.change_told}, reported {alert.opened_told}, {alert.delay} later.{f' Done: {alert.action}.' if alert.action else ''}",
    }


def alert_story(alert: AlertView, explanation: Explanation, clock: Clock) -> Sections:
    """What is said of one alert, with the evidence of its monitors and every figure beside what it comes to when it is computed again."""
    words = {one.name: {"changed": clock.told(one.changed), "surely": _told(one.surely, clock), "ruled_out": _told(one.ruled_out, clock)} for one in explanation.monitors}
    return {
        "life": _told(explanation.life, clock),
        "happened": _told(explanation.happened, clock),
        "next": _told(explanation.next, clock),
        "monitors": [
            {
                "name": monitor.name,
                "facts": [
                    [monitor.effect, f"{monitor.value_of_effect} (95 % {monitor.interval}); immaterial below {monitor.floor}"],
                    ["statistic", f"{monitor.value}, an alarm from {monitor.threshold} on: {monitor.statistic}"],
                    ["events", f"{monitor.n_current} current, {monitor.n_reference} reference"],
                ],
                "bars": monitor.bars,
                "fault": monitor.fault,
                **words.get(monitor.name, {"changed": "", "surely": [], "ruled_out": []}),
            }
            for monitor in alert.monitors
        ],
        "more_monitors": f"{alert.more_monitors} weaker monitors of this alert are left out here." if alert.more_monitors else "",
        "figures": _proof(explanation),
    }


def _proof(explanation: Explanation) -> Sections:
    """Whether the figures of an alert are what they come to when they are computed again, and those that are not."""
    figures, wrong, reservations = explanation.figures, explanation.wrong, explanation.reservations
    if not figures:
        told = "No figure of it was computed again here; 'driftwarden alerts explain' does so."
    elif wrong:
        told = f"{len(wrong)} of {len(figures)} figures could not be reproduced from what the alert carries:"
    else:
        told = f"{'' if reservations else 'All '}{len(figures) - len(explanation.undefined)} figures were computed again from what the alert carries, and are as stated."
    if figures:
        told = " ".join((told, *(f"{one}." for one in reservations)))
    return {
        "state": "wrong" if wrong else "right" if figures else "open",
        "told": told,
        "heads": ["monitor", "figure", "stated", "recomputed"],
        "wrong": [[figure.monitor, figure.name, _exactly(figure.stated), _exactly(figure.recomputed)] for figure in wrong],
    }


def _exactly(value: float | None) -> str:
    """Six significant digits, all of a whole number such as a time; two figures that differ look different."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def _told(sentences: Sequence[str], clock: Clock) -> list[str]:
    return [clock.told(sentence) for sentence in sentences]


def version_line(version: VersionView) -> Sections:
    """A version in a list."""
    return {
        "version": version.version,
        "status": version.status,
        "said": version.said,
        "serving": version.serving,
        "made": version.made_told,
        "at": version.at_told,
        "by": version.by,
        "parent": version.parent,
        "cause": version.cause,
        "cause_is_alert": version.cause_is_alert,
        "evidence": version.evidence,
        "rows": version.rows,
        "details": version.details,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
