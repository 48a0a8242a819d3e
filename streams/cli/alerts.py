"""``driftwarden alerts``: what was, and is, wrong."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from detectors.alert import Alert
from detectors.errors import EventError
from detectors.rfc3339 import format_time
from streams.alert_subscriber import AlertSubscriber
from streams.cli.options import Bootstrap, Prefix, messages, results
from streams.connection import KafkaConnection, connect
from streams.whole_topic import records_of
from streams.wire import decode_alert, encode_alert

_COLOURS = {"opened": "bold red", "updated": "yellow", "resolved": "green"}


def command(
    follow: Annotated[bool, typer.Option("--follow", help="Go on with the alerts that come, until stopped with Ctrl-C.")] = False,
    model: Annotated[list[str] | None, typer.Option(help="Only this model's; may be given again.")] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="With --follow: first those that are there already. Without --follow they are all that is printed.")
    ] = False,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines, one record of an alert a line, and nothing else, on standard output.")] = False,
) -> None:
    """Print alerts: each record in the life of each, once. Without --follow: all that are kept."""
    connection = connect(bootstrap, topic_prefix=prefix)
    if not follow:
        found = _kept(connection, model)
        for alert in found:
            _print(alert, json=json)
        if not found and not json:
            results().print("no alert" + (f" of {', '.join(model)}" if model else ""))
        return
    try:
        with AlertSubscriber(connection=connection, models=model or None, from_beginning=from_beginning) as subscriber:
            if not json:
                messages().print(f"waiting for alerts on {connection.bootstrap}; Ctrl-C ends", style="dim")
            for alert in subscriber:
                _print(alert, json=json)
    except KeyboardInterrupt:
        return


def _kept(connection: KafkaConnection, models: list[str] | None) -> list[Alert]:
    """Alerts in the topic, each record once, in the order of their times."""
    found: dict[tuple[str, int], Alert] = {}
    unreadable = 0
    for record in records_of(connection, connection.topics.alerts):
        try:
            alert = decode_alert(record.value or b"")
        except EventError:
            unreadable += 1
            continue
        if not models or alert.model in models:
            found.setdefault((alert.alert_id, alert.sequence), alert)
    if unreadable:
        messages().print(f"left out {unreadable} records that cannot be read", style="yellow")
    return sorted(found.values(), key=lambda alert: (alert.updated_at, alert.alert_id, alert.sequence))


def _print(alert: Alert, *, json: bool) -> None:
    if json:
        typer.echo(encode_alert(alert).decode())
        return
    colour = _COLOURS[alert.status]
    head = f"{format_time(alert.updated_at)} [{colour}]{alert.status}[/{colour}] {alert.severity} {alert.kind} {alert.alert_id}"
    results().print(f"{head}  {escape(alert.summary)}", soft_wrap=True)
