"""Options of the commands that read a file of events, and the times of its rows."""

from __future__ import annotations

from typing import Annotated

import typer

from detectors.errors import SettingsError
from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time
from streams.file_events import ColumnNames
from streams.table_publishing import parse_label_delay
from streams.tables import ROW_LENGTH

Time = Annotated[str | None, typer.Option("--time", help="Column with the event's time; without one, the row number counts as seconds.")]
TimeFormat = Annotated[str | None, typer.Option(help="Format of that time as of strptime, or epoch-seconds; default RFC 3339 or epoch milliseconds.")]
Prediction = Annotated[str | None, typer.Option(help="Column with the model's prediction.")]
Score = Annotated[str | None, typer.Option(help="Column with the probability of the positive class.")]
SamplingFraction = Annotated[str | None, typer.Option(help="Column with the share of the traffic that a row is of: one of .1 counts as ten.", show_default=False)]
Label = Annotated[str | None, typer.Option("--label", "--target", help="Column with the truth.")]
Ignore = Annotated[list[str] | None, typer.Option(help="A column to leave out; may be given again.")]


def columns(
    *,
    time: str | None,
    time_format: str | None,
    prediction: str | None,
    score: str | None,
    label: str | None,
    label_delay: str | None = None,
    version: str | None = None,
    latency: str | None = None,
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
        version=version,
        latency=latency,
        sampling_fraction=sampling_fraction,
        label_delay=(delay.duration or 0) if delay else 0,
        label_delay_rows=(delay.events or 0) if delay else 0,
    )


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
