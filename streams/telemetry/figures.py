"""The figures of one process, kept by prometheus-client: everything that tells of them reads them here."""

from __future__ import annotations

import logging
from collections import Counter as Counts
from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, Info, PlatformCollector, ProcessCollector, disable_created_metrics

from detectors.point import Point
from streams.telemetry.catalogue import OF_PROCESS, PLACE, PREFIX, Figure

logger = logging.getLogger(__name__)

MEASUREMENT = "driftwarden_worker"
OTHER_MODELS = "(other)"

_KINDS = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}

FigureCounts = Counts[tuple[str, ...]]
"""What was counted, by the figure's name and the values of its labels, those of its topic and partition left out."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each counter, for what its fall to 0 says anyway


class Figures:
    """What a process tells of itself.

    Parameters
    ----------
    process : its kind, one of `OF_PROCESS`.
    name : tells it from others of its kind; unique among those that run, the same after a restart.
    models : most models that get a label of their own; the others are told together, as ``(other)``.

    Examples
    --------
    >>> figures = Figures("worker", "w1", models=1)
    >>> figures.take(Counts({("late_events", "churn"): 2, ("late_events", "fraud"): 3, ("late_events", "offers"): 4}))
    >>> [figures.registry.get_sample_value("driftwarden_late_events_total", {"model": model}) for model in ("churn", "fraud", "(other)")]
    [2.0, None, 7.0]
    """

    def __init__(self, process: str, name: str, *, models: int = 100) -> None:
        self.process, self.name = process, name
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info(f"{PREFIX}build", "release of Driftwarden, and the kind of process", registry=self.registry).info({"version": version("driftwarden"), "process": process})
        self.catalogue: dict[str, Figure] = {figure.name: figure for figure in OF_PROCESS[process]}
        self._metrics: dict[str, Any] = {
            figure.name: _KINDS[figure.kind](PREFIX + figure.name, figure.what, figure.labels, registry=self.registry) for figure in OF_PROCESS[process]
        }
        self._gauges_of_places = [figure.name for figure in OF_PROCESS[process] if figure.kind == "gauge" and figure.labels == PLACE]
        self._places: set[tuple[str, str]] = set()
        self._counted_places: set[tuple[str, str]] = set()
        self._models = models
        self._known: set[str] = set()
        self._is_bound_told = False
        self._waits_for = "it begins"

    @property
    def waits_for(self) -> str:
        """Why the process does no work yet; "" where it does."""
        return self._waits_for

    @waits_for.setter
    def waits_for(self, why: str) -> None:
        self._waits_for = why
        self.set("ready", 0.0 if why else 1.0)

    def take(self, counts: FigureCounts, place: tuple[str, str] | None = None) -> None:
        """Add what was counted; ``place`` is the topic and partition of those figures that have them, which begin at 0 there."""
        if place is not None and place not in self._counted_places:
            self._counted_places.add(place)
            for figure in self.catalogue.values():
                if figure.kind == "counter" and figure.labels == PLACE:
                    self._of(figure.name, place)
        for (name, *values), count in counts.items():
            figure = self.catalogue[name]
            self._of(name, (*place, *values) if figure.labels == PLACE and place is not None else values).inc(count)

    def count(self, name: str, *values: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._of(name, values).inc(by)

    def set(self, name: str, value: float, *values: str) -> None:
        """Say what holds now."""
        if name in self._gauges_of_places:
            self._places.add((values[0], values[1]))
        self._of(name, values).set(value)

    def observe(self, name: str, value: float, *values: str) -> None:
        """Add one value to a histogram."""
        self._of(name, values).observe(value)

    def keep_places(self, places: Collection[tuple[str, str]]) -> None:
        """Forget what held of all other partitions: they are not this process's any more, and somebody else says it now."""
        for gone in self._places - set(places):
            for name in self._gauges_of_places:
                self._metrics[name].remove(*gone)
        self._places &= set(places)

    def _of(self, name: str, values: Any) -> Any:
        figure, metric = self.catalogue[name], self._metrics[name]
        if not figure.labels:
            return metric
        return metric.labels(*(self._model(value) if label == "model" else value for label, value in zip(figure.labels, values, strict=True)))

    def _model(self, model: str) -> str:
        if model in self._known:
            return model
        if len(self._known) < self._models:
            self._known.add(model)
            return model
        if not self._is_bound_told:
            self._is_bound_told = True
            logger.warning("figures of more than %d models: those of further ones are told as '%s'; set DRIFTWARDEN_METRICS_MODELS", self._models, OTHER_MODELS)
        return OTHER_MODELS

    def points(self, at: int) -> list[Point]:
        """The figures as points, one for each set of labels but the model's, over which they are added up; ``at``: epoch milliseconds."""
        of_models: dict[str, float | int | bool | str] = {figure.name: 0.0 for figure in self.catalogue.values() if figure.labels == ("model",)}
        found: dict[tuple[tuple[str, str], ...], dict[str, float | int | bool | str]] = {(): of_models}
        for family in self.registry.collect():
            if family.type == "info" or not family.name.startswith((PREFIX, "process_")):
                continue
            for sample in family.samples:
                if "le" not in sample.labels:
                    fields = found.setdefault(_tags(sample.labels), {})
                    name = sample.name.removeprefix(PREFIX).removesuffix("_total")
                    fields[name] = float(fields.get(name, 0.0)) + sample.value
        common = {"process": self.process, "worker": self.name}
        return [Point(measurement=MEASUREMENT, tags=common | dict(tags), fields=fields, time=at) for tags, fields in found.items()]


def _tags(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "model"))
