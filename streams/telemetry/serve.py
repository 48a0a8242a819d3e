"""How a process begins to tell of itself."""

from __future__ import annotations

from streams.telemetry.figures import Figures
from streams.telemetry.otlp import export
from streams.telemetry.server import MetricsServer
from streams.telemetry.settings import MetricsSettings


def serve(figures: Figures, settings: MetricsSettings) -> None:
    """Until the process ends: for Prometheus where an address is given, by OpenTelemetry where the environment names a collector.

    Raises
    ------
    SettingsError
        If it cannot listen there, or cannot export.
    """
    if settings.listens is not None:
        MetricsServer(figures, settings.listens)
    export(figures)
