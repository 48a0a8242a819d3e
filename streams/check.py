"""Is this file like that one? A reference is learnt from one table, another is replayed against it, and each column gets a verdict.

A check asks once, so its budget is its own: a file in which nothing changed is called changed once in a hundred checks. The monitor that it writes has the
budget of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from detectors.alerts.alert import Alert
from detectors.alerts.slices import Slice, worst_slices
from detectors.columns.binning import ColumnBins
from detectors.errors import SettingsError
from detectors.event_batch import NO_TIME, Bool, Column, Float64, Int64, coded
from detectors.metrics.column_distances import reference_counts
from detectors.metrics.distances import Distance, psi
from detectors.panes.layout import Layout
from detectors.profile import ColumnProfile, NumericProfile
from detectors.settings.watching import Service
from detectors.specification import MonitorSpecification, Task
from detectors.verdict import Effect, Evidence
from streams.file_events import ColumnNames, feature_columns, outcome_column
from streams.file_settings import FILE_BUDGET, changed
from streams.infer import events_per_pane, infer
from streams.replay import Replayed, replay
from streams.tables import ROW_LENGTH, Table
from streams.whole_file import MEANINGS, effects_of, state_beside

LABELS = ("label", "target", "y", "y_true", "truth", "outcome", "actual", "class")
PREDICTIONS = ("prediction", "predicted", "y_pred", "y_hat", "predictions")
SCORES = ("score", "probability", "y_score", "y_prob", "proba")

PANES = 500
"""Looks at a file: enough to say where it changed, few enough that a small pane still holds a few rows."""

CHECKS_PER_FALSE_ALARM = 100

Verdict = Literal["drift", "no proven change", "no material change", "too little data"]
LARGE_ERRORS = 0.1
"""Share of a regression's rows, those with the largest errors, that count as wrong where slices are looked for."""

_JUDGED = {"ok", "warning"}
_WINDOWS = 8  # a chart's window is an eighth of the file; shorter ones cost more than all the detectors


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on one column, or on the model's performance.

    Attributes
    ----------
    name : of the monitor, ``feature:salary``.
    state : in words; ``drift`` where an alert was opened, `MEANINGS` tells those of a difference that is not proven.
    drifted, resolved : whether there was an alert, and whether it was over before the file's end.
    effect : of the change where there was one, else of the whole file; its interval allows for the dependence of the rows, and is nan where that was not measured.
    psi : of the whole file, with what chance alone gives while rows are independent; None for what is no column.
    since_row : first row of the change, counted from 1, as far as it can be told; None without a change.
    """

    name: str
    state: str
    drifted: bool
    resolved: bool
    effect: Effect | None
    psi: Distance | None
    since_row: int | None

    @property
    def moved(self) -> bool:
        """Whether it is further from the reference than its floor, which is not proven."""
        return self.state in MEANINGS


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found.

    ``specification`` is what the file was judged by, ``monitor`` what to watch the stream with; ``notes`` are decisions that a person should know of,
    ``slices`` where the model is wrong most of all.
    """

    specification: MonitorSpecification
    monitor: MonitorSpecification
    names: ColumnNames
    replayed: Replayed
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    slices: tuple[Slice, ...] = ()

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """Findings with a change."""
        return tuple(finding for finding in self.findings if finding.drifted)

    @property
    def moved(self) -> tuple[Finding, ...]:
        """Findings with a difference beyond the floor that is not proven."""
        return tuple(finding for finding in self.findings if finding.moved)

    @property
    def verdict(self) -> Verdict:
        """Of the whole file; ``too little data`` where no monitor has seen enough to say anything, which is not the same as no change."""
        if self.drifted:
            return "drift"
        if self.moved:
            return "no proven change"
        return "no material change" if any(finding.state in _JUDGED for finding in self.findings) else "too little data"


def known_columns(reference: Table, live: Table, names: ColumnNames, tell: Callable[[str], None], *, ignore: Sequence[str] = ()) -> ColumnNames:
    """Columns of label, prediction and score, found by well-known names where none was given, but for those that are ignored, and scores that are no probabilities.

    Examples
    --------
    >>> table = Table(source="a.csv", columns={"age": np.arange(3), "y": np.arange(3), "y_pred": np.arange(3)})
    >>> names = known_columns(table, table, ColumnNames(), print)
    the column 'y' is taken for the label; name another with --label
    the column 'y_pred' is taken for the prediction; name another with --prediction

    Raises
    ------
    SettingsError
        If one that is given is ignored, too.
    """
    for what, name in (("label", names.label), ("prediction", names.prediction), ("score", names.score)):
        if name is not None and name in ignore:
            raise SettingsError(f"the column {name!r} is named by --{what} and by --ignore; leave one of the two out")
    found: dict[str, str | None] = {}
    for what, given, candidates in (("label", names.label, LABELS), ("prediction", names.prediction, PREDICTIONS), ("score", names.score, SCORES)):
        found[what] = given
        if given is None:
            known = reference.columns if what == "score" else [*live.columns, *reference.columns]  # without a reference a score says nothing of a change
            by_name = {column.lower(): column for column in reversed([*known]) if column not in ignore}
            usable = (by_name[name] for name in candidates if name in by_name)
            found[what] = next((name for name in usable if what != "score" or _are_probabilities(name, (reference, live), tell)), None)
            if found[what] is not None:
                tell(f"the column {found[what]!r} is taken for the {what}; name another with --{what}")
    return replace(names, label=found["label"], prediction=found["prediction"], score=found["score"])


