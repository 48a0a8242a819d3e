"""``driftwarden retrainer``: train challengers, prove them, promote them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from kafka.errors import KafkaError

from detectors.errors import SettingsError
from streams.cli.log_lines import log_to_terminal
from streams.cli.options import REGISTRY_HELP, LogLevel, MetricsAddress, answering
from streams.connection import connect

if TYPE_CHECKING:
    from streams.retrainer import RetrainerProcess

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LONGEST_STOP = 8.0
"""Seconds that the process may take to end when nothing is trained, as a worker may: its clients wait for a broker that is silent for a minute and more."""

_LEFT = "what was not announced is done again after the next start"


def command(
    registry: Annotated[str | None, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=REGISTRY_HELP)] = None,
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default: DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092")] = None,
    datasets: Annotated[Path, typer.Option(envvar="DRIFTWARDEN_DATASETS", help="folder to keep training sets in, as Parquet")] = Path("datasets"),
    name: Annotated[str | None, typer.Option(help="of this retrainer, another for each; one that is started again under its name has its turn back at once")] = None,
    seed: Annotated[int, typer.Option(help="seed of every training")] = 0,
    metrics_address: MetricsAddress = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Answer alerts and requests with challengers, and promote those that are proven better. Ctrl-C (or SIGTERM) ends it after the training under way, a second one at once.

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
    log_to_terminal(log_level)
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler)

    for number in SIGNALS:
        signal.signal(number, stop)
    figures = Figures("retrainer", name or socket.gethostname(), models=metrics.models)
    serve(figures, metrics)
    process = RetrainerProcess(answering(connect(bootstrap)), registry_at(registry), figures=figures, datasets=DatasetFiles(datasets), name=name, seed=seed)
    threading.Thread(target=_see_to_the_end, args=(stopping, process), daemon=True).start()
    try:
        process.run(stopping)
    except KafkaError as error:
        if not stopping.is_set():
            raise
        logger.error("Kafka failed while this one ended (%s: %s); %s", type(error).__name__, error, _LEFT)  # noqa: TRY400  the story is the message
        raise typer.Exit(1) from error


def _see_to_the_end(stopping: threading.Event, process: RetrainerProcess) -> None:
    """Tell of a signal, which its own handler may not do, as it might interrupt a line of the log; and wait for trainings, but not for a broker that is silent."""
    stopping.wait()
    logger.info("told to stop: a training that is under way is done first; a second signal ends it at once, and it is done again after the next start")
    waits_since = time.monotonic()
    while time.monotonic() - waits_since < LONGEST_STOP:
        time.sleep(0.1)
        if process.is_deciding:
            waits_since = time.monotonic()
    logger.error("did not end within %.0f s, most likely since no broker answers; waits no longer, and %s", LONGEST_STOP, _LEFT)
    os._exit(1)
