"""What a page shows, as named sections: only those that changed are sent again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.alerts.explanation import explain
from detectors.point import Point
from retrainer.lineage import lineage
from streams.ui.live_curves import drift_heat, estimate_curves, groups, newest_of, performance_curves, quality_curves, service_curves, traffic_curves
from streams.ui.live_model import LiveModel
from streams.ui.live_view import LiveView
from streams.ui.told_model import CLOCK, Teller
from streams.view.curves import Curve
from streams.view.lineage_picture import picture
from streams.view.plain_data import Sections, alert_line, alert_story, as_text, curve_data, encoded, heat_data, marks_data, numbers, version_line
from streams.view.wording import number, share

logger = logging.getLogger(__name__)

SPARK = 60  # values of a line in the fleet
ORDER = ("unhealthy", "changed", "not proven", "not judged", "recovered", "healthy")
"""Worst first."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an open page asks for; empty texts where nothing was chosen."""

    page: str = "fleet"
    model: str = ""
    version: str = ""
    segment: str = ""
    alert: str = ""


class Pages:
    """Makes the sections of every page.

    Parameters
    ----------
    view : what is shown.
    """

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._teller = Teller(view)
        self._rows: dict[str, tuple[int, Sections]] = {}
        self._faulty: set[str] = set()
        self._pages: Mapping[str, Callable[[LiveModel, Asked], Sections]] = {"model": self._model, "alert": self._alert, "versions": self._versions}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pages."""
        return ("fleet", *self._pages)

    def sections(self, asked: Asked) -> Sections:
        """All of a page."""
        with self._view.lock:
            status = self._status()
            if asked.page == "fleet":
                return {"status": status, **self._fleet()}
            model = self._view.models.get(asked.model)
            if model is None:
                return {"status": status, "missing": f"No record of a model called “{asked.model}” has been read. This page shows it as soon as one comes."}
            try:
                return {"status": status, "head": self._head(model), **self._pages[asked.page](model, asked)}
            except Exception as fault:  # whoever may write to Kafka must not be able to stop the page
                return {"status": status, "missing": self._cannot_be_shown(model, fault)}

    def encoded(self, asked: Asked) -> dict[str, bytes]:
        """Each section as JSON; numbers that are not defined are null."""
        return {name: encoded(section) for name, section in self.sections(asked).items()}

    def _status(self) -> Sections:
        view = self._view
        newest = max((time for model in view.models.values() if (time := model.newest_time) is not None), default=None)
        reading = view.reading
        told = {
            "live": "live",
            "history": f"reading history, {reading.behind:,} records to go",
            "away": f"Kafka does not answer since {CLOCK.moment(reading.since)}; what is shown stands still",
        }
        return {"state": reading.state, "told": told[reading.state], "newest": "" if newest is None else CLOCK.moment(newest), "notes": view.notes()}

    def _fleet(self) -> Sections:
        rows = {name: self._row(model) for name, model in self._view.models.items()}
        order = sorted(rows, key=lambda name: (ORDER.index(rows[name]["state"]), rows[name]["since_at"] or 0, name))
        states = Counter(row["state"] for row in rows.values())
        return {
            "summary": {"models": len(rows), "states": [[state, states[state]] for state in ORDER if states[state]]},
            "order": order,
            **{f"row {name}": row for name, row in rows.items()},
        }

    def _row(self, model: LiveModel) -> Sections:
        known = self._rows.get(model.name)
        if known is None or known[0] != model.revision:
            try:
                row = self._row_of(model)
            except Exception as fault:  # one model that cannot be shown does not hide the others
                row = _BARE_ROW | {"model": model.name, "why": self._cannot_be_shown(model, fault)}
            known = self._rows[model.name] = (model.revision, row)
        return known[1]

    def _cannot_be_shown(self, model: LiveModel, fault: Exception) -> str:
        if model.name not in self._faulty:
            self._faulty.add(model.name)
            logger.warning("what the topics say of %s cannot be shown", model.name, exc_info=fault)
        return f"What the topics say of {model.name} cannot be shown ({type(fault).__name__}); the log of driftwarden ui says more."

    def _row_of(self, model: LiveModel) -> Sections:
        told = self._teller.of(model)
        judged, main = told.judgement, told.main
        return {
            "model": model.name,
            "state": judged.state,
            "since": "" if judged.since is None else CLOCK.moment(judged.since),
            "since_at": judged.since,
            "why": judged.why or ("" if judged.state == "healthy" else judged.sentence),
            "done": judged.done,
            "open": sum(alert.until is None for alert in told.alerts),
            "serving": next((version.version for version in told.versions if version.serving), ""),
            "metric": main.name if main else "",
            "value": _newest_value(main) if main else "",
            "spark": _spark(main) if main else None,
            "rate": self._rate(model),
        }

    def _rate(self, model: LiveModel) -> str:
        """Predictions a second over the last minute or so of closed panes."""
        specification = self._view.specification(model.name)
        pane = specification.pane if specification else 10_000
        curves = traffic_curves(model, pane)
        if not curves:
            return ""
        times, counts = curves[0].times[-6:], curves[0].values[-6:]
        return f"{number(float(counts.sum()) / ((int(times[-1] - times[0]) + pane) / 1_000))} /s"

    def _head(self, model: LiveModel) -> Sections:
        told = self._teller.of(model)
        specification = self._view.specification(model.name)
        serving = next((version.version for version in told.versions if version.serving), "")
        newest = model.newest_time
        facts = [
            ("task", told.task),
            ("serving", f"version {serving}" if serving else "no version announced"),
            ("traffic", self._rate(model) or "none yet"),
            ("open alerts", str(sum(alert.until is None for alert in told.alerts))),
            ("event time", "none yet" if newest is None else CLOCK.moment(newest)),
            ("false-alarm budget", str(specification.false_alarms) if specification else "no monitor is applied"),
        ]
        facts += [(f"objective {name}", _objective(point)) for (name,), point in model.newest["objective"].items()] if "objective" in model.newest else []
        return {"model": model.name, "state": told.judgement.state, "sentence": told.judgement.sentence, "facts": facts, "notes": model.notes()}

    def _model(self, model: LiveModel, asked: Asked) -> Sections:
        told = self._teller.of(model)
        specification = self._view.specification(model.name)
        versions, segments = groups(model)
        performance = performance_curves(model, told.task, asked.segment) if asked.segment else told.performance
        estimated = [] if asked.segment else estimate_curves(model)
        latencies, failed = service_curves(model)
        rates, left_out = quality_curves(model)
        heat = drift_heat(model, self._view.thresholds(model.name))
        pane = specification.pane if specification else 10_000
        return {
            "choices": {"versions": versions, "segments": segments, "version": asked.version, "segment": asked.segment},
            "marks": marks_data(told.alerts, told.versions),
            "performance": [curve_data(curve) for curve in performance],
            "estimate": {"curves": [curve_data(curve) for curve in estimated], "state": str(_estimate_state(model))},
            "traffic": [curve_data(curve) for curve in traffic_curves(model, pane, version=asked.version, segment=asked.segment)],
            "latency": [curve_data(curve) for curve in latencies],
            "failed": [curve_data(curve) for curve in failed],
            "heat": None if heat is None else heat_data(heat),
            "quality": {"curves": [curve_data(curve) for curve in rates], "left_out": left_out},
            "alerts": [alert_line(alert) for alert in reversed(told.alerts)],
        }

    def _alert(self, model: LiveModel, asked: Asked) -> Sections:
        told = self._teller.of(model)
        view = next((alert for alert in told.alerts if alert.alert_id == asked.alert), None)
        records = list(model.alerts.get(asked.alert, {}).values())
        if view is None or not records:
            return {"missing": f"No alert {asked.alert} of this model is kept here; 'driftwarden alerts' prints those of the topic."}
        explanation = explain(records, [record for life in model.alerts.values() for record in life.values()])
        return {"alert": alert_line(view) | {"headline": explanation.headline, "version": view.model_version, "budget": view.budget}, **alert_story(view, explanation, CLOCK)}

    def _versions(self, model: LiveModel, _: Asked) -> Sections:
        told = self._teller.of(model)
        causes = {alert.alert_id: {"summary": alert.summary, "opened": alert.opened_told} for alert in told.alerts}
        return {
            "versions": [version_line(version) for version in reversed(told.versions)],
            "lineage": picture(lineage(model.versions, causes=causes.items(), decisions=model.asked.values()), "svg") if model.versions else "",
            "decisions": [
                [CLOCK.moment(decision.at), decision.event, decision.instruction, decision.reason, decision.cause, decision.version] for decision in reversed(model.decisions)
            ],
        }


_BARE_ROW: Sections = {"state": "not judged", "since": "", "since_at": None, "done": "", "open": 0, "serving": "", "metric": "", "value": "", "spark": None, "rate": ""}


def _newest_value(curve: Curve) -> str:
    known = curve.values[np.isfinite(curve.values)]
    return as_text(float(known[-1]), curve.unit) if len(known) else ""


def _spark(curve: Curve) -> Sections:
    newest = newest_of(curve, SPARK)
    return {"values": numbers(newest.values), "low": numbers(newest.low), "high": numbers(newest.high)}


def _objective(point: Point) -> str:
    fields = point.fields
    left, burning = fields.get("budget_left"), fields.get("burning")
    told = f"{share(float(left))} of the error budget left" if isinstance(left, int | float) else "no event yet"
    return f"{told}; burning {burning}" if burning else told


def _estimate_state(model: LiveModel) -> object:
    newest = model.newest.get("estimate")
    return next((point.fields.get("state", "") for _, point in newest.items()), "") if newest else ""
