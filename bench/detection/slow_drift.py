"""A drift so slow that no pane looks unlike the one before, through detectors and alerts as in a worker: ``python -m bench.detection.slow_drift``.

A column's mean moves by one sigma over 500,000 events, with the default floors, and stays there. What is counted are whole alerts, not alarms: how many were opened, how far the
mean had come, whether they were open as long as it lasted, and what resolved them. In one half of the streams the data come back, in the other somebody acknowledges the alert.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection.row import BUDGET
from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.budget import FalseAlarmBudget
from detectors.columns.binning import encode
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.watch import Watch
from detectors.evaluation.monitors import EVENT
from detectors.event_batch import Float64
from detectors.panes.layout import TRAFFIC, Layout
from detectors.references.reference import profile_of
from detectors.scans.panels import Panels, Walking
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification

NAME = "slow-drift"
RESULTS = Path(__file__).parent / "results.json"
PANE = 100  # events, so ten seconds: 6,700 panes of a stream, which is what this costs by
_SEED, _REFERENCE, _SIDE_BY_SIDE, _PANES_AT_ONCE = 201, 10_000, 16, 1_000


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a stream does, in events, one stretch after another.

    Attributes
    ----------
    before : at the reference's mean.
    drift : on the way to another.
    stay : there.
    after : back again at once, or there with the alert acknowledged.
    size : of the whole drift, in sigma.
    """

    before: int = 10_000
    drift: int = 500_000
    stay: int = 100_000
    after: int = 60_000  # longer than `resolve_after` and `cooldown` together, in events that come every 100 ms
    size: float = 1.0

    @property
    def over(self) -> int:
        """Events until the data come back, or the alert is acknowledged."""
        return self.before + self.drift + self.stay

    def mean(self, event: Float64, *, back: bool) -> Float64:
        """Of events by their numbers.

        Examples
        --------
        >>> Course(before=10, drift=100, stay=5).mean(np.array([9, 60, 112, 115]), back=True)
        array([0. , 0.5, 1. , 0. ])
        """
        moved = np.clip((event - self.before) / self.drift, 0, 1) * self.size
        return np.where(back & (event >= self.over), 0.0, moved)


@dataclass
class _Stream:
    """One column, its reference, and what was said of it."""

    course: Course
    back: bool
    random: np.random.Generator
    alerts: list[Alert] = field(default_factory=list)
    words: list[Acknowledgement] = field(default_factory=list)

    def __post_init__(self) -> None:
        features = {"x": Feature(type="numeric")}
        profile = profile_of({"x": self.random.normal(size=_REFERENCE)}, features=features, task="regression")
        pane, budget = PANE * EVENT, FalseAlarmBudget(alarms=1, events=BUDGET)
        self._specification = MonitorSpecification(
            model=NAME,
            task="regression",
            pane=pane,
            windows=(pane,),
            false_alarms=budget,
            events_per_pane=float(PANE),
            features=features,
            reference=Reference(profile=profile),
        )
        self._layout = Layout(self._specification)
        self._watch = Watch(self._specification, self._layout)

    def take(self, panes: range) -> Walking[None]:
        """Go on through some panes, by their numbers."""
        for one in (yield from self._watch.take(self._drawn(panes), self.words)):
            self.alerts += one.alerts

    def acknowledge(self, pane: int) -> None:
        """Let somebody say of every open alert that its change is meant to stay, from a pane on."""
        latest = {alert.alert_id: alert for alert in self.alerts}.values()
        at = pane * PANE * EVENT
        self.words += [
            Acknowledgement(model=NAME, alert_id=alert.alert_id, sequence=alert.sequence, by="bench", effective_from=at) for alert in latest if alert.status != "resolved"
        ]

    def _drawn(self, panes: range) -> list[ClosedPane]:
        event = np.arange(panes.start * PANE, panes.stop * PANE)
        values = self.random.normal(self.course.mean(event.astype(np.float64), back=self.back))
        vectors = np.zeros((len(panes), self._layout.size))
        cells = self._layout.blocks["feature:x"].start + encode(values, self._layout.columns["x"])
        np.add.at(vectors, (event // PANE - panes.start, cells), 1.0)
        vectors[:, self._layout.blocks["traffic"].start + TRAFFIC.index("predictions")] = PANE
        return [ClosedPane(pane * PANE * EVENT, {("1", ""): vector}) for pane, vector in zip(panes, vectors, strict=True)]


def measured(streams: int, course: Course = Course()) -> dict[str, Any]:
    """What is told of so many streams, in every second of which the data come back at the end."""
    drawn = [_Stream(course, place % 2 == 0, random) for place, random in enumerate(np.random.default_rng(_SEED).spawn(streams))]
    over, end = course.over // PANE, (course.over + course.after) // PANE
    for first in range(0, streams, _SIDE_BY_SIDE):
        some = drawn[first : first + _SIDE_BY_SIDE]
        for panes in _stretches(0, over):
            Panels().walk_together([stream.take(panes) for stream in some])
        for stream in some:
            if not stream.back:
                stream.acknowledge(over)
        for panes in _stretches(over, end):
            Panels().walk_together([stream.take(panes) for stream in some])
    return _told(drawn, course)


def _stretches(begin: int, end: int) -> Iterator[range]:
    return (range(first, min(first + _PANES_AT_ONCE, end)) for first in range(begin, end, _PANES_AT_ONCE))


def _told(streams: Sequence[_Stream], course: Course) -> dict[str, Any]:
    """Of each stream how often an alert was opened, how far its mean had come by the first one, and what resolved it after how many events."""
    opened = [[alert.updated_at / EVENT for alert in stream.alerts if alert.status == "opened"] for stream in streams]
    first = [min(found, default=np.inf) for found in opened]
    resolved = [[alert for alert in stream.alerts if alert.status == "resolved"] for stream in streams]
    returned = [[alert.updated_at / EVENT - course.over for alert in found] for stream, found in zip(streams, resolved, strict=True) if stream.back]
    acknowledged = [found for stream, found in zip(streams, resolved, strict=True) if not stream.back]
    return {
        "streams": len(streams),
        "events": course.over + course.after,
        "drift": course.drift,
        "alerts": [len(found) for found in opened],
        "moved": [float(course.mean(np.array(event), back=False)) if np.isfinite(event) else None for event in first],
        "resolved_while_it_lasted": sum(alert.updated_at < course.over * EVENT for found in resolved for alert in found),
        "back": len(returned),
        "resolved_when_back": [event for found in returned for event in found if event >= 0],
        "acknowledged": len(acknowledged),
        "resolved_by_word": sum(alert.acknowledged is not None for found in acknowledged for alert in found),
        "resolved_without_word": sum(alert.acknowledged is None and alert.updated_at >= course.over * EVENT for found in acknowledged for alert in found),
    }


def main() -> None:
    """Measure, and put it beside what the rows found."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection.slow_drift", description=__doc__)
    parser.add_argument("--streams", type=int, default=96)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    found = measured(chosen.streams)
    results = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    chosen.out.write_text(json.dumps(results | {NAME: found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
