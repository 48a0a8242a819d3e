"""What is said of one model: its judgement, alerts and versions, made again only when something changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.point import Point
from streams.ui.live_curves import estimate_curves, performance_curves, task_of
from streams.ui.live_model import LiveModel
from streams.ui.live_view import LiveView
from streams.view.curves import Curve
from streams.view.evidence import AlertView, alert_views
from streams.view.judgement import Judgement, judgement
from streams.view.lineage import VersionView, version_views
from streams.view.wording import Clock

CLOCK = Clock()


@dataclass(frozen=True, kw_only=True)
class Told:
    """A model in words.

    ``main`` is the curve that stands for its health: the first metric, without labels the estimate; None without either.
    """

    task: str
    judgement: Judgement
    alerts: tuple[AlertView, ...]
    versions: tuple[VersionView, ...]
    performance: Sequence[Curve]
    main: Curve | None


class Teller:
    """Remembers what was said of each model at its last revision; all open pages share it.

    Parameters
    ----------
    view : of which it tells; hold its lock.
    """

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._stories: dict[str, tuple[int, tuple[AlertView, ...], tuple[VersionView, ...]]] = {}
        self._told: dict[str, tuple[int, Told]] = {}

    def of(self, model: LiveModel) -> Told:
        """What is to be said of a model now."""
        known = self._told.get(model.name)
        if known is None or known[0] != model.revision:
            known = self._told[model.name] = (model.revision, self._tell(model))
        return known[1]

    def _tell(self, model: LiveModel) -> Told:
        specification = self._view.specification(model.name)
        _, alerts, versions = self._story(model)
        task = task_of(model, specification)
        performance = performance_curves(model, task)
        budget = str(specification.false_alarms) if specification else alerts[-1].budget if alerts else "an unknown number"
        points = sorted([*_first_pane(model), *_monitors(model)], key=lambda point: point.time)
        measured = [curve for curve in performance if curve.name != "coverage"]
        return Told(
            task=task,
            judgement=judgement(model.name, alerts, points, performance, budget, CLOCK),
            alerts=alerts,
            versions=versions,
            performance=performance,
            main=next(iter([*measured, *estimate_curves(model)]), None),
        )

    def _story(self, model: LiveModel) -> tuple[int, tuple[AlertView, ...], tuple[VersionView, ...]]:
        known = self._stories.get(model.name)
        if known is None or known[0] != model.story:
            asked = model.asked.values()
            alerts = alert_views([record for life in model.alerts.values() for record in life.values()], model.versions, CLOCK, asked)
            known = self._stories[model.name] = (model.story, alerts, version_views(model.versions, set(model.alerts), CLOCK, asked))
        return known


def _first_pane(model: LiveModel) -> list[Point]:
    """What a judgement needs to know of the past: since when there is traffic."""
    traffic = model.tables.get("traffic")
    return [Point(measurement="traffic", tags={}, fields={}, time=int(traffic.times[0]))] if traffic is not None and len(traffic.times) else []


def _monitors(model: LiveModel) -> list[Point]:
    """The newest point of each monitor that was told within the time that charts show; one that was not has ended, and says nothing of today."""
    table, newest = model.tables.get("monitor"), model.newest.get("monitor")
    if table is None or newest is None or not len(table.times):
        return []
    since = int(table.times[0])
    return [point for _, point in newest.items() if point.time >= since]
