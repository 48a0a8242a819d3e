"""Metric points of rolling windows: performance, service, quality, and distances to the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from detectors.alerts.slice_contrasts import interval_of, worst
from detectors.detection.estimates import Estimates
from detectors.event_batch import Float64
from detectors.metric import Metric
from detectors.metrics.column_distances import ColumnDistances, measure
from detectors.metrics.correlation_distance import CorrelationDistance
from detectors.metrics.metric_points import fields_of
from detectors.metrics.performance import performances, services
from detectors.metrics.quality import quality
from detectors.metrics.rolling_window import PartsOfWindow
from detectors.metrics.worth import worth_of_columns
from detectors.panes.layout import Layout
from detectors.panes.quantile_sketch import sketched
from detectors.point import Point
from detectors.unlabelled.support import Supporting

WINDOWS_AT_ONCE = 64
"""More take no less time each, and what is measured of them waits until it is told."""


class WindowMeasures:
    """What is measured of the windows of one model revision."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        columns = {name: (profile, layout.blocks[f"feature:{name}"]) for name, profile in layout.columns.items()}
        if layout.prediction is not None:
            columns["prediction"] = (layout.prediction, layout.blocks["prediction"])
        self.estimates = None if layout.outcomes is None else Estimates(layout, layout.outcomes)
        together = None if layout.specification.reference.profile is None else layout.specification.reference.profile.correlation
        self.correlation = CorrelationDistance(together, layout.blocks["correlation"]) if layout.specification.correlation and together is not None else None
        kinds = ("numeric", "categorical")
        self.names = [[name for name, (profile, _) in columns.items() if profile.kind == kind] for kind in kinds]
        self.distances = [ColumnDistances(*zip(*(columns[name] for name in names), strict=True)) if names else ColumnDistances((), ()) for names in self.names]


@dataclass(frozen=True, kw_only=True)
class RolledWindow:
    """A rolling window that ended at a time.

    Attributes
    ----------
    window : its name.
    measured : whether the version that the reference was measured on still serves.
    supporting, supported : rows of the reference that speak of it, and whether they suffice for estimates, see `detectors.unlabelled.support`; None without estimates.
    """

    measures: WindowMeasures
    at: int
    window: str
    parts: PartsOfWindow
    measured: bool = True
    supporting: Supporting | None = None
    supported: bool | None = None

    @cached_property
    def counts(self) -> Float64:
        """(size,) added up."""
        return self.parts.total()


def window_points(windows: Sequence[RolledWindow]) -> Iterable[Point]:
    """Points of windows, of one model or of many: distances and performance take most of the time, and less of it when they are measured together."""
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        yield from _points(windows[first : first + WINDOWS_AT_ONCE])


def _points(windows: Sequence[RolledWindow]) -> Iterable[Point]:
    worth = [worth_of_columns(window.measures.layout, window.counts) for window in windows]
    measured = iter(measure([(columns, counts) for window, counts in zip(windows, worth, strict=True) for columns in window.measures.distances]))
    asked = [(window.measures.layout, window.counts) for window in windows]
    for window, counts, of_window, of_service in zip(windows, worth, performances(asked), services(asked), strict=True):
        layout, at = window.measures.layout, window.at
        tags = {"model": layout.specification.model, "window": window.window}
        yield Point(measurement="performance", tags=tags, fields=fields_of(of_window.metrics), time=at)
        for name, metrics in of_window.by_class.items():
            yield Point(measurement="class", tags=tags | {"class": name}, fields=fields_of(metrics), time=at)
        yield Point(measurement="service", tags=tags, fields=fields_of(of_service), time=at)
        if window.measures.estimates is not None:
            of_support = window.supporting, window.supported
            yield window.measures.estimates.point(at, window.window, counts, *of_support, measured=window.measured)
        for names, columns in zip(window.measures.names, window.measures.distances, strict=True):
            for name, values in zip(names, next(measured).tolist(), strict=True):
                yield Point(measurement="drift", tags=tags | {"feature": name}, fields=dict(zip(columns.fields, values, strict=True)), time=at)
        if window.measures.correlation is not None:
            yield Point(measurement="correlation", tags=tags, fields={**window.measures.correlation.fields(counts)}, time=at)
        if layout.sketched:
            cells = counts[layout.blocks["sketches"]].reshape(len(layout.sketched), -1)
            for name, of_column in zip(layout.sketched, sketched(cells), strict=True):
                yield Point(measurement="feature", tags=tags | {"feature": name}, fields=fields_of(of_column), time=at)
        yield from _slice_points(layout, counts, at, tags)
        for metric in quality(layout, window.counts):
            kind, _, name = metric.name.partition(":")
            fields: dict[str, float | int | bool | str] = {"rate": metric.value, "rate_low": metric.interval[0], "rate_high": metric.interval[1], "rate_n": metric.n}
            yield Point(measurement="quality", tags=tags | {"feature": name, "kind": kind}, fields=fields, time=at)


def _slice_points(layout: Layout, counts: Float64, at: int, tags: dict[str, str]) -> Iterable[Point]:
    """The slices of a window in which the model is worse than elsewhere, where slices are counted."""
    if layout.slices is None:
        return
    binary = layout.specification.task == "classification"
    name = "error_rate" if binary else "mae"
    for rank, one in enumerate(worst(layout.slices, counts[layout.blocks["slices"]], binary=binary)):
        metrics = [Metric(key, sums[1] / sums[0], sums[0], interval_of(sums, binary=binary)) for key, sums in ((name, one.now), ("elsewhere", one.elsewhere))]
        fields = fields_of(metrics) | {"rank": rank + 1, "chance": one.chance, "looked_at": one.looked_at, "told": one.told}
        yield Point(measurement="slice", tags=tags | {"slice": " and ".join(one.where)}, fields=fields, time=at)
