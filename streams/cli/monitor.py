"""``driftwarden monitor``: what Driftwarden is told about a model."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table as Shown

from detectors.duration import format_duration, parse_duration
from detectors.errors import SettingsError
from detectors.event_batch import NO_TIME
from detectors.metric import mean, wilson
from detectors.monitor import Monitor
from detectors.profile import PerformanceProfile
from detectors.specification import MonitorSpecification, Task
from streams.apply import Applied, Threshold, apply_monitor, checked, thresholds_of
from streams.cli.file_options import Ignore, Label, Prediction, SamplingFraction, Score, Time, TimeFormat, moment
from streams.cli.options import Bootstrap, Json, Prefix, messages, print_json, results, written
from streams.connection import connect
from streams.file_settings import FILE_BUDGET, changed
from streams.infer import QUALITY, state_bytes
from streams.infer import infer as infer_specification
from streams.monitor_file import format_specification, load_specification
from streams.tables import ROW_LENGTH, read_table
from streams.whole_topic import read_monitors

app = typer.Typer(help="What Driftwarden is told about a model: infer it from a table, apply it, show what is in force.", no_args_is_help=True)


@app.command()
def infer(
    file: Annotated[Path, typer.Argument(help="The training table (better: rows that the model was not fitted to): CSV, CSV.gz, Parquet or JSON Lines.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the specification.")] = Path("monitor.yaml"),
    model: Annotated[str | None, typer.Option(help="The model's name; default: the file's.", show_default=False)] = None,
    label: Label = None,
    prediction: Prediction = None,
    score: Score = None,
    time: Time = None,
    time_format: TimeFormat = None,
    ignore: Ignore = None,
    sampling_fraction: SamplingFraction = None,
    segment: Annotated[list[str] | None, typer.Option(help="A column to report separately by; may be given again.")] = None,
    period: Annotated[list[str] | None, typer.Option(help="A cycle to learn and to take off, such as 1d, or without --time in rows, such as 365; may be given again.")] = None,
    task: Annotated[Literal["classification", "regression"] | None, typer.Option(help="Default: by the label's values.", show_default=False)] = None,
    correlation: Annotated[list[str] | None, typer.Option(help="A numeric column whose correlations are watched; may be given again, or be 'all'.")] = None,
    anomalies: Annotated[bool, typer.Option("--anomalies", help="Judge single events, too, by how unlike the table's rows they are.")] = False,
    hours: Annotated[bool, typer.Option("--hours", help="Compare every hour of the week with its own rows of the table; needs --time.")] = False,
    base: Annotated[
        Path | None,
        typer.Option(help="A monitor.yaml whose settings are kept, and what it declares of features; the profile and new columns come from the table.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a specification from a training table: types, bins, classes, performance. It can be applied as it is.

    With --base, one that is there gets a new reference, and what a person wrote in it stays.
    """
    if output.exists() and not force:
        raise SettingsError(f"{output} is there already; pass --force to replace it, or another name with -o")
    notes: list[str] = []

    def tell(note: str) -> None:
        notes.append(note)
        messages().print(f"note: {note}", style="dim")

    start = None if base is None else load_specification(base)
    name, chosen = (model or file.name.partition(".")[0], task) if start is None else (model or start.model, task or start.task)
    if start is None and time is None:
        tell(f"without --time a row counts as a second: lateness 0, and a budget of {FILE_BUDGET}")
        start = MonitorSpecification(model=name, quality=QUALITY)
        start = changed(start, lateness=0, false_alarms=FILE_BUDGET, events_per_pane=start.pane / ROW_LENGTH)
    table = read_table(file)
    specification = infer_specification(
        table,
        model=name,
        label=label,
        prediction=prediction,
        score=score,
        time=time,
        time_format=time_format,
        ignore=ignore or (),
        segments=segment or (),
        periods=[_period(text, rows=time is None) for text in period or ()],
        task=chosen,
        correlation=correlation or (),
        anomalies=anomalies,
        hours=hours,
        sampling_fraction=sampling_fraction,
        base=start,
        tell=tell,
    )
    written(output, format_specification(specification))
    if json:
        print_json({"file": str(output), "notes": notes, **_summary(specification), "state_bytes": state_bytes(specification)})
        return
    _show_specification(specification)
    profile = specification.reference.profile
    if profile is not None and profile.performance is not None:
        results().print(f"performance on the reference: {_performance(profile.performance, specification.task)}")
    results().print(f"state: at most {_bytes(state_bytes(specification))} for each source partition and version")
    results().print(f"written to {output}; apply it with: driftwarden monitor apply {output}", soft_wrap=True)


