"""Metric points of closed panes and of rolling windows: what dashboards draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from detectors.bundle import Bundle, Cohort
from detectors.detector import Detector
from detectors.distances import distances
from detectors.event_batch import Float64
from detectors.layout import REGRESSION, TRAFFIC, Layout
from detectors.metric import Metric
from detectors.model_summariser import COHORT
from detectors.performance import classification, label_delay, performance, regression, service
from detectors.point import Point
from detectors.profile import ColumnProfile
from detectors.quality import quality
from detectors.verdict import Status, Verdicts

SOURCE_STEP = 10_000
"""Time between two points of a source partition's counts, milliseconds: a default pane."""

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


def window_points(layout: Layout, at: int, window: str, counts: Float64) -> Iterable[Point]:
    """Performance, service, label delay, quality and drift over a rolling window that ends at a time."""
    tags = {"model": layout.specification.model, "window": window}
    yield Point(measurement="performance", tags=tags, fields=_fields(performance(layout, counts)), time=at)
    yield Point(measurement="service", tags=tags, fields=_fields([*service(layout, counts), *label_delay(layout, counts)]), time=at)
    columns: dict[str, tuple[str, ColumnProfile]] = {name: (f"feature:{name}", profile) for name, profile in layout.columns.items()}
    if layout.prediction is not None:
        columns["prediction"] = ("prediction", layout.prediction)
    for name, (block, profile) in columns.items():
        reference, current = reference_counts(profile), counts[layout.blocks[block]][: _cells(profile)]
        scores = np.asarray(profile.scores) if profile.kind == "numeric" else None
        measured = distances(reference, current, scores, intervals=False)
        fields: dict[str, float | int | bool | str] = {distance.name: distance.value for distance in measured}
        fields |= {f"{distance.name}_by_chance": distance.null_quantile for distance in measured} | {"n": float(current.sum())}
        yield Point(measurement="drift", tags=tags | {"feature": name}, fields=fields, time=at)
    for metric in quality(layout, counts):
        kind, _, name = metric.name.partition(":")
        yield Point(measurement="quality", tags=tags | {"feature": name, "kind": kind}, fields=_fields([replace(metric, name="rate")]), time=at)


def monitor_points(layout: Layout, at: int, detector: Detector, verdicts: Verdicts) -> Iterable[Point]:
    """State, statistic and effect of every monitor after a pane."""
    for place, name in enumerate(detector.names):
        status = Status(int(verdicts.status[place]))
        fields: dict[str, float | int | bool | str] = {
            "status": int(status),
            "state": status.name.lower().replace("_", " "),
            "statistic": float(verdicts.statistic[place]),
            "effect": float(verdicts.effect[place]),
            "recent_effect": float(verdicts.recent_effect[place]),
        }
        yield Point(measurement="monitor", tags={"model": layout.specification.model, "monitor": name}, fields=fields, time=at)


def cohort_point(layout: Layout, cohort: Cohort, counts: Float64) -> Point:
    """Performance of the predictions of one hour, restated as their labels come."""
    block = counts[1:]
    if layout.specification.task == "regression":
        metrics = regression(dict(zip(REGRESSION, block.tolist(), strict=True)))
    else:
        side = len(layout.specification.classes) + 1
        metrics = classification(block.reshape(side, side), layout.specification.classes)
    labelled = metrics[0].value
    fields = _fields(metrics) | {"predictions": int(counts[0]), "coverage": labelled / counts[0] if counts[0] else float("nan"), "length": COHORT}
    return Point(measurement="cohort", tags={"model": cohort.model, "version": cohort.version}, fields=fields, time=cohort.start)


def reference_counts(profile: ColumnProfile) -> Float64:
    """Counts of the reference in the cells that hold values; a categorical column's last one is ``unseen``."""
    return np.asarray(profile.counts if profile.kind == "numeric" else (*profile.counts, profile.unseen), dtype=np.float64)


def _cells(profile: ColumnProfile) -> int:
    return len(profile.scores) if profile.kind == "numeric" else len(profile.levels) + 1


def _fields(metrics: Sequence[Metric]) -> dict[str, float | int | bool | str]:
    """Value, sample size and interval of each metric."""
    fields: dict[str, float | int | bool | str] = {}
    for metric in metrics:
        fields |= {metric.name: metric.value, f"{metric.name}_low": metric.interval[0], f"{metric.name}_high": metric.interval[1], f"{metric.name}_n": metric.n}
    return fields
