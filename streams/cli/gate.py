"""``driftwarden gate``: a challenger against the champion on a table that was held out, for CI."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table as Shown
from typer.core import TyperCommand

from detectors.errors import DriftwardenError, SettingsError
from detectors.specification import MonitorSpecification
from streams.cli.file_options import Label
from streams.cli.options import Json, messages, print_json, results

if TYPE_CHECKING:
    from retrainer.held_out import HeldOutVerdict  # scipy.stats takes half a second to import, which --help need not wait for

_CODES = {"promoted": 0, "rejected": 1, "inconclusive": 2}
_ERROR, _USAGE = 3, 2
_LABELS = ("label", "target", "y", "truth", "class")
_STYLES = {"passed": None, "failed": "red", "insufficient": "yellow"}


class UnlikeAVerdict(TyperCommand):
    """A call that cannot be read ends with the code of what could not be told: that of other commands would be taken for "inconclusive"."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Read the arguments."""
        try:
            return super().make_context(*arguments, **more)
        except Exception as error:
            if getattr(error, "exit_code", None) == _USAGE:  # of click's UsageError, which is another class in each release of typer
                error.exit_code = _ERROR  # type: ignore[attr-defined]  # it has one
            raise


CLASS = UnlikeAVerdict


def command(
    champion: Annotated[
        str,
        typer.Option(
            help="The model in service: a column of the data with its predictions, or the file of its artifact (model.skops) or, with --monitor, of an estimator of scikit-learn."
        ),
    ],
    challenger: Annotated[str, typer.Option(help="The other one, given in the same way.")],
    data: Annotated[Path, typer.Option(help="Rows that neither was trained on: CSV, Parquet or JSON Lines.")],
    label: Label = None,
    segment: Annotated[list[str] | None, typer.Option(help="A column: in none of its values may the challenger be worse by more than retrain.gate.segment_margin.")] = None,
    monitor: Annotated[Path | None, typer.Option(help="monitor.yaml whose task, segments and retrain.gate are used.")] = None,
    task: Annotated[Literal["classification", "regression"] | None, typer.Option(help="Default: as the labels look.")] = None,
    challengers: Annotated[int, typer.Option(min=1, help="How many challengers are compared on these rows; they share alpha.")] = 1,
    json: Json = False,
) -> None:
    """Prove on held-out rows that a challenger is better than the champion.

    Exit code 0: promoted, it is better; 1: rejected, it is not better by retrain.gate.min_gain, or a check failed; 2: inconclusive, more rows are needed; 3: it could not be told.
    The test is made for one look: McNemar's exact one for classes, Student's paired one for numbers. Rows are taken for independent.
    """
    try:
        verdict = _judged(champion, challenger, data, label, tuple(segment or ()), monitor, task, challengers)
    except DriftwardenError as error:
        messages().print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(_ERROR) from error
    if json:
        print_json(_content(verdict, champion, challenger, data))
    else:
        _show(verdict, champion, challenger, data)
    raise typer.Exit(_CODES[verdict.outcome])


def _judged(
    champion: str,
    challenger: str,
    data: Path,
    label: str | None,
    segments: tuple[str, ...],
    monitor: Path | None,
    task: Literal["classification", "regression"] | None,
    challengers: int,
) -> HeldOutVerdict:
    from streams.compared_models import answers, compared, task_of, with_classes  # noqa: PLC0415  scikit-learn takes a second to import, which --help need not wait for
    from streams.monitor_file import load_specification  # noqa: PLC0415  as above
    from streams.tables import read_table  # noqa: PLC0415  as above

    table = read_table(data)
    by_name = {name.lower(): name for name in reversed(table.columns)}
    truth = label or next((by_name[name] for name in _LABELS if name in by_name), None)
    if truth is None or truth not in table.columns:
        raise SettingsError(f"{data} has no column {label or 'of a usual name'!r} with the truth; name it with --label; there are: {', '.join(table.columns)}")
    for name in segments:
        if name not in table.columns:
            raise SettingsError(f"{data} has no column {name!r} for --segment; there are: {', '.join(table.columns)}")
    declared = None if monitor is None else load_specification(monitor)
    if declared is None:
        specification = MonitorSpecification(model=data.stem, task=task or task_of(table, truth))
    else:
        specification = declared
        missing = [] if segments else [name for name in specification.segments if name not in table.columns]
        if missing:
            raise SettingsError(
                f"{data} has no column {missing[0]!r}, which {monitor} names among its segments; there are: {', '.join(table.columns)}. "
                "Give the data that column, or say with --segment which columns are to be judged"
            )
        segments = segments or specification.segments
    specification = with_classes(specification, table, truth)
    old, new = (answers(name, table, specification.task, monitor=declared) for name in (champion, challenger))
    return compared(old, new, table, truth, specification, segments=segments, challengers=challengers)


def _content(verdict: HeldOutVerdict, champion: str, challenger: str, data: Path) -> dict[str, Any]:
    loss = "error rate" if math.isnan(verdict.scale) else "absolute error / scale, at most 1"
    return {"verdict": verdict.outcome, "champion": champion, "challenger": challenger, "data": str(data), "loss": loss, **msgspec.to_builtins(verdict)}


def _show(verdict: HeldOutVerdict, champion: str, challenger: str, data: Path) -> None:
    out = results()
    title = escape(f"{challenger} against {champion} on {verdict.n:,} rows of {data.name}")
    table = Shown(title=title, title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False)
    for heading in ("check", "state", "found", "at most", "rows"):
        table.add_column(heading, justify="right" if heading in {"found", "at most", "rows"} else "left")
    table.add_row("loss of the champion", "", _number(verdict.champion_loss), "", f"{verdict.n:,}")
    table.add_row("loss of the challenger", "", _number(verdict.challenger_loss), "", f"{verdict.n:,}")
    if verdict.silent_challenger:
        table.add_row("  of them without an answer", "", "", "", f"{verdict.silent_challenger:,}")
    for check in verdict.checks:
        table.add_row(escape(check.name), check.state, _number(check.value), _number(check.limit), f"{check.n:,}" if check.n else "", style=_STYLES[check.state])
    out.print(table)
    if not math.isnan(verdict.scale):
        quantile = "" if verdict.scale == 1 else ", the 95 % quantile of the champion's"  # 1 where that is 0
        out.print(f"a loss is the absolute error divided by {verdict.scale:.4g}{quantile}, and at most 1", soft_wrap=True)
    style = {"promoted": "bold green", "rejected": "bold red", "inconclusive": "bold yellow"}[verdict.outcome]
    out.print(f"{verdict.outcome}: {verdict.reason}", style=style, soft_wrap=True, markup=False)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