def _are_probabilities(name: str, tables: Sequence[Table], tell: Callable[[str], None]) -> bool:
    """Whether a column that is called as scores often are holds them, in each table that has it; a credit score does not."""
    for table in tables:
        column = table.columns.get(name)
        if column is None:
            continue
        numbers = table.numbers(name) if column.ndim == 1 and not table.not_numbers(name).any() else None
        if numbers is None or np.nanmin(numbers, initial=0.0) < 0 or np.nanmax(numbers, initial=1.0) > 1:
            held = "what are no numbers" if numbers is None else f"{np.nanmin(numbers):g} to {np.nanmax(numbers):g}"
            tell(f"the column {name!r} is taken for a feature, not for the score: a score is a probability, from 0 to 1, and it holds {held} in {table.source}")
            return False
    return True


def check_tables(
    reference: Table,
    live: Table,
    *,
    model: str,
    names: ColumnNames,
    ignore: Sequence[str] = (),
    task: Task | None = None,
    tell: Callable[[str], None] = lambda note: None,  # noqa: ARG005  silence
) -> Checked:
    """Learn from one table, and judge the other.

    Parameters
    ----------
    reference, live : with the same features; of label, prediction and score, what both have is compared.
    model : a name for the monitor.
    names : columns, see `known_columns`; with a time both tables are put in its order, without one they are taken to be in order.
    ignore : columns to leave out.
    task : see `infer`.
    tell : gets each note when it is made.
    """
    notes: list[str] = []

    def note(sentence: str) -> None:
        notes.append(sentence)
        tell(sentence)

    names = known_columns(reference, live, names, note, ignore=ignore)
    everywhere = {name for name in (names.label, names.prediction, names.score) if name is not None}
    monitor = _monitor(reference, live, model=model, names=names, ignore=ignore, task=task, note=note)
    usable = _usable(live, reference, names, everywhere, note)
    if names.time is not None:
        live = live.take(np.argsort(live.times(names.time, names.time_format), kind="stable"))
    times = np.arange(len(live), dtype=np.int64) * ROW_LENGTH if names.time is None else live.times(names.time, names.time_format)
    if not monitor.features and usable.prediction is None:
        raise SettingsError(f"{live.source} and {reference.source} have no column in common that could be compared; {live.source} has: {', '.join(live.columns)}")
    specification = _for_check(monitor, times, with_outputs=usable.prediction is not None and usable.prediction in reference.columns)
    replayed = replay([live], specification, usable)
    findings, slices = _findings(specification, usable, live, replayed, times), _slices(specification, usable, live)
    return Checked(specification=specification, monitor=monitor, names=usable, replayed=replayed, findings=findings, notes=tuple(notes), slices=slices)


def _monitor(reference: Table, live: Table, *, model: str, names: ColumnNames, ignore: Sequence[str], task: Task | None, note: Callable[[str], None]) -> MonitorSpecification:
    """The monitor for the stream, from what both tables have."""
    given = {what: name if name in reference.columns else None for what, name in (("label", names.label), ("prediction", names.prediction), ("score", names.score))}
    only = [name for name in reference.columns if name not in live.columns and name not in {*given.values(), *ignore}]
    if only:
        note(f"not in {live.source}, so not compared: {', '.join(only)}")
    base = None
    if names.time is None:
        base = MonitorSpecification(model=model)
        base = changed(base, lateness=0, false_alarms=FILE_BUDGET, events_per_pane=base.pane / ROW_LENGTH)
    left_out = [*only, *(name for name in ignore if name in reference.columns)]
    return infer(
        reference,
        model=model,
        label=given["label"],
        prediction=given["prediction"],
        score=given["score"],
        time=names.time,
        time_format=names.time_format,
        ignore=left_out,
        task=task,
        base=base,
        tell=note,
    )


def _usable(live: Table, reference: Table, names: ColumnNames, named: set[str], note: Callable[[str], None]) -> ColumnNames:
    """Columns of the live table that can be judged."""
    label, prediction, score = (name if name in live.columns else None for name in (names.label, names.prediction, names.score))
    if prediction is None and label is not None:
        label = None  # a label says nothing about a model whose predictions are not there
    if label is not None and names.label not in reference.columns:
        label = None
    extra = [name for name in live.columns if name not in reference.columns and name not in {*named, names.time}]
    if extra:
        note(f"not in {reference.source}, so not compared: {', '.join(extra)}")
    if label is None:
        note("performance is not compared: that needs a label and a prediction in the live file")
    return replace(names, label=label, prediction=prediction, score=score)


