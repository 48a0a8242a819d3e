"""An alert as the report shows it: what was done, and the evidence as bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detectors.alerts.alert import Alert
from detectors.event_batch import NO_TIME, Float64
from detectors.verdict import Evidence
from retrainer.approval import Asked, unanswered
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.view.wording import Clock, number

MOST_BARS = 16
MOST_MONITORS = 12


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Reference and current side by side.

    Attributes
    ----------
    unit : of the heights.
    labels : (b,) bins, levels, or one name.
    reference, current : (b,) heights.
    """

    unit: str
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class MonitorView:
    """One monitor's evidence, in words.

    ``fault`` says why its evidence cannot be drawn, "" where it can, or where there is nothing to draw.
    """

    name: str
    statistic: str
    value: str
    threshold: str
    effect: str
    value_of_effect: str
    interval: str
    floor: str
    n_reference: str
    n_current: str
    bars: Bars | None
    fault: str


@dataclass(frozen=True, kw_only=True)
class AlertView:
    """One alert: all of its records told once.

    ``opened``, ``change`` and ``until`` are epoch milliseconds; ``until`` is None while it is open.
    """

    alert_id: str
    state: str
    kind: str
    severity: str
    model_version: str
    summary: str
    ending: str
    change: int
    opened: int
    until: int | None
    change_told: str
    opened_told: str
    until_told: str
    delay: str
    budget: str
    causes: tuple[str, ...]
    action: str
    monitors: tuple[MonitorView, ...]
    more_monitors: int


def alert_views(alerts: Sequence[Alert], versions: Sequence[Version], clock: Clock, decisions: Iterable[Decision] = ()) -> tuple[AlertView, ...]:
    """Each alert once, in the order in which they were opened; decisions tell which versions passed the gate and wait for a person."""
    asked = unanswered(versions, decisions)
    records: dict[str, dict[int, Alert]] = {}
    for alert in alerts:
        records.setdefault(alert.alert_id, {})[alert.sequence] = alert
    views = [_alert(sorted(of_alert.values(), key=lambda alert: alert.sequence), versions, clock, asked) for of_alert in records.values()]
    return tuple(sorted(views, key=lambda view: (view.opened, view.alert_id)))


def _alert(records: list[Alert], versions: Sequence[Version], clock: Clock, asked: Mapping[str, Asked]) -> AlertView:
    last = records[-1]
    resolved = last.status == "resolved"
    told = next((alert for alert in reversed(records) if alert.status != "resolved"), last)
    change = last.opened_at if last.change_at == NO_TIME else last.change_at
    return AlertView(
        alert_id=last.alert_id,
        state="resolved" if resolved else "open",
        kind=last.kind,
        severity=last.severity,
        model_version=last.model_version,
        summary=clock.told(told.summary),
        ending=clock.told(last.summary) if resolved and told is not last else "",
        change=change,
        opened=last.opened_at,
        until=last.updated_at if resolved else None,
        change_told=clock.moment(change),
        opened_told=clock.moment(last.opened_at),
        until_told=clock.moment(last.updated_at) if resolved else "",
        delay=clock.span(max(0, last.opened_at - change)),
        budget=last.budget,
        causes=tuple(clock.told(cause) for cause in last.happened),
        action=what_was_done(last.alert_id, versions, clock, asked),
        monitors=tuple(_monitor(evidence) for evidence in last.monitors[:MOST_MONITORS]),
        more_monitors=max(0, len(last.monitors) - MOST_MONITORS) + last.more_monitors,
    )


def what_was_done(alert_id: str, versions: Sequence[Version], clock: Clock, asked: Mapping[str, Asked]) -> str:
    """What an alert led to; "" for nothing. Of its challengers those that a person was ``asked`` for have passed the gate.

    Examples
    --------
    >>> three, five = (Version(model="loans", version=version, status="promoted", at=at, cause="a1") for version, at in (("3", 700_000), ("5", 1_900_000)))
    >>> what_was_done("a1", [three, five], Clock(event_times=False), {})
    'version 3 was trained because of it and promoted at row 700, then 5'
    """
    mine = [version for version in versions if version.cause == alert_id]
    promoted = [version for version in mine if version.status == "promoted"]
    rejected = {version.version for version in mine if version.status == "rejected"}
    back = {version.version for version in mine if version.status == "rolled_back"}
    judged = {version.version for version in mine} - rejected - back - {version.version for version in promoted}
    waiting = {version for version in judged if version in asked and asked[version].waits}
    left = judged.intersection(asked) - waiting
    on_trial = judged.difference(asked)
    parts = []
    if promoted:
        first, *later = dict.fromkeys(version.version for version in promoted)
        followed = f", then {', '.join(later)}" if later else ""
        parts.append(f"version {first} was trained because of it and promoted at {clock.moment(promoted[0].at)}{followed}")
    if rejected:
        parts.append(f"{len(rejected)} challenger{'s were' if len(rejected) > 1 else ' was'} refused")
    if back:
        parts.append(f"{len(back)} {'were' if len(back) > 1 else 'was'} rolled back")
    if waiting:
        parts.append(f"{len(waiting)} challenger{'s' if len(waiting) > 1 else ''} passed the gate and wait{'s' if len(waiting) == 1 else ''} for a person")
    if left:
        parts.append(f"{len(left)} challenger{'s' if len(left) > 1 else ''} passed the gate and {'were' if len(left) > 1 else 'was'} not promoted")
    if on_trial:
        parts.append(f"{len(on_trial)} challenger{'s are' if len(on_trial) > 1 else ' is'} on trial")
    return "; ".join(parts)


