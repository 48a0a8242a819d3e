"""``driftwarden replay``: a monitor on a file, without a broker."""

from __future__ import annotations

import gc
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Shown

from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from detectors.metric import Metric
from detectors.specification import MonitorSpecification
from detectors.statistics.intervals import PARTS
from retrainer.bootstrap import bootstrap_champion
from retrainer.first_rows import HeldRows
from retrainer.provenance import provenance
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import TrainingError, trainer_named
from retrainer.versions import Version
from streams.allowed_trainers import TrainerSettings
from streams.arrow_alone import without_pandas
from streams.cli.file_options import Label, Prediction, SamplingFraction, Score, Time, TimeFormat, columns, moment
from streams.cli.options import Json, alert_json, messages, print_json, results, written
from streams.file_events import ColumnNames, input_columns, outcome_column
from streams.file_settings import for_file
from streams.monitor_file import load_specification
from streams.replay import Progress as Told
from streams.replay import Replayed, replay
from streams.tables import Table, count_rows, read_chunks, read_table
from streams.wire import encode_alert, encode_points, encode_version


def command(
    files: Annotated[list[Path], typer.Argument(help="CSV, CSV.gz, Parquet or JSON Lines; several are one history, in their order.")],
    monitor: Annotated[Path, typer.Option(help="The monitor.yaml.")],
    alerts: Annotated[Path | None, typer.Option(help="Write the records of all alerts there, JSON Lines.", show_default=False)] = None,
    metrics: Annotated[Path | None, typer.Option(help="Write the metric points there, JSON Lines.", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report there.", show_default=False)] = None,
    pane: Annotated[str | None, typer.Option(help="Over the monitor's own: length of a pane, such as 10s (without --time a row lasts a second).", show_default=False)] = None,
    lateness: Annotated[str | None, typer.Option(help="Over the monitor's own: how long a pane waits for late events.", show_default=False)] = None,
    false_alarms: Annotated[str | None, typer.Option(help="Over the monitor's own: such as '1 per 30d' or '1 per 100000 events'.", show_default=False)] = None,
    time: Time = None,
    time_format: TimeFormat = None,
    prediction: Prediction = None,
    score: Score = None,
    label: Label = None,
    label_delay: Annotated[str | None, typer.Option(help="When labels come: after 500 (events) or 2h; default: at once.", show_default=False)] = None,
    version: Annotated[str | None, typer.Option(help="Column with the model's version.", show_default=False)] = None,
    latency: Annotated[str | None, typer.Option(help="Column with the latency in milliseconds.", show_default=False)] = None,
    sampling_fraction: SamplingFraction = None,
    segment: Annotated[list[str] | None, typer.Option(help="A column to report separately by; may be given again.")] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Close the loop: a champion is trained on the reference, predicts every row, and is retrained by the monitor's policy.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(help="With --retrain: the table to train the first champion on; default: the monitor's reference.source.", show_default=False)
    ] = None,
    registry: Annotated[Path | None, typer.Option(help="With --retrain: folder to keep the models in; default: they are thrown away.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Run a monitor over history: the same stages as in production, in one process, without a broker and in virtual time.

    Give the columns of prediction and label to watch performance, or --retrain to see what retraining would have done: each row is predicted before anything
    is learnt from it.
    """
    without_pandas()
    gc.set_threshold(50_000, 20, 100)  # panes leave no garbage, and what they say is looked through again and again by default
    of_predictions = {"--prediction": prediction, "--score": score, "--version": version, "--latency": latency}
    if retrain and any(name is not None for name in of_predictions.values()):
        raise SettingsError(f"with --retrain the champion makes the predictions; leave out {', '.join(option for option, name in of_predictions.items() if name is not None)}")
    if not retrain and (reference is not None or registry is not None):
        raise SettingsError("--reference and --registry are for --retrain; add it, or leave them out")
    names = columns(
        time=time, time_format=time_format, prediction=prediction, score=score, label=label, label_delay=label_delay,
        version=version, latency=latency, sampling_fraction=sampling_fraction,
    )  # fmt: skip
    if label is not None and prediction is None and not retrain:
        raise SettingsError("a label says nothing without a prediction; name it with --prediction, or add --retrain")
    tables = _chunks(files)
    first = next(tables)
    specification = for_file(load_specification(monitor), first, names, pane=pane, lateness=lateness, false_alarms=false_alarms, segments=segment or ())
    wanted = metrics is not None or report is not None
    with ExitStack() as stack:
        told = stack.enter_context(_progress(files))
        if retrain:
            root = registry if registry is not None else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftwarden-registry-")))
            table = read_table(_reference(reference, specification, monitor))
            replayed = _retrained(chain([first], tables), specification, names, table, root, metrics=wanted, told=told.tell)
        else:
            replayed = replay(chain([first], tables), specification, names, metrics=wanted, progress=told.tell)
    if alerts is not None:
        written(alerts, b"".join(encode_alert(alert) + b"\n" for alert in replayed.alerts))
    if metrics is not None:
        written(metrics, encode_points(replayed.points) + b"\n")
    if report is not None:
        _report(report, replayed, files, names, retrained=retrain)
    if json:
        print_json(_content(replayed, files, retrained=retrain))
    else:
        _show(replayed, names, retrained=retrain)
        for what, path in (("alerts", alerts), ("metrics", metrics), ("report", report), ("models", registry)):
            if path is not None:
                results().print(f"{what}: {path}", soft_wrap=True)


def _chunks(files: Sequence[Path]) -> Iterator[Table]:
    for file in files:
        yield from read_chunks(file)


class _progress:  # noqa: N801  used as a function
    """A bar on standard error while a replay runs."""

    def __init__(self, files: Sequence[Path]) -> None:
        counts = [count_rows(file) for file in files]
        parts = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeElapsedColumn())
        told = messages()
        self._bar = Progress(*parts, console=told, transient=True, disable=not told.is_terminal)
        self._task = self._bar.add_task("replay", total=None if None in counts else sum(count or 0 for count in counts))

    def tell(self, rows: int) -> None:
        self._bar.advance(self._task, rows)

    def __enter__(self) -> _progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _reference(given: Path | None, specification: MonitorSpecification, monitor: Path) -> Path:
    if given is not None:
        return given
    source = specification.reference.source
    if source is None:
        raise SettingsError("the monitor names no reference.source to train the first champion on; pass the table with --reference FILE")
    places = [monitor.parent / source, Path(source)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise SettingsError(f"the monitor's reference.source {source!r} is neither beside {monitor.name} nor here; pass the table with --reference FILE")
    messages().print(f"note: the first champion is trained on {found}", style="dim")
    return found


def _retrained(tables: Iterator[Table], specification: MonitorSpecification, names: ColumnNames, reference: Table, root: Path, *, metrics: bool, told: Told) -> Replayed:
    from retrainer.loop import RetrainLoop  # noqa: PLC0415  it and what it trains with take seconds to import, in which a hundred thousand rows are replayed
    from streams.measured_reference import labelled_rows, with_measured_performance  # noqa: PLC0415  the same
    from streams.retraining_replay import replay_with_retraining  # noqa: PLC0415  the same

    trainer, registry, first = trainer_named(specification.retrain.trainer, variables=TrainerSettings().variables), FilesRegistry(root), HeldRows()
    try:
        specification = with_measured_performance(specification, reference, names, trainer)
        rows = labelled_rows(specification, reference, names)
        at = 0 if names.time is None else int(rows.times(names.time, names.time_format)[-1])
        features, label = input_columns(specification, rows), outcome_column(specification, rows, names.label)
        records = bootstrap_champion(features, label, specification=specification, trainer=trainer, registry=registry, at=at, source=reference.source, keep=first.keep)
    except TrainingError as error:
        own = "; mend the trainer, or name another one as retrain.trainer in monitor.yaml" if ":" in specification.retrain.trainer else ""
        raise SettingsError(f"no first champion can be trained on {reference.source}: {error}{own}") from error
    loop = RetrainLoop(specification, trainer, registry, records=records, topic="replay", provenance=provenance, kept=first.rows_of)
    return replay_with_retraining(tables, specification, names, loop, registry, metrics=metrics, progress=told)


def _figures(replayed: Replayed, *, retrained: bool) -> dict[str, Metric]:
    """Accuracy, or the mean absolute error, of the predictions that were made and of those without retraining."""
    losses = replayed.losses
    sums = {"with_retraining": losses.made, "without_retraining": losses.static} if retrained else {"observed": losses.made}
    return {name: one.metric(replayed.specification.task) for name, one in sums.items()}


def _measure(replayed: Replayed) -> str:
    return "mae" if replayed.specification.task == "regression" else "accuracy"


def _told(figure: Metric) -> str:
    """A figure with its 95 % interval."""
    return f"{figure.value:.4g} ({figure.interval[0]:.4g} to {figure.interval[1]:.4g})"


def _loss(replayed: Replayed) -> str:
    return "absolute error" if replayed.specification.task == "regression" else "error rate"


def _compared(difference: Metric) -> str:
    """A difference of losses in words: its interval, its rows, and what it says for retraining.

    Examples
    --------
    >>> _compared(Metric("difference", -0.02, 1_000, (-0.03, -0.01)))
    '-0.02 (-0.03 to -0.01) on 1,000 rows, better with retraining (below 0 is better)'
    """
    low, high = difference.interval
    if math.isnan(low):
        return f"{difference.value:.4g} on {difference.n:,.0f} rows, too few to tell an interval (below 0 is better)"
    verdict = "better with retraining" if high < 0 else "worse with retraining" if low > 0 else "neither better nor worse is proven"
    return f"{_told(difference)} on {difference.n:,.0f} rows, {verdict} (below 0 is better)"


def _content(replayed: Replayed, files: Sequence[Path], *, retrained: bool) -> dict[str, Any]:
    """What ``--json`` prints."""
    figures, specification = _figures(replayed, retrained=retrained), replayed.specification
    content: dict[str, Any] = {
        "model": specification.model,
        "files": [str(file) for file in files],
        "rows": replayed.rows,
        "labelled": replayed.losses.rows,
        "from": moment(replayed.first),
        "to": moment(replayed.last),
        "specification": specification.digest,
        "pane_milliseconds": specification.pane,
        "false_alarms": str(specification.false_alarms),
        "alerts_opened": len(replayed.opened),
        "alerts": [alert_json(alert) for alert in replayed.alerts],
        _measure(replayed): {f"{name}{part}": number for name, one in figures.items() for part, number in zip(PARTS, (one.value, *one.interval, one.n), strict=True)},
    }
    if retrained:
        difference = replayed.losses.difference(specification.task)
        parts = zip(PARTS, (difference.value, *difference.interval, difference.n), strict=True)
        content["loss_difference"] = {"loss": _loss(replayed), "better": "below 0", **{f"with_minus_without_retraining{part}": number for part, number in parts}}
        content |= {"fits": replayed.fits, "versions": [msgspec.Raw(encode_version(version)) for version in replayed.versions]}
    return content


def _show(replayed: Replayed, names: ColumnNames, *, retrained: bool) -> None:
    out, by_row = results(), names.time is None
    out.print(f"{replayed.rows:,} rows of '{replayed.specification.model}', {moment(replayed.first, rows=by_row)} to {moment(replayed.last, rows=by_row)}")
    if replayed.losses.rows:
        told = ", ".join(f"{_told(figure)} {name.replace('_', ' ')}" for name, figure in _figures(replayed, retrained=retrained).items())
        measure = "mean absolute error" if replayed.specification.task == "regression" else "accuracy"
        out.print(f"{measure} on {replayed.losses.rows:,} labelled rows, with 95 % intervals: {told}")
        if retrained:
            out.print(f"{_loss(replayed)} with retraining minus without, on the same rows: {_compared(replayed.losses.difference(replayed.specification.task))}")
    if replayed.opened:
        table = Shown(
            box=SIMPLE,
            padding=(0, 1),
            pad_edge=False,
            title=f"{len(replayed.opened)} alert{'s' * (len(replayed.opened) != 1)} (budget {replayed.specification.false_alarms})",
            title_justify="left",
        )
        for heading in ("opened, resolved", "kind", "what"):
            table.add_column(heading, no_wrap=heading != "what")
        for alert, resolved_at in lives(replayed.alerts):
            until = "open" if resolved_at is None else moment(resolved_at, rows=by_row)
            table.add_row(f"{moment(alert.opened_at, rows=by_row)}\n{until}", f"{alert.kind}\n{alert.severity}", _sentence(alert.summary, alert.change_at, by_row=by_row))
        out.print(table)
    else:
        out.print(f"no alert (budget {replayed.specification.false_alarms})")
    if retrained:
        _show_versions(replayed.versions, replayed.fits, by_row=by_row)


def lives(alerts: Iterable[Alert]) -> list[tuple[Alert, int | None]]:
    """Each alert as it was told last while it was open, and when it was resolved; None for one that is open, be it again."""
    told: dict[str, Alert] = {}
    resolved: dict[str, int | None] = {}
    for alert in alerts:
        if alert.status == "resolved":
            resolved[alert.alert_id] = alert.updated_at
        else:
            told[alert.alert_id], resolved[alert.alert_id] = alert, None
    return [(alert, resolved[name]) for name, alert in told.items()]


def _sentence(summary: str, change_at: int, *, by_row: bool) -> str:
    """An alert's sentence; without times its "since about 1970-..." is a row."""
    return f"{summary.partition(', since about ')[0]}, since about {moment(change_at, rows=True)}" if by_row else summary


def _show_versions(versions: Sequence[Version], fits: int, *, by_row: bool) -> None:
    table = Shown(title=f"{fits} retraining{'s' * (fits != 1)}", title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False)
    for heading in ("at", "version", "status", "rows", "why"):
        table.add_column(heading, no_wrap=heading != "why")
    for version in versions:
        reason = str(version.gate.get("reason") or f"cause {version.cause}")
        rows = f"{version.trained_on.get('rows', ''):,}" if version.trained_on else ""
        table.add_row(moment(version.at, rows=by_row), version.version, version.status, rows, escape(reason))
    results().print(table)


def _report(path: Path, replayed: Replayed, files: Sequence[Path], names: ColumnNames, *, retrained: bool) -> None:
    from streams.report import view_of, write_report  # noqa: PLC0415  charts take a while to import, which a replay without a report need not wait for

    facts = [("files", ", ".join(file.name for file in files))]
    if replayed.losses.rows:
        for name, figure in _figures(replayed, retrained=retrained).items():
            facts.append((f"{_measure(replayed)}, {name.replace('_', ' ')}", f"{_told(figure)}, n {figure.n:,.0f}"))
        if retrained:
            facts.append((f"{_loss(replayed)}, with retraining minus without", _compared(replayed.losses.difference(replayed.specification.task))))
    view = view_of(
        specification=replayed.specification,
        points=replayed.points,
        alerts=replayed.alerts,
        versions=replayed.versions,
        decisions=replayed.decisions,
        title=f"{replayed.specification.model}: replay of {files[0].name}",
        facts=facts,
        event_times=names.time is not None,
    )
    written(path, b"")
    write_report(path, view)
