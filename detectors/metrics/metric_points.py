"""Metric points of panes, monitors, cohorts and source partitions: what dashboards draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from detectors.bundle import Bundle
from detectors.detector import Detector
from detectors.event_batch import Float64
from detectors.metric import Metric
from detectors.metrics.performance import labelled_share, outcomes
from detectors.monitors.silence import SILENT, Quiet
from detectors.panes.layout import TRAFFIC, Layout
from detectors.panes.model_summariser import COHORT
from detectors.point import Point
from detectors.verdict import Status, Verdicts

_COHORTS_AT_ONCE = 64  # more take no less time each

SOURCE_STEP = 10_000
"""Time between two points of a source partition's counts, milliseconds: a default pane."""

STATES = tuple(status.name.lower().replace("_", " ") for status in Status)
"""Names of the states in points, by their codes."""

SourceCounts = Mapping[str, dict[str, int]]
"""Counters of what came in and is no monitored model's, by model ("" for the whole of a source partition); they only grow."""


def source_counts(bundle: Bundle) -> SourceCounts:
    """What a bundle says was refused, or is of models that nobody monitors; nothing where all counters are 0."""
    own = {"rejected": bundle.rejected, "missed": bundle.missed}
    return ({"": own} if any(own.values()) else {}) | {model: {"unmonitored": count} for model, count in bundle.unmonitored.items()}


def source_points(bundle: Bundle, told: SourceCounts) -> Iterable[Point]:
    """Counters of a source partition that are not what was told already."""
    time = bundle.time // SOURCE_STEP * SOURCE_STEP
    for model, counters in sorted(source_counts(bundle).items()):
        if told.get(model) != counters:
            tags = {"partition": str(bundle.partition)} | ({"model": model} if model else {})
            yield Point(measurement="source", tags=tags, fields={**counters}, time=time)


def pane_point(layout: Layout, start: int, version: str, segment: str, counts: Float64, *, final: bool, complete: bool = True, late_after_close: int = 0) -> Point:
    """Traffic of a pane; overwritten until ``final``, not ``complete`` where records expired before they were read."""
    block = counts[layout.blocks["traffic"]]
    fields: dict[str, float | int | bool | str] = {name: int(value) for name, value in zip(TRAFFIC, block, strict=True)}
    tags = {"model": layout.specification.model, "version": version, "segment": segment}
    return Point(measurement="traffic", tags=tags, fields=fields | {"final": final, "complete": complete, "late_after_close": late_after_close}, time=start)


@dataclass(frozen=True, kw_only=True)
class JudgedMonitors:
    """Verdicts of a model's detectors on a pane that ended at a time: a tenth of the memory of the points that tell them."""

    layout: Layout
    at: int
    verdicts: Sequence[tuple[Detector, Verdicts]]


def monitor_points(judged: JudgedMonitors) -> Iterable[Point]:
    """State, statistic and effect of every monitor after a pane."""
    model, at = judged.layout.specification.model, judged.at
    for detector, verdicts in judged.verdicts:
        yield from _points_of_monitors(model, at, detector.names, verdicts)


def _points_of_monitors(model: str, at: int, names: Sequence[str], verdicts: Verdicts) -> Iterable[Point]:
    numbers = (verdicts.status.tolist(), verdicts.statistic.tolist(), verdicts.effect.tolist(), verdicts.recent_effect.tolist())
    for name, status, statistic, effect, recent_effect in zip(names, *numbers, strict=True):
        fields: dict[str, float | int | bool | str] = {
            "status": status,
            "state": STATES[status],
            "statistic": statistic,
            "effect": effect,
            "recent_effect": recent_effect,
        }
        yield Point(measurement="monitor", tags={"model": model, "monitor": name}, fields=fields, time=at)


def silence_points(layout: Layout, found: Iterable[Quiet]) -> Iterable[Point]:
    """How long a model has had no predictions, in seconds."""
    for quiet in found:
        fields: dict[str, float | int | bool | str] = {
            "status": int(quiet.status),
            "state": STATES[quiet.status],
            "silent_for": quiet.silent_for / 1_000,
            "threshold": quiet.threshold / 1_000,
        }
        yield Point(measurement="monitor", tags={"model": layout.specification.model, "monitor": SILENT}, fields=fields, time=quiet.at)


def learning_points(layout: Layout, at: int, *, events: int, needed: int) -> Iterable[Point]:
    """How many of the events are known that the columns' reference is to be made of, at the end of a pane: a point for each monitor that there will be, by its name."""
    undefined = float("nan")
    fields: dict[str, float | int | bool | str] = {
        "status": int(Status.LEARNING),
        "state": STATES[Status.LEARNING],
        "statistic": undefined,
        "effect": undefined,
        "recent_effect": undefined,
    }
    for name in (*(f"feature:{column}" for column in layout.features), "prediction"):
        tags = {"model": layout.specification.model, "monitor": name}
        yield Point(measurement="monitor", tags=tags, fields=fields | {"events": events, "needed": needed}, time=at)


@dataclass(frozen=True, kw_only=True)
class RestatedCohort:
    """Counts (1 + size of the performance block,) of the predictions that a version made in the hour from ``start`` on; where events are weighed, and the sums of squares."""

    layout: Layout
    start: int
    version: str
    counts: Float64


def cohort_points(cohorts: Sequence[RestatedCohort]) -> Iterable[Point]:
    """Performance of the predictions of one hour, restated as their labels come; of many models at once."""
    for first in range(0, len(cohorts), _COHORTS_AT_ONCE):
        yield from _of_cohorts(cohorts[first : first + _COHORTS_AT_ONCE])


def _of_cohorts(cohorts: Sequence[RestatedCohort]) -> Iterable[Point]:
    halves = [_halves(cohort) for cohort in cohorts]
    asked = [(cohort.layout, counts[1:], None if squares is None else squares[1:]) for cohort, (counts, squares) in zip(cohorts, halves, strict=True)]
    for cohort, (counts, squares), found in zip(cohorts, halves, outcomes(asked), strict=True):
        labelled, predictions = found.metrics[0].value, float(counts[0])
        share = 1.0 if squares is None or not squares[0] else min(1.0, predictions / squares[0])  # events that the predictions are worth (Kish 1965)
        fields = fields_of((*found.metrics, labelled_share(labelled * share, predictions * share))) | {"predictions": int(predictions), "length": COHORT}
        yield Point(measurement="cohort", tags={"model": cohort.layout.specification.model, "version": cohort.version}, fields=fields, time=cohort.start)


def _halves(cohort: RestatedCohort) -> tuple[Float64, Float64 | None]:
    """Counts, and those of the squares of what rows stand for; None where each stands for itself."""
    half = len(cohort.counts) // 2
    return (cohort.counts[:half], cohort.counts[half:]) if cohort.layout.weighs else (cohort.counts, None)


def fields_of(metrics: Sequence[Metric]) -> dict[str, float | int | bool | str]:
    """Value, sample size and interval of each metric."""
    fields: dict[str, float | int | bool | str] = {}
    for metric in metrics:
        name, (low, high) = metric.name, metric.interval
        fields[name], fields[f"{name}_low"], fields[f"{name}_high"], fields[f"{name}_n"] = metric.value, low, high, metric.n
    return fields
