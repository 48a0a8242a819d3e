"""``driftwarden retrainer``: train challengers, prove them, promote them."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from detectors.errors import SettingsError
from streams.cli.options import REGISTRY_HELP, LogLevel, MetricsAddress, answering
from streams.connection import connect


def command(
    registry: Annotated[str | None, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=REGISTRY_HELP)] = None,
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default: DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092")] = None,
    datasets: Annotated[Path, typer.Option(envvar="DRIFTWARDEN_DATASETS", help="folder to keep training sets in, as Parquet")] = Path("datasets"),
    name: Annotated[str | None, typer.Option(help="of this retrainer, another for each; one that is started again under its name has its turn back at once")] = None,
    seed: Annotated[int, typer.Option(help="seed of every training")] = 0,
    metrics_address: MetricsAddress = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Answer alerts and requests with challengers, and promote those that are proven better.

    Of several, one acts, and another takes over when it is gone. What is decided, and why, goes to retraining.decisions, and versions to models.versions.
    """
    from retrainer.registry import registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which --help need not wait for
    from streams.dataset_files import DatasetFiles  # noqa: PLC0415
    from streams.retrainer import RetrainerProcess  # noqa: PLC0415
    from streams.telemetry.figures import Figures  # noqa: PLC0415
    from streams.telemetry.serve import serve  # noqa: PLC0415
    from streams.telemetry.settings import metrics_settings  # noqa: PLC0415

    if registry is None:
        raise SettingsError("the retrainer needs a registry to put models into; pass --registry DIR or --registry mlflow:http://HOST:PORT, or set DRIFTWARDEN_REGISTRY")
    metrics = metrics_settings(metrics_address)
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)  # it tells of every connection
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    figures = Figures("retrainer", name or socket.gethostname(), models=metrics.models)
    serve(figures, metrics)
    RetrainerProcess(answering(connect(bootstrap)), registry_at(registry), figures=figures, datasets=DatasetFiles(datasets), name=name, seed=seed).run(stopping)
