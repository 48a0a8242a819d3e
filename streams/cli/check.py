"""``driftwarden check``: is this file like that one?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE
from rich.measure import Measurement
from rich.table import Table as Shown

from detectors.errors import DriftwardenError, SettingsError
from detectors.verdict import Effect
from streams.check import Checked, Finding, Verdict, check_tables
from streams.cli.file_options import Ignore, Label, Prediction, Score, Time, TimeFormat, columns
from streams.cli.options import Json, messages, print_json, results, written
from streams.monitor_file import format_specification
from streams.tables import read_table
from streams.whole_file import MEANINGS

_DRIFT, _UNTOLD = 1, 2
_EXIT_CODES: dict[Verdict, int] = {"drift": _DRIFT, "no proven change": 0, "no material change": 0, "too little data": _UNTOLD}
_WIDE = 110  # characters; in less, distances and counts would push the verdict off the screen
_PSI = "PSI (by chance,\nrows independent)"
_ONLY_WIDE = (_PSI, "n")
_HEADINGS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("column", "left"),
    ("state", "left"),
    ("effect (95 %)", "left"),
    ("floor", "right"),
    (_PSI, "right"),
    ("n", "right"),
    ("since row", "right"),
)
_EFFECT = 2  # its place among them
_SHORT_EFFECT = len("+0.00 TV (+0.00 to +0.00)")
_STATE = len("moved, within")
_UNBOUNDED = 10_000
_UNITS = {
    "shift in sigma": " σ",
    "total variation": " TV",
    "difference of rates": "",
    "log ratio of deviations": " log σ ratio",
    "relative change of mean absolute error": " of mean error",
}


def command(
    train: Annotated[Path, typer.Argument(help="The reference: CSV, CSV.gz, Parquet or JSON Lines.")],
    live: Annotated[Path, typer.Argument(help="The file to judge.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html and monitor.yaml; what is there is replaced.")] = Path("driftwarden-check"),
    model: Annotated[str | None, typer.Option(help="The model's name; default: the name of the reference.", show_default=False)] = None,
    time: Time = None,
    time_format: TimeFormat = None,
    prediction: Prediction = None,
    score: Score = None,
    label: Label = None,
    ignore: Ignore = None,
    task: Annotated[Literal["classification", "regression"] | None, typer.Option(help="Default: by the label's values.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Compare a file with the one that a model was trained on; no Kafka, one line.

    Prints a verdict on each column, writes report.html and monitor.yaml. Exit code 0: no change that matters, or none that is proven; 1: there is one;
    2: it could not be told, as there is too little data, or for an error.
    A file in which nothing changed is called changed once in a hundred checks. Intervals allow for rows that resemble their neighbours.
    A column further off than its floor is "moved, within its noise" where its interval reaches the floor, "moved, unproven" where it does not, but is not far enough for an alarm.
    Columns of label, prediction and score are found by usual names (label, target, y, prediction, y_pred, score, ...).
    """
    try:
        checked = _checked(train, live, out, model=model, names=(time, time_format, prediction, score, label), ignore=ignore or [], task=task, json=json)
    except DriftwardenError:
        raise
    except Exception as error:  # Python's own exit code would be 1, which means drift here
        messages().print_exception()
        raise typer.Exit(_UNTOLD) from error
    if code := _EXIT_CODES[checked.verdict]:
        raise typer.Exit(code)


def _checked(
    train: Path,
    live: Path,
    out: Path,
    *,
    model: str | None,
    names: tuple[str | None, str | None, str | None, str | None, str | None],
    ignore: list[str],
    task: Literal["classification", "regression"] | None,
    json: bool,
) -> Checked:
    time, time_format, prediction, score, label = names
    given = columns(time=time, time_format=time_format, prediction=prediction, score=score, label=label)
    reference, judged = read_table(train), read_table(live)
    for name in (prediction, score, label, *ignore):
        if name is not None and name not in reference.columns and name not in judged.columns:
            raise SettingsError(f"neither file has a column {name!r}; {reference.source} has: {', '.join(reference.columns)}")
    told = messages()
    checked = check_tables(
        reference, judged, model=model or train.name.partition(".")[0], names=given, ignore=ignore, task=task, tell=lambda note: told.print(f"note: {note}", style="dim")
    )
    monitor, report = out / "monitor.yaml", out / "report.html"
    written(monitor, format_specification(checked.monitor))
    _report(report, checked, train, live)
    if json:
        print_json(
            {
                "verdict": checked.verdict,
                "rows_reference": len(reference),
                "rows": checked.replayed.rows,
                "findings": [asdict(finding) for finding in checked.findings],
                "slices": [asdict(one) | {"share": one.share} for one in checked.slices],
                "notes": checked.notes,
                "report": str(report),
                "monitor": str(monitor),
            }
        )
    else:
        _show(checked, train, live, len(reference))
        results().print(f"report: {report}\nmonitor: {monitor}", soft_wrap=True)
    return checked


