"""``driftwarden worker``: compute metrics and alerts."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from streams.cli.options import LogLevel, MetricsAddress, answering
from streams.connection import connect
from streams.telemetry.settings import metrics_settings
from streams.worker_settings import WorkerSettings


def command(
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default: DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092")] = None,
    name: Annotated[str | None, typer.Option(help="this worker's name in its group; unique; default: the host's name")] = None,
    metrics_address: MetricsAddress = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Read inference events, compute metrics, raise alerts.

    Start as many as there are partitions, on as many machines as you like: they share the partitions. A worker that meets a fault stops with
    exit code 1 and acknowledges nothing; let a supervisor start it again.
    """
    from streams.worker import run_worker  # noqa: PLC0415  faust takes half a second to import, which --help need not wait for

    settings = WorkerSettings() if name is None else WorkerSettings(name=name)
    metrics = metrics_settings(metrics_address)
    os.environ.setdefault("F_NO_COLOR", "1")
    run_worker(answering(connect(bootstrap)), settings, metrics, log_level=log_level)
