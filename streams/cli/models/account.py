"""``driftwarden models lineage``, ``card`` and ``compare``: the account of a version, made of what was announced."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.markup import escape
from rich.table import Table as Shown

from detectors.alerts.alert import Alert
from detectors.errors import EventError
from detectors.specification import MonitorSpecification
from retrainer.approval import asked_for
from retrainer.comparison import comparison
from retrainer.lineage import lineage
from retrainer.model_card import markdown, model_card
from retrainer.versions import Version, digest_of_specification, history
from streams.asking import read_decisions
from streams.cli.options import Bootstrap, Json, Prefix, print_json, results, written
from streams.connection import KafkaConnection, connect
from streams.version_name import find_version
from streams.view.lineage_picture import PictureFormat, picture
from streams.whole_topic import read_monitors, read_versions, records_of
from streams.wire import decode_alert

Name = Annotated[str, typer.Argument(metavar="VERSION", help="MODEL@VERSION, MODEL@champion, MODEL (its champion), or a version that one model alone has.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write into this file instead of standard output.", show_default=False)]


def show_lineage(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model, all of its versions; or MODEL@VERSION, that one and those it descends from.", show_default=False)],
    form: Annotated[PictureFormat, typer.Option("--format", help="mermaid for documents, svg for browsers, json for programs.")] = "mermaid",
    out: Out = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Draw where a model's versions come from: causes, why they were answered by a training or by none, rows, trainings, gates and what came of them, with their times."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    found, version = find_version(models, model) if model not in models else (model, None)
    records = models[found]
    decisions = read_decisions(connection, found)
    causes = _causes(connection, {record.cause for record in records} | {decision.cause for decision in decisions})
    _tell(picture(lineage(records, version=version, causes=causes.items(), decisions=decisions), form), out)


def show_card(
    version: Name,
    form: Annotated[Literal["markdown", "json"], typer.Option("--format", help="For people or for programs.")] = "markdown",
    out: Out = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Write the model card of a version from the evidence: use, training, evaluation, limits, history and provenance."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    model, number = find_version(models, version)
    first = history(models[model])[number][0]
    cause = _causes(connection, {first.cause}).get(first.cause)
    asked = asked_for(read_decisions(connection, model)).get(number)
    card = model_card(models[model], number, specification=specification_of(connection, first), cause=cause, asked=asked)
    _tell(markdown(card) if form == "markdown" else msgspec.json.format(msgspec.json.encode(card, enc_hook=str), indent=2).decode() + "\n", out)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A version, as of MODEL@VERSION.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Show what two versions differ in: rows, parameters, figures, verdict, code and packages."""
    models = read_versions(connect(bootstrap, topic_prefix=prefix))
    sides = [history(models[model])[number] for model, number in (find_version(models, name) for name in (a, b))]
    told = comparison(*sides)
    if json:
        print_json(told)
        return
    out = results()
    rows = told["rows"]
    out.print("the same artifact" if told["same_artifact"] else "different artifacts")
    out.print(f"{rows['shared_offsets']:,} offsets of rows in common ({rows['of_a']:,} and {rows['of_b']:,})")
    table = Shown()
    for heading in ("", "", told["a"], told["b"]):
        table.add_column(escape(heading))
    for section, values in told["differences"].items():
        for place, (key, pair) in enumerate(values.items()):
            table.add_row(*map(escape, (section if place == 0 else "", key, *(_plain(value) for value in pair))))
    out.print(table)


def specification_of(connection: KafkaConnection, record: Version) -> MonitorSpecification | None:
    """The monitor that a version was trained under; where that is not recorded, the one applied last; None where there is none."""
    monitors = read_monitors(connection).of(record.model)
    wanted = record.provenance.get("specification")
    exact = next((monitor.specification for monitor in monitors if digest_of_specification(monitor.specification) == wanted), None)
    return exact or (monitors[-1].specification if monitors and wanted is None else None)


def _causes(connection: KafkaConnection, wanted: Set[str]) -> dict[str, dict[str, Any]]:
    """What alerts say of themselves, by their ids."""
    told: dict[str, dict[str, Any]] = {}
    for record in records_of(connection, connection.topics.alerts):
        try:
            alert = decode_alert(record.value or b"")
        except EventError:
            continue
        if alert.alert_id in wanted:
            told[alert.alert_id] = _told(alert)
    return told


def _told(alert: Alert) -> dict[str, Any]:
    return {"kind": alert.kind, "summary": alert.summary, "severity": alert.severity, "status": alert.status, "opened_at": alert.opened_at}


def _tell(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        written(out, text)


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