def _monitor(evidence: Evidence) -> MonitorView:
    low, high = evidence.effect.interval
    bars, fault = None, ""
    try:
        bars = _correlations(evidence) if evidence.basis.get("detector") == "correlation" else bars_of(evidence.reference, evidence.current)
    except ValueError as error:
        fault = str(error)
    return MonitorView(
        name=evidence.name,
        statistic=evidence.statistic,
        value=number(evidence.value),
        threshold=number(evidence.threshold),
        effect=evidence.effect.name,
        value_of_effect=number(evidence.effect.value, signed=True),
        interval=f"{number(low, signed=True)} to {number(high, signed=True)}",
        floor=number(evidence.effect.floor),
        n_reference=number(evidence.n_reference),
        n_current=number(evidence.n_current),
        bars=bars,
        fault=fault,
    )


def bars_of(reference: dict[str, object], current: dict[str, object]) -> Bars | None:
    """Bars from a monitor's evidence: bins of a numeric column, levels of a categorical one, a rate, or a mean error; None of anything else.

    Raises
    ------
    ValueError
        If it is none that a monitor gives: whoever may write to Kafka may write an alert, too.

    Examples
    --------
    >>> bars_of({"count": 10.0, "of": 100.0}, {"count": 30.0, "of": 100.0})
    Bars(unit='share of events', labels=('rate',), reference=(0.1,), current=(0.3,))
    """
    if isinstance(reference.get("edges"), Sequence) and isinstance(reference.get("counts"), Sequence):
        return _bins(_row(reference["edges"], "edges"), _row(reference["counts"], "counts of the reference"), _row(current.get("counts"), "current counts"))
    if set(reference) == {"count", "of"} == set(current):
        return Bars(unit="share of events", labels=("rate",), reference=(_rate(reference),), current=(_rate(current),))
    if "mean_absolute_error" in reference and "mean_absolute_error" in current:
        heights = [(_float(side["mean_absolute_error"]),) for side in (reference, current)]
        return Bars(unit="mean absolute error, in the label's unit", labels=("mean absolute error",), reference=heights[0], current=heights[1])
    levels = [name for name, count in reference.items() if isinstance(count, int | float)]
    return _levels(levels, reference, current) if levels and len(levels) == len(reference) else None


def _correlations(evidence: Evidence) -> Bars:
    """The pairs whose correlations moved most."""
    if evidence.reference.keys() != evidence.current.keys():
        raise ValueError("it names other pairs of columns of the reference than of what came since")
    before, now = (np.array([_float(value) for value in side.values()]) for side in (evidence.reference, evidence.current))
    moved = np.argsort(-np.nan_to_num(np.abs(now - before)), kind="stable")[:MOST_BARS].tolist()
    labels = list(evidence.reference)
    return Bars(unit="correlation", labels=tuple(labels[place] for place in moved), reference=tuple(before[moved].tolist()), current=tuple(now[moved].tolist()))


def _row(values: object, what: str) -> Float64:
    """(n,) numbers of a list."""
    try:
        row = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        row = np.empty((0, 0))
    if row.ndim != 1:
        raise ValueError(f"its {what} are no list of numbers")
    return row


def _bins(edges: Float64, reference: Float64, current: Float64) -> Bars:
    if len(reference) != len(current) or len(edges) != len(reference) - 1:
        raise ValueError(f"{len(edges)} edges make {len(edges) + 1} bins, got {len(reference)} counts of the reference and {len(current)} current ones")
    width = -(-len(reference) // MOST_BARS)
    firsts = np.arange(0, len(reference), width)
    bounds = ["", *(number(float(edges[first - 1])) for first in firsts[1:]), ""]
    labels = [_bin_label(low, high) for low, high in pairwise(bounds)]
    heights = [_shares(np.add.reduceat(counts, firsts)) for counts in (reference, current)]
    return Bars(unit="share of events", labels=tuple(labels), reference=heights[0], current=heights[1])


def _bin_label(low: str, high: str) -> str:
    if low and high:
        return f"{low} to {high}"
    return f"below {high}" if high else f"{low} or more" if low else "all"


def _levels(levels: list[str], reference: dict[str, object], current: dict[str, object]) -> Bars:
    """The levels that moved most; the rest under one name."""
    sides = [np.array([_float(side.get(level, 0.0)) for level in levels]) for side in (reference, current)]
    shares = [np.array(_shares(side)) for side in sides]
    moved = np.argsort(-np.nan_to_num(np.abs(shares[0] - shares[1])), kind="stable")
    kept = moved if len(levels) <= MOST_BARS else moved[: MOST_BARS - 1]
    rest = [] if len(kept) == len(levels) else [moved[len(kept) :]]
    labels = [levels[place] for place in kept.tolist()] + [f"({len(others)} others)" for others in rest]
    heights = [tuple(side[kept].tolist()) + tuple(float(side[others].sum()) for others in rest) for side in shares]
    return Bars(unit="share of events", labels=tuple(labels), reference=heights[0], current=heights[1])


def _shares(counts: Float64) -> tuple[float, ...]:
    total = float(counts.sum())
    return tuple((counts / total).tolist()) if total > 0 else (math.nan,) * len(counts)


def _rate(counts: dict[str, object]) -> float:
    of = _float(counts["of"])
    return _float(counts["count"]) / of if of > 0 else math.nan


def _float(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # an integer of more digits than a float knows
        return math.nan
