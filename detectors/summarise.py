"""The summarise stage: event batches of one source partition in, mergeable pane summaries out.

State and batches in, outputs and state pieces out; no clock, no I/O. What it makes of a row depends on the rows before it in the log and on
nothing else: not on how the log was cut into fetches or epochs, nor on when it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.bundle import Cohort, Summary
from detectors.coded_text import CodedText
from detectors.event_batch import LABEL, NO_TIME, Bool, EventBatch
from detectors.gaps import Gap, Gaps
from detectors.labelled_rows import LabelledRows
from detectors.model_summariser import ModelSummariser, needed_until
from detectors.monitor import Monitor, Monitors
from detectors.pane import pane_start
from detectors.piece import Piece

ROWS_AT_ONCE = 1_000  # of one model: with fewer, what is done once for a batch costs more than what is done for its rows
MAX_HELD = 50_000  # rows of all models together

MAX_UNMONITORED = 1_000  # names of models that no monitor knows; a producer that invents names must not fill the memory


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Decoded records of one source partition, in log order.

    ``end`` is the offset after the last record, ``high`` the largest record timestamp up to there (of bad records, too). The rows of a model stand in
    one batch, by themselves or among others'; in one for each way to read them, where its revisions differ.
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
    missed: int
    gaps: tuple[Gap, ...]


@dataclass
class _Held:
    """Rows of one model that wait to be counted together: its revisions when they came, and their batches."""

    revisions: tuple[Monitor, ...]
    batches: list[EventBatch] = field(default_factory=list)
    rows: int = 0

    def takes(self, batch: EventBatch, revisions: tuple[Monitor, ...]) -> bool:
        """Whether a batch may be put behind those that wait already."""
        first = self.batches[0]
        alike = (first.revisions, first.numeric_names, first.categorical.keys()) == (batch.revisions, batch.numeric_names, batch.categorical.keys())
        return alike and isinstance(first.label, CodedText) == isinstance(batch.label, CodedText) and self.revisions == revisions


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
        self._missed = 0
        self._gaps = Gaps()
        self._deletions: list[Piece] = []
        self._held: dict[str, _Held] = {}
        self._held_rows = 0
        self.covered = 0
        self.high = NO_TIME

    def absorb(self, fetch: Fetch) -> None:
        """Take a fetch; records before `covered` must have been left out. Rows of a model that has few of them may wait for more until the next flush."""
        self._gaps = self._gaps.closed(min((int(batch.high[0]) for batch in fetch.batches if len(batch)), default=fetch.high))
        for batch in fetch.batches:
            for mine in batch.by_model():
                self._hold(mine)
        if self._held_rows > MAX_HELD:
            self._absorb_held()
        for model, count in fetch.unmonitored.items():
            self._count_unmonitored(model, count)
        self._rejected += fetch.rejected
        self.covered = fetch.end
        self.high = max(self.high, fetch.high)
        for summariser in self._models.values():
            summariser.advance(self.high)

    def skip(self, end: int, *, missed: bool) -> None:
        """Go on behind records that are not in the log any more.

        Parameters
        ----------
        end : offset to go on from.
        missed : whether they expired before they were read; False where the log began later than this stage asked for first.
        """
        if missed:
            self._missed += end - self.covered
            self._gaps = self._gaps.opened(self.high)
        self.covered = end

    def _hold(self, batch: EventBatch) -> None:
        revisions = tuple(self._monitors.of(batch.model))
        if not revisions:
            self._count_unmonitored(batch.model, len(batch))
            return
        held = self._held.get(batch.model)
        if held is not None and not held.takes(batch, revisions):
            self._absorb_models([batch.model])
            held = None
        if held is None:
            held = self._held[batch.model] = _Held(revisions)
        held.batches.append(batch)
        held.rows += len(batch)
        self._held_rows += len(batch)
        if held.rows >= ROWS_AT_ONCE:
            self._absorb_models([batch.model])

    def _absorb_held(self) -> None:
        self._absorb_models(list(self._held))

    def _absorb_models(self, models: Sequence[str]) -> None:
        held = [self._held.pop(model) for model in models]
        self._held_rows -= sum(one.rows for one in held)
        batches = EventBatch.concatenate_each([one.batches for one in held])
        ModelSummariser.settle([summariser for batch, one in zip(batches, held, strict=True) for summariser in self._absorb_batch(batch, one.revisions)])

    def _absorb_batch(self, batch: EventBatch, revisions: Sequence[Monitor]) -> list[ModelSummariser]:
        """Give the rows of a model to its revisions; returns those that have to be settled."""
        of = np.zeros(len(batch), dtype=np.int64)
        for monitor in revisions:
            of[pane_start(batch.timestamp, monitor.specification.pane) >= monitor.effective_from] = monitor.revision
        readers = batch.revisions or tuple(monitor.revision for monitor in revisions)
        if revisions[0].revision in readers:
            self._count_unmonitored(batch.model, int((of == 0).sum()))
        absorbed = []
        for monitor in revisions:
            if monitor.revision not in readers:
                continue
            mine = of == monitor.revision
            taken = _taken(monitor, revisions, batch, mine)
            if taken.any():
                whole = taken.all()
                summariser = self._model(monitor)
                summariser.absorb(batch if whole else batch.take(taken), mine=mine if whole else mine[taken])
                absorbed.append(summariser)
        return absorbed

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
        self._absorb_held()
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
        self._retire()
        return Flushed(
            covered=self.covered,
            high=self.high,
            summaries=tuple(summaries),
            cohorts=tuple(cohorts),
            examples=tuple(examples),
            pieces=tuple(pieces),
            unmonitored=dict(self._unmonitored),
            rejected=self._rejected,
            missed=self._missed,
            gaps=self._gaps.spans,
        )

    def _retire(self) -> None:
        """Drop revisions that no event needs any more; every label would be kept for each of them. A later one that is late past all bounds begins anew, and is only counted."""
        for key, summariser in list(self._models.items()):
            model, revision = key
            replaced_from = _replaced_from(revision, self._monitors.of(model))
            left = None if replaced_from is None else summariser.retire(replaced_from)
            if left is not None:
                self._deletions += [Piece(piece, self.covered, None) for piece in left]
                del self._models[key]

    def manifest(self) -> dict[str, Any]:
        """What is saved last in an epoch: the covered offset and what belongs to no model."""
        return {
            "covered": self.covered,
            "high": self.high,
            "unmonitored": dict(self._unmonitored),
            "rejected": self._rejected,
            "missed": self._missed,
            "gaps": [list(gap) for gap in self._gaps.spans],
        }

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state into a fresh stage; returns the offset to read from."""
        if manifest is not None:
            self.covered, self.high = manifest["covered"], manifest["high"]
            self._unmonitored, self._rejected = dict(manifest["unmonitored"]), manifest["rejected"]
            self._missed, self._gaps = manifest["missed"], Gaps.of(manifest["gaps"])
        for piece in pieces:
            monitor = self._monitors.get(str(piece.key[1]), int(piece.key[2]))
            if monitor is None:
                self._deletions.append(Piece(piece.key, piece.covered, None))
            else:
                self._model(monitor).restore(piece, covered=self.covered, high=self.high)
        for summariser in self._models.values():
            summariser.advance(self.high)
        return self.covered


def _replaced_from(revision: int, revisions: Iterable[Monitor]) -> int | None:
    """Time that every event of a revision is before; None for the newest."""
    return min((later.effective_from + later.specification.pane for later in revisions if later.revision > revision), default=None)


def _taken(monitor: Monitor, revisions: Sequence[Monitor], batch: EventBatch, mine: Bool) -> Bool:
    """(n,) rows that a revision has to know: events of its own time, and labels of any, since only the revision that holds its prediction joins a label.

    The labels are those read from when the revision is in force until it is needed no more. That is asked of each row, and not whether the revision
    has state already, which depends on how the log was cut. Nor does a label read before count: a worker may not have known of the revision then.
    """
    replaced_from = _replaced_from(monitor.revision, revisions)
    if replaced_from is None and mine.all():
        return mine
    needed = np.maximum(batch.timestamp, batch.high) >= monitor.effective_from
    if replaced_from is not None:
        needed &= batch.high < needed_until(monitor.specification, replaced_from)
    return np.where(batch.kind == LABEL, needed, mine)
