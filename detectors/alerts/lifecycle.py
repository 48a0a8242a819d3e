"""The life of alerts: alarms of monitors open an alert, join it, and resolve it.

One alert for one change: an alarm joins the open alert of its kind whose change may be its own (the two may have begun at the same time), and opens another
one otherwise. Alerts of other kinds that may be of the same change share its `incident`. An alert is resolved when the change of every one of its monitors
was surely gone, see `Detector.gone`, for `resolve_after`, or when somebody acknowledges it; never because a scan was begun anew, nor because there is too little
data. A monitor that no longer exists (of a version that was replaced), or has had nothing to judge by for `SILENCE`, leaves its alert, and the last
one to leave resolves it. For the `cooldown` after that, an alarm whose change may have begun before the resolution is of the same change, and
opens the alert again; not so after an acknowledgement, which was of the change that it was of.

A label shift makes a model wrong more often, as its estimated error rate says before shares of classes are known to be the reason. That is one cause: an open alert of the estimate
alone becomes one of kind ``label shift`` then, and an estimate that alarms later joins it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from detectors.alerts.alert import Acknowledged, Alert
from detectors.alerts.alert_summary import summary_of
from detectors.alerts.slice_evidence import SliceEvidence
from detectors.duration import format_duration, parse_duration
from detectors.event_batch import NO_TIME
from detectors.monitors.silence import SILENT
from detectors.rfc3339 import format_time
from detectors.specification import MonitorSpecification
from detectors.verdict import AlertKind, Evidence

SILENCE = parse_duration("7d")  # so that a model that rests at weekends keeps its alerts; longer where labels may take longer


_EXPLAINED = frozenset({"estimated_error_rate"})
"""Monitors of kind ``performance`` that shares of classes explain: what they say follows from the outputs alone."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A monitor that came into alarm on a pane; its change began at ``change_at``, or ``earliest`` (that time where it is not known better)."""

    kind: AlertKind
    change_at: int
    evidence: Evidence
    earliest: int = NO_TIME


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
        self._open: dict[str, Alert] = {}  # by id
        self._resolved_lately: dict[str, Alert] = {}
        self._watched: dict[str, dict[str, _Watch]] = {}  # by id and monitor, of the open alerts
        self._silence = max(SILENCE, specification.labels.timeout)

    @property
    def idle(self) -> bool:
        """Whether no alert is open: then a pane without an alarm changes nothing."""
        return not self._open

    @property
    def open_severities(self) -> list[str]:
        """Severity of each alert that is open."""
        return [alert.severity for alert in self._open.values()]

    def step(
        self, at: int, version: str, alarms: Sequence[Alarm], resolutions: Mapping[str, Resolution], happened: Sequence[str] = (), slices: Sequence[SliceEvidence] = ()
    ) -> tuple[list[Alert], list[str]]:
        """Take the alarms of a closed pane.

        Parameters
        ----------
        at : the pane's end.
        version : the model version in service.
        alarms : monitors in alarm that no open alert holds yet, see `knows`.
        resolutions : by monitor, for those that open alerts hold, see `held`.
        happened : what else happened about that time, a sentence each.
        slices : in which performance became worse by more than elsewhere, for alerts of that.

        Returns
        -------
        New alert records, and the names of the monitors whose alert was resolved.
        """
        records: list[Alert] = []
        well: list[str] = []
        for watched in self._watched.values():
            for name in watched.keys() & resolutions.keys():
                watched[name].hear(at, resolutions[name])
        alarms = self._explained(at, alarms)
        for kind in sorted({alarm.kind for alarm in alarms} | {alert.kind for alert in self._open.values()}):
            of_kind = slices if kind == "performance" else ()
            joined = self._joined(kind, at, [alarm for alarm in alarms if alarm.kind == kind])
            for alert in self._of_kind(kind):
                mine = joined.pop(alert.alert_id, [])
                if mine:
                    records.append(self._updated(alert.alert_id, at, mine, happened, of_kind))
                elif self._is_gone(alert.alert_id, at, resolutions):
                    records.append(self._resolved(alert.alert_id, at))
                    well += [monitor.name for monitor in records[-1].monitors]
            for alert_id, mine in joined.items():
                if alert_id:
                    self._open[alert_id] = self._resolved_lately.pop(alert_id)
                    records.append(self._updated(alert_id, at, mine, happened, of_kind))
                else:
                    records.append(self._opened(at, version, mine, happened, of_kind))
        return records, well

    def _explained(self, at: int, alarms: Sequence[Alarm]) -> list[Alarm]:
        """The alarms, those that a label shift explains as ones of it; an open alert of nothing else that may be of the same change becomes one, too."""
        shifts = [alarm for alarm in alarms if alarm.kind == "label shift"]
        for alert in self._of_kind("performance"):
            if _EXPLAINED.issuperset(monitor.name for monitor in alert.monitors) and any(self._earliest(alarm, at) <= alert.updated_at for alarm in shifts):
                severity = self._specification.alerts.severity.get("label shift", "warning")
                self._open[alert.alert_id] = msgspec.structs.replace(alert, kind="label shift", severity=severity)
        known = [alert.updated_at for alert in self._of_kind("label shift")] + [at] * bool(shifts)
        return [replace(alarm, kind="label shift") if alarm.evidence.name in _EXPLAINED and any(self._earliest(alarm, at) <= told for told in known) else alarm for alarm in alarms]

    def _of_kind(self, kind: str) -> list[Alert]:
        """Open alerts of a kind, the oldest first."""
        return sorted((alert for alert in self._open.values() if alert.kind == kind), key=lambda alert: (alert.opened_at, alert.alert_id))

    def _joined(self, kind: str, at: int, alarms: Sequence[Alarm]) -> dict[str, list[Alarm]]:
        """Alarms of one kind by the alert whose change may be theirs: an open one, or one that was lately resolved; "" for a new one."""
        found: dict[str, list[Alarm]] = {}
        left = []
        for alarm in alarms:
            open_alerts = [alert for alert in self._of_kind(kind) if self._earliest(alarm, at) <= alert.updated_at]
            if open_alerts:
                found.setdefault(open_alerts[-1].alert_id, []).append(alarm)
            else:
                left.append(alarm)
        if left:
            again = self._lately(at, [alert for alert in self._resolved_lately.values() if alert.kind == kind], left)
            found[again[-1].alert_id if again else ""] = left  # all may have begun on this very pane, so they are of one change
        return found

    def _lately(self, at: int, alerts: Iterable[Alert], alarms: Sequence[Alarm]) -> list[Alert]:
        """Those that were resolved within the cooldown, after the change of an alarm may have begun."""
        earliest = min(self._earliest(alarm, at) for alarm in alarms)
        recent = [alert for alert in alerts if at - alert.updated_at <= self._specification.alerts.cooldown and earliest <= alert.updated_at]
        return sorted(recent, key=lambda alert: (alert.updated_at, alert.alert_id))

    def _earliest(self, alarm: Alarm, at: int) -> int:
        """When the change may have begun: the history is known in buckets, of up to half the age of the window behind them."""
        began = alarm.change_at if alarm.earliest == NO_TIME else alarm.earliest
        return began - max(self._specification.pane, (at - began) // 2)

    def _is_gone(self, alert_id: str, at: int, resolutions: Mapping[str, Resolution]) -> bool:
        watched = self._watched[alert_id]
        return all(name in resolutions and resolutions[name].known and self._is_over(watch, at) for name, watch in watched.items())

    def _is_over(self, watch: _Watch, at: int) -> bool:
        return watch.gone_since is not None and at - watch.gone_since >= self._specification.alerts.resolve_after

    def held(self, kind: AlertKind) -> set[str]:
        """Names of the monitors that open alerts of a kind hold; of those of performance also what a label shift explains."""
        found = {name for alert_id, alert in self._open.items() if alert.kind == kind for name in self._watched[alert_id]}
        return found if kind != "performance" else found | (_EXPLAINED & self.held("label shift"))

    def knows(self, kind: AlertKind, name: str) -> bool:
        """Whether a monitor's evidence is in an open alert of its kind already; then nothing new is asked of it."""
        return name in self.held(kind)

    def close(self, at: int, cause: str) -> list[Alert]:
        """Resolve whatever is open: the specification that it was raised under is no longer in force."""
        return [self._resolved(alert_id, max(at, self._open[alert_id].updated_at), cause) for alert_id in self._in_order()]

    def _in_order(self) -> list[str]:
        return sorted(self._open, key=lambda alert_id: (self._open[alert_id].kind, self._open[alert_id].opened_at, alert_id))

    def open_alert(self, alert_id: str) -> Alert | None:
        """The alert with an id, while it is open."""
        return self._open.get(alert_id)

    def acknowledge(self, alert_id: str, at: int, word: Acknowledged) -> Alert:
        """Resolve an open alert because somebody said that its change is meant to stay."""
        record = self._resolved(alert_id, max(at, self._open[alert_id].updated_at), acknowledged=word)
        del self._resolved_lately[alert_id]
        return record

    def drop(self, names: Collection[str], at: int, cause: str) -> list[Alert]:
        """Take monitors that no longer exist out of the open alerts; one of which nothing is left is resolved."""
        records = []
        for alert_id in self._in_order():
            alert = self._open[alert_id]
            left = tuple(monitor for monitor in alert.monitors if monitor.name not in names)
            if not left:
                records.append(self._resolved(alert_id, at, cause))
            elif len(left) < len(alert.monitors):
                self._open[alert_id] = msgspec.structs.replace(alert, monitors=left)
                self._watched[alert_id] = {name: watch for name, watch in self._watched[alert_id].items() if name not in names}
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
        return ((name, watch.heard + self._silence) for watched in self._watched.values() for name, watch in watched.items() if name != SILENT)  # which is judged by time itself

    def _opened(self, at: int, version: str, alarms: list[Alarm], happened: Sequence[str], slices: Sequence[SliceEvidence]) -> Alert:
        specification, kind = self._specification, alarms[0].kind
        change_at = min(alarm.change_at for alarm in alarms)
        monitors = _causes_first(kind, [alarm.evidence for alarm in sorted(alarms, key=_strongest)])
        name = f"{specification.model}\0{specification.digest}\0{kind}\0{at}"
        alert_id = hashlib.sha256(name.encode()).hexdigest()[:16]
        alert = Alert(
            alert_id=alert_id,
            sequence=0,
            status="opened",
            kind=kind,
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
            causes=_causes((), happened, monitors),
            incident=self._incident(at, alarms) or alert_id,
            slices=tuple(slices),
        )
        self._open[alert_id] = alert
        self._watched[alert_id] = {monitor.name: _Watch(heard=at) for monitor in monitors}
        return alert

    def _incident(self, at: int, alarms: Sequence[Alarm]) -> str:
        """Of the first alert, of whatever kind, whose change may be that of the alarms; "" for none."""
        earliest = min(self._earliest(alarm, at) for alarm in alarms)
        alike = [alert for alert in self._open.values() if earliest <= alert.updated_at] + self._lately(at, self._resolved_lately.values(), alarms)
        return min(alike, key=lambda alert: (alert.opened_at, alert.kind, alert.alert_id)).incident if alike else ""

    def _updated(self, alert_id: str, at: int, alarms: list[Alarm], happened: Sequence[str], slices: Sequence[SliceEvidence]) -> Alert:
        before = self._open[alert_id]
        renewed = {alarm.evidence.name for alarm in alarms}
        kept = (monitor for monitor in before.monitors if monitor.name not in renewed)
        monitors = _causes_first(before.kind, [*kept, *(alarm.evidence for alarm in sorted(alarms, key=_strongest))])
        summary = summary_of(before.model, monitors, before.change_at)
        causes = _causes(before.causes, happened, monitors)
        again = {"monitors": monitors, "summary": summary, "causes": causes, "slices": tuple(slices) or before.slices}
        alert = msgspec.structs.replace(before, sequence=before.sequence + 1, status="updated", updated_at=at, **again)
        self._open[alert_id] = alert
        watched = self._watched.get(alert_id, {})
        self._watched[alert_id] = {monitor.name: watched.get(monitor.name) or _Watch(heard=at) for monitor in monitors}
        return alert

    def _resolved(self, alert_id: str, at: int, cause: str = "", acknowledged: Acknowledged | None = None) -> Alert:
        before = self._open.pop(alert_id)
        self._watched.pop(alert_id)
        verb = "are" if len(before.monitors) > 1 else "is"
        how = f"{verb} no longer judged, as {cause}" if cause else f"{verb} back at the reference"
        if acknowledged is not None:
            how = f"{verb} meant to be so, says {acknowledged.by}" + (f" ({acknowledged.note})" if acknowledged.note else "")
        names = ", ".join(monitor.name for monitor in before.monitors[:3])
        summary = f"{before.model}: {names} {how}, {format_time(before.opened_at)} to {format_time(at)}"
        causes = (*before.causes, cause) if cause else before.causes
        alert = msgspec.structs.replace(before, sequence=before.sequence + 1, status="resolved", updated_at=at, summary=summary, causes=causes, acknowledged=acknowledged)
        kept = {name: one for name, one in self._resolved_lately.items() if at - one.updated_at <= self._specification.alerts.cooldown}
        self._resolved_lately = kept | {alert_id: alert}
        return alert

    def state(self) -> Any:
        """What to save."""
        alerts = [msgspec.to_builtins(alert, enc_hook=_plain) for alert in (*self._open.values(), *self._resolved_lately.values())]
        watched = {alert_id: {name: [watch.heard, watch.gone_since] for name, watch in mine.items()} for alert_id, mine in self._watched.items()}
        return {"alerts": alerts, "watched": watched}

    def restore(self, state: Any) -> None:
        """Take saved state."""
        alerts = [msgspec.convert(plain, Alert) for plain in state["alerts"]]
        self._watched = {alert_id: {name: _Watch(heard=heard, gone_since=gone_since) for name, (heard, gone_since) in mine.items()} for alert_id, mine in state["watched"].items()}
        self._open = {alert.alert_id: alert for alert in alerts if alert.status != "resolved"}
        self._resolved_lately = {alert.alert_id: alert for alert in alerts if alert.status == "resolved"}


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, which evidence may hold, as Python's own."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"evidence holds a {type(value).__name__}, expected numbers, text, lists and dicts")


def _causes(before: Sequence[str], happened: Sequence[str], monitors: Sequence[Evidence]) -> tuple[str, ...]:
    """What is told now, then what was told before of anything else; not of the alert's own monitors, whose evidence it carries."""
    told = {sentence.partition(": ")[0]: sentence for sentence in (*happened, *before)}
    told |= {sentence.partition(": ")[0]: sentence for sentence in happened}
    return tuple(sentence for name, sentence in told.items() if name not in {monitor.name for monitor in monitors})


def _causes_first(kind: AlertKind, monitors: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """What a label shift explains stands behind it."""
    return tuple(sorted(monitors, key=lambda monitor: kind == "label shift" and monitor.name in _EXPLAINED))


def _strongest(alarm: Alarm) -> tuple[float, str]:
    return -alarm.evidence.value / alarm.evidence.threshold, alarm.evidence.name