def _performance(found: PerformanceProfile, task: Task) -> str:
    """Performance with its rows and its 95 % interval; there is none of a number on a single row.

    Examples
    --------
    >>> _performance(PerformanceProfile(rows=400, loss=0.1, deviation=0.3), "classification")
    'error rate 0.1 (95 % 0.0743 to 0.1333) on 400 rows'
    """
    if task == "classification":
        name, (low, high) = "error rate", wilson(found.loss * found.rows, found.rows)
    else:
        squares = found.rows * (found.deviation**2 + found.loss**2)
        name, (low, high) = "mean absolute error", mean("mae", found.loss * found.rows, squares, found.rows).interval
    between = "" if math.isnan(low) else f" (95 % {low:.4g} to {high:.4g})"
    return f"{name} {found.loss:.4g}{between} on {found.rows:,} rows"


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="The specification.")] = Path("monitor.yaml"),
    json: Json = False,
) -> None:
    """Check a specification as `apply` would, without Kafka: its keys, whether its budget can be calibrated, and its own metrics.

    Faults are told with their lines, and the exit code is 2.
    """
    specification = load_specification(file)
    thresholds = checked(specification)
    if json:
        print_json({**_summary(specification), "state_bytes": state_bytes(specification), "thresholds": [_threshold(one) for one in thresholds]})
        return
    results().print(f"{file} can be applied", style="bold")
    _show_specification(specification)
    _show_thresholds(specification, thresholds)
    results().print(f"state: at most {_bytes(state_bytes(specification))} for each source partition and version")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The specification.")] = Path("monitor.yaml"),
    learn_again: Annotated[bool, typer.Option("--learn-again", help="Forget the reference that was learnt from the stream, and learn it from the events that come next.")] = False,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Put a specification in force, as the model's next revision; workers take it up while they run.

    It rules the panes that begin after everything in the source topic, so no pane is judged by two revisions. One that is in force already is not applied again.
    A reference that was learnt from the stream (reference.learn) stays.
    """
    specification = load_specification(file)
    if learn_again and specification.reference.learning is None:
        raise SettingsError(f"--learn-again is for a model whose reference is learnt from its stream; {file} sets no reference.learn, so add it, or leave --learn-again out")
    applied = apply_monitor(specification, connect(bootstrap, topic_prefix=prefix), learn_again=learn_again)
    if json:
        print_json(
            _content(applied.monitor)
            | {"new": applied.new, "partitions": applied.partitions, "state_bytes": applied.state_bytes, "thresholds": [_threshold(one) for one in applied.thresholds]}
        )
        return
    _show_applied(applied)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the newest one there, as a file to be changed and applied, with its reference.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Show every revision of a model's monitor, and the newest one in full."""
    monitors = read_monitors(connect(bootstrap, topic_prefix=prefix))
    revisions, unreadable = monitors.of(model), monitors.unreadable(model)
    if not revisions:
        known = ", ".join(monitors.models()) or "none"
        what = (
            f"revision {max(unreadable)} of '{model}' cannot be read by this release ({unreadable[max(unreadable)]})"
            if unreadable
            else f"no monitor was applied for the model '{model}'"
        )
        raise SettingsError(f"{what}; applied: {known}. Apply one with: driftwarden monitor apply monitor.yaml")
    if output is not None:
        written(output, format_specification(revisions[-1].specification))
    if json:
        told = [_content(monitor) | {"specification": monitor.specification.model_dump(mode="json")} for monitor in revisions]
        print_json({"model": model, "revisions": told, "unreadable": [{"revision": number, "reason": why} for number, why in sorted(unreadable.items())]})
        return
    table = Shown(title=f"monitor of '{model}'", title_justify="left")
    for heading in ("revision", "in force for panes from", "specification", "pane", "false alarms", "features"):
        table.add_column(heading, no_wrap=heading == "specification")
    for monitor in revisions:
        one = monitor.specification
        table.add_row(str(monitor.revision), moment(monitor.effective_from), one.digest, format_duration(one.pane), str(one.false_alarms), str(len(one.features)))
    results().print(table)
    for number, why in sorted(unreadable.items()):
        results().print(f"revision {number} cannot be read by this release, and is left out: {why}", style="yellow")
    newest = revisions[-1].specification
    _show_specification(newest)
    _show_thresholds(newest, thresholds_of(newest))


