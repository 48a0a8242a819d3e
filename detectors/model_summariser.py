"""What is summarised of one model revision in one source partition: its panes and its cohorts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from detectors.bundle import Cohort, Summary
from detectors.contributions import Contributions
from detectors.event_batch import NO_TIME, Float64
from detectors.group_tables import Group, GroupTables
from detectors.labelled_rows import LabelledRows
from detectors.layout import Layout
from detectors.monitor import Monitor
from detectors.piece import Piece, PieceKey
from detectors.sparse_counts import dense, sparse

COHORT = 3_600_000
"""Predictions of one hour form a cohort, milliseconds."""


@dataclass(kw_only=True)
class Changes:
    """What one flush gives."""

    summaries: list[Summary] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    examples: list[LabelledRows] = field(default_factory=list)
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
        self._specification = monitor.specification
        self._digest = monitor.specification.digest
        self.layout = Layout(monitor.specification)
        self.add = Contributions(self.layout)
        self.panes = GroupTables(max_groups=monitor.specification.max_groups)
        self.cohorts = GroupTables(max_groups=monitor.specification.max_groups)

    def settle(self) -> None:
        """All that a batch adds has been added."""
        self.panes.settle()
        self.cohorts.settle()

    def flush(self, changes: Changes, covered: int, watermark: int) -> None:
        """Tell what changed since the last flush, and give up what can change no more."""
        for kind, windows in (("cohort", self.cohorts), ("pane", self.panes)):
            for start in sorted(windows.changed):
                self._tell(changes, kind, start, windows.vectors(start), covered)
            windows.told()
        changes.deletions += [Piece(key, covered, None) for key in self._expire(watermark)]

    def _tell(self, changes: Changes, kind: str, start: int, groups: dict[Group, Float64], covered: int) -> None:
        names = sorted(groups)
        changes.pieces.append(Piece(self._key(kind, start), covered, {"names": [list(name) for name in names], "counts": sparse([groups[name] for name in names])}))
        model, revision, digest = self._specification.model, self.monitor.revision, self._digest
        for version, segment in names:
            counts = groups[version, segment]
            if kind == "pane":
                changes.summaries.append(Summary(model=model, revision=revision, digest=digest, version=version, segment=segment, start=start, counts=counts))
            else:
                changes.cohorts.append(Cohort(model=model, revision=revision, digest=digest, version=version, start=start, counts=counts))

    def _expire(self, watermark: int) -> Iterator[PieceKey]:
        pane, timeout = self._specification.pane, self._specification.labels.timeout
        for kind, windows, wait in (("pane", self.panes, pane), ("cohort", self.cohorts, COHORT + timeout)):
            for start in [start for start in windows.starts if start + wait <= watermark]:
                windows.drop(start)
                yield self._key(kind, start)

    def _key(self, kind: str, start: int) -> PieceKey:
        return (kind, self._specification.model, self.monitor.revision, start)

    def restore(self, piece: Piece, *, closed_before: int) -> None:
        """Take a saved window; it is told again, unless it had closed."""
        kind, start = str(piece.key[0]), int(piece.key[3])
        windows = self.panes if kind == "pane" else self.cohorts
        windows.restore(start, {(name[0], name[1]): counts for name, counts in zip(piece.value["names"], dense(piece.value["counts"]), strict=True)})
        if kind == "cohort" or closed_before == NO_TIME or start + self._specification.pane > closed_before:
            windows.changed.add(start)
