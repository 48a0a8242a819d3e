"""A notice: one record of an alert, of a version, or of a decision that asks for a person, as people and programs are told of it.

Evidence becomes words and figures here, once: what waits for a receiver, and what is remembered of open alerts, holds no bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from detectors.alerts.alert import Acknowledged, Alert
from detectors.alerts.evidence_words import how_surely, what_changed
from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time
from detectors.verdict import Evidence
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.notify.settings import NoticeKind, NoticeSeverity
from streams.view.gate_words import gate_in_words
from streams.view.wording import as_argument

SHOWN_MONITORS = 5
"""Of an alert with many monitors the strongest are told one by one; all are in `driftwarden alerts explain`."""

Status = Literal["opened", "opened again", "updated", "resolved", "promoted", "rolled back", "canary", "withdrawn", "waits for approval"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one monitor found: in words, and in figures.

    Attributes
    ----------
    changed : what it saw before the change and since.
    surely : sentences with the effect, its 95 % interval, the numbers of events, and how often chance would say the same.
    value, threshold : of the statistic.
    effect, interval, floor : how large the change is, at 95 %, and what is tolerated; None where that is not defined.
    """

    monitor: str
    changed: str
    surely: tuple[str, ...]
    statistic: str
    value: float | None
    threshold: float | None
    effect_name: str
    effect: float | None
    interval: tuple[float | None, float | None]
    floor: float | None
    n_reference: float | None
    n_current: float | None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader can do, as a command to paste."""

    label: str
    command: str


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """What an open alert was called before, until a record at an event time (epoch milliseconds) said otherwise."""

    kind: NoticeKind
    severity: NoticeSeverity
    owner: str
    until: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One record, told.

    Attributes
    ----------
    name : the same whenever the record is read.
    alert_id, sequence : of an alert's record; "" and 0 of all others.
    incident : what notices of the same change share.
    at, opened_at, change_at : event times, epoch milliseconds; `NO_TIME` where there is none.
    open_beside : other alerts of the incident that are open after this record.
    formerly : what the alert was called earlier in its life, and is not now.
    """

    name: str
    status: Status
    kind: NoticeKind
    severity: NoticeSeverity
    model: str
    version: str
    owner: str
    summary: str
    at: int
    alert_id: str = ""
    sequence: int = 0
    incident: str = ""
    opened_at: int = NO_TIME
    change_at: int = NO_TIME
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    budget: str = ""
    causes: tuple[str, ...] = ()
    acknowledged: Acknowledged | None = None
    by: str = ""
    actions: tuple[Action, ...] = ()
    link: str = ""
    open_beside: int = 0
    formerly: tuple[Former, ...] = ()

    @property
    def since(self) -> str:
        """When the change began, in words."""
        return "" if self.change_at == NO_TIME else format_time(self.change_at)

    @property
    def time(self) -> str:
        """Event time of the record, RFC 3339."""
        return format_time(self.at)


def alert_notice(alert: Alert, *, owner: str = "", page_address: str | None = None) -> Notice:
    """The notice of an alert's record; whether an update opens it again is known by those who have read the records before, see `OpenAlerts`."""
    actions = [Action(label="explain", command=f"driftwarden alerts explain {alert.alert_id}")]
    if alert.status != "resolved":
        actions.append(Action(label="acknowledge, if the change is meant to stay", command=f"driftwarden alerts acknowledge {alert.alert_id} --by NAME"))
        if alert.kind == "performance" and alert.model_version:
            actions.append(Action(label="roll the model back", command=_roll_back(alert.model, alert.model_version)))
    return Notice(
        name=f"alert {alert.alert_id} {alert.sequence}",
        status=alert.status,
        kind=alert.kind,
        severity=alert.severity,
        model=alert.model,
        version=alert.model_version,
        owner=owner,
        summary=alert.summary,
        at=alert.updated_at,
        alert_id=alert.alert_id,
        sequence=alert.sequence,
        incident=alert.incident or alert.alert_id,
        opened_at=alert.opened_at,
        change_at=alert.change_at,
        findings=tuple(_finding(evidence, alert.budget) for evidence in alert.monitors[:SHOWN_MONITORS]),
        more_findings=max(0, len(alert.monitors) - SHOWN_MONITORS) + alert.more_monitors,
        budget=alert.budget,
        causes=alert.happened,
        acknowledged=alert.acknowledged,
        actions=tuple(actions),
        link=_link(page_address, "alert", model=alert.model, id=alert.alert_id),
    )


