"""``driftwarden influx``: points into InfluxDB, for Grafana."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Annotated

import typer

from detectors.duration import parse_duration
from streams.cli.log_lines import log_to_terminal
from streams.cli.options import LogLevel, MetricsAddress, answering
from streams.connection import connect

app = typer.Typer(help="Points of monitoring.metrics in InfluxDB 2, for Grafana; set DRIFTWARDEN_INFLUX_URL, _ORG, _BUCKET and _TOKEN.", no_args_is_help=True)

Keep = Annotated[str, typer.Option(help="How long points are kept, such as 30d; 0s: for ever.")]


@app.command()
def setup(keep: Keep = "30d", keep_hourly: Annotated[str, typer.Option(help="How long what is thinned out to one an hour is kept; 0s: for ever.")] = "730d") -> None:
    """Make the buckets and the task that thins out what is old; run again, it brings them up to date."""
    from streams.influx.settings import InfluxSettings  # noqa: PLC0415  a third of a second, which --help need not wait for
    from streams.influx.setup import set_up  # noqa: PLC0415

    seconds, hourly_seconds = (0 if text == "0s" else parse_duration(text) // 1_000 for text in (keep, keep_hourly))
    for line in set_up(InfluxSettings(), keep_seconds=seconds, keep_hourly_seconds=hourly_seconds) or ["everything is as it should be"]:
        typer.echo(line)


@app.command()
def sink(
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default: DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092")] = None,
    metrics_address: MetricsAddress = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Write what comes on monitoring.metrics to InfluxDB; while that is away, Kafka holds it."""
    from streams.influx.settings import InfluxSettings  # noqa: PLC0415
    from streams.influx.sink import InfluxSink  # noqa: PLC0415
    from streams.telemetry.figures import Figures  # noqa: PLC0415
    from streams.telemetry.serve import serve  # noqa: PLC0415
    from streams.telemetry.settings import metrics_settings  # noqa: PLC0415

    metrics = metrics_settings(metrics_address)
    log_to_terminal(log_level)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    figures = Figures("influx-sink", socket.gethostname(), models=metrics.models)
    serve(figures, metrics)
    InfluxSink(answering(connect(bootstrap)), InfluxSettings(), stopping, figures).run()
