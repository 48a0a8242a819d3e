"""The life of alerts: alarms of monitors open an alert, join it, and resolve it.

One alert for one change: while an alert of a kind is open, further alarms of that kind update it. It is resolved when the change of every one of
its monitors was surely gone, see `Detector.gone`, for `resolve_after`; never because a scan was begun anew, nor because there is too little
data. A monitor that no longer exists (of a version that was replaced), or has had nothing to judge by for `SILENCE`, leaves its alert, and the last
one to leave resolves it. For the `cooldown` after that, an alarm whose change may have begun before the resolution is of the same change, and
opens the alert again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from detectors.alert import Alert
from detectors.duration import format_duration, parse_duration
from detectors.rfc3339 import format_time
from detectors.specification import MonitorSpecification
from detectors.verdict import AlertKind, Evidence

SILENCE = parse_duration("7d")  # so that a model that rests at weekends keeps its alerts; longer where labels may take longer


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A monitor that came into alarm on a pane."""

    kind: AlertKind
    change_at: int
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What a pane says of a monitor whose alert is open."""

    known: bool  # whether there was something to judge by
    gone: bool  # whether the change is surely over


@dataclass(kw_only=True)
class _Watch:
    """How long a monitor of an open alert has been well, or silent; ends of panes."""

    heard: int
    gone_since: int | None = None

    def hear(self, at: int, resolution: Resolution) -> None:
        if resolution.known:
            self.heard = at
            self.gone_since = None if not resolution.gone else at if self.gone_since is None else self.gone_since


class Lifecycle:
    """Open alerts of one model."""

    def __init__(self, specification: MonitorSpecification) -> None:
        self._specification = specification
        self._open: dict[str, Alert] = {}
        self._resolved_lately: dict[str, Alert] = {}
        self._watched: dict[str, dict[str, _Watch]] = {}  # by kind and monitor, of the open alerts
        self._silence = max(SILENCE, specification.labels.timeout)

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
        resolutions : by monitor, for those that open alerts hold, see `held`.
        happened : what else happened about that time, a sentence each.

        Returns
        -------
        New alert records, and the names of the monitors whose alert was resolved.
        """
        records: list[Alert] = []
        well: list[str] = []
        for watched in self._watched.values():
            for name in watched.keys() & resolutions.keys():
                watched[name].hear(at, resolutions[name])
        for kind in sorted({alarm.kind for alarm in alarms} | set(self._open)):
            new = [alarm for alarm in alarms if alarm.kind == kind]
            if kind not in self._open and self._is_of_the_last_change(kind, at, new):
                self._open[kind] = self._resolved_lately.pop(kind)
                records.append(self._updated(kind, at, new))
            elif kind not in self._open:
                records.append(self._opened(kind, at, version, new, happened))
            elif new:
                records.append(self._updated(kind, at, new))
            elif all(name in resolutions and resolutions[name].known and self._is_over(watch, at) for name, watch in self._watched[kind].items()):
                records.append(self._resolved(kind, at))
                well += [monitor.name for monitor in records[-1].monitors]
        return records, well

    def _is_of_the_last_change(self, kind: str, at: int, alarms: Sequence[Alarm]) -> bool:
        last = self._resolved_lately.get(kind)
        return last is not None and at - last.updated_at <= self._specification.alerts.cooldown and min(self._earliest(alarm, at) for alarm in alarms) <= last.updated_at

    def _earliest(self, alarm: Alarm, at: int) -> int:
        """When the change may have begun: the history is known in buckets, of up to half the age of the window behind them."""
        return alarm.change_at - max(self._specification.pane, (at - alarm.change_at) // 2)

    def _is_over(self, watch: _Watch, at: int) -> bool:
        return watch.gone_since is not None and at - watch.gone_since >= self._specification.alerts.resolve_after

    def held(self, kind: AlertKind) -> Collection[str]:
        """Names of the monitors that the open alert of a kind holds."""
        return self._watched.get(kind, {}).keys()

    def knows(self, kind: AlertKind, name: str) -> bool:
        """Whether a monitor's evidence is in the open alert of its kind already; then nothing new is asked of it."""
        return name in self.held(kind)

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
                self._watched[kind] = {name: watch for name, watch in self._watched[kind].items() if name not in names}
        return records

    def give_up(self, until: int) -> tuple[list[Alert], dict[str, int]]:
        """Take the monitors out of the open alerts that had nothing to judge by for `SILENCE`, or the label timeout where that is longer.

        Returns
        -------
        The alerts of which nothing was left, resolved; and when each monitor was given up.
        """
        given_up = {name: end for name, end in self._ends() if end <= until}
        cause = f"there was nothing to judge by for {format_duration(self._silence)}"
        records = [record for end in sorted(set(given_up.values())) for record in self.drop([name for name in given_up if given_up[name] == end], end, cause)]
        return records, given_up

    def gives_up(self, until: int) -> bool:
        """Whether `give_up` would take a monitor out."""
        return any(end <= until for _, end in self._ends())

    def _ends(self) -> Iterator[tuple[str, int]]:
        """Each monitor of an open alert, and when it is given up unless it is heard of."""
        return ((name, watch.heard + self._silence) for watched in self._watched.values() for name, watch in watched.items())

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
            summary=summary_of(specification.model, monitors, change_at),
            monitors=monitors,
            budget=str(specification.false_alarms),
            events_per_pane=specification.events_per_pane,
            causes=tuple(happened),
        )
        self._open[kind] = alert
        self._watched[kind] = {monitor.name: _Watch(heard=at) for monitor in monitors}
        return alert

    def _updated(self, kind: str, at: int, alarms: list[Alarm]) -> Alert:
        before = self._open[kind]
        renewed = {alarm.evidence.name for alarm in alarms}
        kept = (monitor for monitor in before.monitors if monitor.name not in renewed)
        monitors = (*kept, *(alarm.evidence for alarm in sorted(alarms, key=_strongest)))
        summary = summary_of(before.model, monitors, before.change_at)
        alert = msgspec.structs.replace(before, sequence=before.sequence + 1, status="updated", updated_at=at, monitors=monitors, summary=summary)
        self._open[kind] = alert
        watched = self._watched.get(kind, {})
        self._watched[kind] = {monitor.name: watched.get(monitor.name) or _Watch(heard=at) for monitor in monitors}
        return alert

    def _resolved(self, kind: str, at: int, cause: str = "") -> Alert:
        before = self._open.pop(kind)
        self._watched.pop(kind)
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
        alerts = [msgspec.to_builtins(alert, enc_hook=_plain) for alert in (*self._open.values(), *self._resolved_lately.values())]
        watched = {kind: {name: [watch.heard, watch.gone_since] for name, watch in of_kind.items()} for kind, of_kind in self._watched.items()}
        return {"alerts": alerts, "watched": watched}

    def restore(self, state: Any) -> None:
        """Take saved state."""
        alerts = [msgspec.convert(plain, Alert) for plain in state["alerts"]]
        self._watched = {kind: {name: _Watch(heard=heard, gone_since=gone_since) for name, (heard, gone_since) in of_kind.items()} for kind, of_kind in state["watched"].items()}
        self._open = {alert.kind: alert for alert in alerts if alert.status != "resolved"}
        self._resolved_lately = {alert.kind: alert for alert in alerts if alert.status == "resolved"}


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, which evidence may hold, as Python's own."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"evidence holds a {type(value).__name__}, expected numbers, text, lists and dicts")


def _strongest(alarm: Alarm) -> tuple[float, str]:
    return -alarm.evidence.value / alarm.evidence.threshold, alarm.evidence.name


def summary_of(model: str, monitors: Sequence[Evidence], change_at: int) -> str:
    """One sentence that names the strongest change, how sure it is, and when it began."""
    first = monitors[0]
    low, high = first.effect.interval
    change = "became constant" if first.effect.value == -math.inf else f"changed by {first.effect.value:+.3g}"  # a ratio of deviations of which one is 0
    interval = "" if math.isinf(low) else f"; 95 % {low:+.3g} to {high:+.3g}"
    others = f", and {len(monitors) - 1} more" if len(monitors) > 1 else ""
    return (
        f"{model}: {first.name} {change} ({first.effect.name}{interval}, floor {first.effect.floor:.3g}, "
        f"n {first.n_current:,.0f} against {first.n_reference:,.0f}){others}, since about {format_time(change_at)}"
    )