def version_notice(version: Version, *, was_canary: bool = False, owner: str = "", page_address: str | None = None) -> Notice | None:
    """The notice of a promotion, a rollback, or of a canary that begins or is taken back; None for what else is recorded of versions.

    Parameters
    ----------
    was_canary : whether this version served a share of the events until this record, see `Canaries`.
    """
    happened = _what_happened(version, was_canary=was_canary)
    if happened is None:
        return None
    status, kind, severity, told = happened
    name = f"{version.model}@{version.version}"
    actions = [Action(label="lineage", command=f"driftwarden models lineage {as_argument(name)}")]
    if status in {"promoted", "canary"}:
        actions.append(Action(label="roll it back", command=_roll_back(version.model, version.version)))
    evidence = gate_in_words(version)
    return Notice(
        name=f"version {version.model} {version.version} {version.revision} {version.status} {version.at}",
        status=status,
        kind=kind,
        severity=severity,
        model=version.model,
        version=version.version,
        owner=owner,
        summary=f"{version.model}: version {version.version} {told}, by {version.by}" + (f" ({evidence})" if evidence else ""),
        at=version.at,
        incident=_incident(version.model, version.version),
        causes=(f"cause: {version.cause}",) if version.cause else (),
        by=version.by,
        actions=tuple(actions),
        link=_link(page_address, "model", name=version.model),
    )


def approval_notice(decision: Decision, *, owner: str = "", page_address: str | None = None) -> Notice | None:
    """The notice of a challenger that passed the gate and waits for a person's word; None for all other decisions."""
    if decision.instruction != "AskApproval":
        return None
    name = as_argument(f"{decision.model}@{decision.version}")
    return Notice(
        name=f"decision {decision.decision_id}",
        status="waits for approval",
        kind="approval",
        severity="info",
        model=decision.model,
        version=decision.version,
        owner=owner,
        summary=f"{decision.model}: version {decision.version} waits for a person: {decision.reason}",
        at=decision.at,
        incident=_incident(decision.model, decision.version),
        causes=(f"cause: {decision.cause}",) if decision.cause else (),
        actions=(
            Action(label="promote it", command=f"driftwarden models promote --by NAME {name}"),
            Action(label="reject it", command=f"driftwarden models reject --by NAME {name}"),
            Action(label="lineage", command=f"driftwarden models lineage {name}"),
        ),
        link=_link(page_address, "model", name=decision.model),
    )


def _incident(model: str, version: str) -> str:
    """What is told of one version is one thread."""
    return f"version {model} {version}"


def _what_happened(version: Version, *, was_canary: bool) -> tuple[Status, NoticeKind, NoticeSeverity, str] | None:
    if version.status == "promoted":
        return "promoted", "promotion", "info", "serves now"
    if version.status == "canary":
        return "canary", "canary", "info", f"answers {version.share or 0:.3g} of the events now, beside the champion"
    if was_canary and version.status in {"rolled_back", "rejected"}:
        return "withdrawn", "canary", "warning", "was a canary and is taken back; the champion answers all events again"
    if version.status == "rolled_back":
        return "rolled back", "rollback", "warning", "was rolled back; the version before it serves again"
    return None


def _finding(evidence: Evidence, budget: str) -> Finding:
    effect = evidence.effect
    low, high = effect.interval
    return Finding(
        monitor=evidence.name,
        changed=what_changed(evidence),
        surely=tuple(_known(how_surely(evidence, budget), 5)),
        statistic=evidence.statistic,
        value=_finite(evidence.value),
        threshold=_finite(evidence.threshold),
        effect_name=effect.name,
        effect=_finite(effect.value),
        interval=(_finite(low), _finite(high)),
        floor=_finite(effect.floor),
        n_reference=_finite(evidence.n_reference),
        n_current=_finite(evidence.n_current),
    )


def _known(sentences: Iterable[str], most: int) -> list[str]:
    """The first sentences; those that the evidence of an earlier release does not bear are left out."""
    found: list[str] = []
    try:
        found.extend(islice(sentences, most))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return found
    return found


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _roll_back(model: str, version: str) -> str:
    return f"driftwarden models rollback --by NAME {as_argument(f'{model}@{version}')}"


def _link(page_address: str | None, page: str, **query: str) -> str:
    return "" if page_address is None else f"{page_address}/{page}?{urlencode(query, quote_via=quote)}"
