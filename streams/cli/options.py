"""Options that several commands share, and how commands print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from kafka import KafkaConsumer
from rich.console import Console

from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time
from streams.connection import KafkaConnection
from streams.file_events import ColumnNames
from streams.table_publishing import parse_label_delay
from streams.tables import ROW_LENGTH
from streams.whole_topic import explained
from streams.wire import encode_alert

_PIPE_WIDTH = 160
_PATIENCE_MILLISECONDS = 10_000

Bootstrap = Annotated[str | None, typer.Option(help="host:port of Kafka; default $DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092.", show_default=False)]
Prefix = Annotated[str | None, typer.Option(help="Before each topic's name; default $DRIFTWARDEN_TOPIC_PREFIX.", show_default=False)]
Time = Annotated[str | None, typer.Option("--time", help="Column with the event's time; without one, the row number counts as seconds.")]
TimeFormat = Annotated[str | None, typer.Option(help="Format of that time as of strptime, or epoch-seconds; default RFC 3339 or epoch milliseconds.")]
Prediction = Annotated[str | None, typer.Option(help="Column with the model's prediction.")]
Score = Annotated[str | None, typer.Option(help="Column with the probability of the positive class.")]
SamplingFraction = Annotated[str | None, typer.Option(help="Column with the share of the traffic that a row is of: one of .1 counts as ten.", show_default=False)]
Label = Annotated[str | None, typer.Option("--label", "--target", help="Column with the truth.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], typer.Option(case_sensitive=False, help="From which level on messages are told.")]
MetricsAddress = Annotated[
    str | None,
    typer.Option(help="host:port for /metrics, /healthz and /readyz, a port alone being of 127.0.0.1; default $DRIFTWARDEN_METRICS_ADDRESS, or none.", show_default=False),
]
REGISTRY_HELP = "Folder of the model registry, or mlflow: before the address of an MLflow server; the inference services need to reach it, too."
Ignore = Annotated[list[str] | None, typer.Option(help="A column to leave out; may be given again.")]


def columns(
    *,
    time: str | None,
    time_format: str | None,
    prediction: str | None,
    score: str | None,
    label: str | None,
    label_delay: str | None = None,
    sampling_fraction: str | None = None,
) -> ColumnNames:
    """The columns that the options name."""
    if time_format is not None and time is None:
        raise SettingsError(f"--time-format {time_format!r} was given without --time; name the column")
    delay = None if label_delay is None else parse_label_delay(label_delay)
    return ColumnNames(
        time=time,
        time_format=time_format,
        prediction=prediction,
        score=score,
        label=label,
        sampling_fraction=sampling_fraction,
        label_delay=(delay.duration or 0) if delay else 0,
        label_delay_rows=(delay.events or 0) if delay else 0,
    )


def answering(connection: KafkaConnection) -> KafkaConnection:
    """The connection, once a broker has answered on it: a process that cannot begin says so in one line.

    Raises
    ------
    DriftwardenError
        If none answers within 10 s.
    """
    with explained(connection):
        KafkaConsumer(**connection.client_arguments(), bootstrap_timeout_ms=_PATIENCE_MILLISECONDS).close()
    return connection


def messages() -> Console:
    """Where people are talked to; standard output is for results."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def results() -> Console:
    """Standard output for people; in a file or a pipe a table is not squeezed into 80 characters."""
    # Without emoji: the name of a monitor, such as missing:a:, is not one.
    return Console(highlight=False, emoji=False) if sys.stdout.isatty() else Console(highlight=False, emoji=False, width=_PIPE_WIDTH)


def moment(time: int, *, rows: bool = False) -> str:
    """A time for people; where times are row numbers, the row (counted from 1).

    Examples
    --------
    >>> moment(0), moment(2_000, rows=True)
    ('1970-01-01T00:00:00.000Z', 'row 3')
    """
    if time == NO_TIME:
        return "the beginning"
    return f"row {time // ROW_LENGTH + 1:,}" if rows else format_time(time)


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
