"""The life of alerts: alarms of monitors open an alert, join it, and resolve it.

One alert for one change: while an alert of a kind is open, further alarms of that kind update it. It is resolved when the effect of every one of
its monitors, against the declared reference, stayed below half its floor for `resolve_after`; never because a scan was begun anew. A monitor
that no longer exists (of a version that was replaced) leaves its alert, and the last one to leave resolves it. For the
`cooldown` after that, an alarm whose change began before the resolution is of the same change, and opens the alert again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from detectors.alert import Alert
from detectors.rfc3339 import format_time
from detectors.specification import MonitorSpecification
from detectors.verdict import AlertKind, Evidence


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A monitor that came into alarm on a pane."""

    kind: AlertKind
    change_at: int
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How far a monitor is from being well again."""

    recent_effect: float  # nan with too little data
    floor: float

    @property
    def well(self) -> bool:
        """Whether the recent effect is below half the floor."""
        return bool(np.abs(self.recent_effect) < self.floor / 2)


class Lifecycle:
    """Open alerts of one model."""

    def __init__(self, specification: MonitorSpecification) -> None:
        self._specification = specification
        self._open: dict[str, Alert] = {}
        self._resolved_lately: dict[str, Alert] = {}

    @property
    def idle(self) -> bool:
        """Whether no alert is open: then a pane without an alarm changes nothing."""
        return not self._open

    def step(self, at: int, version: str, alarms: Sequence[Alarm], resolutions: Mapping[str, Resolution], happened: Sequence[str] = ()) -> tuple[list[Alert], list[str]]:
        """Take the alarms of a closed pane.

        Parameters
        ----------
        at : the pane's end.
        version : the model version in service.
        alarms : monitors in alarm that no open alert holds yet, see `knows`.
        resolutions : by monitor, for all monitors.
        happened : what else happened about that time, a sentence each.

        Returns
        -------
        New alert records, and the names of the monitors whose alert was resolved.
        """
        records: list[Alert] = []
        well: list[str] = []
        for kind in sorted({alarm.kind for alarm in alarms} | set(self._open)):
            new = [alarm for alarm in alarms if alarm.kind == kind]
            if kind not in self._open and self._is_of_the_last_change(kind, at, new):
                self._open[kind] = self._resolved_lately.pop(kind)
                records.append(self._updated(kind, at, new))
            elif kind not in self._open:
                records.append(self._opened(kind, at, version, new, happened))
            elif new:
                records.append(self._updated(kind, at, new))
            elif all(monitor.name in resolutions and resolutions[monitor.name].well for monitor in self._open[kind].monitors):
                records.append(self._resolved(kind, at))
                well += [monitor.name for monitor in records[-1].monitors]
        return records, well

    def _is_of_the_last_change(self, kind: str, at: int, alarms: Sequence[Alarm]) -> bool:
        last = self._resolved_lately.get(kind)
        return last is not None and at - last.updated_at <= self._specification.alerts.cooldown and min(alarm.change_at for alarm in alarms) < last.updated_at

    def knows(self, kind: AlertKind, name: str) -> bool:
        """Whether a monitor's evidence is in the open alert of its kind already; then nothing new is asked of it."""
        return kind in self._open and any(monitor.name == name for monitor in self._open[kind].monitors)

    def close(self, at: int, cause: str) -> list[Alert]:
        """Resolve whatever is open: the specification that it was raised under is no longer in force."""
        return [self._resolved(kind, max(at, self._open[kind].updated_at), cause) for kind in sorted(self._open)]

    def drop(self, names: Collection[str], at: int, cause: str) -> list[Alert]:
        """Take monitors that no longer exist out of the open alerts; one of which nothing is left is resolved."""
        records = []
        for kind in sorted(self._open):
            alert = self._open[kind]
            left = tuple(monitor for monitor in alert.monitors if monitor.name not in names)
            if not left:
                records.append(self._resolved(kind, at, cause))
            elif len(left) < len(alert.monitors):
                self._open[kind] = msgspec.structs.replace(alert, monitors=left)
        return records

    def _opened(self, kind: str, at: int, version: str, alarms: list[Alarm], happened: Sequence[str]) -> Alert:
        specification = self._specification
        change_at = min(alarm.change_at for alarm in alarms)
        monitors = tuple(alarm.evidence for alarm in sorted(alarms, key=_strongest))
        name = f"{specification.model}\0{specification.digest}\0{kind}\0{at}"
        alert = Alert(
            alert_id=hashlib.sha256(name.encode()).hexdigest()[:16],
            sequence=0,
            status="opened",
            kind=alarms[0].kind,
            severity=specification.alerts.severity.get(kind, "warning"),
            model=specification.model,
            model_version=version,
            segment="",
            opened_at=at,
            updated_at=at,
            change_at=change_at,
            summary=_sentence(specification.model, monitors, change_at),
            monitors=monitors,
            budget=str(specification.false_alarms),
            causes=tuple(happened),
        )
        self._open[kind] = alert
        return alert

    def _updated(self, kind: str, at: int, alarms: list[Alarm]) -> Alert:
        before = self._open[kind]
        renewed = {alarm.evidence.name for alarm in alarms}
        kept = (monitor for monitor in before.monitors if monitor.name not in renewed)
        monitors = (*kept, *(alarm.evidence for alarm in sorted(alarms, key=_strongest)))
        summary = _sentence(before.model, monitors, before.change_at)
        alert = msgspec.structs.replace(before, sequence=before.sequence + 1, status="updated", updated_at=at, monitors=monitors, summary=summary)
        self._open[kind] = alert
        return alert

    def _resolved(self, kind: str, at: int, cause: str = "") -> Alert:
        before = self._open.pop(kind)
        verb = "are" if len(before.monitors) > 1 else "is"
        how = f"no longer judged, as {cause}" if cause else "back at the reference"
        names = ", ".join(monitor.name for monitor in before.monitors[:3])
        summary = f"{before.model}: {names} {verb} {how}, {format_time(before.opened_at)} to {format_time(at)}"
        causes = (*before.causes, cause) if cause else before.causes
        alert = msgspec.structs.replace(before, sequence=before.sequence + 1, status="resolved", updated_at=at, summary=summary, causes=causes)
        self._resolved_lately[kind] = alert
        return alert

    def state(self) -> Any:
        """What to save."""
        return [msgspec.to_builtins(alert, enc_hook=_plain) for alert in (*self._open.values(), *self._resolved_lately.values())]

    def restore(self, state: Any) -> None:
        """Take saved state."""
        alerts = [msgspec.convert(plain, Alert) for plain in state]
        self._open = {alert.kind: alert for alert in alerts if alert.status != "resolved"}
        self._resolved_lately = {alert.kind: alert for alert in alerts if alert.status == "resolved"}


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, which evidence may hold, as Python's own."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"evidence holds a {type(value).__name__}, expected numbers, text, lists and dicts")


def _strongest(alarm: Alarm) -> tuple[float, str]:
    return -alarm.evidence.value / alarm.evidence.threshold, alarm.evidence.name


def _sentence(model: str, monitors: Sequence[Evidence], change_at: int) -> str:
    """One sentence that names the strongest change, how sure it is, and when it began."""
    first = monitors[0]
    low, high = first.effect.interval
    others = f", and {len(monitors) - 1} more" if len(monitors) > 1 else ""
    return (
        f"{model}: {first.name} changed by {first.effect.value:+.3g} ({first.effect.name}; 95 % {low:+.3g} to {high:+.3g}, floor {first.effect.floor:.3g}, "
        f"n {first.n_current:,.0f} against {first.n_reference:,.0f}){others}, since about {format_time(change_at)}"
    )
