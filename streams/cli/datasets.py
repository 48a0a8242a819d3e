"""``driftwarden datasets``: what models were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table as Shown

from detectors.errors import SettingsError
from detectors.rfc3339 import format_time
from detectors.rows.examples import Examples
from retrainer.training_set import TABLE
from retrainer.versions import history
from streams.cli.options import Bootstrap, Json, Prefix, print_json, results
from streams.connection import connect
from streams.dataset_files import Dataset, DatasetFiles
from streams.dataset_view import MOST_LEVELS, columns_of, difference
from streams.topic_examples import training_set_of
from streams.version_name import find_version
from streams.whole_topic import read_versions

app = typer.Typer(help="Training sets: what is in each, how two differ, and the same one again from its offsets.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--datasets", envvar="DRIFTWARDEN_DATASETS", help="Folder of the Parquet files that the retrainer writes.")]
Digest = Annotated[str, typer.Argument(help="First digits of its digest.")]

_DEFAULT = Path("datasets")


@app.command("list")
def list_datasets(
    model: Annotated[str | None, typer.Argument(help="Only this model's.", show_default=False)] = None,
    datasets: Folder = _DEFAULT,
    json: Json = False,
) -> None:
    """List the training sets that were kept, oldest first."""
    found = sorted((one for one in DatasetFiles(datasets) if model in {None, one.lineage["model"]}), key=lambda one: (one.lineage["at"], one.digest))
    if json:
        print_json([_told(one) for one in found])
        return
    if not found:
        results().print(f"no training set in {datasets}" + (f" of {model}" if model else ""))
        return
    table = Shown()
    for heading in ("digest", "model", "at", "rows", "classes", "cause", "warnings"):
        table.add_column(heading)
    for one in found:
        told = one.lineage
        classes = ", ".join(f"{name} {rows}" for name, rows in told["classes"].items())
        row = (_short(one), told["model"], format_time(told["at"]), f"{told['rows']:,}", classes, told["cause"], "; ".join(told.get("warnings", ())))
        table.add_row(*map(escape, row))
    results().print(table)


@app.command()
def show(digest: Digest, datasets: Folder = _DEFAULT, json: Json = False) -> None:
    """Show a training set, after its digest was computed again: when its rows are from, its classes, its features, and how it was chosen."""
    one = DatasetFiles(datasets).find(digest)
    rows = one.examples()
    if json:
        print_json(_told(one) | {"path": str(one.path), "span": _span(rows), "features": columns_of(rows)})
        return
    told, selection = one.lineage, one.lineage["selection"]
    out = results()
    out.print(f"{one.digest}: {told['rows']:,} rows of '{escape(told['model'])}', {told['added']:,} of them from before the change; the digest was computed again", soft_wrap=True)
    out.print(f"  predicted {_span(rows)['predicted'][0]} to {_span(rows)['predicted'][1]}; for cause {escape(told['cause'])}")
    chosen = ", ".join(f"{name} {value}" for name, value in selection.items() if value is not None)
    out.print(f"  chosen by {escape(chosen)}")
    for place in _places(told):
        out.print(f"  {escape(place)}")
    for warning in told.get("warnings", ()):
        out.print(f"  [yellow]{escape(warning)}[/yellow]")
    table = Shown()
    for heading in ("column", "kind", "missing", "in short"):
        table.add_column(heading)
    for name, classes in (("label", told["classes"]),) if told["classes"] else ():
        table.add_row(name, "classes", "0.0 %", escape(", ".join(f"{level} {rows:,}" for level, rows in classes.items())))
    for name, column in columns_of(rows).items():
        table.add_row(escape(name), column["kind"], f"{column['missing']:.1%}".replace("%", " %"), escape(_in_short(column)))
    out.print(table)


@app.command()
def diff(first: Digest, second: Digest, datasets: Folder = _DEFAULT, json: Json = False) -> None:
    """Show how two training sets differ: events, corrected labels, classes, and features, the furthest apart first."""
    files = DatasetFiles(datasets)
    one, other = files.find(first), files.find(second)
    told = difference(one.examples(), other.examples())
    if json:
        print_json({"first": one.digest, "second": other.digest} | told)
        return
    out = results()
    out.print(f"{_short(one)} has {told['rows'][0]:,} rows, {_short(other)} has {told['rows'][1]:,}")
    out.print(
        f"  {told['both']:,} events in both ({told['relabelled']:,} with another label), {told['only_first']:,} only in the first, {told['only_second']:,} only in the second"
    )
    for which in ("first", "second"):
        if told[f"only_in_{which}"]:
            out.print(f"  features only in the {which}: {escape(', '.join(told[f'only_in_{which}']))}")
    table = Shown()
    for heading in ("column", "apart by", "measure", "first", "second"):
        table.add_column(heading)
    for name, column in ({"label": told["label"]} | told["features"]).items():
        table.add_row(escape(name), f"{column['apart']:.3g}", column["measure"], escape(_side(column["first"])), escape(_side(column["second"])))
    out.print(table)


@app.command()
def rebuild(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The version that was trained on it: MODEL@VERSION, MODEL@champion, or MODEL (its champion).", show_default=False)
    ],
    datasets: Folder = _DEFAULT,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Choose a version's training set again, by its offsets on Kafka, and keep it; exit code 1 if its digest is not the announced one."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    model, number = find_version(models, version)
    record = history(models[model])[number][0]
    if "digest" not in record.trained_on:
        raise SettingsError(f"version {number} of '{model}' was trained on a table, or on rows that are not recorded; there is nothing to choose again")
    chosen = training_set_of(connection, model, record.trained_on, kept=DatasetFiles(datasets).rows_of)
    same = chosen.digest == record.trained_on["digest"]
    path = DatasetFiles(datasets).keep(chosen, record.trained_on | {"model": model, "cause": record.cause, "at": record.at}) if same else None
    if json:
        print_json({"announced": record.trained_on["digest"], "found": chosen.digest, "rows": len(chosen.examples), "same": same, "path": None if path is None else str(path)})
    elif same:
        results().print(f"the same {len(chosen.examples):,} rows, {chosen.digest}: {path}", soft_wrap=True)
    else:
        results().print(
            f"{len(chosen.examples):,} rows with the digest {chosen.digest}, but {record.trained_on['digest']} was announced: rows have expired, or were changed", soft_wrap=True
        )
    raise typer.Exit(0 if same else 1)


def _told(one: Dataset) -> dict[str, Any]:
    return one.lineage | {"at": format_time(one.lineage["at"])}


def _short(one: Dataset) -> str:
    return one.digest.removeprefix("sha256:")[:12]


def _places(told: dict[str, Any]) -> Iterator[str]:
    """Where its rows are: in a topic, in the table that the first champion was trained on, or in both."""
    of_topic = "; ".join(f"{partition}: {first} to {last}" for partition, (first, last) in told["offsets"].items() if partition != str(TABLE))
    if of_topic:
        yield f"offsets {of_topic} of {told['topic']}"
    if str(TABLE) in told["offsets"]:
        first, last = told["offsets"][str(TABLE)]
        yield f"rows {first} to {last} of {told.get('before', told)['topic']}, which the first champion was trained on"


def _span(rows: Examples) -> dict[str, list[str]]:
    return {name: [format_time(int(times.min())), format_time(int(times.max()))] for name, times in (("predicted", rows.predicted_at), ("labelled", rows.labelled_at))}


def _in_short(column: dict[str, Any]) -> str:
    if column["kind"] == "numeric":
        return f"mean {column['mean']:.4g}, sd {column['sd']:.4g}"
    return ", ".join(f"{level} {share:.1%}".replace("%", " %") for level, share in column["levels"].items())


def _side(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:.4g}"
    most = sorted(value.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LEVELS]
    more = f", and {len(value) - len(most):,} more" if len(value) > len(most) else ""
    return ", ".join(f"{name} {share:.2f}" for name, share in most) + more
