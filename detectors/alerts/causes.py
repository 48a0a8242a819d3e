"""What else changed when an alert began: the columns by how far they drifted and how much the model leans on them, faults of the inputs, and the traffic.

The alarm says when the change began, so every monitor of the inputs is asked about that one window, and no scan has to be paid for: named are those that differ by
more than their floors, at a false discovery rate of `FALSE_CAUSES` however columns depend on each other (`detectors.alerts.false_discoveries`), and did not differ
as much for long before. It is no proof that they are the reason: it is where to look first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.false_discoveries import e_bh, e_values_of
from detectors.detector import State
from detectors.event_batch import Float64
from detectors.rfc3339 import format_time, parse_time
from detectors.scans.window_bank import WindowBank
from detectors.verdict import Evidence

MOST = 10
FALSE_CAUSES = 0.05
"""Share of the causes that are named though nothing happened to them."""

TRAFFIC_BY_CHANCE = 0.001
"""Share of the alerts under which traffic stayed the same and that tell it has changed all the same."""

_FEWEST_BUCKETS = 8
_TAILS = 4  # a column may change in location or scale, up or down


@dataclass(frozen=True)
class Seen:
    """A detector of what goes into the model, and its state after a pane."""

    detector: WindowBank
    state: State


@dataclass(frozen=True)
class _Suspect:
    evidence: Evidence
    score: float
    importance: float | None


def causes_of(seen: Sequence[Seen], *, at: int, change_at: int, pane: int, importance: Mapping[str, float]) -> list[str]:
    """Sentences with figures, the likeliest cause first.

    Parameters
    ----------
    seen : the detectors of what goes into the model, after the pane on which something alarmed.
    at, change_at : end of that pane, and when the change began; epoch milliseconds.
    pane : milliseconds.
    importance : by feature, where it is declared; a feature without one counts as the mean of those that have one.
    """
    typical = float(np.mean(list(importance.values()))) if importance else 1.0
    suspects = []
    for one, differing in _differing(seen, change_at):
        strongest = zip(differing, one.detector.evidences(one.state, differing), strict=True)
        began = [(monitor, parse_time(evidence.basis["since"])) for monitor, evidence in strongest]
        new = [monitor for monitor, start in began if start + _slack(start, at, pane) >= change_at - _slack(change_at, at, pane)]
        for monitor, evidence in zip(new, one.detector.evidences(one.state, new, change_at), strict=True):
            declared = importance.get(evidence.name.removeprefix("feature:"))
            floor = evidence.effect.floor or float(one.detector.floors[monitor])
            score = abs(evidence.effect.value) / floor * (typical if declared is None else declared)
            suspects.append(_Suspect(evidence, score, declared if evidence.name.startswith("feature:") else None))
    suspects.sort(key=lambda suspect: (-suspect.score, suspect.evidence.name))
    told = [_told(suspect) for suspect in suspects[:MOST]]
    if len(suspects) > MOST:
        told.append(f"{len(suspects) - MOST} more monitors of the inputs changed at that time")
    return [*told, *_traffic(seen, change_at)]


def _differing(seen: Sequence[Seen], change_at: int) -> list[tuple[Seen, list[int]]]:
    """Monitors that differ by more than their floors in the window since a time, of each detector that has some."""
    if not seen:
        return []
    statistics = [one.detector.statistics_since(one.state, change_at) for one in seen]
    chance = [np.minimum(_TAILS * special.ndtr(-np.nan_to_num(of_one, nan=-np.inf)), 1.0) for of_one in statistics]
    named = e_bh(e_values_of(np.concatenate(chance), FALSE_CAUSES), FALSE_CAUSES)
    of_detectors = np.split(named, np.cumsum([len(of_one) for of_one in chance])[:-1])
    found = [(one, np.flatnonzero(of_one).tolist()) for one, of_one in zip(seen, of_detectors, strict=True)]
    return [(one, monitors) for one, monitors in found if monitors]


def _slack(began: int, at: int, pane: int) -> int:
    """How far off the time of a change may be: half the age of the window behind it."""
    return max(pane, (at - began) // 2)


def _told(suspect: _Suspect) -> str:
    evidence = suspect.evidence
    leaned = "" if suspect.importance is None else f", importance {suspect.importance:.3g}"
    appeared = _appeared(evidence)
    low, high = evidence.effect.interval
    return f"{evidence.name}: {what_changed(evidence)}{appeared} ({evidence.effect.name} {evidence.effect.value:+.3g}, 95 % {low:+.3g} to {high:+.3g}{leaned})"


def _appeared(evidence: Evidence) -> str:
    """Levels that the reference does not have."""
    if evidence.basis.get("detector") != "categories":
        return ""
    new = [name for name, count in evidence.current.items() if count and not evidence.reference.get(name)]
    return f"; new: {', '.join(new[:5])}" if new else ""


def _traffic(seen: Sequence[Seen], change_at: int) -> Iterator[str]:
    """Rows a pane before and since; as uncertain as the history before was unsteady, and at least as a count is."""
    if not seen:
        return
    widest = next((one for one in seen if one.detector.group == "quality"), seen[0])  # it counts rows whose values are missing, too
    rows, state = _rows(widest), widest.state
    sizes, since = np.array(state["sizes"], np.float64), state["starts"] >= change_at
    if not since.any() or np.count_nonzero(~since) < _FEWEST_BUCKETS:
        return
    before, now = rows[~since].sum() / sizes[~since].sum(), rows[since].sum() / sizes[since].sum()
    buckets = np.count_nonzero(~since)
    spread = (sizes[~since] * (rows[~since] / sizes[~since] - before) ** 2).sum() / (buckets - 1)
    error = math.sqrt(max(spread, before) * (1 / sizes[~since].sum() + 1 / sizes[since].sum()))
    if error > 0 and 2 * special.stdtr(buckets - 1, -abs(now - before) / error) < TRAFFIC_BY_CHANCE:
        times = f", {now / before:.3g} times as many" if before > 0 else ""
        yield f"traffic: {now:.4g} rows a pane since about {format_time(change_at)}, {before:.4g} before{times}"


def _rows(seen: Seen) -> Float64:
    """(b,) rows in each bucket of a detector's history."""
    return np.asarray(seen.detector.events_in(seen.state["sums"]).max(axis=1), np.float64)
