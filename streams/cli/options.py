"""Options that several commands share, and how commands print; without what reads files, which takes 50 MiB that a worker can do without."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console

from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from streams.wire import encode_alert

if TYPE_CHECKING:
    from streams.connection import KafkaConnection

_PIPE_WIDTH = 160
_PATIENCE_MILLISECONDS = 10_000

Bootstrap = Annotated[str | None, typer.Option(help="host:port of Kafka; default $DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092.", show_default=False)]
Prefix = Annotated[str | None, typer.Option(help="Before each topic's name; default $DRIFTWARDEN_TOPIC_PREFIX.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], typer.Option(case_sensitive=False, help="From which level on messages are told.")]
MetricsAddress = Annotated[
    str | None,
    typer.Option(help="host:port for /metrics, /healthz and /readyz, a port alone being of 127.0.0.1; default $DRIFTWARDEN_METRICS_ADDRESS, or none.", show_default=False),
]
REGISTRY_HELP = "Folder of the model registry, or mlflow: before the address of an MLflow server; the inference services need to reach it, too."


def answering(connection: KafkaConnection) -> KafkaConnection:
    """The connection, once a broker has answered on it: a process that cannot begin says so in one line.

    Raises
    ------
    DriftwardenError
        If none answers within 10 s.
    """
    from kafka import KafkaConsumer  # noqa: PLC0415  a tenth of a second to import, which commands on files need not wait for

    from streams.unreachable import explained  # noqa: PLC0415  imports it, too

    with explained(connection):
        # Without a group the client would warn of commits.
        KafkaConsumer(**connection.client_arguments(), enable_auto_commit=False, bootstrap_timeout_ms=_PATIENCE_MILLISECONDS).close()
    return connection


def messages() -> Console:
    """Where people are talked to; standard output is for results."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def results() -> Console:
    """Standard output for people; in a file or a pipe a table is not squeezed into 80 characters."""
    # Without emoji: the name of a monitor, such as missing:a:, is not one.
    return Console(highlight=False, emoji=False) if sys.stdout.isatty() else Console(highlight=False, emoji=False, width=_PIPE_WIDTH)


def print_json(content: Any) -> None:
    """One JSON document; numbers that are not defined are null."""
    typer.echo(msgspec.json.format(msgspec.json.encode(content, enc_hook=float), indent=2).decode())


def alert_json(alert: Alert) -> msgspec.Raw:
    """An alert as it is on the wire."""
    return msgspec.Raw(encode_alert(alert))


def written(path: Path, content: bytes | str) -> None:
    """Write a file that was asked for; its folder is made.

    Raises
    ------
    SettingsError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error
