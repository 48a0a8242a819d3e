"""``driftwarden publish``: a file's events and labels to Kafka, as if an application had published them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from detectors.errors import DriftwardenError, SettingsError
from detectors.monitor import Monitors
from detectors.specification import MonitorSpecification
from streams.connection import KafkaConnection, connect
from streams.monitor_file import load_specification
from streams.monitors_reader import MonitorsReader
from streams.published_event import Event
from streams.publisher import Publisher
from streams.table_publishing import EventColumns, LabelDelay, end_of_time, events_of, parse_label_delay, record_span
from streams.tables import count_rows, read_chunks
from streams.topics import Topics

_AT_ONCE = 500
_WAITING = 50_000
_PATIENCE_SECONDS = 60.0


def command(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz, Parquet or JSON Lines.")],
    monitor: Annotated[str, typer.Option(help="A monitor.yaml, or the name of a model whose monitor was applied.")],
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default $DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092.", show_default=False)] = None,
    prefix: Annotated[str | None, typer.Option(help="Before each topic's name; default $DRIFTWARDEN_TOPIC_PREFIX.", show_default=False)] = None,
    rate: Annotated[float | None, typer.Option(help="At most so many events a second; default: as fast as Kafka takes them.", min=0.001, show_default=False)] = None,
    time_column: Annotated[str | None, typer.Option("--time", help="Column with the event's time; without one, the row number counts as seconds.")] = None,
    time_format: Annotated[str | None, typer.Option(help="Format of that time as of strptime, or epoch-seconds; default RFC 3339 or epoch milliseconds.")] = None,
    prediction: Annotated[str | None, typer.Option(help="Column with the prediction; without one, rows are features alone.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with the probability of the positive class.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the truth.")] = None,
    label_delay: Annotated[str | None, typer.Option(help="When labels come: 500 (events) or 2h; default: the monitor's labels.delay.", show_default=False)] = None,
    event_id: Annotated[str | None, typer.Option(help="Column with a unique id; default: the file's name and the row number.", show_default=False)] = None,
    version: Annotated[str | None, typer.Option(help="Column with the model's version.")] = None,
    latency: Annotated[str | None, typer.Option(help="Column with the latency in milliseconds.")] = None,
    sampling_fraction: Annotated[str | None, typer.Option(help="Column with the share of the traffic that a row is of.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was published as JSON.")] = False,
) -> None:
    """Publish the events of a file, and their labels when they would have become known; then move event time on, so that the last pane closes."""
    connection = connect(bootstrap, topic_prefix=prefix)
    specification = _specification(monitor, connection)
    columns = EventColumns(
        time=time_column, time_format=time_format, prediction=prediction, score=score, label=label,
        event_id=event_id, version=version, latency=latency, sampling_fraction=sampling_fraction,
    )  # fmt: skip
    delay = parse_label_delay(label_delay) if label_delay is not None else LabelDelay(duration=specification.labels.delay)
    total = count_rows(file)
    events = events_of(read_chunks(file), specification, columns, delay=delay, name=f"{specification.model}-{file.name}")
    told = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeElapsedColumn())
    progress = Progress(*parts, console=told, disable=not told.is_terminal)
    with Publisher(connection=connection, capacity=_WAITING, strict=True, span=record_span(specification)) as publisher, progress:
        task = progress.add_task(file.name, total=None if total is None else total * (1 if label is None or not (delay.events or delay.duration) else 2), speed="")
        started, count, latest = time.monotonic(), 0, 0
        for events_at_once in _portions(events, publisher):
            for event in events_at_once:
                publisher.publish(event)
                latest = max(latest, event.timestamp)
            count += len(events_at_once)
            elapsed = time.monotonic() - started
            if rate is not None and count / rate > elapsed:
                time.sleep(count / rate - elapsed)
            progress.update(task, completed=count, speed=f"{count / max(time.monotonic() - started, 1e-9):,.0f}/s")
        end = end_of_time(latest, specification)
        publisher.advance(end)
        if not publisher.flush(_PATIENCE_SECONDS):
            raise DriftwardenError(f"Kafka did not take everything within {_PATIENCE_SECONDS:.0f} s: {publisher.last_error or 'it does not answer'}")
        counters = publisher.counters
    if counters.failed or publisher.last_refusal:
        raise DriftwardenError(f"{counters.failed} of {count} events, or the end of event time, were refused: {publisher.last_refusal}")
    if json:
        typer.echo(msgspec.json.encode({"events": count, "sent": counters.sent, "event_time_end": end}).decode())
    else:
        typer.echo(f"published {counters.sent} events of '{specification.model}' to {Topics(prefix=connection.topic_prefix).inference_events}")


def _portions(events: Iterator[Event], publisher: Publisher) -> Iterator[list[Event]]:
    """A few events at a time, each when the publisher has room for them."""
    portion: list[Event] = []
    for event in events:
        portion.append(event)
        if len(portion) == _AT_ONCE:
            _wait_for_room(publisher)
            yield portion
            portion = []
    _wait_for_room(publisher)
    yield portion


def _wait_for_room(publisher: Publisher) -> None:
    # 2 entries more than a portion: the last thing to fit is the end of event time.
    last, since = -1, time.monotonic()
    while publisher.counters.waiting > _WAITING - _AT_ONCE - 2:
        waiting = publisher.counters.waiting
        if waiting != last:
            last, since = waiting, time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise DriftwardenError(f"Kafka took nothing for {_PATIENCE_SECONDS:.0f} s: {publisher.last_error or 'it does not answer'}")
        time.sleep(0.005)


def _specification(monitor: str, connection: KafkaConnection) -> MonitorSpecification:
    if monitor.endswith((".yaml", ".yml")) or Path(monitor).is_file():
        return load_specification(monitor)
    return asyncio.run(_applied(monitor, connection))


async def _applied(model: str, connection: KafkaConnection) -> MonitorSpecification:
    monitors = Monitors()
    reader = MonitorsReader(connection, monitors)
    try:
        await reader.start()
    finally:
        await reader.stop()
    found = monitors.latest(model)
    if found is None:
        raise SettingsError(f"no monitor was applied for the model '{model}'; apply one with: driftwarden monitor apply monitor.yaml, or pass --monitor monitor.yaml")
    return found.specification
