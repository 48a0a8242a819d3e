"""A specification that has been applied: with its revision, and the event time from which it is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from detectors.acknowledgement import Acknowledgement
from detectors.event_batch import NO_TIME, Int64
from detectors.panes.layout import Layout
from detectors.specification import MonitorSpecification


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """One revision of a model's specification."""

    specification: MonitorSpecification
    revision: int = 1
    effective_from: int = NO_TIME  # start of a pane, epoch milliseconds
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict, compare=False)  # of ``specification.metrics``

    @property
    def model(self) -> str:
        """The model's name."""
        return self.specification.model

    @cached_property
    def layout(self) -> Layout:
        """Of its summary vectors: made once for all who count by it, source partition by source partition."""
        return Layout(self.specification, self.functions)

    @cached_property
    def digest(self) -> str:
        """Of the specification, which takes milliseconds to find."""
        return self.specification.digest


class Monitors:
    """All revisions of all models: which one is in force when.

    A pane uses the revision in force at its start, on every reading of the log; that is why revisions are kept, and a new one takes effect at a pane's start.

    Examples
    --------
    >>> monitors = Monitors([Monitor(specification=MonitorSpecification(model="churn"))])
    >>> monitors.in_force("churn", np.array([0, 10_000])).tolist(), monitors.in_force("fraud", np.array([0])).tolist()
    ([1, 1], [0])

    Parameters
    ----------
    monitors : to begin with.
    functions_of : finds the functions of a specification's own metrics; None where nobody computes metrics.

    Attributes
    ----------
    changes : one more with each revision that came or went.
    acknowledgements : of alerts, by model and by what names them.
    left_out : why a record of a revision, ``(model, number)``, or of something else could not be read; an earlier revision stays in force.
    """

    def __init__(self, monitors: Iterable[Monitor] = (), *, functions_of: Callable[[MonitorSpecification], Mapping[str, Callable[..., Any]]] | None = None) -> None:
        self._functions_of = functions_of
        self._of: dict[str, list[Monitor]] = {}
        self.acknowledgements: dict[str, dict[str, Acknowledgement]] = {}
        self.left_out: dict[tuple[str | int, ...], str] = {}
        self.changes = 0
        for monitor in monitors:
            self.add(monitor)

    def add(self, monitor: Monitor) -> None:
        """Take a revision; one with the same number replaces the earlier record of it."""
        if self._functions_of is not None and monitor.specification.metrics:
            monitor = replace(monitor, functions=self._functions_of(monitor.specification))
        others = [known for known in self._of.get(monitor.model, []) if known.revision != monitor.revision]
        self.changes += 1
        self._of[monitor.model] = sorted([*others, monitor], key=lambda one: one.revision)

    def acknowledge(self, one: Acknowledgement) -> None:
        """Take somebody's word for the change of an alert; said again, it changes nothing."""
        self.acknowledgements.setdefault(one.model, {}).setdefault(one.key, one)

    def remove(self, model: str, revision: int) -> None:
        """Forget a revision that no retained source record can need."""
        self.changes += 1
        self._of[model] = [known for known in self._of.get(model, []) if known.revision != revision]

    def of(self, model: str) -> list[Monitor]:
        """All revisions of a model, in order."""
        return self._of.get(model, [])

    def models(self) -> tuple[str, ...]:
        """Names of the monitored models."""
        return tuple(model for model, revisions in self._of.items() if revisions)

    def latest(self, model: str) -> Monitor | None:
        """The newest revision of a model."""
        revisions = self.of(model)
        return revisions[-1] if revisions else None

    def unreadable(self, model: str) -> dict[int, str]:
        """Why revisions of a model could not be read, by their numbers."""
        return {number: why for name, why in self.left_out.items() if len(name) == 2 and name[0] == model and isinstance(number := name[1], int)}

    def next_revision(self, model: str) -> int:
        """The number that no revision of a model has, not even one that could not be read.

        Examples
        --------
        >>> monitors = Monitors([Monitor(specification=MonitorSpecification(model="churn"))])
        >>> monitors.left_out["churn", 2] = "unknown key"
        >>> monitors.next_revision("churn"), monitors.next_revision("fraud")
        (3, 1)
        """
        return 1 + max([*(known.revision for known in self.of(model)), *self.unreadable(model)], default=0)

    def get(self, model: str, revision: int) -> Monitor | None:
        """One revision."""
        return next((known for known in self.of(model) if known.revision == revision), None)

    def at(self, model: str, time: int) -> Monitor | None:
        """The revision in force for an event of a time: at the start of its pane."""
        return next((known for known in reversed(self.of(model)) if time // known.specification.pane * known.specification.pane >= known.effective_from), None)

    def in_force(self, model: str, start: Int64) -> Int64:
        """(n,) revision in force at each pane start; 0 where there is none."""
        revision = np.zeros(len(start), dtype=np.int64)
        for monitor in self.of(model):
            revision[start >= monitor.effective_from] = monitor.revision
        return revision