def _for_check(monitor: MonitorSpecification, times: Int64, *, with_outputs: bool) -> MonitorSpecification:
    """The monitor with a check's panes and a check's budget."""
    rows, span = len(times), int(times[-1] - times[0]) + ROW_LENGTH if len(times) else ROW_LENGTH
    pane = max(1, span // PANES)
    if span >= PANES * ROW_LENGTH:
        pane = -(-pane // ROW_LENGTH) * ROW_LENGTH
    profile = monitor.reference.profile
    if profile is not None and not with_outputs:
        # Labels stood in for predictions, and a model does not predict the classes as often as they occur.
        profile = profile.model_copy(update={"prediction": None, "outcomes": None})
    return changed(
        monitor,
        pane=pane,
        lateness=0,
        service=Service(),  # a file holds no failures and no clock
        windows=(max(pane, span // _WINDOWS // pane * pane),),
        false_alarms=f"1 per {CHECKS_PER_FALSE_ALARM * max(rows, 1)} events",
        events_per_pane=events_per_pane(times, pane) or float(max(rows, 1)),
        reference=monitor.reference.model_copy(update={"profile": profile}),
        estimate_performance=monitor.estimate_performance and with_outputs,
    )


def _findings(specification: MonitorSpecification, names: ColumnNames, live: Table, replayed: Replayed, times: Int64) -> tuple[Finding, ...]:
    layout = Layout(specification)
    last = {point.tags["monitor"]: point for point in replayed.points if point.measurement == "monitor"}
    alarms = _alarms(replayed.alerts)
    columns: dict[str, tuple[str, ColumnProfile]] = {f"feature:{name}": (name, profile) for name, profile in layout.columns.items()}
    if names.prediction is not None and layout.prediction is not None:
        columns["prediction"] = (names.prediction, layout.prediction)
    given = feature_columns(specification, live)
    counts = {monitor: _counts(given[name] if name in given else _outcome(live, name, profile), profile) for monitor, (name, profile) in columns.items()}
    shown = [*columns, *(name for name in last if name in {"error_rate", "loss"} and names.label is not None), *(name for name in alarms if name not in columns)]
    effects = effects_of(specification, replayed.states)
    findings = []
    for name in dict.fromkeys(shown):
        profile = columns[name][1] if name in columns else None
        evidence, since, resolved = alarms.get(name, (None, NO_TIME, False))
        effect = evidence.effect if evidence is not None else effects.get(name)
        state = str(last[name].fields["state"]) if name in last else "not watched"
        findings.append(
            Finding(
                name=name,
                state="drift" if evidence is not None else state_beside(effect, state),
                drifted=evidence is not None,
                resolved=resolved,
                effect=effect,
                psi=None if profile is None else psi(reference_counts(profile), counts[name]),
                since_row=None if since == NO_TIME else int(np.searchsorted(times, since)) + 1,
            )
        )
    return tuple(sorted(findings, key=lambda finding: (not finding.drifted, not finding.moved)))


def _slices(specification: MonitorSpecification, names: ColumnNames, live: Table) -> tuple[Slice, ...]:
    """Of the labelled rows of the file."""
    if names.label is None or names.prediction is None:
        return ()
    prediction, label = (outcome_column(specification, live, name) for name in (names.prediction, names.label))
    known = ~(_is_missing(prediction) | _is_missing(label))
    if not known.any():
        return ()
    if specification.task == "regression":
        errors = np.abs(prediction[known].astype(np.float64) - label[known].astype(np.float64))
        wrong = errors > np.quantile(errors, 1 - LARGE_ERRORS)
    else:
        wrong = np.asarray(prediction[known] != label[known], np.bool_)
    given = feature_columns(specification, live)
    return worst_slices({name: (coded(given[name][known]), profile) for name, profile in Layout(specification).columns.items()}, wrong)


def _is_missing(column: Column) -> Bool:
    return np.asarray(column == None, np.bool_) if column.dtype == object else np.isnan(column)  # noqa: E711  elementwise


def _alarms(alerts: Sequence[Alert]) -> dict[str, tuple[Evidence, int, bool]]:
    """Evidence, time of the change, and whether it was over in the end, of each monitor that was in an alert."""
    found: dict[str, tuple[Evidence, int, bool]] = {}
    for alert in alerts:
        for evidence in alert.monitors:
            # One that joined later changed after the alert was opened; no later than when it was noticed.
            since = alert.change_at if alert.status == "opened" else alert.updated_at
            known = found.get(evidence.name, (evidence, since, False))
            found[evidence.name] = (known[0], known[1], alert.status == "resolved")
    return found


def _outcome(live: Table, name: str, profile: ColumnProfile) -> Column:
    return live.numbers(name) if isinstance(profile, NumericProfile) else live.texts(name)


def _counts(column: Column, profile: ColumnProfile) -> Float64:
    """Counts of a live column in the reference's bins; of a categorical one the last cell is ``unseen``."""
    bins = ColumnBins(profile)
    return np.bincount(bins.cells(coded(column)), minlength=bins.size)[: bins.missing].astype(np.float64)
