"""``driftwarden alerts``: what was, and is, wrong; an alert in words; and that a change is meant to stay."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import Explanation
from detectors.alerts.explanation import explain as explain_alert
from detectors.errors import EventError, SettingsError
from detectors.rfc3339 import format_time
from streams.acknowledge import acknowledge as acknowledge_alert
from streams.alert_subscriber import AlertSubscriber
from streams.cli.options import Bootstrap, Json, Prefix, messages, print_json, results
from streams.connection import KafkaConnection, connect
from streams.whole_topic import records_of
from streams.wire import decode_alert, encode_alert

app = typer.Typer(help="Print alerts: each record in the life of each, once. Explain one, or say that its change is meant to stay.")

_COLOURS = {"opened": "bold red", "updated": "yellow", "resolved": "green"}


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
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
    if context.invoked_subcommand is not None:
        return
    connection = connect(bootstrap, topic_prefix=prefix)
    if not follow:
        found = [alert for alert in _kept(connection) if not model or alert.model in model]
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


@app.command()
def explain(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="Of the alert, as 'driftwarden alerts' prints it; its first digits are enough where no other begins with them.")],
    file: Annotated[
        Path | None, typer.Option(help="Read the alerts there, JSON Lines as 'driftwarden replay --alerts' writes them, instead of from Kafka.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Say an alert in words, and compute every figure of it again from what it carries. Exit code 1: some figure could not be reproduced.

    Undefined figures are counted apart, and so are monitors whose evidence was left out of a record that would have been too large; neither is an error.
    """
    alerts = _kept(connect(bootstrap, topic_prefix=prefix)) if file is None else _of_file(file)
    explanation = explain_alert(records_of_alert(alerts, alert_id, source=str(file) if file is not None else "the topic of alerts"), alerts)
    if json:
        print_json(_content(explanation))
    else:
        _tell(explanation)
    if explanation.wrong:
        raise typer.Exit(1)


@app.command()
def acknowledge(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="Of the alert, or its first digits.")],
    by: Annotated[str, typer.Option(help="Whose word it is; it stands in the alert.")],
    note: Annotated[str, typer.Option(help="Why the change is meant to stay.", show_default=False)] = "",
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Say that an alert's change is meant to stay: it is resolved, and what comes in now is what its monitors compare with from then on."""
    connection = connect(bootstrap, topic_prefix=prefix)
    done = acknowledge_alert(records_of_alert(_kept(connection), alert_id, source="the topic of alerts"), by=by, note=note, connection=connection)
    word = done.acknowledgement
    if json:
        print_json({"alert_id": word.alert_id, "model": word.model, "by": word.by, "note": word.note, "effective_from": format_time(word.effective_from), "new": done.new})
    elif done.new:
        results().print(
            f"alert {word.alert_id} of '{word.model}' is acknowledged; it is resolved when event time has passed {format_time(word.effective_from)}", soft_wrap=True, markup=False
        )
    else:
        results().print(f"{word.by} has acknowledged alert {word.alert_id} already, as of {format_time(word.effective_from)}; nothing was written", soft_wrap=True, markup=False)


def records_of_alert(alerts: Iterable[Alert], alert_id: str, *, source: str) -> list[Alert]:
    """All records of the alert with an id, or with the one id that begins so.

    Raises
    ------
    SettingsError
        If there is none, or there are several.
    """
    found = [alert for alert in alerts if alert_id and alert.alert_id.startswith(alert_id)]
    found = [alert for alert in found if alert.alert_id == alert_id] or found
    ids = sorted({alert.alert_id for alert in found})
    if not ids:
        raise SettingsError(f"no alert {alert_id!r} in {source}; 'driftwarden alerts' prints those that are kept, with their ids")
    if len(ids) > 1:
        raise SettingsError(f"{len(ids)} alerts begin with {alert_id!r} in {source}: {', '.join(ids[:5])}; give more digits")
    return found


def _kept(connection: KafkaConnection) -> list[Alert]:
    """Alerts in the topic, each record once, in the order of their times."""
    return _each_once(record.value or b"" for record in records_of(connection, connection.topics.alerts))


def _of_file(path: Path) -> list[Alert]:
    """Alerts in a file of JSON Lines."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    return _each_once(line for line in content.splitlines() if line.strip())


def _each_once(values: Iterable[bytes]) -> list[Alert]:
    found: dict[tuple[str, int], Alert] = {}
    unreadable = 0
    for value in values:
        try:
            alert = decode_alert(value)
        except EventError:
            unreadable += 1
            continue
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


def _content(explanation: Explanation) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "alert_id": explanation.alert_id,
        "headline": explanation.headline,
        "life": list(explanation.life),
        "monitors": [{"name": one.name, "changed": one.changed, "surely": list(one.surely), "ruled_out": list(one.ruled_out)} for one in explanation.monitors],
        "happened": list(explanation.happened),
        "next": list(explanation.next),
        "reproduced": not explanation.wrong,
        "reservations": list(explanation.reservations),
        "left_out": list(explanation.left_out),
        "more_monitors": explanation.more_monitors,
        "figures": [
            {"monitor": one.monitor, "name": one.name, "stated": one.stated, "recomputed": one.recomputed, "state": one.state, "agrees": one.agrees} for one in explanation.figures
        ],
    }


def _tell(explanation: Explanation) -> None:
    out = results()

    def tell(text: str, *, indent: int = 0, style: str | None = None) -> None:
        out.print(" " * indent + escape(text), style=style, soft_wrap=True)

    tell(f"alert {explanation.alert_id}", style="bold")
    tell(explanation.headline)
    for one in explanation.monitors:
        tell("")
        tell(one.name, style="bold")
        for heading, sentences in (("what changed", (one.changed,)), ("how surely", one.surely), ("what was ruled out", one.ruled_out)):
            _section(tell, heading, sentences, indent=2)
    for heading, sentences in (("its life", explanation.life), ("what else happened", explanation.happened), ("what to do next", explanation.next)):
        if sentences:
            tell("")
            _section(tell, heading, sentences, indent=0)
    tell("")
    wrong = explanation.wrong
    if not wrong:
        counted = len(explanation.figures) - len(explanation.undefined)
        tell(f"{'' if explanation.reservations else 'all '}{counted} figures were computed again from what the alert carries, and are as stated", style="green")
    for reservation in explanation.reservations:
        tell(reservation, style="yellow")
    if not wrong:
        return
    tell(f"{len(wrong)} of {len(explanation.figures)} figures could not be reproduced from what the alert carries:", style="bold red")
    for figure in wrong:
        name = f"{figure.monitor}: {figure.name}" if figure.monitor else figure.name
        again = "not possible, as the evidence is not there" if figure.recomputed is None else f"{figure.recomputed:.10g}"
        tell(f"{name}: stated {figure.stated:.10g}, recomputed {again}", indent=2, style="red")


def _section(tell: Any, heading: str, sentences: Iterable[str], *, indent: int) -> None:
    tell(heading, indent=indent, style="dim")
    for sentence in sentences:
        tell(f"- {sentence}", indent=indent + 2)
