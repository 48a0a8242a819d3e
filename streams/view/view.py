"""What a report shows, as a pure function of records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import Explanation, explain
from detectors.point import Point
from detectors.specification import MonitorSpecification
from detectors.verdict import Effect, Status
from retrainer.decision import Decision
from retrainer.lineage import Lineage, lineage
from retrainer.versions import Version
from streams.view.curves import (
    Curve,
    Heat,
    column_name,
    drift_heat,
    estimate_curves,
    floors_of,
    latest,
    performance_curves,
    quality_curves,
    service_curves,
    shortest_window,
    traffic_curves,
)
from streams.view.evidence import AlertView, alert_views
from streams.view.judgement import Judgement, judgement
from streams.view.lineage import VersionView, version_views
from streams.view.wording import Clock, number
from streams.whole_file import MEANINGS

MOST_RECOMPUTED = 50  # alerts of a report, which takes some seconds; a long history may have hundreds


@dataclass(frozen=True, kw_only=True)
class WholeFile:
    """What a check says of a monitor over a whole file: shown in place of its last look. ``effect`` is None where nothing was seen."""

    state: str
    effect: Effect | None


@dataclass(frozen=True, kw_only=True)
class ColumnView:
    """The last word on one watched column, in words; ``interval`` is "" where only the last look is known."""

    name: str
    state: str
    alarmed: bool
    effect: str
    interval: str
    floor: str
    psi: str
    psi_by_chance: str
    jensen_shannon: str
    jensen_shannon_by_chance: str
    n: str


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """Everything on the page; free of any drawing.

    ``estimate`` is performance without labels, in the state ``estimate_state``; ``explanations`` are of ``alerts``, in their order; ``lineage`` is None without a version.
    ``left_out_rates`` counts quality rates that are not drawn, as they were 0 or smaller. ``meanings`` explains states of columns. ``scoreboard`` is a table: a header and rows.
    """

    title: str
    model: str
    task: str
    clock: Clock
    judgement: Judgement
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    performance: tuple[Curve, ...]
    estimate: tuple[Curve, ...]
    estimate_state: str
    traffic: tuple[Curve, ...]
    latency: tuple[Curve, ...]
    failed: tuple[Curve, ...]
    heat: Heat | None
    columns: tuple[ColumnView, ...]
    meanings: tuple[tuple[str, str], ...]
    quality: tuple[Curve, ...]
    left_out_rates: int
    alerts: tuple[AlertView, ...]
    explanations: tuple[Explanation, ...]
    versions: tuple[VersionView, ...]
    lineage: Lineage | None
    scoreboard: tuple[tuple[str, ...], ...]


def view_of(
    *,
    specification: MonitorSpecification,
    points: Sequence[Point],
    alerts: Sequence[Alert],
    versions: Sequence[Version] = (),
    decisions: Sequence[Decision] = (),
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    scoreboard: Sequence[Mapping[str, str]] = (),
    event_times: bool = True,
    whole_file: Mapping[str, WholeFile] = MappingProxyType({}),
) -> ReportView:
    """Make the view of one model.

    Parameters
    ----------
    specification : of the model; records of other models are left out.
    points, alerts, versions : in any order, repeats allowed, as read from the topics or given by a replay.
    decisions : of the retrainer; of them the view tells which versions wait for a person.
    title : of the page.
    facts : name and text, shown as a table under the verdict, after what the records say themselves.
    notes : sentences that the reader should know.
    scoreboard : rows of one table; columns are in the order in which they first occur.
    event_times : False where times are row numbers in seconds since epoch 0, as in a table without a time column.
    whole_file : a check's findings by monitor; empty for a stream, which has no whole.
    """
    model, clock = specification.model, Clock(event_times=event_times)
    mine = latest(points, model)
    told = [version for version in versions if version.model == model]
    records = [record for record in alerts if record.model == model]
    asked = [decision for decision in decisions if decision.model == model and decision.instruction == "AskApproval"]
    alert_rows = alert_views(records, told, clock, asked)
    causes = {alert.alert_id: {"summary": alert.summary, "opened": alert.opened_told} for alert in alert_rows}
    latency, failed = service_curves(mine)
    performance = performance_curves(mine, specification.task)
    rates, left_out = quality_curves(mine)
    moved = [column_name(name) for name, whole in whole_file.items() if whole.state in MEANINGS]
    return ReportView(
        title=title,
        model=model,
        task=specification.task,
        clock=clock,
        judgement=judgement(model, alert_rows, mine, performance, str(specification.false_alarms), clock, moved),
        facts=(*_facts(specification, mine, alert_rows, clock), *facts),
        notes=tuple(notes),
        performance=performance,
        estimate=estimate_curves(mine),
        estimate_state=next((str(point.fields.get("state", "")) for point in reversed(mine) if point.measurement == "estimate"), ""),
        traffic=traffic_curves(mine, specification.pane),
        latency=latency,
        failed=failed,
        heat=drift_heat(mine, specification),
        columns=_columns(mine, specification, whole_file),
        meanings=tuple((state, meaning) for state, meaning in MEANINGS.items() if any(whole.state == state for whole in whole_file.values())),
        quality=rates,
        left_out_rates=left_out,
        alerts=alert_rows,
        explanations=explanations(records, alert_rows),
        versions=version_views(told, set(causes), clock, asked),
        lineage=lineage(told, causes=causes.items(), decisions=asked) if told else None,
        scoreboard=_table(scoreboard),
    )


def explanations(records: Sequence[Alert], alerts: Sequence[AlertView]) -> tuple[Explanation, ...]:
    """Alerts in words, in the order of their views; each is told of the others of the same change. Figures of the newest `MOST_RECOMPUTED` are computed again."""
    lives: dict[str, list[Alert]] = {}
    for record in records:
        lives.setdefault(record.alert_id, []).append(record)
    incidents: dict[str, list[Alert]] = {}
    for record in records:
        if record.incident:
            incidents.setdefault(record.incident, []).append(record)
    first = len(alerts) - MOST_RECOMPUTED
    return tuple(explain(life := lives[alert.alert_id], incidents.get(life[-1].incident, ()), recomputed=place >= first) for place, alert in enumerate(alerts))


def _facts(specification: MonitorSpecification, points: Sequence[Point], alerts: Sequence[AlertView], clock: Clock) -> list[tuple[str, str]]:
    traffic = [point for point in points if point.measurement == "traffic"]
    facts = [("model", specification.model), ("task", specification.task)]
    if traffic:
        end = max(point.time for point in traffic) + specification.pane
        facts.append(("event time", f"{clock.moment(traffic[0].time)} to {clock.moment(end)}"))
        facts += [(name, number(_total(traffic, name))) for name in ("predictions", "labels")]
        troubles = {name.replace("_", " "): _total(traffic, name) for name in ("failed", "late", "duplicates", "corrections", "late_labels")}
        facts.append(("failed, late, repeated", ", ".join(f"{number(count)} {name}" for name, count in troubles.items() if count) or "none"))
    resolved = sum(alert.until is not None for alert in alerts)
    facts.append(("alerts", f"{len(alerts)} ({resolved} resolved)" if alerts else "none"))
    facts.append(("false-alarm budget", str(specification.false_alarms)))
    return facts


def _total(points: Sequence[Point], field: str) -> float:
    return sum(float(value) for point in points if isinstance(value := point.fields.get(field, 0), int | float))


def _columns(points: Sequence[Point], specification: MonitorSpecification, whole_file: Mapping[str, WholeFile]) -> tuple[ColumnView, ...]:
    window = shortest_window([point for point in points if point.measurement == "drift"])
    distances = {point.tags.get("feature", ""): point for point in points if point.measurement == "drift" and point.tags.get("window", "") == window}
    monitors = {point.tags.get("monitor", ""): point for point in points if point.measurement == "monitor"}
    watched = [name for name in monitors if name.startswith("feature:") or name == "prediction"]
    names = list(dict.fromkeys([*distances, *(column_name(name) for name in watched)]))
    floors = floors_of(specification)
    rows = []
    for name in names:
        distance = distances[name].fields if name in distances else {}
        known = name if name == "prediction" or name.startswith("feature:") else f"feature:{name}"
        monitor = monitors[known].fields if known in monitors else {}
        row = ColumnView(
            name=name,
            state=str(monitor.get("state", "not watched")),
            alarmed=monitor.get("status") == Status.DRIFT,
            effect=number(monitor.get("effect"), signed=True),
            interval="",
            floor=number(floors.get(known)),
            psi=number(distance.get("psi")),
            psi_by_chance=number(distance.get("psi_by_chance")),
            jensen_shannon=number(distance.get("jensen_shannon")),
            jensen_shannon_by_chance=number(distance.get("jensen_shannon_by_chance")),
            n=number(distance.get("n")),
        )
        rows.append(_over_the_file(row, whole_file[known]) if known in whole_file else row)
    return tuple(sorted(rows, key=lambda row: (not row.alarmed, row.state not in MEANINGS)))


def _over_the_file(row: ColumnView, whole: WholeFile) -> ColumnView:
    effect = whole.effect
    if effect is None:
        return replace(row, state=whole.state)
    low, high = effect.interval
    interval = "" if math.isnan(low) else f"{number(low, signed=True)} to {number(high, signed=True)}"
    return replace(row, state=whole.state, effect=f"{number(effect.value, signed=True)} {effect.name}", interval=interval, floor=number(effect.floor))


def _table(rows: Sequence[Mapping[str, str]]) -> tuple[tuple[str, ...], ...]:
    header = tuple(dict.fromkeys(name for row in rows for name in row))
    return (header, *(tuple(row.get(name, "") for name in header) for row in rows)) if rows else ()
