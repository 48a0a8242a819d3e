"""What is summarised of one model revision in one source partition: its panes and its cohorts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from detectors.bundle import Cohort, FirstRows, Summary
from detectors.monitor import Monitor
from detectors.panes.contributions import Contributions
from detectors.panes.group_tables import GroupTables
from detectors.piece import Piece
from detectors.rows.labelled_rows import LabelledRows

COHORT = 3_600_000
"""Predictions of one hour form a cohort, milliseconds."""


@dataclass(kw_only=True)
class Changes:
    """What one flush gives."""

    summaries: list[Summary] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    examples: list[LabelledRows] = field(default_factory=list)
    first_rows: list[FirstRows] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    deletions: list[Piece] = field(default_factory=list)


class ModelSummariser:
    """Windows of one model revision; what is in them is counted by its `FamilySummariser`.

    Attributes
    ----------
    add : what a row contributes.
    panes, cohorts : the windows.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._digest = monitor.digest
        self.layout = monitor.layout
        self.add = Contributions(self.layout)
        self.panes = GroupTables(max_groups=monitor.specification.max_groups)
        self.cohorts = GroupTables(max_groups=monitor.specification.max_groups)

    @property
    def names(self) -> dict[str, Any]:
        """Whose counts these are, as everything says that is told of them."""
        return {"model": self.monitor.model, "revision": self.monitor.revision, "digest": self._digest}

    def settle(self) -> None:
        """All that a batch adds has been added."""
        self.panes.settle()
        self.cohorts.settle()

    def flush(self, changes: Changes) -> None:
        """Tell what changed since the last flush."""
        names = self.names
        for start in sorted(self.cohorts.changed):
            groups = self.cohorts.vectors(start)
            changes.cohorts += [Cohort(**names, version=group[0], start=start, counts=groups[group]) for group in sorted(groups)]
        for start in sorted(self.panes.changed):
            groups = self.panes.vectors(start)
            changes.summaries += [Summary(**names, version=group[0], segment=group[1], start=start, counts=groups[group]) for group in sorted(groups)]

    def expire(self, watermark: int) -> tuple[list[int], list[int]]:
        """Give up panes and cohorts that can change no more; returns their starts."""
        pane, timeout = self.monitor.specification.pane, self.monitor.specification.labels.timeout
        return self.panes.expire(watermark - pane), self.cohorts.expire(watermark - COHORT - timeout)
