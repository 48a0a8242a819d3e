"""What the demonstration measured, and whether the story came true: exit code 0 only if all of it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.alerts.alert import Alert
from detectors.event_batch import Float64
from retrainer.versions import Version
from streams.demo.story import Story

SETTLED_ROWS = 2_000  # over which "before" and "after" are measured


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that had to happen, whether it did, and what was seen."""

    what: str
    happened: bool
    seen: str


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What went in, and what was counted."""

    predictions: int
    labels: int
    counted_predictions: int
    counted_labels: int

    @property
    def exact(self) -> bool:
        """Nothing lost, nothing counted twice."""
        return self.predictions == self.counted_predictions and self.labels == self.counted_labels


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Losses of every row, as they were predicted, and as the first champion would have predicted them.

    ``made`` and ``static`` are (n,): errors as 0 and 1, or absolute errors. ``version`` is (n,) the version that answered.
    """

    made: Float64
    static: Float64
    version: list[str]

    def switched_at(self) -> int | None:
        """First row that another version than the first answered; None if none did."""
        return next((row for row, version in enumerate(self.version) if version != self.version[0]), None)


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Mean losses: nan where a stretch did not happen."""

    before: float
    after_change: float
    after_promotion: float
    without: float


def performance(story: Story, ledger: Ledger) -> Performance:
    """Before the last change, from there to the promotion, after the promotion, and over that last stretch without it."""
    change, switch = story.scenes[-1].start, ledger.switched_at()
    end = len(ledger.made) if switch is None else max(switch, change)
    last = slice(len(ledger.made) - SETTLED_ROWS, None) if switch is None else slice(switch, None)
    return Performance(
        before=_mean(ledger.made[max(0, change - SETTLED_ROWS) : change]),
        after_change=_mean(ledger.made[change:end]),
        after_promotion=_mean(ledger.made[last]) if switch is not None else float("nan"),
        without=_mean(ledger.static[last]),
    )


def stretches(story: Story, ledger: Ledger) -> dict[str, float]:
    """Mean losses by the name of their stretch; when a user's own file changed, nobody knows, so there it is all rows with and without retraining."""
    if story.own_data is not None:
        return {"with retraining": _mean(ledger.made), "without retraining": _mean(ledger.static)}
    losses = performance(story, ledger)
    return {
        "before the change": losses.before,
        "after the change": losses.after_change,
        "after the promotion": losses.after_promotion,
        "without retraining": losses.without,
    }


def _mean(losses: Float64) -> float:
    return float(np.nanmean(losses)) if len(losses) and not np.isnan(losses).all() else float("nan")


def row_of(story: Story, time: int) -> int:
    """Row of the stream at an event time."""
    return int(np.searchsorted(story.time, time))


def checks(story: Story, ledger: Ledger, counts: Counts, alerts: Sequence[Alert], versions: Sequence[Version], *, killed: bool) -> list[Check]:
    """The story, line by line; of a user's own file only what must hold of every stream."""
    seen = f"{counts.counted_predictions:,} of {counts.predictions:,} predictions, {counts.counted_labels:,} of {counts.labels:,} labels, after kill -9 of a worker"
    always = [Check(what="published = counted, though a worker was killed", happened=killed and counts.exact, seen=seen)]
    if story.own_data is not None:
        return always
    return [*_quiet(story, alerts), *_covariate(story, alerts, versions), *always, *_concept(story, ledger, alerts, versions)]


def _opened(alerts: Sequence[Alert], story: Story, first: int, end: int) -> list[Alert]:
    return [alert for alert in alerts if alert.status == "opened" and first < row_of(story, alert.opened_at) <= end]


def _quiet(story: Story, alerts: Sequence[Alert]) -> list[Check]:
    false = _opened(alerts, story, 0, story.start_of("covariate"))
    return [Check(what="nothing alarmed while nothing material changed", happened=not false, seen="; ".join(alert.summary for alert in false) or "no alert")]


def _covariate(story: Story, alerts: Sequence[Alert], versions: Sequence[Version]) -> list[Check]:
    first, end = story.start_of("covariate"), story.start_of("concept")
    drift = [alert for alert in _opened(alerts, story, first, end) if alert.kind == "drift"]
    named = [alert for alert in drift if any(monitor.name == "feature:loan" for monitor in alert.monitors)]
    trained = [version.version for version in versions if version.cause in {alert.alert_id for alert in drift}]
    return [
        Check(what="the drift that does not hurt was reported", happened=bool(named), seen=named[0].summary if named else "no alert on feature:loan"),
        Check(what="it was not answered with a training", happened=not trained, seen=f"trained: {trained or 'nothing'}"),
    ]


def _concept(story: Story, ledger: Ledger, alerts: Sequence[Alert], versions: Sequence[Version]) -> list[Check]:
    change = story.start_of("concept")
    errors = [alert for alert in _opened(alerts, story, change, len(story)) if alert.kind == "performance"]
    refused = [version for version in versions if version.status == "rejected" and version.gate.get("labels")]
    promoted = [version for version in versions if version.status == "promoted" and version.cause in {alert.alert_id for alert in errors}]
    switch, losses = ledger.switched_at(), performance(story, ledger)
    recovered = losses.after_promotion < losses.before + 0.05 and losses.after_promotion < losses.without - 0.1
    return [
        Check(what="the change of the concept raised an alert", happened=bool(errors), seen=errors[0].summary if errors else "no performance alert"),
        Check(what="a challenger that is not better was refused, with evidence", happened=bool(refused), seen=_evidence(refused)),
        Check(what="a better one was promoted because of the alert", happened=bool(promoted), seen=_evidence(promoted)),
        Check(
            what="the service took it up",
            happened=switch is not None and switch > change,
            seen=f"version {ledger.version[switch]} from row {switch:,}" if switch else "version 1 to the end",
        ),
        Check(
            what="accuracy recovered",
            happened=bool(recovered),
            seen=", ".join(
                f"{1 - loss:.3f} {when}"
                for when, loss in {
                    "before": losses.before,
                    "after the change": losses.after_change,
                    "after the promotion": losses.after_promotion,
                    "without it": losses.without,
                }.items()
            ),
        ),
    ]


def _evidence(versions: Sequence[Version]) -> str:
    if not versions:
        return "none"
    version = versions[0]
    gate = version.gate
    return f"version {version.version}: {gate.get('reason', version.status)}, on {gate.get('labels', 0):,} labels"
