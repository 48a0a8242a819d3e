"""The summarise stage: event batches of one source partition in, mergeable pane summaries out.

State and batches in, outputs and state pieces out; no clock, no I/O. What it makes of a row depends on the rows before it in the log and on
nothing else: not on how the log was cut into fetches or epochs, nor on when it was read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from detectors.bundle import Cohort, FirstRows, Summary
from detectors.coded_text import CodedText
from detectors.event_batch import LABEL, NO_TIME, Bool, EventBatch, Int32, Int64, order_of
from detectors.monitor import Monitor, Monitors
from detectors.pane import pane_start
from detectors.panes.family_summariser import FamilySummariser, family_of, needed_until
from detectors.panes.gaps import Gap, Gaps
from detectors.panes.model_summariser import ModelSummariser
from detectors.piece import Piece
from detectors.rows.labelled_rows import LabelledRows

ROWS_AT_ONCE = 1_000  # of each model: with fewer, what is done once for a batch costs more than what is done for its rows
MAX_HELD = 50_000  # rows of all models together

_NEVER = np.iinfo(np.int64).max

MAX_UNMONITORED = 1_000  # names of models that no monitor knows, if nobody says another number; a producer that invents names must not fill the memory

OTHER_MODELS = "(other models)"
"""Stands for models that no monitor knows beyond so many."""


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
    first_rows: tuple[FirstRows, ...]
    examples: tuple[LabelledRows, ...]
    pieces: tuple[Piece, ...]
    unmonitored: dict[str, int]
    rejected: int
    missed: int
    gaps: tuple[Gap, ...]


@dataclass
class _Held:
    """Rows that wait to be counted together, and the revisions of their models when they came."""

    batches: list[EventBatch] = field(default_factory=list)
    revisions: dict[str, tuple[Monitor, ...]] = field(default_factory=dict)
    rows: int = 0
    earliest: int = _NEVER
    latest: int = NO_TIME

    def panes(self, pane: int) -> int:
        """How many panes of all models the rows can be in, at most."""
        return min(self.rows, len(self.revisions) * (self.latest // pane - self.earliest // pane + 1))


class Summarise:
    """Summaries, deduplication and the label join of one source partition.

    Parameters
    ----------
    partition : number of the source partition; goes into examples.
    monitors : which revisions are in force when; may grow while the stage lives.
    max_unmonitored : models that no monitor knows whose events are counted by name; those of further ones are counted together.
    """

    def __init__(self, partition: int, monitors: Monitors, *, max_unmonitored: int = MAX_UNMONITORED) -> None:
        self._partition = partition
        self._monitors = monitors
        self._max_unmonitored = max_unmonitored
        self._families: dict[Hashable, FamilySummariser] = {}
        self._places: dict[tuple[str, int], tuple[FamilySummariser, int]] = {}
        self._unmonitored: dict[str, int] = {}
        self._rejected = 0
        self._missed = 0
        self._gaps = Gaps()
        self._deletions: list[Piece] = []
        self._held: dict[Hashable, _Held] = {}
        self._form_of: dict[str, Hashable] = {}
        self._changes = monitors.changes
        self.covered = 0
        self.high = NO_TIME
        self._told_high = NO_TIME

    @property
    def closes(self) -> bool:
        """Whether event time has passed the end of a pane since the last flush, so that detection waits for the next."""
        return self._told_high != NO_TIME and any(family.closes_between(self._told_high, self.high) for family in self._families.values())

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells: thousands of models that catch up have thousands of panes in every second that is read."""
        waiting, families = self._held.values(), self._families.values()
        largest, shortest = max((family.bytes_of_pane for family in families), default=0), min((family.pane for family in families), default=1)
        return sum(family.untold for family in families) + sum(held.panes(shortest) for held in waiting) * largest

    def absorb(self, fetch: Fetch) -> None:
        """Take a fetch; records before `covered` must have been left out. Rows of a model that has few of them may wait for more until the next flush."""
        self._gaps = self._gaps.closed(min((int(batch.high.min()) for batch in fetch.batches if len(batch)), default=fetch.high))
        for batch in fetch.batches:
            self._hold(batch)
        for form in [form for form, held in self._held.items() if held.rows >= ROWS_AT_ONCE * len(held.revisions)]:
            self._absorb_form(form)
        if sum(held.rows for held in self._held.values()) > MAX_HELD:
            self._absorb_held()
        for model, count in fetch.unmonitored.items():
            self._count_unmonitored(model, count)
        self._rejected += fetch.rejected
        self.covered = fetch.end
        self.high = max(self.high, fetch.high)
        for family in self._families.values():
            family.advance(self.high)
            if not self._held:  # the panes of rows that wait are open
                family.forget_ids()

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
        """Let rows wait, unless they can no longer wait with those that do: all rows of a model are counted in the order of the log."""
        form = (batch.numeric_names, tuple(batch.categorical), isinstance(batch.label, CodedText), batch.revisions)
        waiting = self._held.get(form, _Held()).revisions
        new = [model for model in batch.model_of.levels if model not in waiting]
        if self._changes != self._monitors.changes or any(self._form_of.get(model, form) != form for model in new):
            self._absorb_held()
            new = list(batch.model_of.levels)
        held = self._held.setdefault(form, _Held())
        held.batches.append(batch)
        self._form_of.update(dict.fromkeys(new, form))
        held.revisions.update((model, tuple(self._monitors.of(model))) for model in new)
        held.rows += len(batch)
        held.earliest, held.latest = min(held.earliest, int(batch.timestamp.min())), max(held.latest, int(batch.timestamp.max()))

    def _absorb_held(self) -> None:
        for form in list(self._held):
            self._absorb_form(form)
        self._changes = self._monitors.changes

    def _absorb_form(self, form: Hashable) -> None:
        held = self._held.pop(form)
        for model in held.revisions:
            del self._form_of[model]
        batches = [replace(batch, model="", models=batch.model_of) for batch in held.batches]
        batch = EventBatch.concatenate(batches, self._order(batches, held.revisions))
        alone = np.zeros(len(batch.model_of.levels), bool)
        for code, model in enumerate(batch.model_of.levels):
            revisions = held.revisions[model]
            alone[code] = len(revisions) == 1 and (not batch.revisions or revisions[0].revision in batch.revisions)
            if not alone[code] and len(rows := np.flatnonzero(batch.model_of.codes == code)):
                self._absorb_revisions(batch.take(rows), model, revisions)
        if alone.any():
            rows = alone.take(batch.model_of.codes)
            self._absorb_models(batch if rows.all() else batch.take(rows), {model: held.revisions[model][0] for code, model in enumerate(batch.model_of.levels) if alone[code]})

    def _order(self, batches: Sequence[EventBatch], revisions: dict[str, tuple[Monitor, ...]]) -> Int64 | None:
        """Rows by the places of their models, which families count them by; None where they are so."""
        models = CodedText.concatenate([batch.model_of for batch in batches])
        places = [self._places.get((model, revisions[model][0].revision)) if revisions[model] else None for model in models.levels]
        place = np.array([0 if known is None else known[1] for known in places], np.int32).take(models.codes)
        return order_of(place) if (place[1:] < place[:-1]).any() else None

    def _absorb_models(self, batch: EventBatch, monitors: dict[str, Monitor]) -> None:
        """Give the rows of models that have one revision each to their families."""
        models = batch.model_of
        places = [self._place(monitors[model]) if model in monitors else (None, -1) for model in models.levels]
        effective_from = np.array([monitors[model].effective_from if model in monitors else NO_TIME for model in models.levels], np.int64)
        place = np.array([place for _, place in places], np.int32)
        for family in dict.fromkeys(family for family, _ in places if family is not None):
            of_family = np.array([one is family for one, _ in places]).take(models.codes)
            mine = batch if of_family.all() else batch.take(of_family)
            self._absorb_family(family, mine, place.take(mine.model_of.codes), effective_from.take(mine.model_of.codes))

    def _absorb_family(self, family: FamilySummariser, batch: EventBatch, owner: Int32, effective_from: Int64) -> None:
        mine = pane_start(batch.timestamp, family.pane) >= effective_from
        if mine.all():
            family.absorb(batch, owner, mine)
            return
        before = np.bincount(batch.model_of.codes[~mine], minlength=len(batch.model_of.levels))
        for model, count in zip(batch.model_of.levels, before.tolist(), strict=True):
            self._count_unmonitored(model, count)
        taken = mine | ((batch.kind == LABEL) & (np.maximum(batch.timestamp, batch.high) >= effective_from))
        if taken.any():
            family.absorb(batch.take(taken), owner[taken], mine[taken])

    def _absorb_revisions(self, batch: EventBatch, model: str, revisions: Sequence[Monitor]) -> None:
        """Give the rows of one model to its revisions."""
        if not revisions:
            self._count_unmonitored(model, len(batch))
            return
        of = np.zeros(len(batch), dtype=np.int64)
        for monitor in revisions:
            of[pane_start(batch.timestamp, monitor.specification.pane) >= monitor.effective_from] = monitor.revision
        readers = batch.revisions or tuple(monitor.revision for monitor in revisions)
        if revisions[0].revision in readers:
            self._count_unmonitored(model, int((of == 0).sum()))
        for monitor in revisions:
            if monitor.revision not in readers:
                continue
            mine = of == monitor.revision
            taken = _taken(monitor, revisions, batch, mine)
            if taken.any():
                family, place = self._place(monitor)
                family.absorb(batch.take(taken), np.full(np.count_nonzero(taken), place, np.int32), mine[taken])

    def _place(self, monitor: Monitor) -> tuple[FamilySummariser, int]:
        """The family of a revision, and its place there."""
        key = (monitor.model, monitor.revision)
        known = self._places.get(key)
        if known is None:
            model = ModelSummariser(monitor)
            alike = family_of(model)
            family = self._families.get(alike)
            if family is None:
                family = self._families[alike] = FamilySummariser(model, self._partition)
            known = self._places[key] = (family, family.enter(model))
        return known

    def _count_unmonitored(self, model: str, count: int) -> None:
        if count:
            name = model if model in self._unmonitored or len(self._unmonitored) < self._max_unmonitored else OTHER_MODELS
            self._unmonitored[name] = self._unmonitored.get(name, 0) + count

    def flush(self) -> Flushed:
        """What changed since the last flush. Pieces of panes that closed in the last epoch are deleted in this one, so that a crash between the two still finds them."""
        self._absorb_held()
        self._told_high = self.high
        summaries: list[Summary] = []
        cohorts: list[Cohort] = []
        first_rows: list[FirstRows] = []
        examples: list[LabelledRows] = []
        pieces: list[Piece] = list(self._deletions)
        self._deletions = []
        for family in self._families.values():
            flushed = family.flush(self.covered)
            summaries += flushed.summaries
            cohorts += flushed.cohorts
            first_rows += flushed.first_rows
            examples += flushed.examples
            pieces += flushed.pieces
            self._deletions += flushed.deletions
        return Flushed(
            covered=self.covered,
            high=self.high,
            summaries=tuple(summaries),
            cohorts=tuple(cohorts),
            first_rows=tuple(first_rows),
            examples=tuple(examples),
            pieces=tuple(pieces),
            unmonitored=dict(self._unmonitored),
            rejected=self._rejected,
            missed=self._missed,
            gaps=self._gaps.spans,
        )

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
            known = [monitor for model, revision in piece.value["members"] if (monitor := self._monitors.get(str(model), int(revision))) is not None]
            families = [family for family, _ in map(self._place, known)]
            if not families:
                self._deletions.append(Piece(piece.key, piece.covered, None))
            elif piece.key[0] == "rows":
                families[0].restore_rows(piece, covered=self.covered)
            else:
                families[0].restore_windows(piece, covered=self.covered, high=self.high)
        for family in self._families.values():
            family.restored()
            family.advance(self.high)
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
