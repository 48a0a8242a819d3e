"""The same figures by OpenTelemetry, where the environment names a collector: OTLP over HTTP, once a minute (``OTEL_METRIC_EXPORT_INTERVAL``, milliseconds)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from detectors.errors import SettingsError
from streams.telemetry.catalogue import PREFIX
from streams.telemetry.figures import Figures

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")


def export(figures: Figures) -> Callable[[], None] | None:
    """Begin to tell a collector; returns what ends it with a last word, None where the environment names none.

    Where to, how often, with which headers and certificates: the SDK's own variables say it (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).

    Raises
    ------
    SettingsError
        If a collector is named, and the extra ``otel`` is not installed.
    """
    named = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if named is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  an extra
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  as above
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  as above
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  as above
    except ImportError as error:
        raise SettingsError(f"{named} is set, and OpenTelemetry is not installed ({error}); pip install 'driftwarden[otel]', or unset it") from error
    of_process = Resource.create({"service.name": f"driftwarden-{figures.process}", "service.instance.id": figures.name})
    provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=of_process, shutdown_on_exit=False)  # a collector that is away would hold the end up
    meter = provider.get_meter("driftwarden")
    for family in figures.registry.collect():
        if family.name.startswith((PREFIX, "process_")) and family.type in {"counter", "gauge", "histogram"}:
            _observe(meter, figures, family.name, family.type, family.documentation)
    return provider.shutdown


def _observe(meter: Any, figures: Figures, name: str, kind: str, what: str) -> None:
    """One instrument; of a histogram two, its sum and its count, which a collector can divide."""
    if kind == "gauge":
        meter.create_observable_gauge(name, [_reader(figures, name)], description=what)
    else:
        for suffix in ("_total",) if kind == "counter" else ("_sum", "_count"):
            meter.create_observable_counter(name.removesuffix("_total") + suffix.removesuffix("_total"), [_reader(figures, name, suffix)], description=what)


def _reader(figures: Figures, name: str, suffix: str = "") -> Callable[[Any], Iterable[Any]]:
    from opentelemetry.metrics import Observation  # noqa: PLC0415  an extra

    def read(_: Any) -> Iterable[Observation]:
        return [
            Observation(sample.value, dict(sample.labels))
            for family in figures.registry.collect()
            if family.name == name
            for sample in family.samples
            if sample.name == name + suffix
        ]

    return read