def _show(checked: Checked, train: Path, live: Path, rows_reference: int) -> None:
    out = results()
    title = f"{live.name} ({checked.replayed.rows:,} rows) against {train.name} ({rows_reference:,} rows)"
    table = _table(checked.findings, title, width=out.width, folded=False)
    fits = Measurement.get(out, out.options.update(max_width=_UNBOUNDED), table).maximum <= out.width
    out.print(table if fits else _table(checked.findings, title, width=out.width, folded=True))
    for state in sorted({finding.state for finding in checked.moved}):
        out.print(f"{state}: {MEANINGS[state]}", style="yellow")
    wrong = "errors are among the largest tenth" if checked.specification.task == "regression" else "answers are wrong"
    for one in checked.slices:
        low, high = one.interval
        share = f"{100 * one.share:.3g} % ({100 * low:.3g} to {100 * high:.3g} %) of {one.n:,} {wrong}, elsewhere {100 * one.elsewhere:.3g} %"
        out.print(f"worst slice: {' and '.join(one.where)}: {share}", style="yellow", soft_wrap=True, markup=False)
    changed = checked.drifted
    if changed:
        out.print(f"drift: {_named(changed)} changed by more than {'its floor' if len(changed) == 1 else 'their floors'}", style="bold red", soft_wrap=True)
    elif checked.moved:
        out.print(
            f"no proven change, but {_named(checked.moved)} moved by more than {'its floor' if len(checked.moved) == 1 else 'their floors'}", style="bold yellow", soft_wrap=True
        )
    elif checked.verdict == "no material change":
        out.print("no change that matters", style="bold green")
    else:
        out.print("no change was found, but there is too little data to tell", style="bold yellow")


def _table(findings: Sequence[Finding], title: str, *, width: int, folded: bool) -> Shown:
    """A line for each finding; ``folded`` onto as many lines as it takes to cut nothing: names anywhere, states between words, effects before their interval."""
    table = Shown(title=title, title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False)
    shown = [place for place, (heading, _) in enumerate(_HEADINGS) if width >= _WIDE or heading not in _ONLY_WIDE]
    for place in shown:
        heading, justify = _HEADINGS[place]
        fold = folded and heading in {"column", "state"}
        of_state = min(_STATE, max((len(_state(finding)) for finding in findings), default=0)) if fold and heading == "state" else None
        table.add_column(heading, justify=justify, no_wrap=not fold, overflow="fold", width=of_state)
    for finding in findings:
        row = _row(finding)
        if folded and len(row[_EFFECT]) > _SHORT_EFFECT:
            row = (*row[:_EFFECT], row[_EFFECT].replace(" (", "\n("), *row[_EFFECT + 1 :])
        table.add_row(*(row[place] for place in shown), style="red" if finding.drifted else "yellow" if finding.moved else None)
    return table


def _named(findings: Sequence[Finding]) -> str:
    return ", ".join(finding.name.removeprefix("feature:") for finding in findings[:5]) + (f" and {len(findings) - 5} more" if len(findings) > 5 else "")


def _state(finding: Finding) -> str:
    return finding.state + (", over" if finding.resolved else "")


def _row(finding: Finding) -> tuple[str, ...]:
    psi, effect = finding.psi, finding.effect
    return (
        finding.name.removeprefix("feature:"),
        _state(finding),
        _effect(effect),
        "" if effect is None or math.isnan(effect.floor) else f"{effect.floor:.3g}",
        "" if psi is None else f"{psi.value:.3f} ({psi.null_quantile:.3f})",
        "" if psi is None else f"{psi.n_current:,.0f}",
        "" if finding.since_row is None else f"{finding.since_row:,}",
    )


def _effect(effect: Effect | None) -> str:
    """An effect with its interval; the unit is σ of the reference or total variation where it is short for that."""
    if effect is None or math.isnan(effect.value):
        return ""
    between = "" if math.isnan(effect.interval[0]) else f" ({effect.interval[0]:+.2f} to {effect.interval[1]:+.2f})"
    return f"{effect.value:+.2f}{_UNITS.get(effect.name, f' {effect.name}')}{between}"


def _report(path: Path, checked: Checked, train: Path, live: Path) -> None:
    from streams.report import WholeFile, view_of, write_report  # noqa: PLC0415  charts take a while to import, which --help need not wait for

    view = view_of(
        specification=checked.specification,
        points=checked.replayed.points,
        alerts=checked.replayed.alerts,
        title=f"{live.name} against {train.name}",
        facts=[("reference", train.name), ("file", live.name)],
        notes=checked.notes,
        event_times=checked.names.time is not None,
        whole_file={finding.name: WholeFile(state=_state(finding), effect=finding.effect) for finding in checked.findings},
    )
    written(path, b"")
    write_report(path, view)
