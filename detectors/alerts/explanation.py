"""An alert in words: what changed, since when, how surely, against what budget, what was ruled out, what else happened, and what to do next.

Whatever is said is computed again from what the alert carries; figures that cannot be reproduced are named, see `detectors.alerts.recomputation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detectors.alerts.alert import Alert
from detectors.alerts.evidence_words import how_surely, ruled_out, what_changed
from detectors.alerts.recomputation import Figure, figures
from detectors.duration import format_duration
from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time
from detectors.verdict import Evidence

_NEXT = {
    "performance": "Compare the rows since the change with those before it. Driftwarden retrains where retrain.policy allows it, and promotes what its gate has passed.",
    "drift": "Find out whether the population or the pipeline changed: ask whoever fills these columns. A drift without a loss of performance needs no training by itself.",
    "quality": "Mend the pipeline that fills the columns named above; a training on such rows would learn the fault.",
    "label shift": "Classes became more or less frequent, and each looks as it did: set the model's thresholds, or its prior, for their shares; no training is needed for that.",
    "service": "Look at the service's own logs since the change.",
}


@dataclass(frozen=True, kw_only=True)
class MonitorExplanation:
    """One monitor of an alert, in sentences."""

    name: str
    changed: str
    surely: tuple[str, ...]
    ruled_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An alert in words, and its figures.

    Attributes
    ----------
    headline : model, kind, state and since when.
    life : what became of it, a sentence a record.
    figures : all that it states, with what they come to; of monitors in ``left_out`` there are none.
    left_out : monitors whose evidence some record lacks, as it would have been too large.
    more_monitors : how many weaker ones the largest record does not even name.
    """

    alert_id: str
    headline: str
    life: tuple[str, ...]
    monitors: tuple[MonitorExplanation, ...]
    happened: tuple[str, ...]
    next: tuple[str, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[str, ...] = ()
    more_monitors: int = 0

    @property
    def wrong(self) -> tuple[Figure, ...]:
        """Figures that could not be reproduced."""
        return tuple(figure for figure in self.figures if not figure.agrees)

    @property
    def undefined(self) -> tuple[Figure, ...]:
        """Figures that are not finite, neither as stated nor as computed from the evidence."""
        return tuple(figure for figure in self.figures if figure.state == "undefined")

    @property
    def reservations(self) -> tuple[str, ...]:
        """What is not proven by computing figures again though none is wrong, a sentence each."""
        found = []
        if self.undefined:
            names = _some([f"{figure.monitor}: {figure.name}" if figure.monitor else figure.name for figure in self.undefined])
            found.append(f"{len(self.undefined)} more figures are undefined, as stated and as the evidence says: {names}")
        if self.left_out:
            found.append(
                f"of {len(self.left_out)} monitors the evidence was left out, as the record would have been too large; "
                f"what is stated of them cannot be computed again: {_some(self.left_out)}"
            )
        if self.more_monitors:
            found.append(f"{self.more_monitors} monitors, the weakest, are not even named in the record, which would have been too large")
        return tuple(found)


def explain(records: Sequence[Alert], others: Iterable[Alert] = (), *, recomputed: bool = True) -> Explanation:
    """Explain an alert by its records.

    Parameters
    ----------
    records : of one alert, at least one, in any order; those that repeat another are left out.
    others : records of whatever alerts; of those that may be of the same change is told.
    recomputed : whether its figures are computed again, which takes some tens of milliseconds; without it there are none.

    Raises
    ------
    ValueError
        If there is no record, or they are of several alerts.
    """
    ids = sorted({record.alert_id for record in records})
    if len(ids) != 1:
        raise ValueError(f"an explanation is of the records of one alert, got {len(records)} records of {len(ids)} alerts: {', '.join(ids)}")
    life = [record for _, record in sorted({record.sequence: record for record in reversed(records)}.items())]
    last = life[-1]
    return Explanation(
        alert_id=last.alert_id,
        headline=_headline(last),
        life=tuple(_event(record) for record in life),
        monitors=tuple(_monitor(evidence, last) for evidence in last.monitors),
        happened=(*last.happened, *_of_the_same_change(last, others)),
        next=tuple(_what_next(last)),
        figures=figures(life) if recomputed else (),
        left_out=tuple(dict.fromkeys(evidence.name for record in life for evidence in record.monitors if evidence.left_out)),
        more_monitors=max(record.more_monitors for record in life),
    )


def _of_the_same_change(last: Alert, others: Iterable[Alert]) -> list[str]:
    latest: dict[str, Alert] = {}
    for other in sorted(others, key=lambda one: one.sequence):
        if last.incident and other.incident == last.incident and other.alert_id != last.alert_id:
            latest[other.alert_id] = other
    return [
        f"{other.kind} alert {other.alert_id}, which may be of the same change: {other.summary}" for other in sorted(latest.values(), key=lambda one: (one.opened_at, one.alert_id))
    ]


def _headline(last: Alert) -> str:
    state = "resolved" if last.status == "resolved" else "open"
    shown = _some([evidence.name for evidence in last.monitors], more=last.more_monitors)
    since = "an unknown time" if last.change_at == NO_TIME else format_time(last.change_at)
    version = f", version {last.model_version}" if last.model_version else ""
    return f"{last.model}{version}: {last.kind} alert ({last.severity}, {state}) on {shown}; the change began about {since}"


def _some(names: Sequence[str], *, more: int = 0) -> str:
    more += max(0, len(names) - 3)
    return ", ".join(names[:3]) + (f" and {more} more" if more else "")


def _event(record: Alert) -> str:
    sentence = f"{format_time(record.updated_at)} {record.status}"
    if record.status == "opened" and record.change_at != NO_TIME:
        return f"{sentence}, {format_duration(max(0, record.opened_at - record.change_at))} of event time after the change: {record.summary}"
    return f"{sentence}: {record.summary}"


def _monitor(evidence: Evidence, alert: Alert) -> MonitorExplanation:
    return MonitorExplanation(
        name=evidence.name,
        changed=what_changed(evidence),
        surely=tuple(how_surely(evidence, alert.budget)),
        ruled_out=tuple(ruled_out(evidence)),
    )


def _what_next(last: Alert) -> list[str]:
    if last.status == "resolved":
        return ["Nothing: the alert is over. A change that comes later is another alert."]
    beside_the_budget = all(evidence.basis.get("detector") == "river" for evidence in last.monitors)
    return [
        "Ask the monitor error_rate, which keeps to the budget, before anything is done: detectors of river alarm as often as they do." if beside_the_budget else _NEXT[last.kind],
        f"Where the change is meant to stay, say so: driftwarden alerts acknowledge {last.alert_id} --by NAME; what comes in now is then what later data are compared with.",
        "Otherwise the alert is resolved when the data are surely back at the reference.",
    ]