def _period(text: str, *, rows: bool) -> int:
    """Milliseconds of a cycle; a bare number is one of rows, which last a second each where there is no time column."""
    if text.strip().isdecimal():
        if not rows:
            raise SettingsError(f"--period {text}: with --time a period is a duration, such as {text}d or {text}h")
        return int(text) * ROW_LENGTH
    try:
        return parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"--period: {error}") from error


_TYPES = ("numeric", "categorical", "text", "embedding")


def _summary(specification: MonitorSpecification) -> dict[str, Any]:
    return {
        "model": specification.model,
        "task": specification.task,
        "digest": specification.digest,
        "pane": format_duration(specification.pane),
        "lateness": format_duration(specification.lateness),
        "false_alarms": str(specification.false_alarms),
        "events_per_pane": specification.events_per_pane,
        "features": {name: feature.type for name, feature in specification.features.items()},
        "classes": list(specification.classes),
    }


def _content(monitor: Monitor) -> dict[str, Any]:
    """A revision for a program; one that is in force from the beginning has no ``effective_from``."""
    start = None if monitor.effective_from == NO_TIME else moment(monitor.effective_from)
    return {"model": monitor.model, "revision": monitor.revision, "effective_from": start, "digest": monitor.specification.digest}


def _threshold(threshold: Threshold) -> dict[str, Any]:
    low, high = (None if math.isnan(height) else height for height in threshold.heights)
    return {"group": threshold.group, "kind": threshold.kind, "monitors": list(threshold.monitors), "looks": threshold.looks, "lowest": low, "highest": high}


def _show_specification(specification: MonitorSpecification) -> None:
    out, types = results(), Counter[str](feature.type for feature in specification.features.values())
    out.print(f"model '{specification.model}': {specification.task}" + (f" of {', '.join(specification.classes)}" if specification.classes else ""))
    out.print(f"features: {len(specification.features)} ({', '.join(f'{types[kind]} {kind}' for kind in _TYPES if types[kind] or kind in _TYPES[:2])})")
    events = "" if specification.events_per_pane is None else f", {specification.events_per_pane:,.4g} events each"
    out.print(f"pane {format_duration(specification.pane)}{events}; lateness {format_duration(specification.lateness)}; false alarms: {specification.false_alarms}")
    profile = specification.reference.profile
    if profile is not None:
        out.print(f"reference: {specification.reference.source or 'inlined'}, {profile.rows:,} rows")
    elif specification.reference.learn is not None:
        out.print(f"reference: learnt from the first {specification.reference.learn:,} events; drift is watched from then on")
    else:
        out.print("no reference profile: drift is not watched; learn one from the stream with reference.learn, or make one with: driftwarden monitor infer FILE")


def _show_applied(applied: Applied) -> None:
    out, monitor = results(), applied.monitor
    if applied.new:
        out.print(f"revision {monitor.revision} of '{monitor.model}' is in force for panes from {moment(monitor.effective_from)}", style="bold")
        if monitor.revision == 1 and monitor.effective_from != NO_TIME:
            out.print("events of times before that are counted as unmonitored, and judged by nobody; look at a file of them with: driftwarden replay", soft_wrap=True)
    else:
        out.print(f"unchanged: revision {monitor.revision} of '{monitor.model}' says the same, for panes from {moment(monitor.effective_from)}", style="bold")
    _show_specification(monitor.specification)
    _show_thresholds(monitor.specification, applied.thresholds)
    out.print(f"state: at most {_bytes(applied.state_bytes)} for {applied.partitions} source partitions and one version")


def _show_thresholds(specification: MonitorSpecification, thresholds: tuple[Threshold, ...]) -> None:
    if not thresholds:
        results().print("nothing is watched: there is neither a reference nor a label")
        return
    table = Shown(title=f"what '{specification.false_alarms}' comes to: panes between false alarms of each monitor", title_justify="left")
    for heading in ("group", "alert", "monitors", "such as", "panes", "threshold"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("monitors", "panes") else "left")
    for one in thresholds:
        low, high = one.heights
        height = "by pauses" if math.isnan(low) else f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
        table.add_row(one.group, one.kind, str(len(one.monitors)), one.monitors[0], "not known" if math.isnan(one.looks) else f"{one.looks:,.0f}", height)
    results().print(table)


def _bytes(count: int) -> str:
    """Bytes for people.

    Examples
    --------
    >>> _bytes(900), _bytes(64_026_624)
    ('900 bytes', '64.0 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
