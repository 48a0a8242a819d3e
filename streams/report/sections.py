"""A report's view as plain data: the same sections as those of the live page, of one model, and what only a whole history has."""

from __future__ import annotations

from streams.view.lineage_picture import picture
from streams.view.plain_data import Sections, alert_line, alert_story, curve_data, heat_data, marks_data, version_line
from streams.view.view import ColumnView, ReportView

_BY_CHANCE = (
    "By chance: what 95 of 100 values stay below while nothing changes and rows are independent of each other; where rows resemble their neighbours, chance alone makes more of it."
)
_WHOLE_FILE = "Effects are of the whole file, with a 95 % interval that allows for that, or of the change where there was one; distances are of its last window."


def report_sections(view: ReportView) -> Sections:
    """All that a report holds."""
    return {
        "title": view.title,
        "rows": not view.clock.event_times,
        "head": {"state": view.judgement.state, "sentence": view.judgement.sentence, "facts": view.facts, "notes": view.notes},
        "marks": marks_data(view.alerts, view.versions) | {"extent": _extent(view)},
        "performance": [curve_data(curve) for curve in view.performance],
        "estimate": {"curves": [curve_data(curve) for curve in view.estimate], "state": view.estimate_state},
        "traffic": [curve_data(curve) for curve in view.traffic],
        "latency": [curve_data(curve) for curve in view.latency],
        "failed": [curve_data(curve) for curve in view.failed],
        "heat": None if view.heat is None else heat_data(view.heat),
        "quality": {"curves": [curve_data(curve) for curve in view.quality], "left_out": view.left_out_rates},
        "alerts": [
            alert_line(alert) | {"version": alert.model_version, "budget": alert.budget, "story": alert_story(alert, explanation, view.clock)}
            for alert, explanation in zip(view.alerts, view.explanations, strict=True)
        ],
        "columns": [_column(column) for column in view.columns],
        "columns_heads": ["column", "state", "effect", "floor", "PSI (by chance up to)", "Jensen-Shannon (by chance up to)", "events"],
        "columns_explained": _explained(view),
        "versions": [version_line(version) for version in view.versions],
        "lineage": "" if view.lineage is None else picture(view.lineage, "svg", view.clock),
        "scoreboard": view.scoreboard,
    }


def _extent(view: ReportView) -> list[float]:
    """First and last time that the charts show, the same in all of them, in seconds; nothing where there is no time.

    A version that was made before the first pane would stretch the axis over time that nobody watched.
    """
    times = [int(time) for curve in (*view.performance, *view.estimate, *view.traffic, *view.quality) for time in curve.times[[0, -1]]]
    times += [time for alert in view.alerts for time in (alert.change, alert.until or alert.opened)]
    times += [] if view.heat is None else [int(view.heat.times[0]), int(view.heat.times[-1])]
    return [min(times) / 1_000, max([*times, *(version.at for version in view.versions)]) / 1_000] if times else []


def _column(column: ColumnView) -> Sections:
    return {
        "name": column.name,
        "state": column.state,
        "alarmed": column.alarmed,
        "effect": f"{column.effect} ({column.interval})" if column.interval else column.effect,
        "floor": column.floor,
        "psi": f"{column.psi} ({column.psi_by_chance})",
        "jensen_shannon": f"{column.jensen_shannon} ({column.jensen_shannon_by_chance})",
        "n": column.n,
    }


def _explained(view: ReportView) -> list[str]:
    whole = [_WHOLE_FILE] if any(column.interval for column in view.columns) else []
    return [_BY_CHANCE, *whole, *(f"“{state}”: {meaning}." for state, meaning in view.meanings)]
