"""The summarise stage: event batches of one source partition in, mergeable pane summaries out.

State and batches in, outputs and state pieces out; no clock, no I/O. What it makes of a row depends on the rows before it in the log and on
nothing else: not on how the log was cut into fetches or epochs, nor on when it was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.bundle import Cohort, Summary
from detectors.event_batch import NO_TIME, EventBatch
from detectors.labelled_rows import LabelledRows
from detectors.model_summariser import ModelSummariser
from detectors.monitor import Monitor, Monitors
from detectors.pane import pane_start
from detectors.piece import Piece

MAX_UNMONITORED = 1_000  # names of models that no monitor knows; a producer that invents names must not fill the memory


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Decoded records of one source partition, in log order.

    ``end`` is the offset after the last record, ``high`` the largest record timestamp up to there (of bad records, too).
    """

    end: int
    high: int
    batches: tuple[EventBatch, ...] = ()
    unmonitored: dict[str, int] = field(default_factory=dict)
    rejected: int = 0


@dataclass(frozen=True, kw_only=True)
class Flushed:
    """An epoch's worth of output and state."""

    covered: int
    high: int
    summaries: tuple[Summary, ...]
    cohorts: tuple[Cohort, ...]
    examples: tuple[LabelledRows, ...]
    pieces: tuple[Piece, ...]
    unmonitored: dict[str, int]
    rejected: int

    @property
    def nothing_new(self) -> bool:
        """Whether there is nothing to tell but the time."""
        return not (self.summaries or self.cohorts or self.examples or self.pieces)


class Summarise:
    """Summaries, deduplication and the label join of one source partition.

    Parameters
    ----------
    partition : number of the source partition; goes into examples.
    monitors : which revisions are in force when; may grow while the stage lives.
    """

    def __init__(self, partition: int, monitors: Monitors) -> None:
        self._partition = partition
        self._monitors = monitors
        self._models: dict[tuple[str, int], ModelSummariser] = {}
        self._unmonitored: dict[str, int] = {}
        self._rejected = 0
        self._deletions: list[Piece] = []
        self.covered = 0
        self.high = NO_TIME

    def absorb(self, fetch: Fetch) -> None:
        """Take a fetch; records before `covered` must have been left out."""
        for batch in fetch.batches:
            self._absorb_model(batch)
        for model, count in fetch.unmonitored.items():
            self._count_unmonitored(model, count)
        self._rejected += fetch.rejected
        self.covered = fetch.end
        self.high = max(self.high, fetch.high)
        for summariser in self._models.values():
            summariser.advance(self.high)

    def _absorb_model(self, batch: EventBatch) -> None:
        revisions = self._monitors.of(batch.model)
        if not revisions:
            self._count_unmonitored(batch.model, len(batch))
            return
        of = np.zeros(len(batch), dtype=np.int64)
        for monitor in revisions:
            of[pane_start(batch.timestamp, monitor.specification.pane) >= monitor.effective_from] = monitor.revision
        readers = batch.revisions or tuple(monitor.revision for monitor in revisions)
        if revisions[0].revision in readers:
            self._count_unmonitored(batch.model, int((of == 0).sum()))
        for monitor in revisions:
            if monitor.revision in readers and ((of == monitor.revision).any() or (batch.model, monitor.revision) in self._models):
                # A label goes to every revision: only the one that holds its prediction joins it.
                self._model(monitor).absorb(batch, mine=of == monitor.revision)

    def _model(self, monitor: Monitor) -> ModelSummariser:
        key = (monitor.model, monitor.revision)
        if key not in self._models:
            self._models[key] = ModelSummariser(monitor, self._partition)
        return self._models[key]

    def _count_unmonitored(self, model: str, count: int) -> None:
        if count:
            name = model if model in self._unmonitored or len(self._unmonitored) < MAX_UNMONITORED else "(other models)"
            self._unmonitored[name] = self._unmonitored.get(name, 0) + count

    def flush(self) -> Flushed:
        """What changed since the last flush. Pieces of panes that closed in the last epoch are deleted in this one, so that a crash between the two still finds them."""
        summaries: list[Summary] = []
        cohorts: list[Cohort] = []
        examples: list[LabelledRows] = []
        pieces: list[Piece] = list(self._deletions)
        self._deletions = []
        for summariser in self._models.values():
            flushed = summariser.flush(self.covered)
            summaries += flushed.summaries
            cohorts += flushed.cohorts
            examples += flushed.examples
            pieces += flushed.pieces
            self._deletions += flushed.deletions
        return Flushed(
            covered=self.covered,
            high=self.high,
            summaries=tuple(summaries),
            cohorts=tuple(cohorts),
            examples=tuple(examples),
            pieces=tuple(pieces),
            unmonitored=dict(self._unmonitored),
            rejected=self._rejected,
        )

    def manifest(self) -> dict[str, Any]:
        """What is saved last in an epoch: the covered offset and what belongs to no model."""
        return {"covered": self.covered, "high": self.high, "unmonitored": dict(self._unmonitored), "rejected": self._rejected}

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state into a fresh stage; returns the offset to read from."""
        if manifest is not None:
            self.covered, self.high = manifest["covered"], manifest["high"]
            self._unmonitored, self._rejected = dict(manifest["unmonitored"]), manifest["rejected"]
        for piece in pieces:
            monitor = self._monitors.get(str(piece.key[1]), int(piece.key[2]))
            if monitor is None:
                self._deletions.append(Piece(piece.key, piece.covered, None))
            else:
                self._model(monitor).restore(piece, covered=self.covered, high=self.high)
        for summariser in self._models.values():
            summariser.advance(self.high)
        return self.covered
