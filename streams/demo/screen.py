"""The demonstration in the terminal: live where there is a terminal, a line now and then where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from detectors.alerts.alert import Alert
from detectors.point import Point
from retrainer.versions import Version
from streams.demo.outcome import Check
from streams.demo.scoreboard import Score

SEVERITIES = {"opened": "bold red", "updated": "yellow", "resolved": "green"}
LATEST = 6


@dataclass(kw_only=True)
class Frame:
    """What is shown at one moment."""

    rows: int
    done: int
    per_second: float
    counted: int
    version: str
    scene: str
    told: str
    workers: str
    performance: Sequence[tuple[str, float, float, float]] = ()  # window, value, low, high
    drift: Sequence[Point] = ()
    alerts: Sequence[Alert] = ()
    versions: Sequence[Version] = ()
    scores: Sequence[Score] = ()
    notes: Sequence[str] = field(default_factory=tuple)


class Screen:
    """Shows frames.

    Parameters
    ----------
    console : where to.
    metric : name of what `Frame.performance` holds.
    """

    def __init__(self, console: Console, metric: str) -> None:
        self._console = console
        self._metric = metric
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._told: set[str] = set()

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False)

    def show(self, frame: Frame) -> None:
        """The next frame; without a terminal only what is new in it."""
        if self._live is not None:
            self._live.update(self._draw(frame))
            return
        news = [alert_line(alert) for alert in frame.alerts] + [version_line(version) for version in frame.versions] + [f"{frame.scene}: {frame.told}", *frame.notes]
        for line in news:
            if line not in self._told:
                self._told.add(line)
                self._console.print(f"[{frame.done:>6,}] ", line, sep="", highlight=False, markup=False)

    def _draw(self, frame: Frame) -> RenderableType:
        head = Table.grid(expand=True)
        head.add_column(ratio=1)
        head.add_column(justify="right")
        head.add_row(
            Text(f"{frame.scene}: {frame.told}", style="bold"), Text(f"{frame.per_second:,.0f} events/s  counted {frame.counted:,} of {frame.done:,}  serving v{frame.version}")
        )
        head.add_row(ProgressBar(total=frame.rows, completed=frame.done), Text(frame.workers))
        performance = Table("window", self._metric, "95 % interval", title=f"rolling {self._metric}", expand=True)
        for window, value, low, high in frame.performance:
            performance.add_row(window, f"{value:.3f}", f"{low:.3f} to {high:.3f}")
        drift = Table("feature", "state", "effect", title="drift by feature", expand=True)
        for point in sorted(frame.drift, key=lambda one: -_statistic(one))[:LATEST]:
            state = str(point.fields["state"])
            drift.add_row(
                point.tags["monitor"].removeprefix("feature:"), Text(state, style="bold red" if state == "drift" else ""), f"{float(point.fields.get('effect', float('nan'))):.3f}"
            )
        side = Table.grid(expand=True, padding=(0, 1))
        side.add_row(performance, drift, scores_table(frame.scores))
        events = [Text(alert_line(alert), style=SEVERITIES[alert.status]) for alert in frame.alerts[-LATEST:]] + [
            Text(version_line(version), style="cyan") for version in frame.versions[-LATEST:]
        ]
        return Group(head, side, Panel(Group(*events, *(Text(note, style="dim") for note in frame.notes[-3:])), title="alerts and versions"))


def _statistic(point: Point) -> float:
    value = float(point.fields.get("statistic", 0.0))
    return value if value == value else 0.0  # noqa: PLR0124  nan sorts last


def alert_line(alert: Alert) -> str:
    """An alert in a line, with its cause in one sentence."""
    return f"{alert.severity} {alert.kind} alert {alert.status}: {alert.summary}"


def version_line(version: Version) -> str:
    """A version in a line."""
    reason = f": {version.gate['reason']}" if version.status in {"rejected", "promoted"} and version.gate.get("reason") else ""
    return f"version {version.version} {version.status} (cause {version.cause}){reason}"


def scores_table(scores: Sequence[Score]) -> Table:
    """False alarms and delays of the methods, side by side; alarms alone where nobody knows what changed when."""
    names = list(scores[0].delays) if scores else []
    table = Table("method", "false alarms" if names else "alarms", title="scoreboard", expand=True)
    for name in names:
        table.add_column(f"delay, {name} (events)")
    for score in scores:
        table.add_row(score.method, str(score.false_alarms), *("-" if score.delays[name] is None else f"{score.delays[name]:,}" for name in names))
    return table


def summary(console: Console, *, metric: str, losses: Mapping[str, float], scores: Sequence[Score], checks: Sequence[Check], versions: Sequence[Version], accuracy: bool) -> None:
    """What is left on the terminal when it is over."""
    table = Table("stretch", metric, title=f"{metric}, measured on every row")
    for name, value in losses.items():
        table.add_row(name, f"{1 - value if accuracy else value:.3f}")
    console.print(table, scores_table(scores))
    lineage = Table("version", "status", "parent", "cause", "trained on", title="versions")
    for version in versions:
        lineage.add_row(version.version, version.status, version.parent or "-", version.cause, f"{version.trained_on.get('rows', 0):,} rows")
    console.print(lineage)
    for check in checks:
        mark, style = ("ok", "green") if check.happened else ("NOT", "bold red")
        console.print(Text.assemble((f"{mark:>4} ", style), check.what, (f"  ({check.seen})", "dim")), soft_wrap=True)
